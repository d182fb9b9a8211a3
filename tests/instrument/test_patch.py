"""Putting the methods into place, taking them off, and other libraries that do the same."""

import os
import subprocess
import sys
import types
from pathlib import Path
from unittest import mock

from django.core.management.base import BaseCommand
from django.dispatch import Signal, dispatcher
from django.test import SimpleTestCase, override_settings

import signalscope
from signalscope import wiring
from signalscope.checks import check_instrument
from signalscope.exceptions import CannotInstrument
from signalscope.instrument import source
from signalscope.instrument.patch import Patch
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected, recorded

METHODS = ("send", "asend", "send_robust", "asend_robust")
PROJECT = Path(__file__).parents[2]


def hear(sender, **kwargs):
    """Hear a signal."""
    return "heard"


def current():
    """Return what stands in the classes now."""
    return [Signal.__dict__[name] for name in METHODS] + [BaseCommand.__dict__["execute"]]


class InstallTests(SimpleTestCase):
    """install(), uninstall() and is_installed()."""

    def setUp(self):
        self.addCleanup(signalscope.install)

    def test_uninstall_leaves_signal_as_it_was(self):
        """What is there after uninstall() is Django's own."""
        signalscope.uninstall()
        self.assertFalse(signalscope.is_installed())
        for function in current():
            self.assertFalse(any("signalscope" in name for name in function.__code__.co_varnames))
        with connected(order_paid, hear), recorded() as seen:
            order_paid.send(sender=Order)
        self.assertEqual(seen.text, "")

    def test_install_twice_is_one_layer(self):
        """A second install() changes nothing."""
        before = current()
        signalscope.install()
        self.assertEqual(current(), before)

    def test_ready_again_is_idempotent(self):
        """override_settings(INSTALLED_APPS) calls ready() again: no second layer."""
        before = current()
        with override_settings(INSTALLED_APPS=["signalscope", "tests.shop"]):
            self.assertEqual(current(), before)
        self.assertEqual(current(), before)

    def test_patch_that_came_later_stays(self):
        """uninstall() does not undo another library's patch."""
        ours = Signal.send

        def theirs(self, sender, **named):
            return ours(self, sender, **named)

        with mock.patch.object(Signal, "send", theirs):
            signalscope.uninstall()
            self.assertIs(Signal.send, theirs)
            self.assertIsNot(Signal.__dict__["asend"].__code__, None)

    def test_patch_that_came_first_is_not_dropped(self):
        """Where another library has replaced send(), signalscope refuses, and a check says so."""
        signalscope.uninstall()
        original = Signal.send

        def theirs(self, sender, **named):
            return original(self, sender, **named)

        with mock.patch.object(Signal, "send", theirs):
            signalscope.install()
            self.assertFalse(signalscope.is_installed())
            self.assertIs(Signal.send, theirs)
            self.assertEqual(Signal.asend.__code__.co_filename, dispatcher.__file__)
            (warning,) = check_instrument(None)
            self.assertEqual(warning.id, "signalscope.W002")
            self.assertIn("Signal.send is not Django's own", warning.msg)
            with connected(order_paid, hear):
                self.assertEqual(order_paid.send(sender=Order), [(hear, "heard")])
        signalscope.install()
        self.assertEqual(check_instrument(None), [])

    def test_disabled_by_setting(self):
        """ENABLED = False leaves Signal as Django made it, in a process of its own."""
        script = (
            "from django.conf import settings\n"
            "settings.configure(INSTALLED_APPS=['signalscope'], SIGNALSCOPE={'ENABLED': False})\n"
            "import django; django.setup()\n"
            "import signalscope, threading\n"
            "from django.dispatch import Signal\n"
            "assert not signalscope.is_installed()\n"
            "assert 'signalscope' not in str(Signal.send.__code__.co_consts)\n"
            "assert threading.active_count() == 1\n"
        )
        subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)

    def test_disabled_by_environment(self):
        """SIGNALSCOPE_DISABLED leaves all as Django made it: no thread, no query, no trace."""
        script = (
            "import os, sys, threading\n"
            "from django.conf import settings\n"
            "engine = {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}\n"
            "settings.configure(INSTALLED_APPS=['signalscope'], DATABASES={'default': engine},\n"
            "                   SIGNALSCOPE={'ENABLED': True})\n"
            "import django; django.setup()\n"
            "import signalscope\n"
            "from signalscope import wiring\n"
            "from django.core.management import BaseCommand, call_command\n"
            "from django.db import connection\n"
            "from django.dispatch import Signal\n"
            "signalscope.install()\n"
            "functions = [getattr(Signal, name) for name in\n"
            "             ('send', 'asend', 'send_robust', 'asend_robust')]\n"
            "functions.append(BaseCommand.execute)\n"
            "is_off = not any('signalscope' in str(f.__code__.co_consts) for f in functions)\n"
            "with signalscope.trace('work'):\n"
            "    Signal().send(sender=None)\n"
            "assert connection.connection is None\n"
            "call_command('check', verbosity=0)\n"
            "assert is_off is (sys.argv[1] == 'off'), (is_off, sys.argv)\n"
            "assert signalscope.is_installed() is not is_off\n"
            "if is_off:\n"
            "    assert 'SIGNALSCOPE_DISABLED' in wiring.why_off()\n"
            "    assert threading.active_count() == 1\n"
            "    assert wiring._scope is None\n"
        )
        for value, state in (
            ("1", "off"), ("true", "off"), ("YES", "off"), ("anything", "off"),
            ("", "on"), ("0", "on"), ("false", "on"), (" No ", "on"),
        ):  # fmt: skip
            with self.subTest(value):
                subprocess.run(
                    [sys.executable, "-c", script, state],
                    cwd=PROJECT,
                    env={**os.environ, "SIGNALSCOPE_DISABLED": value},
                    check=True,
                )


