"""A server for the example project, and a browser to look at it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.browser import example, walk

FOLDER = Path(__file__).parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
START_TIMEOUT_S = 30


def is_listening(port):
    """Tell whether somebody listens on a port."""
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
            return True
    except OSError:
        return False


def pytest_collection_modifyitems(items):
    """Let one process run all tests of a module, which share a server."""
    for item in items:
        if item.path.parent == FOLDER:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    """A database of the example shop, which is copied for each server."""
    database = tmp_path_factory.mktemp("seeded") / "example.sqlite3"
    example.run("manage.py", "migrate", "--verbosity", "0", database=database)
    example.run("manage.py", "seed", database=database)
    return database


@pytest.fixture(scope="module")
def base_url(request, tmp_path_factory, seeded):
    """
    The address of the example shop, served with a database that nobody used yet.

    The toolbar takes most of the time of a page: only tests that look at it have it.
    """
    has_toolbar = "1" if request.path.name == "test_browser.py" else "0"
    folder = tmp_path_factory.mktemp("browser")
    database = folder / "example.sqlite3"
    # What SQLite has not put into the file yet stands beside it.
    for part in seeded.parent.glob(f"{seeded.name}*"):
        shutil.copy(part, folder)
    port = example.free_port()
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            cwd=example.FOLDER,
            env={**example.environment(database), "EXAMPLE_TOOLBAR": has_toolbar},
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_listening(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    # Whatever signalscope has to complain about, it says in the log.
    assert "signalscope failed" not in log.read_text(), log.read_text()
    assert "signalscope cannot store" not in log.read_text(), log.read_text()


def unavailable(reason):
    """Skip the tests, but never in CI: there the browser has to be."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} CI is set, so that this is no reason to skip.")
    pytest.skip(reason)


# Not for the whole session: its event loop would keep Django from using a database.
@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed: pip install --group browser.")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), "")
    if not found:
        unavailable(f"No browser is installed ({', '.join(CHROMIUM_NAMES)}); CHROMIUM names one.")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=found,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield running
        running.close()


@pytest.fixture
def page(browser, base_url, scheme):
    """A page of the shop keeper's in a colour scheme; its troubles fail the test."""
    opened, troubles = walk.open_page(browser, base_url, scheme)
    walk.log_in(opened)
    yield opened
    opened.context.close()
    assert troubles == []
