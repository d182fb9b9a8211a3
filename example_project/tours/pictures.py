"""The keeper uploads pictures: one that is fine, and one whose end is missing."""

import time
from io import BytesIO

from PIL import Image

from visitor import expect

TIMEOUT_S = 30


def take(anna, keeper):
    """Upload, wait for the thumbnail, replace, delete."""
    keeper.get("/pictures/")
    upload(keeper, photo("peru"))
    expect("/media/thumbnails/" in wait(keeper), "there is no thumbnail")
    expect("/media/thumbnails/" in card(anna), "customers see no thumbnail")

    upload(keeper, photo("olive")[:3000])
    expect("truncated" in wait(keeper), "a broken picture is not noted")
    keeper.post("/pictures/tea-tin/delete/")
    expect("No picture yet" in card(keeper), "a picture cannot be deleted")

    upload(keeper, photo("teal"))
    wait(keeper)


def photo(colour):
    """Return a picture as a file of a camera has it."""
    noise = Image.effect_noise((1600, 1200), 40).convert("RGB")
    file = BytesIO()
    Image.blend(noise, Image.new("RGB", noise.size, colour), 0.7).save(file, "JPEG")
    return file.getvalue()


def upload(keeper, content):
    """Upload a picture of the tea tin."""
    keeper.upload("/pictures/tea-tin/", "image", "tin.jpg", content)


def card(visitor):
    """Return what the page has of the tea tin."""
    return visitor.get("/pictures/").partition('id="tea-tin"')[2].partition("</li>")[0]


def wait(keeper):
    """Return that once it is not being made any more."""
    deadline = time.monotonic() + TIMEOUT_S
    while "being made" in (found := card(keeper)):
        expect(time.monotonic() < deadline, "a thumbnail is not made")
        time.sleep(0.1)
    return found
