"""Tests of the signalstats command."""

import csv
import io
import json
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.models.signals import post_init, post_save
from django.test import SimpleTestCase, TestCase, override_settings
from django.utils import timezone

from signalscope.management.tables import text_width
from signalscope.models import Loss
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.stats.rows import HOSTILE, RECEIVER, SENDER, SIGNAL, rollup

KEYS = [
    "signal", "sender", "receiver", "count", "errors", "muted", "skipped", "deferred", "mean_ms",
    "p50_ms", "p95_ms", "p99_ms", "max_ms", "total_ms", "share",
]  # fmt: skip


def hears(sender, **kwargs):
    """Be connected."""


async def hears_later(sender, **kwargs):
    """Be connected, asynchronously."""


def run(*args, **options):
    """Return what the command prints on both streams."""
    out, err = io.StringIO(), io.StringIO()
    call_command("signalstats", *args, stdout=out, stderr=err, no_color=True, **options)
    return out.getvalue(), err.getvalue()


def connected(case, signal, receiver, **options):
    signal.connect(receiver, **options)
    case.addCleanup(
        signal.disconnect,
        receiver,
        sender=options.get("sender"),
        dispatch_uid=options.get("dispatch_uid"),
    )


class FormatTests(TestCase):
    """The four formats."""

    def test_json_has_the_promised_keys(self):
        """JSON is a list of objects with full names and ms."""
        rollup(1_000_000, 3_000_000, errors=1)
        (line,) = json.loads(run("--format", "json")[0])
        self.assertEqual(list(line), KEYS)
        self.assertEqual(
            (line["signal"], line["sender"], line["receiver"]), (SIGNAL, SENDER, RECEIVER)
        )
        self.assertEqual((line["count"], line["errors"], line["mean_ms"]), (2, 1, 2.0))
        self.assertEqual((line["max_ms"], line["total_ms"], line["share"]), (3.0, 4.0, 1.0))

    def test_table_is_aligned_and_fits_80_columns(self):
        """Each line fits, and figures end in the same column, whatever the names and numbers."""
        for number, name in enumerate(HOSTILE):
            rollup(*[10**13] * 3, receiver=name, sender=name, signal=f"a.{number}.{name}"[:255])
        rollup(400, count=10**9, errors=10**6)
        out, _ = run()
        lines = out.split("\n")
        self.assertLessEqual(max(text_width(line) for line in lines), 80, out)
        figures = [line for line in lines if line.endswith("%") and not line.startswith("  ")]
        self.assertEqual(len(figures), 5, out)
        self.assertEqual(len({text_width(line) for line in figures}), 1, out)
        self.assertNotIn("\x1b", out)

    def test_table_shortens_names_uniquely(self):
        """Receivers of one name in two modules stay apart."""
        rollup(1000, receiver="a.receivers.touch")
        rollup(1000, receiver="b.receivers.touch")
        out, _ = run()
        self.assertIn("a.receivers.touch", out)
        self.assertIn("b.receivers.touch", out)
        self.assertIn("order_paid (Order)", out)

    def test_table_has_room_for_names(self):
        """Calls that did not run stand below: they take nothing from the name."""
        rollup(1_000_000, receiver=RECEIVER)
        kept_out = rollup(1_000_000, receiver="shop.receivers.book_in_ledger")
        type(kept_out).objects.filter(pk=kept_out.pk).update(deferred_count=12, muted_count=3)
        table = run()[0]
        self.assertIn("book_in_ledger", table)
        self.assertIn("\n  3 muted, 12 deferred\n", table)
        self.assertEqual(table.count("muted,"), 1)

    def test_csv_holds_no_formula(self):
        """A cell that begins like a formula gets an apostrophe; all cells come back otherwise."""
        names = ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", 'a,"b"\nc']
        for name in names:
            rollup(1000, receiver=name)
        rows = list(csv.DictReader(io.StringIO(run("--format", "csv")[0], newline="")))
        self.assertEqual(list(rows[0]), KEYS)
        found = {row["receiver"] for row in rows}
        self.assertEqual(found, {f"'{name}" for name in names[:-2]} | {"'\nx", names[-1]})

    def test_md_escapes(self):
        """A name cannot end a Markdown cell, start a line or be HTML."""
        rollup(1000, receiver="a|b\n<i>`*__init__")
        lines = run("--format", "md")[0].strip().split("\n")
        self.assertEqual(len(lines), 3)
        self.assertIn("| a\\|b &lt;i>\\`\\*\\_\\_init\\_\\_ |", lines[2])

    def test_output_that_knows_ascii_only(self):
        """An output that cannot take a letter gets a question mark."""
        rollup(1000, receiver="ünïcödé")
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding="ascii")
        call_command("signalstats", stdout=out)
        out.flush()
        self.assertIn(b"?n?c?d?", raw.getvalue())

    def test_losses_end_the_table(self):
        """What was lost is said below the table."""
        rollup(1000)
        self.assertNotIn("Lost", run()[0])
        Loss.objects.create(
            at=timezone.now(), process="p", trace_count=2, dispatch_count=9, call_count=1
        )
        self.assertIn("Lost in this time: 1 call, missing in the statistics; 2", run()[0])

    def test_lost_entries_end_the_table(self):
        """What was lost beside dispatches is said, too."""
        Loss.objects.create(
            at=timezone.now(), process="p", trace_count=0, dispatch_count=0, call_count=0,
            entry_count=2, slow_query_count=1,
        )  # fmt: skip
        out = " ".join(run()[0].split())
        self.assertIn("Lost in this time: 2 entries of the activity log, 1 slow query.", out)
        self.assertNotIn("missing in the statistics", out)


