"""
Stores what is left where SIGTERM ends a process by its default action, as it ends a command.

The handler runs in the main thread, between two of its steps. While it is in a long query, or
began to wait just as the signal came, a thread takes over that Python tells of the signal at once.
"""

from __future__ import annotations

import _thread
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from signalscope.core.masks import block_signals

# While the main thread is in signalscope's own code, the signal is sent again after such a time,
# so many times at most.
_PAUSE_S = 0.005
_MAX_PAUSES = 20
# After so long the main thread is taken to be busy elsewhere.
_PATIENCE_S = 0.2
_OURS = f"{Path(__file__).parent}{os.sep}"
_THREADING = threading.Thread.run.__code__.co_filename
# Process, user and group of who wrote to a socket.
_CREDENTIALS = struct.Struct("iii")


class Sigterm:
    """
    A handler of SIGTERM that calls store(), and ends the process as without it.

    store: stores what is left.
    timeout_s: how long it may take.
    """

    def __init__(self, store: Callable[[], object], *, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._store = store
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        # By thread that forks: the signals that it blocked before.
        self._masks: dict[int, set[int]] = {}
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._is_storing = self._has_run = False
        # The signal came while storing, when only that was still to be done.
        self._is_due = False
        self._pause_count = 0

    def install(self) -> None:
        """Handle the signal, where this thread may set handlers and nobody else handles it."""
        if not _is_main_thread() or _has_handler_in_c():
            return
        try:
            signal.signal(signal.SIGTERM, self._handle)
        except ValueError:
            # A subinterpreter may not.
            return
        self._watch()

    def uninstall(self) -> None:
        """Leave the signal as it was, unless somebody else handles it since."""
        if _is_main_thread():
            if self._is_installed():
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._unwatch()

    def before_fork(self) -> None:
        """
        Let the signal wait for a child until that has the default action.

        Python forgets what reached a child before its own first step, if a handler is there.
        """
        if self._is_installed():
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            self._masks[_thread.get_ident()] = mask

    def after_fork_in_parent(self) -> None:
        """Let the signal come again."""
        mask = self._masks.pop(_thread.get_ident(), None)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def after_fork(self) -> None:
        """Begin anew in a forked child: it has the default until it records."""
        self.uninstall()
        self._begin()
        self.after_fork_in_parent()
        self._masks.clear()

    def store(self) -> None:
        """Store what is left; if the signal comes meanwhile it ends the process after that."""
        self._is_storing = True
        try:
            self._store()
        finally:
            self._is_storing = False
            if self._is_due:
                _end()

    def _is_installed(self) -> bool:
        return signal.getsignal(signal.SIGTERM) == self._handle

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # The interrupted code may hold a lock of signalscope's: then it gets some time. Nothing
        # here waits for a lock, but in another thread.
        self._has_run = True
        if self._process != os.getpid():
            _end()
        elif self._is_storing:
            self._is_due = True
        elif _is_inside(frame) and self._pause_count < _MAX_PAUSES and _run_thread(_send_later):
            self._pause_count += 1
        else:
            self._store_and_end()

    def _store_and_end(self) -> None:
        self._is_storing = True
        try:
            done = _thread.allocate_lock()
            done.acquire()
            if _run_thread(self._store_and_release, done):
                done.acquire(timeout=self.timeout_s)
        finally:
            _end()

    def _store_and_release(self, done: _thread.LockType) -> None:
        try:
            self._store()
        finally:
            done.release()

    def _watch(self) -> None:
        """Let Python write the numbers of signals to a thread, where nobody else asks for them."""
        if self._sockets is not None or not hasattr(socket, "SO_PASSCRED"):
            return
        reader, writer = socket.socketpair()
        # A program that is about to be started writes here, too: the kernel tells who did.
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        writer.setblocking(False)  # noqa: FBT003
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        if before == -1 and _run_thread(self._read_signals, reader):
            self._sockets = reader, writer
        else:
            signal.set_wakeup_fd(before)
            reader.close()
            writer.close()

    def _unwatch(self) -> None:
        if self._sockets is None:
            return
        (reader, writer), self._sockets = self._sockets, None
        before = signal.set_wakeup_fd(-1)
        if before != writer.fileno():
            signal.set_wakeup_fd(before)
        if self._process == os.getpid():
            # The thread reads the end, and closes its own side.
            writer.shutdown(socket.SHUT_WR)
        else:
            reader.close()
        writer.close()

    def _read_signals(self, reader: socket.socket) -> None:
        block_signals()
        with reader:
            while True:
                numbers, notes, *_ = reader.recvmsg(64, socket.CMSG_SPACE(_CREDENTIALS.size))
                if not numbers:
                    return
                (process, _user, _group) = _CREDENTIALS.unpack(notes[0][2])
                if process != os.getpid() or signal.SIGTERM not in numbers:
                    continue
                time.sleep(_PATIENCE_S)
                has_run, self._has_run = self._has_run, False
                if self._is_installed() and not has_run and not self._is_storing:
                    self._store_and_end()


def _end() -> None:
    """Let SIGTERM end the process: its parent sees the very status of the default action."""
    if _is_main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    else:
        # What signal.signal() does, which Python allows to its main thread only. Few need it.
        import ctypes

        ctypes.pythonapi.PyOS_setsig(int(signal.SIGTERM), None)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_main_thread() -> bool:
    return threading.main_thread().ident == _thread.get_ident()


def _is_inside(frame: FrameType | None) -> bool:
    """Tell whether a frame is signalscope's, or of a lock or thread that it uses."""
    while frame is not None and frame.f_code.co_filename == _THREADING:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_OURS)


def _has_handler_in_c() -> bool:
    """Tell whether C code handles SIGTERM, as in uWSGI: Python takes that for the default."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "uwsgi" in sys.modules
    caught = int(status.partition("\nSigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _run_thread(function: Callable[..., object], *arguments: object) -> bool:
    """Run a function in a thread without taking a lock; return whether it could begin."""
    try:
        _thread.start_new_thread(function, arguments)
    except RuntimeError:
        # The interpreter is about to end.
        return False
    return True


def _send_later() -> None:
    time.sleep(_PAUSE_S)
    os.kill(os.getpid(), signal.SIGTERM)
