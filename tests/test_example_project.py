"""The example project works, and shows what it is there to show."""

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


def test_demo_twice(database):
    """The demo visits the shop and prints what was recorded, also on a database that it filled."""
    for _ in range(2):
        port = str(example.free_port())
        done = example.run("demo.py", database=database, PORT=port, SERVE="0")
        lines = done.stdout.splitlines()
        for words in ("book_in_ledger", "rank_products", "shop.signals.newsletter_requested"):
            assert any(line.startswith(words) for line in lines), done.stdout
        assert "signalscope failed" not in done.stdout


def test_demo_port_taken(database):
    """A port that is taken is named, with what to do."""
    with example.socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError, match=f"Port {port} cannot be used"):
            example.run("demo.py", database=database, PORT=port, SERVE="0")
