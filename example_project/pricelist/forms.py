"""Forms of the page of the price list."""

from django import forms

from shop.models import Product


class RaiseForm(forms.Form):
    """Which product gets dearer, and by which way that is stored."""

    product = forms.ModelChoiceField(Product.objects.all(), empty_label=None)
    way = forms.ChoiceField(
        choices=(
            ("save", "by save()"),
            ("bulk", "by update() with signals"),
            ("unheard", "by update() without signals"),
        )
    )
