"""Receivers that are put off, at the top level of a module; each notes what it got."""

from django.dispatch import Signal

from signalscope import AsyncSignalMixin, batched, deferred, on_commit

# What ran, and what is to fail.
heard = []
failing = set()


class Shipped(AsyncSignalMixin, Signal):
    """A signal that can be sent as a whole."""

    backend = "celery"


shipped = Shipped()


def note(name, number):
    """Note a call; fail where that is wanted."""
    heard.append((name, number))
    if name in failing:
        raise ValueError(f"{name} {number}")


@on_commit
def after(sender, number, **kwargs):
    """Run after the commit."""
    note("after", number)


@on_commit(robust=True)
def after_robust(sender, number, **kwargs):
    """Run after the commit; an error is logged."""
    note("after_robust", number)


@deferred(backend="thread", delay=3600)
def in_thread(sender, number, **kwargs):
    """Run in a thread, in an hour."""
    note("in_thread", number)


@deferred(backend="celery", retries=1)
async def in_celery(sender, number, **kwargs):
    """Run in Celery."""
    note("in_celery", number)


@deferred(backend="tasks")
def in_tasks(sender, number, **kwargs):
    """Run in a task."""
    note("in_tasks", number)


@deferred(backend="inline")
def inline(sender, number, **kwargs):
    """Run at once, or after the commit."""
    note("inline", number)


@batched(size=2, interval=3600)
def in_batches(dispatches):
    """Run for two at a time."""
    for one in dispatches:
        note("in_batches", one.named["number"])


@batched(size=2, interval=3600, key=lambda one: one.named["number"] % 2, coalesce=True)
def last_of_kind(dispatches):
    """Run for the last odd one and the last even one."""
    for one in dispatches:
        note("last_of_kind", one.named["number"])


@deferred(durable=True, backend="celery", delay=3600)
def durable(sender, number, **kwargs):
    """Run whatever happens."""
    note("durable", number)


@batched(durable=True, size=100, interval=3600)
def durable_batch(dispatches):
    """Run for what is stored."""
    for one in dispatches:
        note("durable_batch", one.named["number"])


@deferred(backend="thread")
def for_ever(sender, signal, number, **kwargs):
    """Put itself off again."""
    signal.send(sender=sender, number=number + 1)


def hear_shipped(sender, number, **kwargs):
    """Hear the whole dispatch."""
    note("hear_shipped", number)
