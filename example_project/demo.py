"""
Shows signalscope at work: serves the example shop, visits it, and prints what was recorded.

PORT in the environment is the port to serve on (8000); SERVE=0 stops after the tables.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import IO
from urllib.error import URLError

import django
import signalscope
from django.db import connection
from django.utils import timezone

import tours

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from signalscope.models import Trace  # noqa: E402

from visitor import DemoError, Visitor, expect  # noqa: E402

HOST = "127.0.0.1"
HERE = Path(__file__).resolve().parent
MANAGE = [sys.executable, str(HERE / "manage.py")]
START_TIMEOUT_S = 60
STORE_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30

ADDRESSES = """
Shop:     {base}/
Admin:    {base}/admin/  (login demo, password demo)
Signals:  {base}/admin/signalscope/rollup/signals/
Traces:   {base}/admin/signalscope/trace/
Activity: {base}/admin/signalscope/activitylog/
Toolbar:  on each page of the shop, at the right: the panel "Signalscope"

Serving until Ctrl-C."""


def visit(base: str) -> None:
    """Do what customers do in the shop."""
    name, password = f"anna-{secrets.token_hex(3)}", secrets.token_urlsafe()
    anna = Visitor(base)
    anna.get("/")
    anna.get("/accounts/sign-up/")
    anna.post("/accounts/sign-up/", username=name, password1=password, password2=password)
    expect("Log out" in anna.get("/"), "signing up does not log in")
    tea = order(anna, "assam", 2)
    teapot = order(anna, "glass-teapot", 1)
    tin = order(anna, "tea-tin", 3)
    for path in (tea, teapot):
        expect("is paid" in anna.post(f"{path}pay/"), "an order cannot be paid")
    expect("is cancelled" in anna.post(f"{tin}cancel/"), "an order cannot be cancelled")
    anna.get("/orders/")
    anna.get("/accounts/profile/")
    anna.post("/accounts/logout/")

    anna.get("/accounts/login/")
    anna.post("/accounts/login/", username=name, password="not the password")
    anna.post("/accounts/login/", username=name, password=password)
    # This brings the stock below its limit, which makes a receiver fail; the next is refused.
    order(anna, "kettle", 2)
    anna.get("/products/kettle/")
    refused = anna.post("/products/kettle/order/", quantity="99")
    expect("There are only" in refused, "an order of too many is not refused")

    anna.get("/pulse/")
    anna.get("/newsletter/")
    anna.post("/newsletter/", email=f"{name}@example.com")

    keeper = Visitor(base)
    keeper.get("/accounts/login/")
    keeper.post("/accounts/login/", username="demo", password="demo")  # noqa: S106
    for module in sorted(module.name for module in iter_modules(tours.__path__)):
        import_module(f"tours.{module}").take(anna, keeper)


def order(visitor: Visitor, slug: str, quantity: int) -> str:
    """Order a product; return the address of the order."""
    visitor.get(f"/products/{slug}/")
    page = visitor.post(f"/products/{slug}/order/", quantity=str(quantity))
    expect("Thank you for your order" in page, f"{slug} cannot be ordered")
    return visitor.path


def manage(*words: str) -> None:
    """Run a command of manage.py, which prints what it has to say."""
    sys.stdout.flush()
    status = subprocess.run([*MANAGE, *words], check=False).returncode
    if status:
        raise DemoError(f"manage.py {' '.join(words)} ended with status {status}.")


def free_port() -> int:
    """Return the port to serve on; DemoError when it is no number, or taken."""
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise DemoError(f"PORT is {text!r}; it must be a number from 1 to 65535.")
    with socket.socket() as probe:
        # As the server does: a port that was in use a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
        except OSError as error:
            raise DemoError(
                f"Port {text} cannot be used ({error.strerror}). "
                "Choose another one: make demo PORT=8001"
            ) from error
    return int(text)


@contextmanager
def served(port: int, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the shop during a block; its output goes to log."""
    server = subprocess.Popen(
        [*MANAGE, "runserver", "--noreload", f"{HOST}:{port}"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        # Ctrl-C reaches the demo alone, which then stops the server.
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(port, server), START_TIMEOUT_S, "The server does not start.")
        yield server
    finally:
        stop(server)


def answers(port: int, server: subprocess.Popen[bytes]) -> bool:
    """Tell whether the server can be reached; DemoError when it has ended."""
    if server.poll() is not None:
        raise DemoError(f"The server ended with status {server.returncode}.")
    with suppress(OSError), closing(socket.create_connection((HOST, port), timeout=1)):
        return True
    return False


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server as Ctrl-C does, so that it stores what it still holds."""
    # Whoever presses Ctrl-C twice waits all the same.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def wait_until(is_so: Callable[[], bool], timeout_s: float, problem: str) -> None:
    """Wait for something; DemoError when that takes too long."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise DemoError(problem)
        time.sleep(0.1)


def stored_count(since: datetime) -> int:
    """Return how many requests since a moment are stored: that happens a second later."""
    with signalscope.suppress(), closing(connection):
        traces = Trace.objects.filter(trigger=Trace.Trigger.REQUEST, started_at__gte=since)
        return traces.count()


def run() -> None:
    """Run the demo; DemoError when anything fails."""
    port = free_port()
    base = f"http://{HOST}:{port}"
    manage("migrate", "--verbosity", "0")
    manage("seed")
    with tempfile.NamedTemporaryFile(prefix="signalscope-demo-", suffix=".log") as log:
        try:
            with served(port, log.file) as server:
                show(base)
                if os.environ.get("SERVE") != "0":
                    print(ADDRESSES.format(base=base), flush=True)
                    server.wait()
                    raise DemoError(f"The server ended with status {server.returncode}.")
        except DemoError:
            sys.stdout.flush()
            sys.stderr.write(f"The server's log:\n{Path(log.name).read_text()}\n")
            raise


def show(base: str) -> None:
    """Visit the shop and print what was recorded."""
    print(f"Visiting the shop at {base}/ ...", flush=True)
    began_at = timezone.now()
    try:
        visit(base)
    except URLError as error:
        raise DemoError(f"The server cannot be reached: {error.reason}") from error
    wait_until(
        lambda: stored_count(began_at) >= Visitor.request_count,
        STORE_TIMEOUT_S,
        "signalscope did not store all requests in time.",
    )
    print(f"{Visitor.request_count} requests. What their receivers took:")
    show_command("signalstats", "--limit", "20")
    show_command("signalstats", "--unheard")
    print("\nWho did what to the orders:")
    show_command("signalscope", "activity", "--model", "shop.Order", "--limit", "12")


def show_command(*words: str) -> None:
    """Print a command line and what it prints."""
    print(f"\n$ manage.py {' '.join(words)}", flush=True)
    manage(*words)


def main() -> int:
    """Run the demo and return the exit status."""
    # A shell that starts this in the background turns Ctrl-C off; the server would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run()
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
