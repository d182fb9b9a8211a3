"""Tests of turning rows into the lines of a tree."""

from django.test import SimpleTestCase

from signalscope.admin.tree import lines
from signalscope.models import Dispatch, ReceiverCall


def a_dispatch(key, name, parent=None, position=0, duration_ns=50):
    return Dispatch(
        id=key,
        parent_call_id=parent,
        position=position,
        signal=f"shop.signals.{name}",
        sender="shop.Order",
        method="send",
        repeat_count=1,
        duration_ns=duration_ns,
    )


def a_call(key, dispatch, name, position=0, duration_ns=50):
    return ReceiverCall(
        id=key,
        dispatch_id=dispatch,
        position=position,
        receiver=f"shop.receivers.{name}",
        duration_ns=duration_ns,
        own_ns=duration_ns // 2,
        query_ns=0,
    )


def text(dispatches, calls):
    """Return the tree as indented text."""
    shown, depth = [], 0
    for line in lines(dispatches, calls, whole_ns=100, url_of=None):
        if line.kind == "end":
            depth -= 1
        else:
            shown.append(f"{'  ' * depth}{line.name}")
            depth += 1
    return "\n".join(shown)


class LinesTests(SimpleTestCase):
    """The lines of a trace's tree."""

    def test_nesting_and_order(self):
        """A dispatch hangs below the call that sent it, all in order of position."""
        dispatches = [
            a_dispatch(3, "last", position=1),
            a_dispatch(1, "saved"),
            a_dispatch(2, "queued", parent=12),
        ]
        calls = [a_call(12, 1, "second", 1), a_call(11, 1, "first", 0), a_call(13, 2, "mail")]
        expected = "saved\n  first\n  second\n    queued\n      mail\nlast"
        self.assertEqual(text(dispatches, calls), expected)

    def test_orphans_stand_at_the_top(self):
        """A dispatch whose call is missing is shown, not lost."""
        self.assertEqual(text([a_dispatch(1, "lost", parent=99)], []), "lost")

    def test_depth_needs_no_recursion(self):
        """Signals nested 3,000 deep make as many lines."""
        dispatches = [
            a_dispatch(n, "deep", parent=10_000 + n - 1 if n else None) for n in range(3000)
        ]
        calls = [a_call(10_000 + n, n, "again") for n in range(3000)]
        self.assertEqual(text(dispatches, calls).count("\n"), 5999)

    def test_bars_stay_between_0_and_100(self):
        """A bar is a share of the trace, seen where there was any time, and never too long."""
        for duration_ns, bar in ((0, 0), (1, 1), (50, 50), (10_000, 100), (-5, 0)):
            (line, _) = lines(
                [a_dispatch(1, "x", duration_ns=duration_ns)], [], whole_ns=100, url_of=None
            )
            self.assertEqual(line.bar, bar)
        (line, _) = lines([a_dispatch(1, "x")], [], whole_ns=0, url_of=None)
        self.assertEqual(line.bar, 0)
