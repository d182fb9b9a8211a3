"""Thumbnails, and the files that must go."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import SimpleTestCase, TestCase, override_settings
from PIL import Image

from pictures import forms, thumbnails
from pictures.models import Picture, thumbnail_path
from pictures.receivers import make_thumbnail
from shop.models import Product

INLINE = {**settings.SIGNALSCOPE, "DELIVERY": {"backend": "inline"}}


def photo(size=(800, 400), kind="JPEG", mode="RGB", colour="teal", **options):
    """Return a picture as a file has it."""
    file = BytesIO()
    Image.new(mode, size, colour).save(file, kind, **options)
    return file.getvalue()


def held_sideways(size):
    """Return a picture of a camera that was turned by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return photo(size, exif=exif)


class ShrinkTests(SimpleTestCase):
    """Making thumbnails, without any model."""

    def shrink(self, content):
        """Return the thumbnail as a picture."""
        return Image.open(BytesIO(thumbnails.shrink(content)))

    def test_size(self):
        """The thumbnail fits, and has the picture's proportions."""
        self.assertEqual(self.shrink(photo((800, 400))).size, (320, 160))
        self.assertEqual(self.shrink(photo((40, 30))).size, (40, 30))

    def test_orientation(self):
        """A picture of a camera that was held sideways stands upright."""
        thumbnail = self.shrink(held_sideways((800, 400)))
        self.assertEqual(thumbnail.size, (160, 320))
        self.assertFalse(thumbnail.getexif())

    def test_kinds(self):
        """Formats and modes of the web are read; what is transparent stays so."""
        for kind, mode in (
            ("PNG", "RGBA"),
            ("PNG", "P"),
            ("PNG", "L"),
            ("GIF", "P"),
            ("WEBP", "RGB"),
            ("JPEG", "CMYK"),
        ):
            with self.subTest(kind=kind, mode=mode):
                content = photo((400, 400), kind, mode)
                self.assertEqual(self.shrink(content).size, (320, 320))
        clear = photo(kind="PNG", mode="RGBA", colour="#00808040")
        self.assertEqual(self.shrink(clear).getpixel((0, 0))[3], 64)

    def test_broken(self):
        """What cannot be read is a BrokenImage that says why."""
        for content, reason in (
            (photo()[:1000], "truncated"),
            (b"no picture", "none of JPEG, PNG"),
            (b"", "none of JPEG, PNG"),
            (photo(kind="BMP"), "none of JPEG, PNG"),
        ):
            with self.subTest(reason), self.assertRaisesRegex(thumbnails.BrokenImage, reason):
                thumbnails.shrink(content)

    def test_too_many_pixels(self):
        """A small file with very many pixels is refused before these are in memory."""
        content = photo((8000, 6000), "PNG", "1")
        self.assertLess(len(content), 100_000)
        with self.assertRaisesRegex(thumbnails.BrokenImage, "more than 40 megapixels"):
            thumbnails.shrink(content)