class CompileTests(SimpleTestCase):
    """Methods that are not as expected are refused."""

    def compile(self, text):
        """Compile a class's send() as if its source were this."""
        namespace = {}
        exec(compile("def send(self, sender, **named):\n    pass", "x", "exec"), namespace)
        cls = type("Signal", (), {"send": namespace["send"]})
        lines = (text.splitlines(keepends=True), 1)
        with mock.patch.object(source.inspect, "getsourcelines", return_value=lines):
            return source.compile_methods(cls, ("send",), {})

    def test_missing_source(self):
        """Without the source nothing can be compiled."""
        function = types.FunctionType(hear.__code__.replace(co_filename="<none>"), {}, "send")
        with self.assertRaisesRegex(CannotInstrument, "cannot be read"):
            source.parse_function(function)

    def test_other_shapes(self):
        """A send() that does not look like Django's is refused, with what was missed."""
        good = (
            "def send(self, sender, **named):\n"
            "    if not self.receivers:\n"
            "        return []\n"
            "    responses = []\n"
            "    sync_receivers, async_receivers = self._live_receivers(sender)\n"
            "    for receiver in sync_receivers:\n"
            "        response = receiver(signal=self, sender=sender, **named)\n"
            "        responses.append((receiver, response))\n"
            "    if async_receivers:\n"
            "        async def asend():\n"
            "            return [await receiver(signal=self, sender=sender, **named)\n"
            "                    for receiver in async_receivers]\n"
            "        responses.extend(async_to_sync(asend)())\n"
            "    return responses\n"
        )
        self.assertIn("send", self.compile(good))
        for old, new, missed in (
            ("self._live_receivers", "self._others", "_live_receivers"),
            ("return []", "return None", "return"),
            ("response = receiver(signal=self", "response = receiver(sig=self", "two calls"),
            ("await receiver(signal=self", "await call(signal=self", "two calls"),
            ("if async_receivers:", "if len(async_receivers):", "async receivers"),
            ("    return responses\n", "    responses\n", "return"),
        ):
            with self.subTest(old), self.assertRaisesRegex(CannotInstrument, missed):
                self.compile(good.replace(old, new))

    def test_refusal_changes_nothing(self):
        """When one method cannot be compiled, none is replaced."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        before = current()
        error = CannotInstrument("no")
        with mock.patch("signalscope.instrument.patch.compile_methods", side_effect=error):
            with self.assertRaises(CannotInstrument):
                Patch().install({}, {})
            signalscope.install()
        self.assertEqual(current(), before)
        self.assertEqual(wiring.scope().problem, "no")


class SentryTests(SimpleTestCase):
    """Sentry's SDK replaces _live_receivers: both work, whoever came first."""

    SCRIPT = """
import sys
sys.path.insert(0, {project!r})
import sentry_sdk
from sentry_sdk.integrations.django import DjangoIntegration

def init():
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, default_integrations=False,
        integrations=[DjangoIntegration(signals_spans=True)], transport=lambda event: None,
    )

from django.conf import settings
settings.configure(INSTALLED_APPS=["signalscope", "tests.shop"], USE_TZ=True,
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}})
import django
order = {order!r}
if order == "sentry first":
    init()
django.setup()
if order == "sentry later":
    init()
import functools
import signalscope
from signalscope.core import faults
faults.caught = []
from tests.shop.signals import order_paid
from tests.trees import recorded

def one(sender, **kwargs): return 1
def two(sender, **kwargs): return 2
async def three(sender, **kwargs): return 3
def four(sender, step, **kwargs): return step
partial = functools.partial(four, step=4)
for receiver in (one, two, three, partial):
    order_paid.connect(receiver)
assert signalscope.is_installed()
with sentry_sdk.start_transaction(name="t") as transaction:
    for _ in range(3):
        with recorded() as seen:
            responses = order_paid.send(sender=None)
        assert [value for _, value in responses] == [1, 2, 4, 3], responses
        names = [call.receiver for call in seen.dispatches()[0].calls]
        assert names[:2] == ["__main__.one", "__main__.two"], names
        assert names[3] == "__main__.three", names
        assert names[2] in ("partial(__main__.four)", "__main__.four"), names
    order_paid.disconnect(one)
    with recorded() as seen:
        order_paid.send(sender=None)
    assert seen.dispatches()[0].calls[0].receiver == "__main__.two"
    spans = [span.op for span in transaction._span_recorder.spans]
assert spans.count("event.django") >= 8, spans
assert not faults.caught, faults.caught
signalscope.uninstall()
assert [value for _, value in order_paid.send(sender=None)] == [2, 4, 3]
"""

    def check(self, order):
        """Run the script in a fresh interpreter."""
        script = self.SCRIPT.format(project=str(PROJECT), order=order)
        finished = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)

    def test_sentry_first(self):
        """Sentry as it is set up in settings: before the apps are loaded."""
        self.check("sentry first")

    def test_sentry_later(self):
        """Sentry that is initialised when everything runs already."""
        self.check("sentry later")


class GroundFloorTests(SimpleTestCase):
    """What may be imported without Django's database."""

    def test_core_loads_no_database(self):
        """Importing the ground floor loads neither models nor settings."""
        script = (
            "import sys, signalscope.core.names, signalscope.core.histogram\n"
            "import signalscope.core.redact, signalscope.core.faults, signalscope.core.keys\n"
            "assert 'django.db' not in sys.modules\n"
            "assert 'signalscope.wiring' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)
