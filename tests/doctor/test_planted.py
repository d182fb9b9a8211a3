"""The doctor finds each planted fault, and nothing else."""

import pytest

from tests.doctor import site

ROWS = """
import django; django.setup()
import time
from signalscope.models import Rollup
for days in (40, 1):
    for name, sender in (("tell_carrier", "planted.Parcel"), ("tell_owner", "planted.Parcel")):
        Rollup.objects.create(
            period_start_s=int(time.time()) // 86400 * 86400 - days * 86400, period_s=86400,
            state=1, signal="django.db.models.signals.pre_delete", sender=sender,
            receiver=f"tests.doctor.planted.receivers.{name}", call_count=5, error_count=0,
            total_ns=5, max_ns=1, histogram=[0, 5],
        )
Rollup.objects.create(
    period_start_s=int(time.time()) // 86400 * 86400 - 86400, period_s=86400, state=1,
    signal="tests.doctor.planted.signals.parcel_lost", sender="None", receiver="",
    call_count=7, error_count=0, total_ns=0, max_ns=0, histogram=[],
)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database file with all tables and some statistics."""
    path = tmp_path_factory.mktemp("planted") / "site.sqlite3"
    site.run(path, "-m", "django", "migrate", "--run-syncdb", "--verbosity=0")
    site.run(path, "-c", ROWS)
    return path


@pytest.fixture
def empty(tmp_path):
    """A database without tables."""
    return tmp_path / "empty.sqlite3"


def test_all_faults(database):
    """Each fault is found once, in its line, and nothing healthy is."""
    rows, said = site.doctor(database, status=1)
    assert site.found(rows) == site.planted()
    assert {row["id"][-4:] for row in rows} == {f"D{number:03}" for number in range(1, 13)}
    assert "1 finding is silenced." in said
    (lost,) = [row for row in rows if row["id"] == "signalscope.D005"]
    assert "7 times in the last 30 days" in lost["message"]


def test_without_tables(empty):
    """What needs statistics is left out, and the doctor says so; all else is found."""
    rows, said = site.doctor(empty, status=1)
    without = [fault for fault in site.planted() if fault[0] != "D004"]
    assert site.found(rows) == without
    assert "Left out what needs statistics" in said
    assert "manage.py migrate signalscope" in said


def test_too_few_days(database):
    """Statistics that do not reach back so far say nothing about receivers."""
    rows, said = site.doctor(database, "--days", "90", status=1)
    assert "D004" not in {fault for fault, _, _ in site.found(rows)}
    assert "less than 90 days ago" in said


def test_checks(empty):
    """What a look at each receiver shows is in manage.py check, as warnings."""
    _, said = site.run(empty, "-m", "django", "check")
    for number in (1, 3, 6, 7):
        assert f"(signalscope.D{number:03})" in said
    for number in (2, 4, 5, 8, 9, 10, 11, 12):
        assert f"(signalscope.D{number:03})" not in said
    assert "ERRORS" not in said


def test_table(empty):
    """A table fits 80 columns; it says of each kind why it matters and what to do, once."""
    out, _ = site.run(empty, "-m", "django", "signalscope", "doctor", status=1)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "D002 error: A receiver is held weakly, and nothing else holds it."
    assert lines.count("D009 error: A receiver saves what it was sent for, on no condition.") == 1
    assert any(line.strip() == "tests/doctor/planted/handlers/mail.py:7" for line in lines)
    assert "Looked at 40 receivers" in out


def test_all(empty):
    """With --all it looks at Django and installed packages, and no diagnosis fails."""
    rows, said = site.doctor(empty, "--all", status=1)
    # Nothing that was found is missing, and nothing is there twice.
    assert set(site.found(rows)) >= {fault for fault in site.planted() if fault[0] != "D004"}
    assert len({(row["id"], row["message"], row["file"], row["line"]) for row in rows}) == len(rows)
    assert "Not done" not in said
