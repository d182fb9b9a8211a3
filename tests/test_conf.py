"""The SIGNALSCOPE setting and the checks on it."""

from django.conf import settings
from django.test import SimpleTestCase, override_settings

from signalscope import checks, conf, wiring
from signalscope.conf import get_conf


class ConfTests(SimpleTestCase):
    """How the setting becomes values."""

    def test_defaults_follow_debug(self):
        """All traces, SQL and quick flushes with DEBUG; little without."""
        with override_settings(SIGNALSCOPE={}, DEBUG=True):
            found = get_conf()
            self.assertEqual(found.effective_sample_rate, 1.0)
            self.assertIs(found.captures_sql, True)
            self.assertEqual(found.effective_flush_interval_s, 1.0)
        with override_settings(SIGNALSCOPE={}, DEBUG=False):
            found = get_conf()
            self.assertEqual(found.effective_sample_rate, 0.01)
            self.assertIs(found.captures_sql, False)
            self.assertEqual(found.effective_flush_interval_s, 10.0)

    def test_settings_are_forgotten_when_they_change(self):
        """override_settings() reaches the running parts, and back."""
        before = wiring.scope().recorder.keeping.rate
        with override_settings(SIGNALSCOPE={"SAMPLE_RATE": 0.5, "MAX_TRACE_DISPATCHES": 7}):
            self.assertEqual(wiring.scope().recorder.keeping.rate, 0.5)
            self.assertEqual(wiring.scope().recorder.trace_limit, 7)
        self.assertEqual(wiring.scope().recorder.keeping.rate, before)

    def test_every_problem_is_said(self):
        """Each wrong value has a sentence with what was given and what is allowed."""
        for value, words in (
            ({"SAMPLE": 1}, "no key 'SAMPLE'. Allowed: ACTIVITY_EXCLUDE, "),
            ({"SAMPLE_RATE": 2}, "from 0 to 1"),
            ({"SAMPLE_RATE": True}, "from 0 to 1"),
            ({"ENABLED": "yes"}, "True or False"),
            ({"CAPTURE_SQL": 1}, "True, False, or None"),
            ({"EXCLUDE": "shop.*"}, "a list of texts"),
            ({"DATABASE": "elsewhere"}, "an alias in DATABASES: default"),
            ({"MAX_TRACE_DISPATCHES": 0}, "a whole number above 0"),
            ({"FLUSH_INTERVAL_S": 0}, "a number of seconds above 0"),
            ({"FLUSH_INTERVAL_S": float("inf")}, "a number of seconds above 0"),
            ({"SAMPLE_RATES": {"requests": 1}}, "for request, command, task, block, dispatch"),
            ({"SAMPLE_RATES": {"request:/a*": 2}}, "from 0 to 1"),
            ({"SLOW_MS": 0}, "milliseconds above 0, or None"),
            ({"SLOW_QUERY_MS": True}, "milliseconds above 0, or None"),
            ({"KEEP": "/checkout/*"}, "a list of texts"),
            ({"KEEP_PER_MINUTE": -1}, "a whole number, 0 or more"),
            ({"RETAIN_TRACES_DAYS": 0}, "days above 0, or None"),
            ({"ACTIVITY_RETENTION_DAYS": -1}, "days above 0, or None"),
            ({"MAX_KEYS": 0}, "a whole number above 0"),
            ({"UPKEEP": 1}, "True or False"),
            ({"EXIT_TIMEOUT_S": -1}, "0 or more"),
            ("nonsense", "it must be a dict"),
        ):
            with self.subTest(value), override_settings(SIGNALSCOPE=value):
                (error,) = checks.check_settings(None)
                self.assertEqual(error.id, "signalscope.E001")
                self.assertIn(words, error.msg)
                # The project runs all the same, with the default in the wrong one's place.
                self.assertTrue(get_conf().enabled)

    def test_signals_that_do_not_exist(self):
        """SIGNALS names what cannot be imported."""
        with override_settings(SIGNALSCOPE={"SIGNALS": ["shop.nothing"]}):
            (error,) = checks.check_settings(None)
        self.assertEqual(error.id, "signalscope.E002")
        self.assertIn("'shop.nothing'", error.msg)

    def test_good_settings_are_silent(self):
        """The settings of this suite have no findings, nor has no setting at all."""
        self.assertEqual(checks.check_settings(None), [])
        self.assertEqual(checks.check_instrument(None), [])
        with override_settings():
            del settings.SIGNALSCOPE
            self.assertEqual(checks.check_settings(None), [])
            self.assertEqual(conf.given(), {})

    def test_unknown_django_is_warned_of(self):
        """A Django that the suite does not run on is said."""
        from unittest import mock

        with mock.patch("django.VERSION", (9, 9, 0, "final", 0)):
            (warning,) = checks.check_instrument(None)
        self.assertEqual(warning.id, "signalscope.W001")
