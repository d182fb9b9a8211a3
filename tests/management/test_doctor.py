"""``manage.py signalscope doctor``: its options and what it prints."""

import csv
import io
import json
from unittest import mock

from django.core.management import CommandError, call_command
from django.test import TestCase, override_settings

from signalscope.doctor import examination, finding
from signalscope.doctor.finding import Finding
from tests.stats.rows import rollup


def run(*args, status=0):
    """Run the doctor; return what it printed on both streams."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("signalscope", "doctor", *args, stdout=out, stderr=err)
        ended = 0
    except SystemExit as end:
        ended = end.code
    assert ended == status, out.getvalue()
    return out.getvalue(), err.getvalue()


def finding_nothing(project):
    """Find nothing."""
    return iter(())


def finding_some(project):
    """Find a warning and an info."""
    yield Finding(finding.CONNECTED_TWICE, "twice " + "long " * 40, "/srv/shop/a.py", 7)
    yield Finding(finding.SENT_TO_NOBODY, "=nobody\x1b[31m", signal="shop.signals.x")


def failing(project):
    """Fail."""
    raise KeyError("x")


class DoctorTests(TestCase):
    def diagnose(self, *diagnoses):
        """Put other diagnoses in the place of all."""
        patch = mock.patch.object(examination.examine, "__defaults__", (diagnoses,))
        patch.start()
        self.addCleanup(patch.stop)

    def test_nothing(self):
        """An empty result says what was looked at."""
        self.diagnose(finding_nothing)
        out, err = run("--fail-on", "info")
        self.assertRegex(out, r"^Looked at \d+ receivers? of \d+ signals?: nothing to report\.\n")
        self.assertIn("nothing was recorded yet", " ".join(out.split()))
        self.assertEqual(err, "")

    def test_table(self):
        """It fits 80 columns, and holds nothing that moves the cursor."""
        self.diagnose(finding_some)
        out, _ = run()
        self.assertLessEqual(max(map(len, out.splitlines())), 80)
        self.assertNotIn("\x1b", out)
        self.assertIn("  /srv/shop/a.py:7\n    twice long", out)
        self.assertRegex(out, r"signals?: 1 warning, 1 info\.")

    def test_formats(self):
        """Programs read rows only; what is said beside is on the other stream."""
        self.diagnose(finding_some, failing)
        out, err = run("--format", "json")
        rows = json.loads(out)
        self.assertEqual(
            [(row["id"], row["level"], row["file"], row["line"]) for row in rows],
            [
                ("signalscope.D001", "warning", "/srv/shop/a.py", 7),
                ("signalscope.D005", "info", "", 0),
            ],
        )
        self.assertIn("Not done: failing, by KeyError: 'x'", err)
        out, _ = run("--format", "csv")
        found = list(csv.DictReader(io.StringIO(out)))
        self.assertEqual(found[1]["message"], "'=nobody?[31m")
        self.assertEqual(list(found[0]), list(rows[0]))
        out, _ = run("--format", "md")
        self.assertTrue(out.startswith("| id | level | place | finding | what to do |"))

    def test_unread(self):
        """What could not be read is counted."""

        def reading(project):
            project.unread |= {"builtins.print", "shop.receivers.compiled"}
            return iter(())

        self.diagnose(reading)
        out, _ = run()
        self.assertIn("2 receivers could not be read.", out)

    def test_fail_on(self):
        """The status is 1 from the given level on."""
        self.diagnose(finding_some)
        for level, status in (("never", 0), ("error", 0), ("warning", 1), ("info", 1)):
            run("--fail-on", level, status=status)

    def test_bad_options(self):
        """An error says what is allowed."""
        for args, words in (
            (["--fail-on", "loud"], "'loud'.*error.*warning.*info.*never"),
            (["--days", "0"], "whole number above 0"),
            (["--format", "xml"], "table.*json"),
        ):
            with self.subTest(args=args), self.assertRaisesRegex(CommandError, words):
                run(*args)

    @override_settings(SILENCED_SYSTEM_CHECKS=["signalscope.D001"])
    def test_silenced(self):
        """Django's setting for checks holds here, too."""
        self.diagnose(finding_some)
        out, _ = run("--fail-on", "warning")
        self.assertNotIn("D001", out)
        self.assertIn("1 finding is silenced.", out)

    def test_too_short(self):
        """Where statistics do not reach back so far, it says so; fewer days may do."""
        self.diagnose(finding_nothing)
        rollup(1000, age_s=3 * 86_400)
        out, _ = run()
        self.assertIn("less than 30 days ago; see --days", " ".join(out.split()))
        out, _ = run("--days", "2")
        self.assertNotIn("Left out", out)

    def test_queries(self):
        """Rows and receivers do not change how many queries it takes."""
        self.diagnose(finding_nothing)
        with self.assertNumQueries(12):
            run()
        for number in range(50):
            rollup(1000, receiver=f"shop.receivers.hear_{number}")
        with self.assertNumQueries(12):
            run()
