"""Runs the example project in processes of its own, with a database of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "example_project"


def environment(database: Path) -> dict[str, str]:
    """Return the environment for a process of the example project."""
    # What tells signalscope and the toolbar that a test suite runs is not for that process.
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return {
        **kept,
        "EXAMPLE_DB": str(database),
        "EXAMPLE_MEDIA": str(database.with_name("media")),
        # It imports the same signalscope as the tests, installed or not.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(script: str, *words: str, database: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the example project; fail with its output when it fails."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *words],
        env={**environment(database), **more},
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
