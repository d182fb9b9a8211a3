"""The signals that signalscope sends itself; they are not recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.dispatch import Signal


class WatchedSignal(Signal):
    """
    A signal whose receivers cost something where there are any.

    on_change: called when a receiver was connected or disconnected.
    """

    on_change: Callable[[], object] = staticmethod(lambda: None)

    def connect(self, *args: Any, **kwargs: Any) -> None:
        """Connect a receiver, as Django does."""
        super().connect(*args, **kwargs)
        self.on_change()

    def disconnect(self, *args: Any, **kwargs: Any) -> bool:
        """Disconnect a receiver, as Django does."""
        is_disconnected = super().disconnect(*args, **kwargs)
        self.on_change()
        return is_disconnected


# A user's password is another one: by set_password(), set_unusable_password() or a hash that was
# assigned. Sent robustly as the user is saved, maybe in a transaction. Not sent for new users,
# for the better hash that a login may store, for fixtures, nor for QuerySet.update().
#
# sender: the user's class.
# user: the user that was saved.
# using: the alias of the database.
password_changed = Signal()

# A call of a receiver took SLOW_MS or longer. Sent robustly, right after its dispatch, in the
# thread that sent that; not for receivers of signalscope's own signals, nor for what those send.
#
# sender: the sender of the dispatch where that is a class, else None.
# signal_name: the dotted name of the signal that was sent.
# receiver: the receiver's label, its module and qualified name.
# duration_ns: how long it took.
# outcome: "ok" or "error".
receiver_slow = WatchedSignal()

# The guard of a receiver began to keep it out, lets one call through to see, or is closed again.
# Sent robustly, in the thread whose dispatch brought the change.
#
# sender: None.
# receiver: the receiver's label, its module and qualified name.
# state: "open", "half_open" or "closed".
# reason: why, as text.
guard_changed = Signal()

# A statement took SLOW_QUERY_MS or longer, or failed after that time. Sent robustly, at once, in
# the thread that ran it; a slow statement of a receiver's own is recorded and not sent.
#
# sender: the class of the connection.
# connection: the connection that ran it.
# sql: the statement, without its parameters.
# duration_ns: how long it took.
# trace_key: the key that the running trace's row will have, None outside of any.
slow_query = Signal()
