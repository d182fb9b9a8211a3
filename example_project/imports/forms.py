"""Forms of imports."""

from django import forms
from django.core.exceptions import ValidationError

from imports.models import CategoryStatistics
from imports.reading import read_articles

MAX_BYTES = 1_000_000

SAMPLE = """\
slug,name,category,price
earl-grey,Earl Grey,Black tea,5.90
lapsang,Lapsang Souchong,Black tea,7.40
gyokuro,Gyokuro,Green tea,19.00
matcha,Matcha,Green tea,24.50
whisk,Bamboo whisk,Tools,12.00
"""


class ImportForm(forms.Form):
    """CSV, pasted or as a file; cleaned_data has the articles."""

    text = forms.CharField(
        label="Lines",
        required=False,
        # Or the numbers of the lines would be others.
        strip=False,
        widget=forms.Textarea({"rows": 8, "spellcheck": "false"}),
    )
    file = forms.FileField(
        label="Or a file", required=False, widget=forms.FileInput({"accept": ".csv,text/csv"})
    )

    def clean(self):
        """Read the articles; a file goes before what is pasted."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        text = read_file(cleaned["file"]) if cleaned["file"] else cleaned["text"]
        return {**cleaned, "articles": read_articles(text)}


def read_file(file):
    """Return the text of an uploaded file; ValidationError where it is too large, or none."""
    if file.size > MAX_BYTES:
        raise ValidationError(f"{file.name} has {file.size} bytes; up to {MAX_BYTES} are read.")
    try:
        # Spreadsheets begin their files with a mark.
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(
            f"{file.name} is not encoded as UTF-8: byte {error.start + 1} cannot be read."
        ) from error


class ChangeForm(forms.Form):
    """A category, and a way to change its articles."""

    category = forms.ModelChoiceField(
        CategoryStatistics.objects.filter(article_count__gt=0),
        to_field_name="category",
        empty_label=None,
    )
    way = forms.ChoiceField(
        choices=(
            ("update", "All dearer, by update()"),
            ("save", "First one dearer, by save()"),
            ("delete_one", "Delete the first one"),
            ("delete_all", "Delete all"),
            ("unheard", "All dearer, without signals"),
        )
    )
