"""Servers for a session, databases and a project for each test."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from tests.faults.servers import MariaDB, Postgres, SQLite

PROJECT = Path(__file__).parents[2]
ENGINE = os.environ.get("TEST_DATABASE", "sqlite")
SERVERS = {"sqlite": SQLite, "postgres": Postgres, "mariadb": MariaDB}
MIGRATE = ("migrate", "signalscope", "--database=observability", "--verbosity=0")
RUN_HOST = "from tests.faults import run_host; run_host.main()"
_numbers = count(1)


@pytest.fixture(scope="session")
def private_server():
    """A server of the engine that the suite runs on."""
    # Not pytest's folder: the server runs as another user, who may not look into that.
    with tempfile.TemporaryDirectory() as folder:
        server = SERVERS[ENGINE](folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def server(private_server):
    """The server, running as the test begins, whatever the last one did to it."""
    if private_server.process is None:
        private_server.start()
    private_server.thaw()
    return private_server


@pytest.fixture
def observability(server):
    """What stands in DATABASES for an empty database of the engine that the suite runs on."""
    name = f"observability_{next(_numbers)}"
    server.make_database(name)
    server.database = name
    return server.settings(name)


@pytest.fixture
def host(start_host, observability):
    """A project whose signalscope has a migrated database of its own."""
    host = start_host(observability)
    assert host.migrate() is True
    return host


@pytest.fixture(scope="session")
def own_database(tmp_path_factory):
    """Make the project's own database, with signalscope's tables or not, as a file to copy."""

    @cache
    def make(has_signalscope):
        path = tmp_path_factory.mktemp("site") / "site.sqlite3"
        elsewhere = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--verbosity=0"],
            env=environment(path, None if has_signalscope else elsewhere),
            cwd=PROJECT,
            check=True,
        )
        return path

    return make


def environment(path, observability=None, **settings):
    """Return the environment of a process of the project's."""
    found = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "DJANGO"))},
        "DJANGO_SETTINGS_MODULE": "tests.faults.site_settings",
        "PYTHONPATH": str(PROJECT),
        "SITE_DB": str(path),
        "SITE_SIGNALSCOPE": json.dumps(settings),
    }
    if observability is not None:
        found["SITE_OBSERVABILITY"] = json.dumps(observability)
    return found


class Host:
    """The project in a process of its own: ``host.send(3)`` runs host.py's send(3) there."""

    def __init__(self, environment):
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-Wdefault",
                "-c",
                RUN_HOST,
            ],
            env=environment,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stderr = ""
        # What its log may not say, whatever the database does.
        self.telltales = ["Please report this", "Traceback", "Exception ignored"]

    def __getattr__(self, name):
        def ask(*arguments):
            # A host that hangs fails the test, and does not hang it.
            timer = threading.Timer(120, self.process.kill)
            timer.start()
            try:
                self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline()
            finally:
                timer.cancel()
            if not answer:
                raise AssertionError(self.end())
            return json.loads(answer)

        return ask

    def end(self):
        """End the process as a command ends, and return what it said on stderr."""
        if not self.process.stderr.closed:
            _, self.stderr = self.process.communicate(timeout=30)
        return self.stderr


@pytest.fixture
def start_host(own_database, tmp_path):
    """Start the project with a database for signalscope and settings, as often as asked to."""
    hosts = []

    def start(observability=None, **settings):
        path = tmp_path / f"site-{len(hosts)}.sqlite3"
        shutil.copy(own_database(observability is None), path)
        hosts.append(Host(environment(path, observability, **settings)))
        return hosts[-1]

    yield start
    for host in hosts:
        host.end()
        for telltale in host.telltales:
            assert telltale not in host.stderr
