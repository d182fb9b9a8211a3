"""D003: senders that send nothing."""

from django.contrib.auth.models import AbstractUser, User
from django.db.models.signals import class_prepared, post_save, pre_save
from django.test import override_settings

from signalscope.doctor.senders import lazy_senders, silent_senders
from tests.doctor.base import DoctorTestCase
from tests.shop.models import Order
from tests.shop.signals import order_paid


def hear(sender, **kwargs):
    """Hear."""


class SenderTests(DoctorTestCase):
    def messages(self, diagnosis=silent_senders):
        """Return what is said of this module's receiver."""
        return [
            one.message.partition(" hears ")[2]
            for one in self.report(diagnosis).findings
            if one.receiver == f"{__name__}.hear"
        ]

    def test_models_in_use(self):
        """They send, and so does whoever else is a sender."""
        for sender in (None, User, Order, DoctorTestCase, "text"):
            order_paid.connect(hear, sender=sender)
        post_save.connect(hear, sender=User)
        self.assertEqual(self.messages(), [])

    def test_abstract(self):
        """Django sends nothing for an abstract model; of a custom signal it is not known."""
        class_prepared.connect(hear, sender=AbstractUser)
        pre_save.connect(hear, sender=AbstractUser)
        order_paid.connect(hear, sender=AbstractUser)
        self.assertEqual(len(self.messages()), 2)

    @override_settings(AUTH_USER_MODEL="shop.Order")
    def test_swapped(self):
        """The model in its place is named; a class was prepared all the same."""
        post_save.connect(hear, sender=User)
        order_paid.connect(hear, sender=User)
        class_prepared.connect(hear, sender=User)
        self.assertEqual(
            self.messages(),
            [
                "post_save of auth.User, but AUTH_USER_MODEL is shop.Order.",
                "tests.shop.signals.order_paid of auth.User, but AUTH_USER_MODEL is shop.Order.",
            ],
        )

    def test_pending(self):
        """What waits for a model that never came is found, nothing else that waits there."""
        from django.apps import apps

        apps.lazy_model_operation(lambda model: None, ("nowhere", "thing"))
        post_save.connect(hear, sender="nowhere.Thing", dispatch_uid="x")
        self.addCleanup(apps._pending_operations.pop, ("nowhere", "thing"))
        (finding,) = [one for one in self.report(lazy_senders).findings if "nowhere" in one.message]
        self.assertIn('waits for the model "nowhere.thing"', finding.message)
        self.assertEqual(finding.signal, "django.db.models.signals.post_save")
