"""A mute holds in its thread or task and what that awaits, until its block ends."""

import asyncio
import contextvars
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from asgiref.sync import async_to_sync, sync_to_async
from django.dispatch import Signal

import signalscope
from signalscope.recorder.gate import MUTES, OPEN_MUTES
from tests.control.muting import ALL, METHODS, MuteTestCase, first, fourth, second, send, third
from tests.trees import connected

REST = "second third fourth"


class ContextTestCase(MuteTestCase):
    """Tests that hear the signal in several places."""

    def text(self):
        """Send, and return what answered as a text."""
        return " ".join(self.heard())

    async def atext(self):
        """Send, and return what answered as a text."""
        return " ".join([answer for _, answer in await self.signal.asend(None)])

    def in_thread(self):
        """Send in a new thread, and return what answered as a text."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.text).result()


class ThreadTests(ContextTestCase):
    """Threads do not mute each other."""

    def test_new_thread(self):
        """A thread that is started in the block is not muted."""
        with signalscope.mute(receiver=first):
            self.assertEqual((self.in_thread(), self.text()), (ALL, REST))

    def test_one_instance_in_two_threads(self):
        """Two threads have one instance open at once; each ends its own block."""
        quiet = signalscope.mute(receiver=first)
        steps = threading.Barrier(2, timeout=10)
        heard = []

        def work():
            with quiet:
                steps.wait()
                heard.append(self.text())
                steps.wait()
                # The other one has left its block.
                steps.wait()
                heard.append(self.text())
            heard.append(self.text())

        thread = threading.Thread(target=work)
        thread.start()
        with quiet:
            steps.wait()
            heard.append(self.text())
            steps.wait()
        heard_after = self.text()
        steps.wait()
        thread.join()
        self.assertEqual((heard, heard_after), ([REST, REST, REST, ALL], ALL))

    def test_sync_to_async_and_back(self):
        """Threads that work for the block have its mutes; what they mute ends with them."""

        def mute_here():
            with signalscope.mute(receiver=second):
                return self.text()

        async def work():
            with signalscope.mute(receiver=first):
                threads = [
                    await sync_to_async(self.text)(),
                    await sync_to_async(self.text, thread_sensitive=False)(),
                    await asyncio.to_thread(self.text),
                    await sync_to_async(mute_here)(),
                ]
                return [*threads, await self.atext()]

        heard = asyncio.run(work())
        self.assertEqual(heard, [REST, REST, REST, "third fourth", REST])
        with signalscope.mute(receiver=first):
            self.assertEqual(async_to_sync(self.atext)(), REST)

    def test_ten_thousand_dispatches_beside_an_open_mute(self):
        """A mute that is open in one thread changes nothing in another one."""
        with signalscope.mute(signal=self.signal), ThreadPoolExecutor(1) as pool:
            counts = pool.submit(lambda: {len(self.signal.send(None)) for _ in range(5000)})
            here = {len(self.signal.send_robust(None)) for _ in range(5000)}
            self.assertEqual((counts.result(), here), ({4}, {0}))


class TaskTests(ContextTestCase):
    """Tasks do not mute each other."""

    def test_two_tasks(self):
        """While one task is suspended in its block, another one is not muted."""

        async def muted(entered, leave):
            async with signalscope.mute(receiver=first):
                entered.set()
                await leave.wait()
                return await self.atext()

        async def work():
            entered, leave = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(muted(entered, leave))
            await entered.wait()
            outside = await self.atext()
            leave.set()
            return outside, await task

        self.assertEqual(asyncio.run(work()), (ALL, REST))

    def test_child_task(self):
        """A task that is created in the block is muted until the block ends."""

        async def child(ended):
            inside = await self.atext()
            await ended.wait()
            return inside, await self.atext()

        async def work():
            ended = asyncio.Event()
            with signalscope.mute(receiver=first):
                task = asyncio.create_task(child(ended))
                gathered = await asyncio.gather(self.atext(), self.atext())
            ended.set()
            return gathered, await task

        self.assertEqual(asyncio.run(work()), ([REST, REST], (REST, ALL)))

    def test_copied_context_that_outlives_the_block(self):
        """A copy of the block's context is not muted any more once the block has ended."""
        with signalscope.mute(receiver=first):
            context = contextvars.copy_context()
            self.assertEqual(context.run(self.text), REST)
        self.assertEqual(context.run(self.text), ALL)

    def test_cancelled_task(self):
        """A task that is cancelled in its block leaves nothing behind."""

        async def wait():
            async with signalscope.mute.all():
                await asyncio.sleep(60)

        async def work():
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            open_count = len(OPEN_MUTES)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            return open_count

        self.assertEqual(asyncio.run(work()), 1)
        self.assertEqual(OPEN_MUTES, set())

    def test_two_receivers_of_one_dispatch(self):
        """An async receiver in its block does not mute the one that runs beside it."""
        heard, outer, inner = [], Signal(), Signal()

        async def mutes(sender, **kwargs):
            async with signalscope.mute(receiver=third):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                heard.append(len(await inner.asend(None)))
            heard.append(len(await inner.asend(None)))

        async def listens(sender, **kwargs):
            for _ in range(2):
                await asyncio.sleep(0)
                heard.append(len(await inner.asend(None)))

        with connected(inner, third, fourth), connected(outer, mutes, listens):
            for method in METHODS:
                heard.clear()
                with self.subTest(method=method):
                    send(outer, method)
                    self.assertEqual(sorted(heard), [1, 2, 2, 2])


