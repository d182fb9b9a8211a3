"""Forms of the page of prices."""

from django import forms


class PriceForm(forms.Form):
    """What a product costs."""

    price = forms.DecimalField(min_value=0, max_digits=8, decimal_places=2)
