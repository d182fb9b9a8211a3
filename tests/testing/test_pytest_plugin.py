"""The plugin of pytest, in runs of their own over a small project."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import signalscope

pytest_plugins = "pytester"

ROOT = Path(signalscope.__file__).resolve().parent.parent

SETTINGS = """
SECRET_KEY = "only for tests"
USE_TZ = True
INSTALLED_APPS = ["signalscope", "django.contrib.contenttypes", "django.contrib.auth", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""

RECEIVERS = """
from django.db.models.signals import post_save, pre_delete
from django.dispatch import Signal, receiver
from signalscope import batched, deferred, on_commit

order_paid = Signal()
heard = []

@receiver(order_paid)
def sync_crm(sender, **kwargs):
    heard.append("crm")

@receiver(order_paid)
def count(sender, **kwargs):
    heard.append("count")

order_shipped = Signal()

@receiver(order_shipped)
@on_commit
def send_mail(sender, **kwargs):
    heard.append("mail")

@receiver(order_shipped)
@deferred(backend="celery")
def print_label(sender, **kwargs):
    heard.append("label")

@receiver(order_shipped)
@batched(size=1)
def tell_stock(dispatches):
    heard.append("stock")

@receiver(order_shipped)
@deferred(durable=True)
def write_invoice(sender, **kwargs):
    heard.append("invoice")

@receiver(pre_delete, sender="auth.User")
def never_run_by_any_test_since_nobody_ever_deletes_a_user_here(sender, **kwargs):
    pass
"""

CONFTEST = """
import pytest
from shop.receivers import heard

@pytest.fixture(autouse=True)
def nothing_heard():
    heard.clear()
"""

APPS = """
from django.apps import AppConfig

class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        from shop import receivers
"""


# mute_signals mutes from its call to the end of the test: receivers, signals, and names of both.
MUTE = """
import pytest
from shop.receivers import count, heard, order_paid

def send():
    heard.clear()
    order_paid.send(sender=None)
    return heard

@pytest.mark.parametrize("targets, expected", [
    (["shop.receivers.sync_crm"], ["count"]),
    ([count], ["crm"]),
    ([order_paid], []),
    (["order_paid"], []),
    ([count, "*.sync_crm"], []),
])
def test_muted(mute_signals, targets, expected):
    assert send() == ["crm", "count"]
    mute_signals(*targets)
    assert send() == expected

def test_keywords(mute_signals):
    mute_signals(receiver="*.count", signal=order_paid)
    assert send() == ["crm"]
    mute_signals(all=True)
    assert send() == []

def test_nothing(mute_signals):
    with pytest.raises(TypeError, match="given nothing"):
        mute_signals()
    with pytest.raises(TypeError, match="leave the other"):
        mute_signals(order_paid, all=True)

def test_undone():
    assert send() == ["crm", "count"]
"""

# run_deliveries runs what the test and its fixtures put off, whether that is committed or not.
DELIVERIES = """
import pytest
from django.db import transaction
from shop.receivers import heard, order_shipped

EXPECTED = {"mail", "label", "stock", "invoice"}

def ship():
    with transaction.atomic():
        order_shipped.send(sender=None)

@pytest.fixture
def shipped():
    ship()

def test_db(db, run_deliveries):
    ship()
    assert heard == []
    ran = run_deliveries()
    assert set(heard) == EXPECTED
    assert {one.by for one in ran} == {"on_commit", "deferred", "batched", "durable"}
    assert run_deliveries() == []

def test_transactional_db(transactional_db, run_deliveries):
    ship()
    assert heard == ["mail"]
    assert {one.by for one in run_deliveries()} == {"deferred", "batched", "durable"}
    assert set(heard) == EXPECTED

def test_of_fixture(transactional_db, shipped, run_deliveries):
    run_deliveries()
    assert set(heard) == EXPECTED
"""

# signalscope_capture has what the test has sent so far.
CAPTURE = """
from shop.receivers import order_paid

def test_seen(signalscope_capture):
    assert len(signalscope_capture) == 0
    order_paid.send(sender=None)
    assert len(signalscope_capture) == 1
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with an app, and a function that runs its tests with the plugin."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{pytester.path}")
    pytester.makepyfile(
        shop_settings=SETTINGS,
        conftest=CONFTEST,
        **{"shop/__init__": "", "shop/apps": APPS, "shop/receivers": RECEIVERS},
    )
    pytester.makeini("[pytest]\nfilterwarnings = error\n")

    # Without the other plugins that are installed here, and the entry point, if there is one.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(*arguments, plugins=("pytest_django.plugin", "xdist.plugin")):
        names = ("signalscope.testing.pytest_plugin", *plugins)
        return pytester.runpytest_subprocess(
            *[part for name in names for part in ("-p", name)],
            *("-p", "no:cacheprovider", "--strict-markers", *arguments),
        )

    pytester.run_project = run
    return pytester


def passed(result, **counts):
    """Assert how the tests of a run ended."""
    assert result.ret == (1 if counts.get("failed") or counts.get("errors") else 0)
    result.assert_outcomes(**counts)


class TestFixtures:
    """The fixtures and the marker."""

    def test_fixtures(self, project):
        """Each does what is said where its tests are; there is no report by itself."""
        project.makepyfile(test_mute=MUTE, test_capture=CAPTURE, test_deliveries=DELIVERIES)
        result = project.run_project()
        passed(result, passed=12)
        assert "receivers" not in result.stdout.str()

    def test_marker(self, project):
        """It stands at functions, classes and modules, which add up, and covers fixtures."""
        project.makepyfile(
            """
            import unittest
            import pytest
            from shop.receivers import heard, order_paid

            pytestmark = pytest.mark.mute_signals("*.count")

            def sent():
                heard.clear()
                order_paid.send(sender=None)
                return heard[:]

            @pytest.fixture
            def in_fixture():
                return sent()

            @pytest.fixture(scope="module")
            def in_module():
                return sent()

            def test_module(in_fixture):
                assert in_fixture == sent() == ["crm"]

            def test_shared(in_module):
                assert in_module == ["crm", "count"]

            @pytest.mark.mute_signals(receiver="shop.receivers.sync_crm")
            class TestClass:
                def test_class(self, in_fixture):
                    assert in_fixture == sent() == []

            @pytest.mark.mute_signals(all=True)
            def test_all(in_fixture):
                assert in_fixture == sent() == []

            @pytest.mark.mute_signals(order_paid)
            class UnittestTests(unittest.TestCase):
                def test_unittest(self):
                    assert sent() == []

            @pytest.mark.mute_signals
            def test_nothing():
                pass
            """
        )
        result = project.run_project()
        passed(result, passed=5, errors=1)
        result.stdout.fnmatch_lines(["*mute_signals was given nothing*"])


class TestReport:
    """The option --signal-report."""

    TESTS = """
        import pytest
        from shop.receivers import order_paid

        @pytest.mark.parametrize("number", range(4))
        def test_paid(number):
            order_paid.send(sender=None)
        """

    def report(self, result):
        """Return the report's lines."""
        lines = result.outlines
        (start,) = [number for number, line in enumerate(lines) if " signals ===" in line]
        (end,) = [number for number, line in enumerate(lines) if " passed in " in line]
        return lines[start + 1 : end]

    @pytest.mark.parametrize("workers", [(), ("-n", "2", "--dist", "load")], ids=["one", "xdist"])
    def test_report(self, project, workers):
        """It tells what took long and what never ran, of all workers together, in 80 columns."""
        project.makepyfile(self.TESTS)
        result = project.run_project("--signal-report", *workers)
        passed(result, passed=4)
        lines = self.report(result)
        assert max(map(len, lines)) < 80
        table = {words[0]: words[1] for line in lines[1:] if len(words := line.split()) > 3}
        assert table["receiver"] == "calls"
        assert table["shop.receivers.sync_crm"] == table["shop.receivers.count"] == "4"
        start = lines.index("receivers that no test ever ran, 5 of 7")
        never = "\n".join(lines[start:])
        assert "sync_crm" not in never
        assert "shop.receivers.send_mail\n    order_shipped of any sender, shop/receivers.py:" in (
            never
        )
        assert "nobody_ever_deletes_a_user_here\n    pre_delete of auth.User" in never
        assert "django." not in never

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ('"signalscope", ', "", '"signalscope" is not in INSTALLED_APPS'),
            ("USE_TZ = True", 'SIGNALSCOPE = {"ENABLED": False}', "SIGNALSCOPE*ENABLED*False"),
        ],
        ids=["not installed", "switched off"],
    )
    def test_off(self, project, old, new, said):
        """Where nothing can be counted it says why."""
        project.makepyfile(shop_settings=SETTINGS.replace(old, new), conftest="")
        project.makepyfile(**{"shop/apps": "", "test_it": "def test_it(): pass"})
        result = project.run_project("--signal-report")
        passed(result, passed=1)
        result.stdout.fnmatch_lines([f"*{said}*"])