@override_settings(SIGNALSCOPE=INLINE)
class PictureTests(TestCase):
    """The page, as the keeper uses it; thumbnails are made at the commit."""

    def setUp(self):
        """Log in, with an empty folder for files."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        media = override_settings(MEDIA_ROOT=folder.name)
        media.enable()
        self.addCleanup(media.disable)
        self.tin = Product.objects.create(name="Tea tin", slug="tea-tin", price=9)
        self.client.force_login(get_user_model().objects.create_superuser("demo"))

    def upload(self, content, name="tin.jpg"):
        """Upload a picture of the tin over its page, and show the page."""
        with self.captureOnCommitCallbacks(execute=True):
            file = SimpleUploadedFile(name, content)
            response = self.client.post("/pictures/tea-tin/", {"image": file}, follow=True)
        self.assertEqual(response.status_code, 200)
        return response

    def files(self):
        """Return the names of all files, with their folders."""
        return {str(path.relative_to(self.folder)) for path in self.folder.glob("*/*")}

    def files_of(self, picture):
        """Return the names of the files that a picture has."""
        return {picture.image.name, thumbnail_path(picture.image.name)}

    def test_upload(self):
        """The request ends before the thumbnail is there; the page waits, then shows it."""
        with self.captureOnCommitCallbacks() as callbacks:
            file = SimpleUploadedFile("tin.jpg", photo())
            response = self.client.post("/pictures/tea-tin/", {"image": file}, follow=True)
        self.assertContains(response, "Thumbnail is being made")
        self.assertEqual(response["Refresh"], "1")

        for callback in callbacks:
            callback()
        response = self.client.get("/pictures/")
        picture = Picture.objects.get()
        self.assertContains(response, picture.thumbnail_url)
        self.assertNotIn("Refresh", response)
        self.assertEqual(self.files(), self.files_of(picture))

    def test_upload_broken(self):
        """A file that breaks off is noted and shown, with the reason; the next one is made."""
        self.upload(photo()[:1000])
        response = self.client.get("/pictures/")
        self.assertContains(response, "Broken")
        self.assertContains(response, "truncated")
        self.upload(photo())
        self.assertNotContains(self.client.get("/pictures/"), "truncated")
        self.assertEqual(Picture.objects.get().state, Picture.State.READY)

    def test_upload_refused(self):
        """What is no picture, or too large, is refused by the form."""
        self.assertContains(self.upload(b"no picture"), "Upload a valid image.")
        self.assertContains(self.upload(photo(kind="BMP"), "tin.bmp"), "not allowed")
        many = photo((8000, 6000), "PNG", "1")
        self.assertContains(self.upload(many, "tin.png"), "8000 x 6000 pixels")
        self.addCleanup(setattr, forms, "MAX_BYTES", forms.MAX_BYTES)
        forms.MAX_BYTES = 1000
        self.assertContains(self.upload(photo()), "up to 1000")
        self.assertEqual(self.files(), set())

    def test_replace(self):
        """The files of the picture before are removed, and its thumbnail is shown no longer."""
        self.upload(photo())
        old = Picture.objects.get()
        self.upload(photo((30, 30)))
        new = Picture.objects.get()
        self.assertNotEqual(new.image.name, old.image.name)
        self.assertEqual(self.files(), self.files_of(new))

    def test_replace_rolled_back(self):
        """Where the replacement is rolled back, the old files are still there."""
        self.upload(photo())
        picture = Picture.objects.get()
        with (
            self.captureOnCommitCallbacks(execute=True),
            self.assertRaises(ZeroDivisionError),
            transaction.atomic(),
        ):
            picture.image = SimpleUploadedFile("new.jpg", photo())
            picture.save()
            raise ZeroDivisionError
        stored = Picture.objects.get()
        self.assertEqual(stored.state, Picture.State.READY)
        self.assertLessEqual(self.files_of(stored), self.files())

    def test_save_unchanged(self):
        """A save that leaves the file alone makes nothing anew and removes nothing."""
        self.upload(photo())
        before = self.files()
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            Picture.objects.get().save()
        self.assertEqual((callbacks, self.files()), ([], before))

    def test_delete(self):
        """A deleted picture takes its files along, after the commit."""
        self.upload(photo())
        with self.captureOnCommitCallbacks(execute=True):
            self.client.post("/pictures/tea-tin/delete/")
            self.assertEqual(len(self.files()), 2)
        self.assertEqual(self.files(), set())

    def test_delete_product(self):
        """So does the picture of a deleted product."""
        self.upload(photo())
        with self.captureOnCommitCallbacks(execute=True):
            self.tin.delete()
        self.assertEqual(self.files(), set())

    def test_replace_twice(self):
        """Of two pictures in a row only the newest is worked on, once."""
        names = []
        with self.captureOnCommitCallbacks(execute=True):
            for size in ((30, 30), (40, 40)):
                file = SimpleUploadedFile("tin.jpg", photo(size))
                self.client.post("/pictures/tea-tin/", {"image": file})
                names.append(Picture.objects.get().image.name)
        new = Picture.objects.get()
        self.assertEqual((new.state, new.image.name), (Picture.State.READY, names[1]))
        self.assertEqual(self.files(), self.files_of(new))

    def test_late_worker(self):
        """A worker whose picture is replaced while it reads the file leaves no thumbnail behind."""
        with self.captureOnCommitCallbacks():
            self.client.post("/pictures/tea-tin/", {"image": SimpleUploadedFile("a.jpg", photo())})
        old = Picture.objects.get()
        self.upload(photo())
        new = Picture.objects.get()
        # As it is for a worker that has opened it.
        (self.folder / old.image.name).write_bytes(photo())
        # The receiver itself, without the queue.
        make_thumbnail.__wrapped__.__wrapped__(Picture, old)
        self.assertEqual(self.files(), {*self.files_of(new), old.image.name})
        self.assertEqual(Picture.objects.get().state, Picture.State.READY)

    def test_worker_stopped(self):
        """Where no worker has come for a while, the page says so and waits no longer."""
        with self.captureOnCommitCallbacks():
            file = SimpleUploadedFile("tin.jpg", photo())
            self.client.post("/pictures/tea-tin/", {"image": file})
        Picture.objects.update(uploaded_at="2026-01-01T12:00:00Z")
        response = self.client.get("/pictures/")
        self.assertContains(response, "Its worker was stopped.")
        self.assertNotIn("Refresh", response)

    def test_admin(self):
        """The admin takes pictures as well, with the same limits."""
        with self.captureOnCommitCallbacks(execute=True):
            for name, content in (("no.jpg", b"no picture"), ("tin.jpg", photo())):
                file = SimpleUploadedFile(name, content)
                form = {"product": self.tin.pk, "image": file}
                response = self.client.post("/admin/pictures/picture/add/", form)
                self.assertEqual(response.status_code, 302 if name == "tin.jpg" else 200)
        self.assertEqual(Picture.objects.get().state, Picture.State.READY)

    def test_keepers_only(self):
        """Everybody sees the page; pictures are the keeper's."""
        self.client.force_login(get_user_model().objects.create(username="anna"))
        self.assertNotContains(self.client.get("/pictures/"), "multipart/form-data")
        for path in ("/pictures/tea-tin/", "/pictures/tea-tin/delete/"):
            response = self.client.post(path)
            self.assertRedirects(response, f"/accounts/login/?next={path}", target_status_code=200)