class OptionTests(TestCase):
    """Options, and what is said of bad ones."""

    def test_filters_sort_and_limit(self):
        """Globs, --slow, --sort and --limit choose among the lines."""
        rollup(1_000_000, 1_000_000, 1_000_000)
        rollup(2_000_000, receiver="shop.receivers.slow")
        for args, receivers in (
            (["--sort", "max"], ["slow", "touch_stock"]),
            (["--sort", "count"], ["touch_stock", "slow"]),
            (["--limit", "1"], ["touch_stock"]),
            (["--slow", "1.5"], ["slow"]),
            (["--receiver", "sl*", "--receiver", "x"], ["slow"]),
            (["--signal", "order_paid", "--sender", "Item"], []),
        ):
            with self.subTest(args):
                lines = json.loads(run(*args, "--format", "json")[0])
                self.assertEqual([line["receiver"].rpartition(".")[2] for line in lines], receivers)

    def test_call_command_takes_values(self):
        """Python code may pass text for a glob and numbers for numbers."""
        rollup(1_000_000)
        out, _ = run(receiver="touch_*", limit=5, slow=0.5, since="1h", format="json")
        self.assertEqual(len(json.loads(out)), 1)

    def test_since(self):
        """Each unit reaches as far back as it says."""
        rollup(1000, age_s=100 * 60)
        for text, count in (("90s", 0), ("30m", 0), ("2h", 1), ("7d", 1), ("2w", 1)):
            with self.subTest(text):
                lines = json.loads(run("--since", text, "--format", "json")[0])
                self.assertEqual(len(lines), count)

    def test_bad_options_say_what_is_allowed(self):
        """The message says what was given and what is allowed."""
        for args, given, allowed in (
            (["--since", "5x"], "'5x'", "30m, 24h, 7d or 2w"),
            (["--since", "0h"], "'0h'", "above 0"),
            (["--since", "٣h"], "'٣h'", "24h"),
            (["--since", "999999999w"], "'999999999w'", "century"),
            (["--since", "99999d"], "'99999d'", "century"),
            (["--limit", "0"], "'0'", "above 0"),
            (["--limit", "many"], "'many'", "above 0"),
            (["--slow", "nan"], "'nan'", "0 or more"),
            (["--slow=-1"], "'-1'", "0 or more"),
            (["--slow", "fast"], "'fast'", "0 or more"),
            (["--sort", "size"], "'size'", "total, count, mean, p95, p99, max, errors"),
            (["--format", "xml"], "'xml'", "table, json, csv, md"),
            (["--database", "nowhere"], "'nowhere'", "default"),
            (["--model", "shop.Ordr"], "'shop.Ordr'", "shop.Order"),
            (["--model", "Order"], "'Order'", "app.Model"),
            (["--list", "--sort", "max"], "--sort", "--format, --receiver, --sender, --signal"),
            (["--list", "--unheard"], "--unheard", "not allowed with"),
            (["--nonsense"], "--nonsense", "unrecognized"),
        ):
            with self.subTest(args), self.assertRaises(CommandError) as caught:
                run(*args)
            self.assertIn(given, str(caught.exception))
            self.assertIn(allowed, str(caught.exception))

    def test_two_tables_at_once_from_python(self):
        """Also call_command() can ask for one table only."""
        with self.assertRaisesMessage(CommandError, "--list and --unheard do not go together"):
            run(list=True, unheard=True)


