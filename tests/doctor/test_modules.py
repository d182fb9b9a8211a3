"""Apps as a whole: D006, and what the sources of an app show of D002, D003 and D008."""

from signalscope.doctor.lifetimes import held_weakly
from signalscope.doctor.modules import not_imported
from signalscope.doctor.senders import senders_by_name
from signalscope.doctor.signatures import without_name
from tests.doctor.base import DoctorTestCase

RECEIVER = """
from django.db.models.signals import post_save
from django.dispatch import receiver

@receiver(post_save)
def hear(sender, **kwargs): ...
"""


class AppTestCase(DoctorTestCase):
    def places(self, diagnosis, name):
        """Return file and line of what is found in an app."""
        folder = self.folder / name
        return sorted(
            (one.file.removeprefix(f"{folder}/"), one.line)
            for one in self.report(diagnosis).findings
            if one.file.startswith(str(folder))
        )


class ImportTests(AppTestCase):
    def test_not_imported(self):
        """Files and packages of these names count, where they connect something."""
        name = self.load_app(
            ["signals"],
            signals=RECEIVER,
            receivers=RECEIVER,
            handlers__in____init__="",
            handlers__in__mail="from THIS.signals import paid\npaid.connect(print)",
            other=RECEIVER,
        )
        self.assertEqual(
            self.places(not_imported, name), [("handlers/mail.py", 2), ("receivers.py", 5)]
        )

    def test_harmless(self):
        """What connects nothing, or is imported, or cannot be read, is not told."""
        name = self.load_app(
            ["receivers"],
            signals="from django.dispatch import Signal\npaid = Signal()",
            receivers=RECEIVER,
            handlers="def broken(:",
        )
        self.assertEqual(self.places(not_imported, name), [])


class SourceTests(AppTestCase):
    def test_weak(self):
        """What is gone as it is connected is told once, by its place."""
        name = self.load_app(
            ["receivers"],
            receivers="""
                from django.db.models.signals import post_save
                from tests.shop.signals import order_paid

                class Bell:
                    def ring(self, **kwargs): ...

                order_paid.connect(lambda **kwargs: None)
                order_paid.connect(Bell())
                order_paid.connect(Bell().ring)
                post_save.connect(Bell.ring)
            """,
        )
        self.assertEqual(
            self.places(held_weakly, name),
            [("receivers.py", 8), ("receivers.py", 9), ("receivers.py", 10)],
        )
        nameless = [
            one
            for one in self.report(held_weakly).findings
            if not one.file and one.signal == "tests.shop.signals.order_paid"
        ]
        self.assertEqual(nameless, [])

    def test_sender_by_name(self):
        """Only signals of models take a text for a model; other texts are nobody's business."""
        name = self.load_app(
            [],
            receivers="""
                from django.conf import settings
                from django.db.models.signals import post_save
                from django.dispatch import receiver
                from tests.shop.signals import order_paid

                post_save.connect(print, sender="shop.Order")
                order_paid.connect(print, "shop.order")
                order_paid.connect(print, sender="import")

                @receiver([order_paid], sender=settings.AUTH_USER_MODEL)
                def hear(sender, **kwargs): ...

                @receiver(order_paid, sender=settings.OTHER)
                def hear_too(sender, **kwargs): ...
            """,
        )
        self.assertEqual(
            self.places(senders_by_name, name), [("receivers.py", 8), ("receivers.py", 11)]
        )

    def test_without_name(self):
        """It is told where the object is made, if that is one place, else once for all of them."""
        name = self.load_app(
            ["receivers"],
            receivers="""
                from functools import partial
                from tests.shop.signals import mail_queued, order_paid

                def hear(sender, **kwargs): ...

                class Bell:
                    def __call__(self, sender, **kwargs): ...

                def send():
                    order_paid.send_robust(sender=None)
                    mail_queued.send_robust(sender=None)

                order_paid.connect(partial(hear), weak=False)
                order_paid.connect(Bell(), weak=False)
                mail_queued.connect(partial(hear, 1), weak=False)
                mail_queued.connect(partial(hear, 2), weak=False)
            """,
        )
        self.assertEqual(
            self.places(without_name, name),
            [("receivers.py", 5), ("receivers.py", 14), ("receivers.py", 15)],
        )
