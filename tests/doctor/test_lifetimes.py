"""D002: receivers that are gone, or may go."""

import gc

from django.core.checks import WARNING

from signalscope.doctor.lifetimes import held_weakly
from tests.doctor.base import DoctorTestCase
from tests.shop.signals import order_paid


class Holder:
    """Has a receiver."""

    def hear(self, sender, **kwargs):
        """Hear."""


class LifetimeTests(DoctorTestCase):
    def findings(self):
        """Return what is found about receivers of order_paid."""
        return [
            finding
            for finding in self.report(held_weakly, collects=True).findings
            if finding.signal == "tests.shop.signals.order_paid"
        ]

    def test_dead(self):
        """Of what was collected before, the dispatch_uid tells who it was."""
        order_paid.connect(lambda **kwargs: None, dispatch_uid="crm")
        (finding,) = self.findings()
        self.assertIn("with dispatch_uid 'crm', and is collected", finding.message)

    def test_in_a_cycle(self):
        """What nothing but a cycle holds is gone; its place is known."""
        gc.disable()
        self.addCleanup(gc.enable)

        def connect():
            def hear(sender, **kwargs):
                return hear

            order_paid.connect(hear)
            return hear.__code__.co_firstlineno

        line = connect()
        (finding,) = self.findings()
        self.assertEqual((finding.file, finding.line), (__file__, line))
        self.assertEqual(finding.level_name, "error")

    def test_held_by_a_call(self):
        """What only a running function holds may go: a warning."""

        def hear(sender, **kwargs):
            pass

        holder = Holder()
        order_paid.connect(hear)
        order_paid.connect(holder.hear)
        found = self.findings()
        self.assertEqual([finding.level for finding in found], [WARNING, WARNING])
        self.assertEqual(
            sorted(finding.message.partition(" it is ")[2] for finding in found),
            [
                "a method of an object that no module keeps.",
                "a nested function that no module keeps.",
            ],
        )

    def test_kept(self):
        """What a module keeps stays, be it through other objects; so does what is held strongly."""
        module = self.load("""
            from tests.shop.signals import order_paid

            class Box:
                def __init__(self):
                    self.receivers = {"one": [lambda **kwargs: None]}
                def hear(self, sender, **kwargs): ...

            class Desk:
                @staticmethod
                def sit(sender, **kwargs): ...
                @classmethod
                def stand(cls, sender, **kwargs): ...

            BOX = Box()
            order_paid.connect(BOX.receivers["one"][0])
            order_paid.connect(BOX.hear)
            order_paid.connect(Desk.sit)
            order_paid.connect(Desk.stand)
            order_paid.connect(lambda **kwargs: None, weak=False)
        """)
        self.assertEqual(self.findings(), [])
        self.assertEqual(len(order_paid.receivers), 5)
        del module


class LocalTests(DoctorTestCase):
    """Local receivers, as the source connects them: read, never run."""

    HEAD = (
        "from functools import partial\n"
        "from django.dispatch import receiver\n"
        "from tests.shop.signals import order_paid\n"
    )

    def lines(self, text):
        """Return what is found in a text, by what it is."""
        from signalscope.doctor.connects import find_connects
        from signalscope.doctor.lifetimes import _what_goes
        from signalscope.doctor.sources import Source

        source = Source("x.py", "x", self.HEAD + text)
        found = [_what_goes(source, one) for one in find_connects(source) if one.is_weak]
        return [what for what in found if what]

    def test_gone(self):
        """It is connected, and nothing else holds it when its function ends."""
        for text, what in (
            ("def f():\n def hear(**kwargs): ...\n order_paid.connect(hear)", "The local hear"),
            ("def f():\n hear = lambda **kw: 0\n order_paid.connect(hear)", "The local hear"),
            ("def f():\n hear = partial(g)\n order_paid.connect(receiver=hear)", "The local hear"),
            (
                "def f():\n @receiver(order_paid)\n def hear(**kwargs): ...",
                "The nested function hear()",
            ),
            ("order_paid.connect(lambda **kwargs: 0, None, True)", "A lambda"),
            ("order_paid.connect(receiver=partial(g))", "A partial"),
        ):
            with self.subTest(text=text):
                self.assertEqual(self.lines(text), [what])

    def test_maybe_not(self):
        """Something may hold it, it is there for a while on purpose, or it is not known."""
        local = "def f():\n def hear(**kwargs): ...\n"
        for text in (
            f"{local} order_paid.connect(hear, weak=False)",
            f"{local} order_paid.connect(hear, None, False)",
            f"{local} order_paid.connect(hear, **options)",
            f"{local} order_paid.connect(hear)\n return hear",
            f"{local} order_paid.connect(hear)\n KEPT.append(hear)",
            f"{local} order_paid.connect(hear)\n work()",
            f"{local} order_paid.connect(hear)\n work()\n order_paid.disconnect(hear)",
            f"{local} with work():\n  order_paid.connect(hear)",
            f"{local} order_paid.connect(hear)\n yield",
            "def f():\n @receiver(order_paid, weak=False)\n def hear(**kwargs): ...",
            "def f():\n @receiver(order_paid)\n @keep\n def hear(**kwargs): ...",
            "@receiver(order_paid)\ndef hear(**kwargs): ...",
            "def hear(**kwargs): ...\norder_paid.connect(hear)",
            "order_paid.connect(make())",
            "order_paid.connect()",
            "socket.connect(lambda: 0)",
            "database.connect(partial(g))",
        ):
            with self.subTest(text=text):
                self.assertEqual(self.lines(text), [])
