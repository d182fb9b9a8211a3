"""
How many rows per second the writer stores, beside the database's own quickest way for the same.

    python -m benchmarks.bench_store sqlite|postgres

From a batch of heavy requests' traces to the commit. The yardstick gets the rows as they are in
the tables, and puts them into the same tables: by executemany() in SQLite, by COPY in PostgreSQL.
"""

import sys
from unittest import mock

from benchmarks.databases import BUSY, make_database
from benchmarks.setup import configure

if __name__ == "__main__":
    ENGINE = sys.argv[1]
    configure(databases={"default": make_database(ENGINE, options=BUSY)}, SAMPLE_RATE=1.0)

from django.db import connection, models

import signalscope
from benchmarks.side_by_side import QUICK, compare, finish, head, row
from benchmarks.traffic import fill, make_requests
from signalscope.models import Dispatch, ReceiverCall, Rollup, Trace
from signalscope.recorder.batch import Batch
from signalscope.sinks.database import DatabaseSink
from signalscope.wiring import scope

TABLES = (Trace, Dispatch, ReceiverCall, Rollup)
SIZES = (10,) if QUICK else (10, 100, 1000)


def record(count):
    """Return what the writer has to store after so many heavy requests: traces, roll-ups."""
    requests = make_requests("heavy")
    # What the migrations sent is not wanted.
    signalscope.flush(30)
    traces, rollups = [], {}

    def keep(batch):
        traces.extend(batch.traces)
        rollups.update(batch.rollups)

    with mock.patch.object(scope().writer.sink, "write", keep):
        for _ in range(0, count, 10):
            requests(10)
            signalscope.flush(30)
    return traces, rollups


def columns(model):
    """Return a model's columns but for the key that the database makes, quoted."""
    fields = [f for f in model._meta.concrete_fields if not isinstance(f, models.AutoField)]
    return ", ".join(connection.ops.quote_name(field.column) for field in fields)


def read_rows():
    """Return the rows of all tables, by model, as the database's own driver takes them."""
    found = {}
    for model in TABLES:
        shown = columns(model)
        if connection.vendor == "postgresql":
            shown = shown.replace('"histogram"', '"histogram"::text')
        cursor = connection.connection.cursor()
        cursor.execute(f"SELECT {shown} FROM {model._meta.db_table}")
        found[model] = cursor.fetchall()
    return found


def insert_sqlite(rows):
    """Put rows into the tables by executemany(), in one transaction."""
    driver = connection.connection
    driver.execute("BEGIN IMMEDIATE")
    for model, values in rows.items():
        places = ", ".join("?" * len(values[0]))
        statement = f"INSERT INTO {model._meta.db_table} ({columns(model)}) VALUES ({places})"
        driver.executemany(statement, values)
    driver.execute("COMMIT")


def insert_postgres(rows):
    """Put rows into the tables by COPY, in one transaction."""
    driver = connection.connection
    with driver.transaction(), driver.cursor() as cursor:
        for model, values in rows.items():
            statement = f"COPY {model._meta.db_table} ({columns(model)}) FROM STDIN"
            with cursor.copy(statement) as copy:
                for value in values:
                    copy.write_row(value)


def empty_tables():
    """Leave no row, so that both ways find the same."""
    with connection.cursor() as cursor:
        for model in TABLES:
            table = model._meta.db_table
            kind = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"
            cursor.execute(f"{kind} {table}")


def main(engine):
    """Print the table; return whether all bars hold."""
    fill()
    traces, rollups = record(max(SIZES))
    sink = DatabaseSink("default")
    insert, name = {
        "sqlite": (insert_sqlite, "executemany()"),
        "postgres": (insert_postgres, "COPY"),
    }[engine]
    head(f"rows stored per second, {engine}, beside {name}", "bare", "scoped")
    held = []
    for size in SIZES:
        batch = Batch(traces=traces[:size], rollups=rollups)
        empty_tables()
        sink.write(batch)
        rows = read_rows()
        count = sum(len(values) for values in rows.values())
        works = {
            "bare": lambda rows=rows: insert(rows),
            "scoped": lambda batch=batch: sink.write(batch),
        }
        rounds = 200 // size + 20
        bare, scoped = compare(works, rounds=rounds, before=lambda kind: empty_tables())
        title = f"{size} heavy requests: {count:,} rows"
        held.append(row(title, count / bare * 1e9, count / scoped * 1e9, 0.5, is_least=True))
    sink.close()
    return all(held)


if __name__ == "__main__":
    finish(main(ENGINE))
