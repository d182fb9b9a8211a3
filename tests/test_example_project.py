"""The example project works, and shows what it is there to show."""

import re

import pytest

from tests.browser import example


@pytest.fixture
def database(tmp_path):
    """A database file that does not exist yet."""
    return tmp_path / "example.sqlite3"


def test_check(database):
    """Django finds nothing wrong with it."""
    example.run("manage.py", "check", "--fail-level", "WARNING", database=database)


def test_migrations(database):
    """Each change of a model is in a migration."""
    example.run("manage.py", "makemigrations", "--check", "--dry-run", database=database)


def test_own_tests(database):
    """Its own tests pass."""
    done = example.run("manage.py", "test", database=database)
    assert "\nOK" in done.stdout


def test_demo(database):
    """The demo visits the shop and prints what was recorded."""
    port = str(example.free_port())
    done = example.run("demo.py", database=database, PORT=port, SERVE="0")
    lines = done.stdout.splitlines()
    for words in ("book_in_ledger", "rank_products", "shop.signals.newsletter_requested"):
        assert any(line.startswith(words) for line in lines), done.stdout
    assert any("anna-" in line and " updated " in line for line in lines), done.stdout
    assert "  status: Placed → Paid" in lines, done.stdout
    assert "signalscope failed" not in done.stdout


def test_doctor(database):
    """The doctor looks at all of its receivers, and finds nothing."""
    done = example.run("manage.py", "signalscope", "doctor", "--fail-on", "info", database=database)
    assert re.search(r"Looked at \d+ receivers of \d+ signals: nothing to report.", done.stdout)


def test_demo_addresses(database):
    """The pages that the demo names exist."""
    demo = (example.FOLDER / "demo.py").read_text(encoding="utf-8")
    paths = re.findall(r"{base}(/\S*)", demo)
    code = f"from django.urls import resolve\nfor path in {paths}: print(resolve(path).view_name)"
    done = example.run("manage.py", "shell", "--no-imports", "-c", code, database=database)
    found = done.stdout.split()
    assert "admin:signalscope_signals" in found
    assert "admin:signalscope_trace_changelist" in found
    assert "admin:signalscope_activitylog_changelist" in found


def test_demo_port_taken(database):
    """A port that is taken is named, with what to do."""
    with example.socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError, match=f"Port {port} cannot be used"):
            example.run("demo.py", database=database, PORT=port, SERVE="0")