class EmptyTests(TestCase):
    """Nothing to print."""

    def test_nothing_recorded_yet(self):
        """It is said, with what to do and when what is recorded is stored."""
        with mock.patch("signalscope.wiring.is_installed", return_value=True):
            out = " ".join(run()[0].split())
        self.assertIn("Nothing was recorded yet. Use the project", out)
        self.assertIn("every 10 s", out)

    def test_not_installed(self):
        """It is said where nothing is recorded at all."""
        with mock.patch("signalscope.wiring.is_installed", return_value=False):
            self.assertIn("not recording", run()[0])

    @override_settings(SIGNALSCOPE={"ENABLED": False})
    def test_not_enabled(self):
        """It is said which setting switches it off."""
        self.assertIn("SIGNALSCOPE['ENABLED'] is False", " ".join(run()[0].split()))

    def test_nothing_in_the_period(self):
        """Older records are spoken of."""
        rollup(1000, age_s=7200)
        out = " ".join(run("--since", "1h")[0].split())
        self.assertIn("Nothing was recorded in the last 60 minutes.", out)
        self.assertIn("with --since", out)

    def test_filters_leave_nothing(self):
        """Filters are named when they are the reason."""
        rollup(1000)
        self.assertIn("1 line is left out", run("--receiver", "x")[0])

    def test_only_unheard(self):
        """Where only unheard dispatches were stored, the way to them is shown."""
        rollup(receiver="", count=1)
        self.assertIn("--unheard", run()[0])

    def test_unheard_leaves_nothing(self):
        """It is said that everything was heard."""
        rollup(1000)
        self.assertIn("No custom signal", run("--unheard")[0])

    def test_programs_get_an_empty_list(self):
        """JSON stays JSON; the hint goes to stderr."""
        out, err = run("--format", "json")
        self.assertEqual(json.loads(out), [])
        self.assertIn("Nothing was recorded yet", err)


class UnheardTests(TestCase):
    """Signals that were sent to nobody."""

    def test_unheard(self):
        """Signal, sender and count, most frequent first."""
        rollup(receiver="", count=2)
        rollup(receiver="", count=3, sender="shop.Item")
        lines = json.loads(run("--unheard", "--format", "json")[0])
        self.assertEqual(
            lines,
            [
                {"signal": SIGNAL, "sender": "shop.Item", "count": 3},
                {"signal": SIGNAL, "sender": SENDER, "count": 2},
            ],
        )
        self.assertEqual(
            len(json.loads(run("--unheard", "--limit", "1", "--format", "json")[0])), 1
        )
        self.assertIn("shop.Item", run("--unheard")[0])


