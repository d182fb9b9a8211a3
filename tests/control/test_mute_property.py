"""However mutes nest, interleave and are abandoned: exactly the right receivers are called."""

import asyncio
import gc
import itertools
from contextlib import suppress

from django.dispatch import Signal
from django.test import SimpleTestCase
from hypothesis import given, settings
from hypothesis import strategies as st

import signalscope
from signalscope.recorder.gate import OPEN_MUTES
from tests.control.places import Place, Task, Thread

NUMBERS = st.integers(0, 11)
STEPS = st.tuples(
    st.sampled_from(
        [
            "enter",
            "enter",
            "leave",
            "raise",
            "begin generator",
            "end generator",
            "child",
            "abandon",
            "connect",
            "disconnect",
            "collect",
            "send",
            "send",
        ]
    ),
    NUMBERS,
    NUMBERS,
    NUMBERS,
)


class Heard:
    """A receiver that is connected to one signal, strongly held by its program only."""

    names = itertools.count()

    def __init__(self):
        self.name = f"heard {next(self.names)}"

    def hear(self, sender, **kwargs):
        """Answer."""
        return self.name

    async def ahear(self, sender, **kwargs):
        """Answer later."""
        await asyncio.sleep(0)
        return self.name


class Opened:
    """What the model knows of a block: whom it mutes, and whether it is open."""

    def __init__(self, mutes):
        self.mutes = mutes
        self.is_open = True


