"""Pictures that a person uploads: thumbnails come by themselves, also of broken files."""

from io import BytesIO

import pytest

from tests.browser import look

Image = pytest.importorskip("PIL.Image")


pytestmark = pytest.mark.parametrize("scheme", ["light", "dark"])


def photo():
    """Return a picture of a camera that was held sideways, 800 by 400."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    Image.effect_noise((800, 400), 40).save(file, "JPEG", exif=exif)
    return file.getvalue()


def choose(card, content, button):
    """Choose a file on the card of a product, and press a button."""
    chosen = {"name": "tin.jpg", "mimeType": "image/jpeg", "buffer": content}
    card.get_by_label("Picture of Tea tin").set_input_files(chosen)
    card.get_by_role("button", name=button).click()


def test_pictures(page):
    """A picture is uploaded, replaced by a broken one, then by a good one, and deleted."""
    page.goto("/patterns/")
    page.get_by_role("link", name="Thumbnails of pictures").click()
    look.check(page)
    card = page.locator("#tea-tin")
    choose(card, photo(), "Upload")
    # The page loads itself again until it is there.
    thumbnail = card.get_by_alt_text("Tea tin")
    thumbnail.wait_for()
    assert thumbnail.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 160
    assert thumbnail.evaluate("(image) => image.naturalHeight") == 320
    look.check(page)
    first = thumbnail.get_attribute("src")

    choose(card, photo()[:3000], "Replace")
    card.get_by_text("truncated").wait_for()
    look.check(page)
    # Files of what was replaced are gone, those of the picture are there.
    assert page.request.get(first).status == 404

    choose(card, photo(), "Replace")
    thumbnail.wait_for()
    second = thumbnail.get_attribute("src")
    assert page.request.get(second).ok
    card.get_by_role("button", name="Delete").click()
    card.get_by_text("No picture yet").wait_for()
    assert page.request.get(second).status == 404


def test_no_picture(page):
    """What is no picture is refused with a reason."""
    page.goto("/pictures/")
    choose(page.locator("#tea-tin"), b"no picture", "Upload")
    page.get_by_text("Tea tin: Upload a valid image.").wait_for()
    look.check(page)
