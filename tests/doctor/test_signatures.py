"""D007 and D008: arguments and names of receivers."""

from functools import partial, update_wrapper

from django.test import override_settings

from signalscope.doctor.project import Project
from signalscope.doctor.sends import Send
from signalscope.doctor.signatures import without_kwargs, without_name
from tests.doctor.base import DoctorTestCase
from tests.shop.signals import order_paid


def hear(sender, **kwargs):
    """Hear."""
    raise ValueError("failed")


class Bell:
    """Can be called."""

    def __call__(self, sender, **kwargs):
        """Hear."""


class KwargsTests(DoctorTestCase):
    @override_settings(DEBUG=False)
    def test_without(self):
        """Functions, lambdas, methods and objects are asked for **kwargs."""
        self.load("""
            from tests.shop.signals import order_paid

            def one(sender, signal): ...
            class Bell:
                def ring(self, sender, signal): ...
                def __call__(self, sender, signal): ...
            def good(**kwargs): ...
            BELL = Bell()
            order_paid.connect(one)
            order_paid.connect(lambda sender, signal: None, weak=False)
            order_paid.connect(BELL.ring)
            order_paid.connect(BELL)
            order_paid.connect(good)
        """)
        self.assertEqual(
            self.found(without_kwargs), [("D007", 4), ("D007", 6), ("D007", 7), ("D007", 11)]
        )


class NameTests(DoctorTestCase):
    def findings(self, method="send_robust"):
        """Return what is found while order_paid is sent in one way."""
        project = Project()
        project.__dict__["sends"] = [Send(order_paid, method, "x.py", 1, 1, in_transaction=False)]
        return [finding.receiver for finding in without_name(project)]

    def test_what_it_says_is_so(self):
        """A partial that fails lets send_robust() raise; with a name it does not."""
        order_paid.connect(partial(hear), weak=False, dispatch_uid="partial")
        with self.assertRaisesRegex(AttributeError, "__qualname__"):
            order_paid.send_robust(sender=None)
        self.assertEqual(self.findings(), [f"partial({__name__}.hear)"])
        order_paid.disconnect(dispatch_uid="partial")
        order_paid.connect(update_wrapper(partial(hear), hear), weak=False)
        with self.assertLogs("django.dispatch", "ERROR"):
            ((_, response),) = order_paid.send_robust(sender=None)
        self.assertIsInstance(response, ValueError)
        self.assertEqual(self.findings(), [])

    def test_which(self):
        """Objects have no name, functions and methods do; it matters to robust sends only."""
        bell = Bell()
        order_paid.connect(bell)
        order_paid.connect(hear)
        order_paid.connect(bell.__call__, dispatch_uid="method")
        self.assertEqual(self.findings("asend_robust"), [f"{__name__}.Bell"])
        self.assertEqual(self.findings("send"), [])
