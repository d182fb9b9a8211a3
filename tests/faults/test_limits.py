"""The database is there, and does not take what is written: full, read-only, slow, locked."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import ENGINE


def make_read_only(host, server, is_on):
    """Let signalscope's database refuse every write, or no longer."""
    if ENGINE == "sqlite":
        host.set_pragmas(*["PRAGMA query_only = 1"] * is_on)
    elif ENGINE == "postgres":
        setting = f"default_transaction_read_only = {'on' if is_on else 'off'}"
        server.execute(f"ALTER DATABASE {server.database} SET {setting}")
    else:
        server.execute(f"SET GLOBAL read_only = {is_on:d}")


def test_read_only(host, server):
    """What cannot be written waits until it can."""
    host.flush()
    make_read_only(host, server, True)
    try:
        assert host.request(5) == [5, [200], 5]
        assert host.wait_for_failure() is True
        assert host.request(5) == [5, [200], 10]
    finally:
        make_read_only(host, server, False)
    assert host.flush() is True
    stored = host.stored()
    assert (stored["calls"], stored["traces"], stored["lost_traces"]) == (10, 10, 0)
    assert len(host.warnings()) == 1


@pytest.fixture
def small_disk(server):
    """A disk of 24 MiB that can be filled, and that the server may use."""
    if os.getuid() != 0:
        pytest.skip("to mount a small disk takes root")
    folder = server.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24M", "small", folder], check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a small disk cannot be mounted here")
    if getattr(server, "account", None):
        shutil.chown(folder, server.account, server.account)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


@pytest.fixture
def database_on_small_disk(server, small_disk):
    """What stands in DATABASES for a database whose files are on the small disk."""
    server.database = "small"
    if ENGINE == "sqlite":
        yield {**server.settings("small"), "NAME": str(small_disk / "small.sqlite3")}
    elif ENGINE == "postgres":
        server.execute(
            f"CREATE TABLESPACE small LOCATION '{small_disk}'",
            "CREATE DATABASE small TABLESPACE small",
        )
        yield server.settings("small")
        server.execute("DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")
    else:
        server.make_database("small")
        options = (server.data / "small" / "db.opt").read_bytes()
        (server.data / "small" / "db.opt").unlink()
        (server.data / "small").rmdir()
        (server.data / "small").symlink_to(small_disk)
        (small_disk / "db.opt").write_bytes(options)
        yield server.settings("small")
        # It drops the tables, but takes no symbolic link away.
        with suppress(Exception):
            server.execute("DROP DATABASE small")
        (server.data / "small").unlink(missing_ok=True)


def fill(folder):
    """Leave no room on the disk; return the file that takes it."""
    path = Path(folder) / "ballast"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return path


def test_full(start_host, database_on_small_disk, small_disk):
    """A full disk: what finds no room there waits, and is stored once there is room."""
    host = start_host(database_on_small_disk)
    assert host.migrate() is True
    host.request(5)
    assert host.flush() is True
    ballast = fill(small_disk)
    requests = 5
    # There may be room left in pages that exist.
    while not host.state()["failures"]:
        assert host.request(100)[:2] == [100, [200]]
        requests += 100
        host.flush()
    assert host.request(5)[:2] == [5, [200]]
    ballast.unlink()
    assert host.flush() is True
    stored = host.stored()
    assert (stored["calls"], stored["lost_calls"]) == (requests + 5, 0)
    assert stored["traces"] + stored["lost_traces"] == requests + 5
    assert len(host.warnings()) == 1


SLOW = {
    "sqlite": """
        CREATE TRIGGER slow BEFORE INSERT ON signalscope_rollup
        WHEN NEW.receiver LIKE '%hear_order' BEGIN SELECT pg_sleep(1); END
    """,
    "postgres": """
        CREATE FUNCTION slow() RETURNS trigger AS
        'BEGIN PERFORM pg_sleep(1); RETURN NEW; END' LANGUAGE plpgsql;
        CREATE TRIGGER slow BEFORE INSERT ON signalscope_rollup FOR EACH ROW
        WHEN (NEW.receiver LIKE '%hear_order') EXECUTE FUNCTION slow()
    """,
    "mariadb": """
        CREATE TRIGGER slow BEFORE INSERT ON signalscope_rollup FOR EACH ROW
        SET @slept = IF(NEW.receiver LIKE '%hear_order', SLEEP(1), 0)
    """,
}


def test_slow(start_host, observability, server):
    """Each insert takes a second: who sends does not wait, and all is stored or counted as lost."""
    host = start_host(observability, BUFFER_BYTES=100_000)
    assert host.migrate() is True
    host.set_pragmas()
    host.flush()
    host.start_load(2)
    host.sleep(2)
    (healthy, _) = host.look_at_load()
    server.execute(SLOW[ENGINE], database=server.database)
    host.flush()
    assert host.flush(0.3) is False
    (before, _) = host.look_at_load()
    host.sleep(4)
    (slow, peak_bytes) = host.stop_load()
    assert sum(slow) - sum(before) > sum(healthy) / 2
    assert peak_bytes <= 100_000
    assert host.flush() is True
    assert host.flush() is True
    stored = host.stored()
    assert stored["calls"] + stored["lost_calls"] == sum(slow) * 10
    assert stored["traces"] + stored["lost_traces"] == sum(slow)
    assert stored["lost_traces"] > 0


@pytest.mark.skipif(ENGINE != "sqlite", reason="only SQLite has one writer at a time")
def test_locked_by_the_project(start_host):
    """A long transaction of the project's: the writer waits, and the project never for it."""
    host = start_host(None)
    host.flush()
    host.hold_lock()
    assert host.send(1000, 2) == 2000
    assert host.flush(0.5) is False
    assert host.wait_for_failure() is True
    assert host.send(1000, 2) == 2000
    assert host.release_lock() == 1
    assert host.flush() is True
    stored = host.stored()
    assert (stored["calls"], stored["lost_calls"]) == (4000, 0)
    assert stored["traces"] + stored["lost_traces"] >= 4000