class TestInert:
    """What the plugin does in runs that do not use it: nothing."""

    def test_without_django(self, project, monkeypatch):
        """It loads neither Django nor more of signalscope, and needs no settings."""
        monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
        project.makepyfile(
            conftest="",
            test_it="""
            import sys

            def test_it(request):
                assert not [name for name in sys.modules if name.partition(".")[0] == "django"]
                loaded = {name for name in sys.modules if name.startswith("signalscope")}
                assert loaded == {
                    "signalscope", "signalscope.testing", "signalscope.testing.pytest_plugin"
                }
                own = {"mute_signals", "run_deliveries", "signalscope_capture"}
                assert not own & {*request.fixturenames}
                assert not [name for name in request.fixturenames if "_signalscope" in name]
            """,
        )
        result = project.run_project(plugins=())
        passed(result, passed=1)
        result = project.run_project("--signal-report", plugins=())
        result.stdout.fnmatch_lines(["Nothing to report: Django is not set up.*"])

    def test_import(self):
        """To import it imports pytest, and nothing of Django."""
        code = (
            "import sys, signalscope.testing.pytest_plugin\n"
            "assert not [name for name in sys.modules if name.startswith('django')]\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_entry_point(self):
        """pytest finds it by its entry point."""
        told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert told["project"]["entry-points"]["pytest11"] == {
            "signalscope": "signalscope.testing.pytest_plugin"
        }

    def test_fixtures_listed(self, project):
        """pytest lists the fixtures that are for tests."""
        project.makepyfile("def test_it(): pass")
        listed = project.run_project("--fixtures").stdout.str()
        for name in ("signalscope_capture", "mute_signals", "run_deliveries"):
            assert f"{name} -- " in listed
        assert "_signalscope_muted" not in listed
