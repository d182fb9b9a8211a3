"""Disconnects a receiver for a block."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from django.apps import apps
from django.db.models.signals import ModelSignal
from django.dispatch import Signal

from signalscope.control.blocks import ControlBlock
from signalscope.control.criteria import reference
from signalscope.core.django_dispatch import Absence, put_back, take_out
from signalscope.core.names import receiver_label, sender_label
from signalscope.registry.builtin import CUSTOM, FAMILY_OF
from signalscope.registry.receivers import ReceiverInfo, receivers_of
from signalscope.registry.signals import SignalInfo, registry


class disconnected(ControlBlock):  # noqa: N801
    """
    Disconnect a receiver for a block, and put it back in its place: in the whole process.

    signal, receiver, sender, dispatch_uid: as Signal.disconnect() takes them. has_listeners()
    and fast deletes follow, which mute() leaves as they are. What was collected in the block, or
    connected again, is not put back.
    Raises TypeError for what cannot be meant, and ValueError, as the block begins, where no such
    receiver is connected.
    """

    def __init__(
        self,
        signal: Signal,
        receiver: Any = None,
        sender: Any = None,
        dispatch_uid: Any = None,
    ) -> None:
        if not isinstance(signal, Signal):
            raise TypeError(f"signal is {signal!r}; give an instance of django.dispatch.Signal")
        if not dispatch_uid and not callable(receiver):
            raise TypeError(
                f"receiver is {receiver!r}; give the function that is connected, or the "
                "dispatch_uid that it was connected with"
            )
        self._signal = signal
        # As with Django's connections, none of them is kept alive.
        self._receiver = reference(receiver)
        self._sender = reference(sender)
        self._dispatch_uid = dispatch_uid
        self._absences: list[Absence] = []

    def __enter__(self) -> None:
        receiver, sender = self._receiver(), self._sender()
        if isinstance(sender, str) and isinstance(self._signal, ModelSignal):
            sender = apps.get_model(sender)
        absence = take_out(self._signal, receiver, sender, self._dispatch_uid)
        if absence is None:
            raise ValueError(self._not_connected(receiver, sender))
        self._absences.append(absence)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        put_back(self._signal, self._absences.pop())

    def _not_connected(self, receiver: object, sender: object) -> str:
        name, _ = registry.name(self._signal)
        info = SignalInfo(name, FAMILY_OF.get(name, CUSTOM), self._signal)
        connected = "; ".join([_connection(found) for found in receivers_of(info)])
        uid = self._dispatch_uid
        wanted = f"dispatch_uid={uid!r}" if uid else receiver_label(receiver)
        return (
            f"{wanted} is not connected to {name} with sender={sender_label(sender)}; "
            f"connected are: {connected or 'none'}"
        )


def _connection(info: ReceiverInfo) -> str:
    uid = f", dispatch_uid={info.dispatch_uid!r}" if info.dispatch_uid else ""
    return f"{info.receiver} with sender={info.sender or 'None'}{uid}"
