"""Tests of "signalscope activity"."""

import csv
import io
import json
from datetime import timedelta
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import TestCase, override_settings
from django.utils import timezone

from signalscope.management.follow import WINDOW, Follower
from signalscope.management.subcommands import activity
from signalscope.management.tables import text_width
from signalscope.models import ActivityLog
from tests.stats.rows import HOSTILE, entry

FORMULAS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", '"=1', "'=1",
    "\uff1dcmd", "\uff0b1", "\uff0d1", "\uff20x",
)  # fmt: skip
HOSTILE_TEXTS = (*HOSTILE, "\x07\x9b31m", "\u202egnp.exe", "e\u0301" * 60, "漢" * 255)


def run(*args, **options):
    """Return what the command prints on both streams."""
    out, err = io.StringIO(), io.StringIO()
    call_command("signalscope", "activity", *args, stdout=out, stderr=err, no_color=True, **options)
    return out.getvalue(), err.getvalue()


def follow(*moments, args=()):
    """
    Return what --follow prints.

    moments: what happens between two looks at the table; the last one is followed by Ctrl-C.
    """
    waits = iter(moments)

    def wait(_):
        moment = next(waits, None)
        if moment is None:
            raise KeyboardInterrupt
        moment()

    with mock.patch.object(activity.time, "sleep", wait):
        return run("--follow", *args)[0]


class FormatTests(TestCase):
    """The four formats."""

    def test_table(self):
        """The table says when, who, what and to what, and below that the changes."""
        entry(at=timezone.now().replace(hour=12, minute=5, second=9))
        entry(actor_label="", actor_key="", action="command_run", object_type="", object_key="",
              object_label="", changes={}, details={"command": "seed"})  # fmt: skip
        lines = run()[0].splitlines()
        self.assertEqual(lines[0].split(), ["time", "who", "action", "object"])
        self.assertRegex(lines[3], r"^\d{4}-\d\d-\d\d \d\d:05:09 anna updated +shop.Order Order 5$")
        self.assertEqual(lines[4], "  number: A-1 → A-2")
        self.assertRegex(lines[5], r"^\S+ \S+ - +command_run$")
        self.assertEqual(lines[6], "  command: seed")

    def test_oldest_first_and_newest_kept(self):
        """--limit keeps the newest, and the newest stand last."""
        for number in range(5):
            entry(object_key=str(number))
        found = json.loads(run("--limit", "2", "--format", "json")[0])
        self.assertEqual([row["object_key"] for row in found], ["3", "4"])

    def test_oldest_first_by_time(self):
        """The order is that of the times, whenever an entry was stored."""
        now = timezone.now()
        for seconds in (3, 1, 2):
            entry(object_key=str(seconds), at=now - timedelta(seconds=seconds))
        found = json.loads(run("--format", "json")[0])
        self.assertEqual([row["object_key"] for row in found], ["3", "2", "1"])

    def test_json(self):
        """JSON is one document with all fields, changes and details as they are stored."""
        row = entry(changes={"a": [1, {"b": None}]}, details={"why": ["x"]}, trace_key=2**60)
        (found,) = json.loads(run("--format", "json")[0])
        self.assertEqual(list(found), [field.attname for field in ActivityLog._meta.fields])
        self.assertEqual((found["changes"], found["details"]), (row.changes, row.details))
        self.assertEqual((found["id"], found["trace_key"]), (row.pk, 2**60))
        self.assertEqual(found["at"], row.at.isoformat())

    def test_csv_holds_no_formula(self):
        """No cell is a formula to a spreadsheet; numbers stay numbers."""
        for text in FORMULAS:
            entry(actor_label=text, object_label=text, object_key="12", trace_key=-3)
        rows = list(csv.DictReader(io.StringIO(run("--format", "csv")[0], newline="")))
        self.assertEqual(len(rows), len(FORMULAS))
        for row, text in zip(rows, FORMULAS, strict=True):
            with self.subTest(text):
                self.assertEqual(row["actor_label"], f"'{text}".replace("\r", "\n"))
                self.assertEqual((row["object_key"], row["trace_key"]), ("12", "-3"))
                self.assertEqual(json.loads(row["changes"]), {"number": ["A-1", "A-2"]})

    def test_md(self):
        """Markdown has one line for each entry, whatever is in it."""
        entry(actor_label="a|b\n<i>", changes={"x": [None, "`y`"]})
        lines = run("--format", "md")[0].strip().split("\n")
        self.assertEqual(len(lines), 3)
        self.assertIn("| a\\|b &lt;i> |", lines[2])
        self.assertIn("| x: \\`y\\` |", lines[2])

    def test_hostile_texts(self):
        """No format lets a control character or a turn of direction through; the table fits."""
        for text in HOSTILE_TEXTS:
            entry(
                action=text[:100], actor_label=text, object_label=text, changes={text: [text, text]}
            )
        for name in ("table", "json", "csv", "md"):
            out, _ = run("--format", name)
            for letter in ("\x1b", "\x07", "\x9b", "\u202e", "\r"):
                self.assertNotIn(letter, out, name)
        lines = run()[0].split("\n")
        self.assertLessEqual(max(text_width(line) for line in lines), 80)

    def test_moments_without_time_zones(self):
        """The command works where USE_TZ is False."""
        entry()
        with override_settings(USE_TZ=False):
            self.assertIn("anna", run("--since", "1h")[0])


