"""Forms of the shop's pages."""

from django import forms


class OrderForm(forms.Form):
    """How many of a product."""

    quantity = forms.IntegerField(min_value=1, max_value=999, initial=1)


class NewsletterForm(forms.Form):
    """Where to send the newsletter."""

    email = forms.EmailField()
