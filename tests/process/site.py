"""A site of its own for each test: its database, its commands, and what is stored there."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from functools import cache
from itertools import count
from pathlib import Path

from tests.settings import ENGINES

PROJECT = Path(__file__).parents[2]
ENGINE = os.environ.get("TEST_DATABASE", "sqlite")
# What none of the processes may say.
TELLTALES = ("signalscope failed", "Exception ignored", "ResourceWarning", "cannot store")
_numbers = count(1)


def connect(engine, name):
    """Return a driver's connection that commits by itself."""
    if engine == "sqlite":
        import sqlite3

        return sqlite3.connect(name, isolation_level=None, timeout=60)
    settings = ENGINES[engine]
    where = {"host": settings["HOST"], "port": int(settings["PORT"]), "user": settings["USER"]}
    if engine == "postgres":
        import psycopg

        return psycopg.connect(
            **where, password=settings["PASSWORD"], dbname=name or "postgres", autocommit=True
        )
    import MySQLdb

    return MySQLdb.connect(
        **where, password=settings["PASSWORD"], database=name or "mysql", autocommit=True
    )


def query(engine, name, statement):
    """Run a statement, and return its rows."""
    connection = connect(engine, name)
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        connection.close()


def environment(engine, database, **settings):
    """Return the environment of a process of the site."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "DJANGO"))},
        "DJANGO_SETTINGS_MODULE": "tests.process.site_settings",
        "SITE_ENGINE": engine,
        "SITE_DB": database,
        "SITE_SIGNALSCOPE": json.dumps(settings),
        "PYTHONPATH": str(PROJECT),
        "PYTHONFAULTHANDLER": "1",
    }


@cache
def migrated():
    """Make a database file with all tables, to be copied."""
    folder = tempfile.TemporaryDirectory()
    path = str(Path(folder.name) / "site.sqlite3")
    migrate("sqlite", path)
    # Kept together, so that the folder lasts as long as the tests.
    return path, folder


def migrate(engine, database):
    """Make the tables of a database."""
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity=0"],
        env=environment(engine, database, ENABLED=False),
        cwd=PROJECT,
        check=True,
    )


class ProcessTestCase(unittest.TestCase):
    """Runs commands and servers of a site of their own; engine says on which database."""

    engine = "sqlite"

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        if self.engine == "sqlite":
            self.database = str(Path(self.folder) / "site.sqlite3")
            shutil.copy(migrated()[0], self.database)
        else:
            self.database = f"signalscope_process_{os.getpid()}_{next(_numbers)}"
            query(self.engine, "", f"CREATE DATABASE {self.database}")
            self.addCleanup(query, self.engine, "", f"DROP DATABASE {self.database}")
            migrate(self.engine, self.database)
        self.environment = environment(self.engine, self.database)

    def settings(self, **settings):
        """Set keys of SIGNALSCOPE in the processes that begin from now on."""
        self.environment["SITE_SIGNALSCOPE"] = json.dumps(settings)

    def start(self, *command, log=subprocess.PIPE):
        """Start Python with a command line, in a session of its own."""
        process = subprocess.Popen(
            [sys.executable, "-Wdefault", *command],
            env=self.environment,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                self.addCleanup(stream.close)
        return process

    def finish(self, process, status=0, timeout=60):
        """Wait for the end of a process; return what it printed."""
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            # What hangs fails the test, does not outlive it, and says where it hung.
            os.killpg(process.pid, signal.SIGABRT)
            output, errors = process.communicate()
            self.fail(f"The process did not end.\n{errors}")
        self.assertEqual(process.returncode, status, errors)
        for telltale in TELLTALES:
            self.assertNotIn(telltale, errors)
        return output

    def run_django(self, *arguments, status=0):
        """Run a management command, and return what it printed."""
        return self.finish(self.start("-m", "django", *arguments), status)

    def run_script(self, *lines, status=0):
        """Run a script of the site, and return what it printed."""
        return self.finish(self.start("-c", "\n".join(lines)), status)

    def query(self, statement):
        """Run a statement in the site's database, and return its rows."""
        return query(self.engine, self.database, statement)

    def calls(self):
        """Return how many calls of the receiver the roll-ups count."""
        ((found,),) = self.query(
            "SELECT SUM(call_count) FROM signalscope_rollup"
            " WHERE receiver = 'tests.process.receivers.hear_ping'"
        )
        return int(found or 0)

    def rows(self):
        """Return how many calls of the receiver are stored as rows."""
        ((found,),) = self.query(
            "SELECT COUNT(*) FROM signalscope_receivercall"
            " WHERE receiver = 'tests.process.receivers.hear_ping'"
        )
        return found

    def traces(self, trigger):
        """Return name and status of each trace that something began."""
        return self.query(
            "SELECT name, status FROM signalscope_trace"
            f" WHERE {'`trigger`' if self.engine == 'mariadb' else 'trigger'} = '{trigger}'"
        )

    def losses(self):
        """Return the number of rows that tell of losses."""
        ((found,),) = self.query("SELECT COUNT(*) FROM signalscope_loss")
        return found

    def entries(self):
        """Return how many entries of the activity log there are of what sends signals."""
        ((found,),) = self.query(
            "SELECT COUNT(*) FROM signalscope_activitylog WHERE action = 'pinged'"
        )
        return found

    def assert_stored(self, calls, losses=0):
        """Exactly so many calls were counted, and nothing was lost."""
        self.assertEqual((self.calls(), self.losses()), (calls, losses))