class GeneratorTests(ContextTestCase):
    """Generators enter and leave blocks in any order."""

    def muted(self, receiver):
        """Be in a block between two steps."""
        with signalscope.mute(receiver=receiver):
            yield

    def test_interleaved(self):
        """The one that began first may end first."""
        one, two = self.muted(first), self.muted(second)
        heard = []
        for generator in (one, two, one, two):
            next(generator, None)
            heard.append(self.text())
        self.assertEqual(heard, [REST, "third fourth", "first third fourth", ALL])

    def test_closed_in_another_context(self):
        """A block that ends in another context ends everywhere."""
        generator = self.muted(first)
        next(generator)
        self.assertEqual(self.text(), REST)
        contextvars.Context().run(generator.close)
        self.assertEqual(self.text(), ALL)
        self.assertEqual(OPEN_MUTES, set())

    def test_abandoned(self):
        """A generator that is dropped, or left in a cycle, ends its block as it is collected."""
        generator = self.muted(first)
        next(generator)
        del generator
        self.assertEqual(self.text(), ALL)
        generator = self.muted(first)
        next(generator)
        cycle = [generator]
        cycle.append(cycle)
        del generator, cycle
        self.assertEqual(self.text(), REST)
        gc.collect()
        self.assertEqual(self.text(), ALL)

    def test_never_left(self):
        """What is entered and never left is forgotten with its context."""
        shared = signalscope.mute.all()
        for block in (shared, shared, signalscope.mute.all()):
            context = contextvars.copy_context()
            context.run(block.__enter__)
            self.assertEqual((context.run(self.text), len(OPEN_MUTES)), ("", 1))
            del context
            self.assertEqual((self.text(), OPEN_MUTES), (ALL, set()))

    def test_left_where_its_context_is_gone(self):
        """The end of a block whose context is gone ends no other block."""
        generator = self.muted(first)
        contextvars.copy_context().run(next, generator)
        with signalscope.mute(receiver=second):
            generator.close()
            self.assertEqual(self.text(), "first third fourth")

    def test_exit_stack(self):
        """Blocks may be left in another order than they were entered, and by exceptions."""
        with self.assertRaises(KeyError), ExitStack() as stack:
            stack.enter_context(signalscope.mute(receiver=first))
            stack.enter_context(signalscope.only(receiver=[first, second]))
            self.assertEqual(self.text(), "second")
            raise KeyError
        self.assertEqual((self.text(), MUTES.get()), (ALL, ()))

    def test_same_instance_within_itself(self):
        """One instance may be open twice in one place; it ends with the outer block."""
        quiet = signalscope.mute(receiver=first)
        with quiet:
            context = contextvars.copy_context()
            with quiet:
                self.assertHeard(REST)
            self.assertHeard(REST)
            self.assertEqual(context.run(self.text), REST)
        self.assertHeard(ALL)
        with quiet:
            self.assertHeard(REST)
