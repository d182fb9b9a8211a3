"""Database servers of the tests' own, in a temporary folder, that can be stopped and broken."""

import getpass
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """
    A server in a folder; the port stays the same when it starts again.

    account: the user who runs it, where root may not.
    """

    account = None

    def __init__(self, folder):
        self.folder = Path(folder)
        self.port = free_port()
        self.process = None
        if self.account:
            self.folder.chmod(0o755)
            self.data = self.folder / "data"
            self.data.mkdir()
            shutil.chown(self.data, self.account)
        else:
            self.data = self.folder / "data"
        subprocess.run(
            self.making(), cwd=self.folder, check=True, capture_output=True, **self._as_account()
        )

    def _as_account(self):
        if not self.account:
            return {}
        return {"user": self.account, "group": self.account, "extra_groups": []}

    def start(self):
        """Start the server, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=self.data, stdout=log, stderr=log, **self._as_account()
            )
        for _ in range(600):
            try:
                self.connect().close()
                return
            except Exception:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self, number=None):
        """End the server by a signal, its clean end by default; nothing if it does not run."""
        if self.process is not None:
            self.thaw()
            self.process.send_signal(number or self.clean_end)
            try:
                self.process.wait(30)
            finally:
                self.process.kill()
            self.process = None

    def kill(self):
        """End the server as a crash would."""
        self.stop(signal.SIGKILL)

    def freeze(self):
        """Let all processes of the server stand still: connections stay, nothing is answered."""
        for number in [self.process.pid, *children(self.process.pid)]:
            os.kill(number, signal.SIGSTOP)

    def thaw(self):
        """Let them go on."""
        for number in [*children(self.process.pid), self.process.pid]:
            os.kill(number, signal.SIGCONT)

    def execute(self, *statements, database=None):
        """Run statements as the server's administrator, each in its own transaction."""
        connection = self.connect(database)
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
        finally:
            connection.close()


class Postgres(Server):
    """A PostgreSQL server."""

    account = "postgres" if os.getuid() == 0 else None
    clean_end = signal.SIGINT

    def making(self):
        """Return the command that makes the data."""
        return [
            program("initdb"), f"--pgdata={self.data}", "--auth=trust", "--username=postgres",
            "--encoding=UTF8", "--no-locale", "--no-sync",
        ]  # fmt: skip

    def command(self):
        """Return the command that runs it."""
        return [
            program("postgres"), "-D", self.data, "-p", str(self.port), "-k", self.data,
            "-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=30",
        ]  # fmt: skip

    def connect(self, database=None):
        """Return a driver's connection."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database or "postgres",
            autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def settings(self, database):
        """Return what stands in DATABASES for a database."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "NAME": database,
            "USER": "postgres",
        }

    def make_database(self, name):
        """Make an empty database."""
        self.execute(f"CREATE DATABASE {name}")


class MariaDB(Server):
    """A MariaDB server; the project is an ordinary user of it."""

    clean_end = signal.SIGTERM

    def making(self):
        """Return the command that makes the data."""
        return [
            program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}",
            f"--user={getpass.getuser()}", "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]  # fmt: skip

    def command(self):
        """Return the command that runs it."""
        return [
            program("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
            f"--socket={self.folder}/socket", "--bind-address=127.0.0.1",
            f"--user={getpass.getuser()}", "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=16M",
        ]  # fmt: skip

    def connect(self, database=None):
        """Return a driver's connection."""
        import MySQLdb

        return MySQLdb.connect(
            unix_socket=f"{self.folder}/socket", user="root", database=database or "mysql",
            connect_timeout=5, autocommit=True,
        )  # fmt: skip

    def settings(self, database):
        """Return what stands in DATABASES for a database."""
        return {
            "ENGINE": "django.db.backends.mysql",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "NAME": database,
            "USER": "site",
            "OPTIONS": {"charset": "utf8mb4"},
        }

    def make_database(self, name):
        """Make an empty database."""
        self.execute(
            f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
            "CREATE USER IF NOT EXISTS site@'127.0.0.1'",
            f"GRANT ALL ON {name}.* TO site@'127.0.0.1'",
        )


class SQLite:
    """What stands for a server where there is none: the folder that holds the files."""

    process = None

    def __init__(self, folder):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.data.mkdir()

    def start(self):
        """Let the files be there."""
        if not self.data.exists():
            (self.folder / "gone").rename(self.data)

    def stop(self):
        """Let the files be gone, as with a volume that is not mounted."""
        self.start()
        self.data.rename(self.folder / "gone")

    kill = stop

    def thaw(self):
        """Do nothing: what cannot be frozen is not."""

    def settings(self, database):
        """Return what stands in DATABASES for a database."""
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(self.data / f"{database}.sqlite3"),
            "OPTIONS": {"timeout": 1},
        }

    def make_database(self, name):
        """Do nothing: the file is made when it is opened."""

    def execute(self, *statements, database):
        """Run statements, each in its own transaction."""
        connection = sqlite3.connect(self.data / f"{database}.sqlite3", timeout=10)
        try:
            for statement in statements:
                with connection:
                    connection.execute(statement)
        finally:
            connection.close()


def program(name):
    """Return the path of a server's program, which need not be in PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, reversed(folders))])
    found = shutil.which(name, path=path)
    if found is None:
        raise RuntimeError(f"{name} is not installed; see .ci/run")
    return found


def children(number):
    """Return the ids of the processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(number)], stdout=subprocess.PIPE, check=False)
    return [int(line) for line in found.stdout.split()]
