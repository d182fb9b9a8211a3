"""What one dispatch costs while receivers are muted, by a block and by rules, and while none is."""

from benchmarks.setup import configure

if __name__ == "__main__":
    configure(SAMPLE_RATE=1.0)

from django.db import connection
from django.test.utils import CaptureQueriesContext

import signalscope
from benchmarks.bench_dispatch import COUNT, make_signal
from benchmarks.side_by_side import Methods, compare, finish, head, show
from signalscope import wiring
from signalscope.control.rules import Rule

RECEIVERS = 5
DISPATCHES = 10_000
# In the manner of a project's: names and globs, of all that a rule can match.
NO_MATCH = [
    Rule(
        signal=("shop.signals.*", "django.db.models.signals.post_save", "")[number % 3],
        sender=("", "shop.Order")[number % 2],
        receiver=f"shop.receivers.number_{number}*",
        text=f"rule {number}",
    )
    for number in range(100)
]
ONE = Rule(dispatch_uid="muted", text="rule 100")


def sending(send, signal, sender):
    """Return the work: COUNT dispatches."""
    send = send.__get__(signal)

    def work():
        for _ in range(COUNT):
            send(sender)

    return work


class Bench:
    """Two ways to send, in turn, each in a trace where it is recorded."""

    def __init__(self, model):
        self.model = model
        self.methods = Methods()
        self.held = []

    def row(self, title, yardstick, ours, bar):
        """
        Measure one row.

        yardstick, ours: the method's owner ("bare" or "scoped"), the signal, and the block that
        is open around it; None for no block.
        """
        works, blocks = {}, {}
        for kind, (owner, signal, block) in {"yardstick": yardstick, "ours": ours}.items():
            works[kind] = sending(getattr(self.methods, owner)["send"], signal, self.model)
            blocks[kind] = [] if owner == "bare" else [signalscope.trace("benchmark")]
            blocks[kind] += [block] if block is not None else []

        def before(kind):
            for block in blocks[kind]:
                block.__enter__()

        def after(kind):
            for block in reversed(blocks[kind]):
                block.__exit__(None, None, None)
            if blocks[kind]:
                signalscope.flush(30)

        first_ns, second_ns = compare(works, before=before, after=after)
        self.held.append(show(title, first_ns, second_ns, bar, COUNT))


class Ruled:
    """Rules that are in force for a block."""

    def __init__(self, rules):
        self.rules = rules

    def __enter__(self):
        """Let them be the only ones."""
        wiring.scope().rules.replace(self.rules)

    def __exit__(self, *error):
        """Let there be none."""
        wiring.scope().rules.replace([])


class Planned(Ruled):
    """Rules that the dispatches to be measured have met already."""

    def __init__(self, rules, signal, sender):
        super().__init__(rules)
        self.signal, self.sender = signal, sender

    def __enter__(self):
        """Send once: what is decided as a plan is made is no part of a dispatch."""
        super().__enter__()
        self.signal.send(self.sender)


def main():
    """Print the tables; return whether all bars hold."""
    from benchmarks.models import Product

    bench = Bench(Product)
    four, five = make_signal(RECEIVERS - 1), make_signal(RECEIVERS - 1)

    def muted(sender, **kwargs):
        pass

    five.connect(muted, dispatch_uid="muted")
    nothing = Planned([], five, Product)
    no_match = Planned(NO_MATCH, five, Product)
    elsewhere = signalscope.mute(signal="post_save", sender="shop.Order")

    head(f"{RECEIVERS} receivers, {COUNT} dispatches in a trace")
    bench.row("nothing in force", ("bare", five, None), ("scoped", five, nothing), None)
    bench.row("nothing in force, four", ("bare", four, None), ("scoped", four, nothing), None)
    title = "one muted by a block; bare has four"
    mute = signalscope.mute(receiver=muted)
    bench.row(title, ("bare", four, None), ("scoped", five, mute), 1.3)
    title = "one muted by a rule; bare has four"
    rule = Planned([*NO_MATCH, ONE], five, Product)
    bench.row(title, ("bare", four, None), ("scoped", five, rule), 1.3)

    head("the same, beside nothing in force", "none µs", "some µs")
    scoped = ("scoped", five, nothing)
    bench.row("100 rules that do not match", scoped, ("scoped", five, no_match), 1.05)
    bench.row("a mute that does not match", scoped, ("scoped", five, elsewhere), None)
    bench.row("one muted by a block", scoped, ("scoped", five, mute), None)
    bench.row("one muted by a rule", scoped, ("scoped", five, rule), None)

    with no_match, CaptureQueriesContext(connection) as captured:
        for _ in range(DISPATCHES):
            five.send(Product)
    print(f"\nqueries of {DISPATCHES:,} dispatches under 100 rules: {len(captured)} (bar: 0)")
    return all(bench.held) and not captured.captured_queries


if __name__ == "__main__":
    finish(main())
