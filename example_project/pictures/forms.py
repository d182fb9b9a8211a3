"""Forms of pictures."""

from django import forms
from django.template.defaultfilters import filesizeformat

from pictures.models import Picture
from pictures.thumbnails import MAX_PIXELS

MAX_BYTES = 10 * 1024 * 1024


class PictureForm(forms.ModelForm):
    """A new picture; refuses what is too large to be worked on."""

    class Meta:
        model = Picture
        fields = ("image",)

    def clean_image(self):
        """Look at the size of a file that was uploaded."""
        image = self.cleaned_data["image"]
        if "image" not in self.changed_data:
            return image
        if image.size > MAX_BYTES:
            raise forms.ValidationError(
                f"The file has {filesizeformat(image.size)}; "
                f"up to {filesizeformat(MAX_BYTES)} are taken."
            )
        width, height = image.image.size
        if width * height > MAX_PIXELS:
            raise forms.ValidationError(
                f"The picture has {width} x {height} pixels; "
                f"up to {MAX_PIXELS // 10**6} megapixels are taken."
            )
        return image
