"""What the GUARD setting may say, and whom it means."""

import math

from django.test import override_settings

from signalscope import checks, wiring
from signalscope.control.guard import is_guarded_by
from tests.control.guards import LIMITS, Crm, QuietTestCase, guards, other, send
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected, label, recorded


class SettingTests(QuietTestCase):
    """What GUARD may say."""

    def findings(self, setting, **settings):
        """Return what the system check finds: (id, message)."""
        with override_settings(SIGNALSCOPE={"GUARD": setting, **settings}):
            return [(found.id, found.msg) for found in checks.check_guard(None)]

    def test_hostile_values(self):
        """Each has a sentence with what was given and what is allowed, and guards nobody."""
        name = label(self.crm.sync)
        for given, words in (
            ({"max_error_rate": None}, "give max_error_rate, max_p95_ms or both"),
            ({"max_error_rate": 1}, "max_error_rate is 1; it must be a share, from 0 to below 1"),
            ({"max_error_rate": True}, "max_error_rate is True; it must be a share"),
            ({"max_error_rate": "0.5"}, "max_error_rate is '0.5'; it must be a share"),
            ({"max_error_rate": math.nan}, "max_error_rate is nan; it must be a share"),
            ({"max_p95_ms": 0}, "max_p95_ms is 0; it must be a number of milliseconds above 0"),
            ({"max_p95_ms": 10**400}, "it must be a number of milliseconds above 0"),
            ({"window_s": 0.5}, "window_s is 0.5; it must be a number of seconds, 1 or more"),
            ({"window_s": math.inf}, "window_s is inf; it must be a number of seconds"),
            ({"min_calls": 2.5}, "min_calls is 2.5; it must be a whole number above 0"),
            ({"min_calls": None}, "min_calls is None; it must be a whole number above 0"),
            ({"for_s": -1}, "for_s is -1; it must be a number of seconds above 0"),
            ({"action": "kill"}, "action is 'kill'; it must be one of 'mute', 'warn'"),
            ({"action": []}, "action is []; it must be one of 'mute', 'warn'"),
            ({"max_errors": 1, "a": 2}, "has no option 'a', 'max_errors'. Allowed: max_error_rate"),
        ):
            setting = {name: {"max_error_rate": 0.5, **given}}
            with self.subTest(given), connected(order_paid, self.crm.sync):
                ((id_, message),) = self.findings(setting)
                self.assertEqual(id_, "signalscope.E005")
                self.assertIn(f"SIGNALSCOPE['GUARD'][{name!r}]", message)
                self.assertIn(words, message)
                with guards(setting):
                    send(order_paid)
                    self.assertEqual(wiring.scope().guards._breakers, {})

    def test_hostile_shapes(self):
        """What is no dict of dicts counts as not given."""
        for setting in ([], {"a": 1}, {"a": {1: 2}}, {1: {}}, None):
            with self.subTest(setting), override_settings(SIGNALSCOPE={"GUARD": setting}):
                (found,) = checks.check_settings(None)
                self.assertEqual(found.id, "signalscope.E001")
                self.assertIn('a dict such as {"shop.receivers.sync_crm": ', found.msg)
                self.assertEqual(self.findings(setting), [])

    def test_one_bad_guard(self):
        """The others are followed."""
        setting = {"shop.*": {"for": 1}, label(self.crm.sync): LIMITS}
        with guards(setting), connected(order_paid, self.crm.sync):
            self.send_failing(times=6)
        self.assertEqual(self.crm.count, 4)

    def test_guards_of_nobody(self):
        """A name that is not connected, or whose calls are not recorded, is warned of."""
        name = label(self.crm.sync)
        with connected(order_paid, self.crm.sync):
            self.assertEqual(self.findings({name: LIMITS}), [])
            self.assertEqual(self.findings({"*.Crm.sync": LIMITS}), [])
            for found in (
                self.findings({"shop.receivers.sync_crm": LIMITS}),
                self.findings({"django.*": LIMITS}),
                self.findings({name: LIMITS}, EXCLUDE=["order_paid"]),
            ):
                ((id_, message),) = found
                self.assertEqual(id_, "signalscope.W004")
                self.assertIn("guards nobody", message)

    def test_excluded_receivers(self):
        """They are not guarded, though others of their signal are recorded."""
        name = label(self.crm.sync)
        setting = {"EXCLUDE": [name], "GUARD": {name: LIMITS}}
        with override_settings(SIGNALSCOPE=setting), connected(order_paid, self.crm.sync, other):
            self.send_failing(times=6)
        self.assertEqual(self.crm.count, 6)

    def test_which_key_counts(self):
        """The full name, else the first that fits; a last part alone is a glob as well."""
        name = label(self.crm.sync)
        for setting, expected in (
            ({"*": {**LIMITS, "min_calls": 2}, name: LIMITS}, 4),
            ({"*.Crm.*": {**LIMITS, "min_calls": 2}, "sync": LIMITS}, 2),
            ({"*.Other.*": {**LIMITS, "min_calls": 2}, "sync": LIMITS}, 4),
        ):
            with self.subTest(setting), guards(setting), connected(order_paid, self.crm.sync):
                self.crm.count = 0
                self.send_failing(times=6)
                self.assertEqual(self.crm.count, expected)

    def test_own_receivers(self):
        """A glob never means one of Django's or signalscope's; its full name does."""
        for receiver in (
            "django.contrib.auth.models.update_last_login",
            "partial(django.db.models.fields.files.ImageField.update_dimension_fields)",
            "signalscope.activity.saving.saved",
        ):
            for name in ("*", "django.*", "signalscope.*", receiver.rpartition(".")[2], "*login"):
                self.assertIs(is_guarded_by(name, receiver), False, (name, receiver))
            self.assertIs(is_guarded_by(receiver, receiver), True)
        self.assertIs(is_guarded_by("*.sync_crm", "djangoshop.receivers.sync_crm"), True)

    def test_other_settings(self):
        """What was counted stays as long as GUARD is the same, and no longer."""
        setting = {label(self.crm.sync): LIMITS}
        with guards(setting), connected(order_paid, self.crm.sync):
            self.send_failing()
            self.assertEqual(wiring.scope().guards.open_receivers(), {label(Crm.sync)})
            with override_settings(SIGNALSCOPE={"GUARD": setting, "SLOW_MS": 7}):
                send(order_paid)
                self.assertEqual(self.crm.count, 4)
            with override_settings(SIGNALSCOPE={}):
                send(order_paid)
                self.assertEqual(self.crm.count, 5)
                self.assertEqual(wiring.scope().guards.open_receivers(), set())
            send(order_paid)
            self.assertEqual(self.crm.count, 6)

    def test_nobody_guarded(self):
        """Then no plan asks or watches."""
        with guards({"shop.*": LIMITS}), connected(order_paid, other), recorded() as seen:
            order_paid.send(sender=Order)
            (plan,) = [record[0] for record in seen.tap]
        self.assertEqual((plan.gates, plan.watches, plan.is_plain), ((), (), True))
