"""Runs commands of the site with the planted faults, in processes of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.process.site import PROJECT

FOLDER = Path(__file__).parent / "planted"
_FAULT = re.compile(r"# fault: (D\d{3})")


def planted():
    """Return (id, file, line) of each fault, as the files mark it."""
    return sorted(
        (fault[1], path.name, number)
        for path in FOLDER.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (fault := _FAULT.search(line))
    )


def run(database, *arguments, status=0):
    """Run a command; return what it printed on both streams."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "DJANGO"))},
        "DJANGO_SETTINGS_MODULE": "tests.doctor.planted_settings",
        "SITE_DB": str(database),
        "PYTHONPATH": str(PROJECT),
    }
    done = subprocess.run(
        [sys.executable, "-Wdefault", *arguments],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def doctor(database, *options, status=0):
    """Run the doctor; return what it found, and what it said beside."""
    out, err = run(
        database,
        *("-m", "django", "signalscope", "doctor", "--format", "json", *options),
        status=status,
    )
    return json.loads(out), " ".join(err.split())


def found(rows):
    """Return (id, file, line) of findings in the planted app."""
    return sorted(
        (row["id"].rpartition(".")[2], Path(row["file"]).name, row["line"]) for row in rows
    )
