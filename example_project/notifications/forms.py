"""Forms of notifications."""

from django import forms

from shop.models import Product


class PriceForm(forms.ModelForm):
    """The price of a product."""

    price = forms.DecimalField(min_value=0, max_digits=8, decimal_places=2)

    class Meta:
        model = Product
        fields = ("price",)
