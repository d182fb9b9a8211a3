"""Makes thumbnails with Pillow; knows nothing of models."""

from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow opens many more, which are not for the web.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
# A small file can hold a picture that fills the memory.
MAX_PIXELS = 40_000_000
SIZE = (320, 320)


class BrokenImage(Exception):
    """No thumbnail can be made of a file; the text says why."""


def shrink(content):
    """
    Return a picture as WebP that fits into SIZE, the right way up.

    content: the bytes of a file. Raises BrokenImage.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BrokenImage(f"It has more than {MAX_PIXELS // 10**6} megapixels.")
            # A JPEG file can be read at a fraction of its size.
            image.draft(None, (2 * SIZE[0], 2 * SIZE[1]))
            thumbnail = image.convert("RGBA" if image.has_transparency_data else "RGB")
            thumbnail.thumbnail(SIZE)
            # Cameras do not turn pictures: they note how they were held.
            thumbnail = ImageOps.exif_transpose(thumbnail)
            made = BytesIO()
            thumbnail.save(made, "WEBP")
            return made.getvalue()
    except BrokenImage:
        raise
    except UnidentifiedImageError as error:
        raise BrokenImage(f"It is none of {', '.join(FORMATS)}.") from error
    except Exception as error:
        # Pillow raises whatever a broken file leads to.
        raise BrokenImage(str(error)) from error
