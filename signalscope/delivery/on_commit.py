"""Lets a receiver run once the transaction that its dispatch is a part of is committed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from asgiref.sync import async_to_sync, iscoroutinefunction

from signalscope.control.wrapping import Wrapping, ask, wrap
from signalscope.delivery.copies import copy_arguments
from signalscope.delivery.databases import database_of, run_after_commit
from signalscope.recorder.late import LateRun, put_off

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


@dataclass(frozen=True)
class AfterCommit(Wrapping):
    """Puts a receiver off until the commit; robust: its error is logged, not raised."""

    name = "on_commit"
    robust: bool

    def make(self, receiver: Callable[..., Any]) -> Any:
        """
        Return a sync function, for async receivers, too.

        Django runs that in the thread that sends, whose connection knows of the transaction.
        """

        @functools.wraps(receiver)
        def put_off_until_commit(*args: Any, sender: Any, signal: Any, **named: Any) -> None:
            function = ask(receiver, signal, sender, named)
            if function is None:
                return
            late = put_off(signal, sender, self.name)
            named = copy_arguments({"sender": sender, "signal": signal, **named})
            call = async_to_sync(function) if iscoroutinefunction(function) else function

            # Whoever looks at what waits for the commit sees which receiver it is.
            @functools.wraps(function, assigned=(), updated=())
            def run() -> None:
                with LateRun(signal, sender, function, method=self.name, below=late):
                    call(*args, **named)

            run_after_commit(run, database_of(sender, named), robust=self.robust)

        return put_off_until_commit


@overload
def on_commit(receiver: Receiver, /) -> Receiver: ...


@overload
def on_commit(*, robust: bool = ...) -> Callable[[Receiver], Receiver]: ...


def on_commit(receiver: Callable[..., Any] | None = None, /, *, robust: bool = False) -> Any:
    """
    Let a receiver run after the commit, never after a rollback: write it below @receiver.

    The transaction is that of the dispatch's ``using``; where none is open, the receiver runs at
    once. It gets the arguments as they were at the dispatch, instances as copies; conditions
    below this decorator are asked then, too, unless they are async. Its response is None.
    robust: its error is logged, and what follows after the commit still runs, as of
    transaction.on_commit().
    Raises TypeError for what is no receiver.
    """
    decorate = functools.partial(wrap, wrapping=AfterCommit(robust))
    return decorate if receiver is None else decorate(receiver)