class FilterTests(TestCase):
    """Which entries are printed."""

    def found(self, *args):
        rows = json.loads(run("--format", "json", *args)[0])
        return [row["object_label"] for row in rows]

    def test_filters(self):
        """Each option keeps what matches, and together they keep what matches all."""
        entry(object_label="a", actor_key="8", actor_label="bert")
        entry(object_label="b", object_type="shop.Item")
        entry(object_label="c", object_key="6")
        entry(object_label="d", action="exported report", at=timezone.now() - timedelta(days=2))
        for args, expected in (
            (["--user", "8"], ["a"]),
            (["--user", "bert"], ["a"]),
            (["--model", "SHOP.item"], ["b"]),
            (["--object", "6"], ["c"]),
            (["--action", "exported report"], ["d"]),
            (["--since", "1d"], ["a", "b", "c"]),
            (["--since", "3d", "--user", "anna", "--model", "shop.Order"], ["d", "c"]),
            (["--action", "nothing"], []),
        ):
            with self.subTest(args):
                self.assertEqual(self.found(*args), expected)

    def test_bad_values(self):
        """A bad value is named, with what is allowed."""
        for args, given, allowed in (
            (["--model", "shop.Ordr"], "'shop.Ordr'", "shop.Order"),
            (["--model", "Order"], "'Order'", "app.Model"),
            (["--since", "soon"], "'soon'", "12h"),
            (["--limit", "0"], "'0'", "above 0"),
            (["--format", "xml"], "'xml'", "csv"),
        ):
            with self.subTest(args), self.assertRaises(CommandError) as caught:
                run(*args)
            self.assertIn(given, str(caught.exception))
            self.assertIn(allowed, str(caught.exception))

    def test_nothing(self):
        """Without entries the command says what to do; a program reads that elsewhere."""
        out, err = run()
        self.assertIn("signalscope.track()", out)
        self.assertEqual(err, "")
        out, err = run("--format", "json", "--user", "x", "--action", "y")
        self.assertEqual(json.loads(out), [])
        self.assertIn("No entry matches --user and --action", " ".join(err.split()))

    def test_one_query(self):
        """1 and 50 entries take one query."""
        for size in (1, 49):
            for _ in range(size):
                entry()
            with self.assertNumQueries(1):
                run("--user", "anna")

    def test_database_in_trouble(self):
        """An error of the database says what to do."""
        with mock.patch.object(
            ActivityLog.objects.none().__class__, "__iter__", side_effect=DatabaseError("gone")
        ):
            with self.assertRaisesMessage(CommandError, "cannot be read: gone"):
                run()