class RegistryTests(SimpleTestCase):
    """--list and --model read no database."""

    def test_list(self):
        """Each receiver has its signal, family, sender, uid, kind and place."""
        connected(self, order_paid, hears, sender=Order, dispatch_uid="mine", weak=False)
        connected(self, order_paid, hears_later)
        lines = json.loads(run("--list", "--signal", "order_paid", "--format", "json")[0])
        self.assertEqual(
            [
                (line["family"], line["signal"], line["sender"], line["dispatch_uid"])
                for line in lines
            ],
            [("custom", SIGNAL, "shop.Order", "mine"), ("custom", SIGNAL, "", "")],
        )
        self.assertEqual([line["is_async"] for line in lines], [False, True])
        self.assertEqual([line["is_weak"] for line in lines], [False, True])
        self.assertTrue(all(line["file"] == __file__ and line["line"] for line in lines))

    def test_list_as_table(self):
        """The table has families and signals as headings, and fits 80 columns."""
        connected(self, order_paid, hears, sender=Order, dispatch_uid="x" * 300)
        out, _ = run("--list")
        self.assertLessEqual(max(map(len, out.split("\n"))), 80)
        for text in (
            "== model ==",
            "== custom ==",
            SIGNAL,
            "hears",
            "weak sync",
            "(nobody connected)",
        ):
            self.assertIn(text, out)

    def test_list_globs(self):
        """Globs over senders and receivers leave out signals without any that match."""
        connected(self, order_paid, hears, sender=Order)
        for args in (["--sender", "Order"], ["--receiver", "hears"]):
            out, _ = run("--list", *args)
            self.assertIn("hears", out)
            self.assertNotIn("nobody connected", out)
        self.assertIn("No signal or receiver matches", run("--list", "--signal", "nothing")[0])
        self.assertEqual(run("--list", "--signal", "nothing", "--format", "json")[0].strip(), "[]")

    def test_all_formats(self):
        """The registry is printed in each format."""
        for name in ("table", "json", "csv", "md"):
            for args in (["--list"], ["--model", "shop.Order"]):
                self.assertTrue(run(*args, "--format", name)[0])

    def test_model(self):
        """Receivers stand in the order in which they run, and a catch-all is marked."""
        connected(self, post_save, hears, sender=Order)
        connected(self, post_init, hears)
        out, _ = run("--model", "shop.order")
        self.assertLess(out.index("post_init"), out.index("post_save"))
        lines = json.loads(run("--model", "shop.Order", "--format", "json")[0])
        mine = [line for line in lines if line["receiver"] == f"{__name__}.hears"]
        self.assertEqual([line["is_catch_all"] for line in mine], [True, False])
        self.assertEqual([line["position"] for line in lines], list(range(1, len(lines) + 1)))
        self.assertIn("catch-all", out)

    def test_model_without_receivers(self):
        """It is said that nothing runs."""
        with mock.patch(
            "signalscope.management.commands.signalstats.runs_for_model", return_value=[]
        ):
            self.assertIn("Nothing runs when shop.Tag", run("--model", "shop.Tag")[0])


class DatabaseTests(TestCase):
    """The database: how often it is asked, and what is said when it does not answer."""

    def test_same_queries_with_1_and_50_rows(self):
        """Roll-ups and losses are read with one query each."""
        for rows in (1, 49):
            for number in range(rows):
                rollup(1000, receiver=f"r{number}")
            for args in ([], ["--unheard", "--signal", "*"], ["--format", "json"]):
                with self.assertNumQueries(2):
                    run(*args)

    def failing(self, tables):
        module = "signalscope.management.commands.signalstats"
        with (
            mock.patch(f"{module}.read_tallies", side_effect=DatabaseError("no such thing")),
            mock.patch.object(connection.introspection, "table_names", **tables),
            self.assertRaises(CommandError) as caught,
        ):
            run()
        return str(caught.exception)

    def test_tables_are_missing(self):
        """Without tables the message says to migrate."""
        message = self.failing({"return_value": []})
        self.assertIn("Run: manage.py migrate signalscope", message)

    def test_column_is_missing(self):
        """With tables that cannot be read it says what was the matter, and to migrate."""
        message = self.failing({"return_value": ["signalscope_rollup"]})
        self.assertIn("no such thing", message)
        self.assertIn("migrate signalscope", message)

    def test_database_is_gone(self):
        """A database that cannot be reached is named with its setting."""
        message = self.failing({"side_effect": DatabaseError})
        self.assertIn("DATABASES['default']", message)