class Program:
    """Runs steps in several places, and knows who must be heard in each."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.places = [Place(), Thread(), Task(self.loop)]
        # By place: the blocks that it is in, and those that it entered itself.
        self.inside = {place: [] for place in self.places}
        self.entered = {place: [] for place in self.places}
        self.generators = []
        self.signals = [Signal(), Signal(use_caching=True)]
        self.heard = [Heard() for _ in range(4)]
        # By signal: the connected ones, in their order.
        self.connected = {signal: [] for signal in self.signals}
        for number in range(8):
            self.connect(None, number, number // 4)
        # Instances that may be open in several places at once, and several times in one.
        self.shared = [self.make_block(number) for number in range(3)]

    def make_block(self, number):
        """Return a mute, and a function that tells whom it mutes."""
        one, other = self.heard[number % 4].name, self.heard[number // 3].name
        signal = self.signals[number % 2]
        return [
            lambda: (signalscope.mute(signal=signal), lambda s, name: s is signal),
            lambda: (self.mute_one(number), lambda s, name: name == one),
            lambda: (self.only_some(number), lambda s, name: name not in (one, other)),
        ][number % 3]()

    def mute_one(self, number):
        """Mute by both methods of an object."""
        heard = self.heard[number % 4]
        return signalscope.mute(receiver=[heard.hear, heard.ahear])

    def only_some(self, number):
        """Let only the methods of two objects through."""
        heard = {self.heard[number % 4], self.heard[number // 3]}
        return signalscope.only(receiver=[m for one in heard for m in (one.hear, one.ahear)])

    def step(self, name, where, what, which):
        """Do one step; what is not possible is left out."""
        place = self.places[where % len(self.places)]
        before = {signal: self.state(signal) for signal in self.signals}
        getattr(self, name.replace(" ", "_").replace("raise", "leave_by_error"))(place, what, which)
        if name not in ("connect", "disconnect", "collect", "send"):
            assert before == {signal: self.state(signal) for signal in self.signals}, name

    def state(self, signal):
        """Return what a mute must leave as it is."""
        return list(signal.receivers), dict(signal.sender_receivers_cache)

    def enter(self, place, what, which):
        """Enter a block, be it one that others share."""
        block, mutes = self.shared[what % 3] if which % 2 else self.make_block(what)
        place.run(block.__enter__)
        opened = Opened(mutes)
        self.inside[place].append(opened)
        self.entered[place].append((block, opened))

    def leave(self, place, what, which, error=None):
        """Leave one of the blocks that were entered there, not only the innermost."""
        entered = self.entered[place]
        if entered:
            # Of one that was entered several times it is the last.
            block = entered[what % len(entered)][0]
            last = max(index for index, found in enumerate(entered) if found[0] is block)
            block, opened = entered.pop(last)
            place.run(lambda: block.__exit__(error and type(error), error, None))
            opened.is_open = False

    def leave_by_error(self, place, what, which):
        """Leave a block by an exception."""
        self.leave(place, what, which, KeyError())

    def begin_generator(self, place, what, which):
        """Let a generator enter a block."""
        block, mutes = self.make_block(what)

        def generator():
            with block:
                yield

        began = generator()
        place.run(lambda: next(began))
        opened = Opened(mutes)
        self.inside[place].append(opened)
        self.generators.append((began, opened))

    def end_generator(self, place, what, which):
        """Let a generator end in any place: by itself, closed, by an error, or dropped."""
        if not self.generators:
            return
        generator, opened = self.generators.pop(what % len(self.generators))
        opened.is_open = False
        if which % 4 == 0:
            place.run(lambda: next(generator, None))
        elif which % 4 == 1:
            place.run(generator.close)
        elif which % 4 == 2:
            with suppress(KeyError):
                place.run(lambda: generator.throw(KeyError()))

    def child(self, place, what, which):
        """Let a place begin that inherits the context."""
        if len(self.places) < 8:
            child = place.child()
            self.places.append(child)
            self.inside[child] = [opened for opened in self.inside[place] if opened.is_open]
            self.entered[child] = []

    def abandon(self, place, what, which):
        """Forget a place, with the blocks that it has not left."""
        if len(self.places) > 1:
            self.places.remove(place)
            del self.inside[place], self.entered[place]
            place.leave()

    def connect(self, place, what, which):
        """Connect a sync or an async receiver, unless it is."""
        signal = self.signals[which % 2]
        heard = self.heard[what % 4]
        receiver = heard.ahear if (what + which) % 3 == 0 else heard.hear
        signal.connect(receiver)
        found = (heard, receiver.__name__)
        if found not in self.connected[signal]:
            self.connected[signal].append(found)

    def disconnect(self, place, what, which):
        """Disconnect a receiver, if there is one."""
        signal = self.signals[which % 2]
        if self.connected[signal]:
            heard, name = self.connected[signal].pop(what % len(self.connected[signal]))
            assert place.run(lambda: signal.disconnect(getattr(heard, name)))

    def collect(self, place, what, which):
        """Let the garbage collector take an object with its receivers, and have another one."""
        number = what % 4
        gone = self.heard[number]
        for connected in self.connected.values():
            connected[:] = [found for found in connected if found[0] is not gone]
        self.heard[number] = Heard()
        del gone
        gc.collect()

    def send(self, place, what, which):
        """Send by any method, and compare who answers with the model."""
        signal, method = self.signals[what % 2], place.methods[which % len(place.methods)]
        answers = [name for _, name in place.run(lambda: getattr(signal, method)(sender=Signal))]
        muting = [opened.mutes for opened in self.inside[place] if opened.is_open]
        expected = [
            heard.name
            for is_async in (False, True)
            for heard, name in self.connected[signal]
            if (name == "ahear") is is_async
            and not any(mutes(signal, heard.name) for mutes in muting)
        ]
        assert answers == expected, (answers, expected)

    def end(self):
        """Forget all places; then no mute is open, and all receivers are heard."""
        while self.places:
            place = self.places.pop()
            place.leave()
            del self.inside[place], self.entered[place], place
        self.generators.clear()
        self.loop.close()


class PropertyTests(SimpleTestCase):
    """Programs made up by hypothesis."""

    @settings(max_examples=12, deadline=None)
    @given(st.lists(STEPS, min_size=20, max_size=50))
    def test_program(self, steps):
        """Whoever is muted is not called there, whoever is not is; nothing else changes."""
        program = Program()
        try:
            for step in steps:
                program.step(*step)
            for place in program.places:
                for number in range(4):
                    program.send(place, number % 2, number // 2)
        finally:
            program.end()
        gc.collect()
        self.assertEqual(OPEN_MUTES, set())
        program.places = [Place()]
        program.inside[program.places[0]] = []
        for number in range(8):
            program.send(program.places[0], number % 2, number // 2)