class FollowTests(TestCase):
    """What comes while the command runs."""

    def test_each_entry_once(self):
        """What there is comes first, then what is new, once each, until Ctrl-C."""
        entry(object_key="1")
        out = follow(
            lambda: entry(object_key="2"),
            lambda: None,
            lambda: [entry(object_key="3"), entry(object_key="4")],
            args=("--format", "json"),
        )
        found = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([row["object_key"] for row in found], ["1", "2", "3", "4"])
        # The same fields as without --follow.
        self.assertEqual(list(found[0]), [field.attname for field in ActivityLog._meta.fields])

    def test_head_stands_once(self):
        """CSV, Markdown and the table have their head once, and the table's columns stay."""
        for name, head in (("csv", 1), ("md", 2), ("table", 3)):
            ActivityLog.objects.all().delete()
            out = follow(
                lambda: entry(object_label="two\nlines"),
                lambda: entry(actor_label="x" * 40, action="permissions_changed"),
                args=("--format", name),
            )
            if name == "csv":
                rows = list(csv.reader(io.StringIO(out, newline="")))
                self.assertEqual((len(rows), rows[0][0]), (3, "id"))
                continue
            lines = out.splitlines()
            self.assertEqual(len(lines), head + (4 if name == "table" else 2), out)
            if name == "table":
                self.assertEqual({line.index("shop.Order") for line in lines[3::2]}, {55})
                self.assertLessEqual(max(map(text_width, lines)), 80)

    def test_filters_hold(self):
        """What does not match is not printed."""
        out = follow(
            lambda: [entry(actor_label="bert", actor_key="8"), entry(object_key="mine")],
            args=("--format", "json", "--user", "anna"),
        )
        self.assertEqual([json.loads(line)["object_key"] for line in out.splitlines()], ["mine"])

    def test_limit(self):
        """--limit is about what there is already."""
        for number in range(5):
            entry(object_key=str(number))
        out = follow(lambda: entry(object_key="new"), args=("--limit", "1", "--format", "json"))
        found = [json.loads(line)["object_key"] for line in out.splitlines()]
        self.assertEqual(found, ["4", "new"])


class FollowerTests(TestCase):
    """Entries whose transactions end in another order than they began."""

    def keys(self, entries):
        return [row.pk for row in entries]

    def test_committed_late(self):
        """An entry with a lower key than others is found when it is committed, once."""
        entry(id=100)
        entry(id=103)
        follower = Follower(ActivityLog.objects.all())
        self.assertEqual(self.keys(follower.begin(10)), [100, 103])
        entry(id=102)
        entry(id=105)
        self.assertEqual(self.keys(follower.new()), [102, 105])
        entry(id=101)
        entry(id=104)
        entry(id=99)
        self.assertEqual(self.keys(follower.new()), [99, 101, 104])
        self.assertEqual(follower.new(), [])

    def test_more_than_the_window_at_once(self):
        """Many entries between two looks are all found; what is far below is not looked for."""
        entry(id=WINDOW + 1)
        follower = Follower(ActivityLog.objects.all())
        follower.begin(1)
        entry(id=1)
        entry(id=2)
        entry(id=WINDOW + 2)
        entry(id=WINDOW * 5)
        self.assertEqual(self.keys(follower.new()), [2, WINDOW + 2, WINDOW * 5])
        entry(id=WINDOW * 4 + 1)
        entry(id=WINDOW * 4)
        self.assertEqual(self.keys(follower.new()), [WINDOW * 4 + 1])

    def test_old_ones_are_not_new(self):
        """What --limit left out at the beginning does not come later."""
        for _ in range(3):
            entry()
        follower = Follower(ActivityLog.objects.all())
        self.assertEqual(len(follower.begin(1)), 1)
        self.assertEqual(follower.new(), [])

    def test_two_queries_where_nothing_came(self):
        """A look at the table takes two queries, and one more where something came."""
        follower = Follower(ActivityLog.objects.all())
        with self.assertNumQueries(3):
            follower.begin(10)
        with self.assertNumQueries(2):
            follower.new()
        for _ in range(50):
            entry()
        with self.assertNumQueries(3):
            self.assertEqual(len(follower.new()), 50)
