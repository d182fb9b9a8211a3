"""Places in which code runs, each with a context of its own: contexts, threads and tasks."""

import asyncio
import contextvars
import inspect
from concurrent.futures import ThreadPoolExecutor


class Place:
    """A copy of the context in which it is made."""

    # How signals are sent there.
    methods = ("send", "send_robust", "asend", "asend_robust")

    def __init__(self):
        self.context = contextvars.copy_context()

    def run(self, function):
        """Return what a function returns there; a coroutine is awaited."""
        return self.context.run(_completed, function)

    def child(self):
        """Return a place that inherits this one's context."""
        return self.run(type(self))

    def leave(self):
        """Forget it."""
        del self.context


def _completed(function):
    result = function()
    return asyncio.run(_awaited(result)) if inspect.iscoroutine(result) else result


async def _awaited(coroutine):
    return await coroutine


class Thread(Place):
    """A thread, which has no context but its own; a child is what asyncio.to_thread() runs in."""

    def __init__(self):
        self._pool = ThreadPoolExecutor(1)

    def run(self, function):
        """Run it in the thread."""
        return self._pool.submit(_completed, function).result()

    def child(self):
        """Return a copy of the thread's context."""
        return self.run(Place)

    def leave(self):
        """End the thread."""
        self._pool.shutdown()


class Task(Place):
    """A task of an event loop; a child is a task that it creates."""

    methods = ("asend", "asend_robust")

    def __init__(self, loop):
        self._loop = loop
        self._queue = asyncio.Queue()
        self._task = loop.create_task(self._serve())

    async def _serve(self):
        while (asked := await self._queue.get()) is not None:
            function, answer = asked
            try:
                result = function()
                answer.set_result(await result if inspect.iscoroutine(result) else result)
            except Exception as error:
                answer.set_exception(error)
            asked = function = answer = result = None

    def run(self, function):
        """Let the task run it."""
        return self._loop.run_until_complete(self._ask(function))

    async def _ask(self, function):
        answer = self._loop.create_future()
        self._queue.put_nowait((function, answer))
        return await answer

    def child(self):
        """Return a task that this one creates."""
        return self.run(lambda: Task(self._loop))

    def leave(self):
        """End the task, what it is in notwithstanding."""
        self._queue.put_nowait(None)
        self._loop.run_until_complete(self._task)
        del self._task
