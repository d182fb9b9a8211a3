"""Deferred receivers, which stand at the top level of a module; each notes what it got."""

from enum import Enum, Flag, IntEnum, auto

from signalscope import SignalContext, batched, deferred
from signalscope.context import running_actor
from signalscope.recorder.strands import running_trace
from tests.shop.signals import mail_queued

# What the receivers were called with.
seen = []


class Colour(Enum):
    """Has members whose values JSON does not have."""

    RED = (255, 0, 0)
    GREEN = object()


class Size(IntEnum):
    """Is a number as well."""

    S = 1
    L = 2


class Access(Flag):
    """Has members that are put together."""

    READ = auto()
    WRITE = auto()


class Service:
    """A sender."""


@deferred(backend="inline")
def note(sender, signal, **kwargs):
    """Note all of it."""
    seen.append((sender, signal, kwargs))


@deferred(backend="inline")
async def note_async(sender, signal, **kwargs):
    """Note all of it, awaited."""
    seen.append((sender, signal, kwargs))


@deferred(backend="inline")
def tell(sender, **kwargs):
    """Note who is behind it, and in which trace, and send another signal."""
    trace = running_trace()
    user = SignalContext.get_user()
    mail_queued.send(sender=None)
    correlation_id = None if trace is None else trace.find_correlation_id()
    seen.append((user, running_actor(may_query=False), correlation_id))


@deferred(backend="inline", retries=2)
def fail(sender, **kwargs):
    """Fail each time."""
    seen.append("tried")
    raise ValueError("on purpose")


@deferred(backend="inline")
def want_key(sender, idempotency_key, **kwargs):
    """Note the key."""
    seen.append(idempotency_key)


@deferred(backend="inline", exclude=["request"])
def do_without(sender, **kwargs):
    """Note what came."""
    seen.append(kwargs)


@deferred
def by_setting(sender, **kwargs):
    """Run where DELIVERY says."""
    seen.append(kwargs)


def note_changed(sender, changed, **kwargs):
    """Note what changed; the test decorates it."""
    seen.append(changed)


@batched
def in_batches(dispatches):
    """Wait in this process."""


@deferred(backend="thread", retries=1)
def in_thread(sender, note, **kwargs):
    """Call what the test has put there."""
    acts[note](**kwargs)


# By name, since functions cannot be sent.
acts = {}
