"""Reads what is recorded as text, so that a wrong parent is one readable line."""

from contextlib import contextmanager

from signalscope.core.names import receiver_label
from signalscope.recorder.strands import CURRENT, Strand, Tap, running_strand
from signalscope.recorder.tree import Tree


class Seen:
    """What was recorded in a recorded() block."""

    def __init__(self, tap):
        self.tap = tap

    def tree(self, limit=1000):
        """Return the tree of what was recorded so far."""
        tree = Tree(limit)
        tree.add(self.tap)
        return tree

    @property
    def text(self):
        """One line per dispatch and call: last parts of the names, repeats, outcomes."""
        return "".join(_lines(self.tree().children.values(), 0))

    def dispatches(self):
        """Return the root dispatches."""
        return list(self.tree().children.values())


def _lines(dispatches, depth):
    for dispatch in dispatches:
        repeats = f" x{dispatch.repeat_count}" if dispatch.repeat_count > 1 else ""
        unheard = " unheard" if dispatch.is_unheard else ""
        yield f"{'  ' * depth}{dispatch.signal.rpartition('.')[2]}{repeats}{unheard}\n"
        for call in dispatch.calls:
            name = call.receiver.rpartition(".")[2]
            yield f"{'  ' * (depth + 1)}{name} {call.outcome}\n"
            yield from _lines(call.children.values(), depth + 2)


@contextmanager
def recorded():
    """Record what is dispatched in the block, in this context and what inherits it."""
    tap = Tap(running_strand().top, 10_000)
    token = CURRENT.set(Strand(tap))
    try:
        yield Seen(tap)
    finally:
        CURRENT.reset(token)


@contextmanager
def connected(signal, *receivers, **kwargs):
    """Connect receivers for a block; the caller keeps them alive."""
    for receiver in receivers:
        signal.connect(receiver, **kwargs)
    try:
        yield
    finally:
        for receiver in receivers:
            signal.disconnect(
                receiver,
                sender=kwargs.get("sender"),
                dispatch_uid=kwargs.get("dispatch_uid"),
            )


def label(receiver):
    """Return a receiver's label."""
    return receiver_label(receiver)
