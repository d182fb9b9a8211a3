"""Makes the databases of the benchmarks, and removes them as the process ends."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

SERVER = {
    "host": os.environ.get("POSTGRES_HOST", "127.0.0.1"),
    "port": os.environ.get("POSTGRES_PORT", "5432"),
    "user": os.environ.get("POSTGRES_USER", "postgres"),
    "password": os.environ.get("POSTGRES_PASSWORD", ""),
}
# OPTIONS by engine. As a busy site has it:
BUSY = {
    "sqlite": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"},
    "postgres": {},
}
# Where rows are made by the million first, and no commit need reach the disk at once:
BULK = {
    "sqlite": {"init_command": "PRAGMA synchronous=OFF; PRAGMA cache_size=-100000"},
    "postgres": {"options": "-c synchronous_commit=off"},
}


def make_database(engine, name="db", options=None):
    """
    Return the DATABASES entry of a new, empty database that goes when this process does.

    engine: sqlite or postgres; without a PostgreSQL server the process says so and ends.
    options: OPTIONS by engine.
    """
    # A process that is told to end removes its databases, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    options = (options or {}).get(engine, {})
    if engine == "postgres":
        return _make_postgres(f"signalscope_bench_{os.getpid()}_{name}", options)
    folder = tempfile.mkdtemp(prefix="signalscope-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(Path(folder) / f"{name}.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", **options},
    }


def skip(reason):
    """End this benchmark, and say why it cannot be run here."""
    name = " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])
    print(f"\nskipped: {name}: {reason}", flush=True)
    sys.exit(0)


def _make_postgres(name, options):
    try:
        import psycopg
    except ImportError:
        skip("psycopg is not installed")
    try:
        server = psycopg.connect(**SERVER, dbname="postgres", autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        skip(f"no PostgreSQL answers: {str(error).strip().splitlines()[0]}")
    server.execute(f'CREATE DATABASE "{name}"')
    server.close()
    atexit.register(_drop_postgres, name)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        **{key.upper(): value for key, value in SERVER.items()},
        "CONN_MAX_AGE": None,
        "OPTIONS": options,
    }


def _drop_postgres(name):
    import psycopg

    with psycopg.connect(**SERVER, dbname="postgres", autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
