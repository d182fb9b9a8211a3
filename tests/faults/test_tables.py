"""The database is there, and its tables are not as they should be."""

import pytest

from tests.faults.conftest import ENGINE, MIGRATE


@pytest.mark.parametrize("version", ["zero", "0001", "0002"])
def test_not_migrated(start_host, observability, version):
    """Without tables, or with those of an older version, all waits until they are there."""
    host = start_host(observability)
    host.command("migrate", "signalscope", version, *MIGRATE[2:])
    assert host.request(5) == [5, [200], 5]
    host.log("counted", "counted")
    assert host.wait_for_failure() is True
    assert host.request(5) == [5, [200], 10]
    host.log("counted")
    host.command(*MIGRATE)
    assert host.flush() is True
    stored = host.stored()
    assert (stored["calls"], stored["traces"], stored["lost_traces"]) == (10, 10, 0)
    assert (stored["entries"], stored["lost_entries"]) == (3, 0)
    # Between two migrations there may have been a turn, and another trouble.
    warnings = host.warnings()
    assert warnings
    assert len(set(warnings)) == len(warnings)


def test_migrated_back_while_it_runs(host):
    """Tables that go back to an older version are waited for, too; nothing is taken for bad."""
    host.request(5)
    host.flush()
    host.command("migrate", "signalscope", "0001", *MIGRATE[2:])
    host.request(5)
    assert host.wait_for_failure() is True
    host.command(*MIGRATE)
    assert host.flush() is True
    stored = host.stored()
    assert (stored["traces"], stored["lost_traces"], stored["lost_calls"]) == (10, 0, 0)


# What the database does not take, and is no fault of what surrounds it.
REFUSING = {
    "sqlite": """
        CREATE TRIGGER refuse_{column} BEFORE INSERT ON signalscope_{table}
        WHEN NEW.{column} = '{value}' BEGIN SELECT RAISE(ABORT, 'refused'); END
    """,
    "postgres": "ALTER TABLE signalscope_{table} ADD CHECK ({column} <> '{value}')",
    "mariadb": "ALTER TABLE signalscope_{table} ADD CHECK ({column} <> '{value}')",
}


def refuse(server, **names):
    """Let the database refuse rows with a value in a column."""
    server.execute(REFUSING[ENGINE].format(**names), database=server.database)


def test_refused_trace(host, server):
    """A trace that the database refuses is lost and counted; the others are stored."""
    host.telltales.remove("Please report this")
    host.telltales.remove("Traceback")
    refuse(server, table="trace", column="name", value="bad")
    host.trace(*["good"] * 7, "bad", *["good"] * 20, "bad")
    host.flush()
    host.flush()
    stored = host.stored()
    assert (stored["traces"], stored["lost_traces"]) == (27, 2)
    assert (stored["calls"], stored["lost_calls"]) == (29, 0)
    assert len(host.warnings()) == 1


def test_refused_rollup(host, server):
    """So are calls whose roll-up the database refuses; traces do not suffer from it."""
    host.telltales.remove("Please report this")
    host.telltales.remove("Traceback")
    refuse(server, table="rollup", column="receiver", value="tests.faults.host.hear_order")
    host.trace("a", "b")
    host.flush()
    host.flush()
    stored = host.stored()
    assert (stored["traces"], stored["calls"], stored["lost_calls"]) == (2, 0, 2)


def test_refused_entry(host, server):
    """So is an entry of the activity log; what is stored with it does not suffer from it."""
    host.telltales.remove("Please report this")
    host.telltales.remove("Traceback")
    refuse(server, table="activitylog", column="action", value="bad")
    host.log("good", "bad", "fine")
    host.trace("a")
    host.flush()
    host.flush()
    stored = host.stored()
    assert (stored["entries"], stored["lost_entries"]) == (2, 1)
    assert (stored["traces"], stored["lost_traces"], stored["lost_calls"]) == (1, 0, 0)


def test_refused_by_another_versions_table(host, server):
    """A column that a newer version added and fills is no fault of the rows: they wait."""
    statement = "ALTER TABLE signalscope_trace ADD COLUMN mood varchar(9) NOT NULL"
    if ENGINE == "sqlite":
        # SQLite adds no such column without a default; so the last one is taken as the new one.
        statement = "ALTER TABLE signalscope_trace RENAME COLUMN query_count TO mood"
    server.execute("DELETE FROM signalscope_trace", statement, database=server.database)
    host.trace("a", "b")
    assert host.wait_for_failure() is True
    undo = "ALTER TABLE signalscope_trace DROP COLUMN mood"
    if ENGINE == "sqlite":
        undo = "ALTER TABLE signalscope_trace RENAME COLUMN mood TO query_count"
    server.execute(undo, database=server.database)
    assert host.flush() is True
    stored = host.stored()
    assert (stored["traces"], stored["calls"], stored["lost_traces"]) == (2, 2, 0)
