"""Forms of the pages of bundles."""

from django import forms

from bundles.models import Bundle, Part


class BundleForm(forms.ModelForm):
    """A new bundle."""

    class Meta:
        model = Bundle
        fields = ("name",)


PartFormSet = forms.inlineformset_factory(Bundle, Part, fields=("product", "quantity"), extra=3)
