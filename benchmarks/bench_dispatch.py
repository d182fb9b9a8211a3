"""What one dispatch costs, beside bare Django's."""

from benchmarks.setup import configure

if __name__ == "__main__":
    configure(SAMPLE_RATE=1.0)

from django.db.models.signals import post_init, pre_save
from django.dispatch import Signal

import signalscope
from benchmarks.side_by_side import Methods, compare, finish, head, show

# About what a busy request has.
COUNT = 150


def quiet_receiver(sender, **kwargs):
    """Do nothing."""


def make_signal(receiver_count):
    """Return a signal with so many receivers that do nothing."""
    signal = Signal()
    for _ in range(receiver_count):

        def receiver(sender, **kwargs):
            pass

        signal.connect(receiver, weak=False)
    return signal


def send_often(methods, signal, sender):
    """Return the work, by kind: COUNT dispatches through the method that the kind has."""

    def work_of(kind):
        # Bound once: to change the class each time would undo the interpreter's own caches.
        send = methods[kind]["send"].__get__(signal)

        def work():
            for _ in range(COUNT):
                send(sender)

        return work

    return {kind: work_of(kind) for kind in methods}


def build_instances(methods, model):
    """Return the work, by kind: 1,000 instances of a model."""

    def work_of(kind):
        def work():
            for _ in range(1000):
                model(id=1)

        return work

    return {kind: work_of(kind) for kind in methods}


def main():
    """Print the table; return whether all bars hold."""
    from benchmarks.models import Product

    found = Methods()
    methods = {"bare": found.bare, "scoped": found.scoped}
    held = []
    opened = []

    def begin(kind):
        if kind == "scoped":
            opened.append(signalscope.trace("benchmark"))
            opened[-1].__enter__()

    def end(kind):
        if kind == "scoped":
            opened.pop().__exit__(None, None, None)
            signalscope.flush(30)

    def row(title, works, bar, per=COUNT, **options):
        bare, scoped = compare(works, before=begin, after=end, **options)
        held.append(show(title, bare, scoped, bar, per))

    head(f"one dispatch, of {COUNT} in a trace")
    post_init.connect(quiet_receiver, sender=Signal)
    row("nobody hears: pre_save", send_often(methods, pre_save, Product), 1.05)
    row("nobody hears this sender: post_init", send_often(methods, post_init, Product), 1.05)
    row("nobody hears a custom signal: counted", send_often(methods, Signal(), Product), None)
    for sender in (Product, None):
        for count, bar in ((1, 1.5), (5, 1.35)):
            title = f"{count} receivers, sender {getattr(sender, '__name__', None)}"
            row(title, send_often(methods, make_signal(count), sender), bar)

    def switch(kind):
        if Signal.__dict__["send"] is not methods[kind]["send"]:
            Signal.send = methods[kind]["send"]

    works = build_instances(methods, Product)
    head("building model instances")
    bare, scoped = compare(works, rounds=100, before=switch)
    held.append(show("1,000 instances", bare, scoped, 1.05, 1000))
    switch("scoped")
    return all(held)


if __name__ == "__main__":
    finish(main())
