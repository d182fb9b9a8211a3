"""Rules: whom they match, how long they hold, and what they cost while they match nobody."""

import asyncio
import math
import time
from functools import partial
from unittest import mock

from django.dispatch import Signal
from django.test import SimpleTestCase, TestCase

from signalscope import wiring
from signalscope.control.rules import Rule, Rules, is_own
from signalscope.recorder import plans
from signalscope.recorder.plans import PLANS
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.trees import connected, recorded

METHODS = ("send", "send_robust", "asend", "asend_robust")
BY = "rule 1 by alice: the CRM is down"


def sync_crm(sender, **kwargs):
    """Answer."""
    return "synced"


def touch_stock(sender, **kwargs):
    """Answer."""
    return "touched"


async def later(sender, **kwargs):
    """Answer later."""
    return "later"


def call(signal, method="send", sender=Order):
    """Send by any of the four methods; return the answers."""
    sent = getattr(signal, method)(sender=sender)
    responses = asyncio.run(_awaited(sent)) if method.startswith("a") else sent
    return [answer for _, answer in responses]


async def _awaited(coroutine):
    return await coroutine


def rule(**given):
    """Return a rule with a text."""
    return Rule(**{"text": BY, **given})


class RulesTestCase(SimpleTestCase):
    """Rules of this process, and none before and after."""

    def setUp(self):
        self.rules = wiring.scope().rules
        self.addCleanup(self.rules.replace, [])

    def set(self, *rules):
        """Let these rules hold, and no others."""
        self.rules.replace(rules)


class MatchingTests(RulesTestCase):
    """Which receivers a rule keeps out."""

    def answers(self, *rules, signal=order_paid, sender=Order):
        self.set(*rules)
        return call(signal, sender=sender)

    def test_each_glob(self):
        """All that are given must match: whole labels, or their last dotted part."""
        with connected(order_paid, sync_crm, touch_stock):
            both = ["synced", "touched"]
            for given, expected in (
                ({"receiver": "sync_crm"}, ["touched"]),
                ({"receiver": f"{__name__}.sync_crm"}, ["touched"]),
                ({"receiver": "sync_*"}, ["touched"]),
                ({"receiver": "tests.*"}, []),
                ({"receiver": "sync"}, both),
                ({"receiver": "SYNC_CRM"}, both),
                ({"signal": "order_paid"}, []),
                ({"signal": "tests.shop.signals.order_paid", "receiver": "*crm"}, ["touched"]),
                ({"signal": "mail_queued", "receiver": "sync_crm"}, both),
                ({"sender": "shop.Order"}, []),
                ({"sender": "Order", "receiver": "touch*"}, ["synced"]),
                ({"sender": "shop.Product"}, both),
            ):
                with self.subTest(given=given):
                    self.assertEqual(self.answers(rule(**given)), expected)

    def test_dispatch_uid(self):
        """It matches who was connected with one; "*" asks for any, and none is not any."""
        with (
            connected(order_paid, sync_crm, dispatch_uid="crm.sync"),
            connected(order_paid, touch_stock),
        ):
            for glob, expected in (
                ("crm.sync", ["touched"]),
                ("sync", ["touched"]),
                ("*", ["touched"]),
                ("stock", ["synced", "touched"]),
            ):
                with self.subTest(glob=glob):
                    self.assertEqual(self.answers(rule(dispatch_uid=glob)), expected)

    def test_all_four_methods(self):
        """Sync and async receivers are kept out of each kind of dispatch, and the rest stays."""
        with connected(order_paid, sync_crm, later, touch_stock):
            before = list(order_paid.receivers)
            self.set(rule(receiver="sync_crm"), rule(receiver="later"))
            for method in METHODS:
                with self.subTest(method=method):
                    self.assertEqual(call(order_paid, method), ["touched"])
            self.assertEqual(order_paid.receivers, before)
            self.assertTrue(order_paid.has_listeners(Order))

    def test_says_who(self):
        """What is recorded of the call is that it was muted, and by which rule."""
        self.set(rule(receiver="sync_crm"))
        with connected(order_paid, sync_crm, touch_stock), recorded() as seen:
            order_paid.send(sender=Order)
        self.assertEqual(seen.text, "order_paid\n  sync_crm muted\n  touch_stock ok\n")
        self.assertEqual(seen.dispatches()[0].calls[0].error_message, BY)

    def test_instances_as_senders(self):
        """A sender that is no class is matched by its type, too, and looked up once."""
        order = Order(pk=1)
        with connected(order_paid, sync_crm):
            self.assertEqual(self.answers(rule(sender="shop.Order"), sender=order), [])
            with mock.patch("signalscope.control.rules.matches") as matched:
                self.assertEqual(call(order_paid, sender=order), [])
            matched.assert_not_called()

    def test_hostile_globs(self):
        """A glob that nobody would write matches nobody, and breaks nothing."""
        odd = ("[", "[!", "]", "[a-", "\\", "ü\u202e")
        globs = (*odd, "*" * 255, "?" * 255, "x" * 255, "*a" * 127)
        with connected(order_paid, sync_crm):
            for glob in globs:
                with self.subTest(glob=glob):
                    started = time.monotonic()
                    answers = self.answers(rule(receiver=glob), rule(signal=glob, sender=glob))
                    self.assertEqual(answers, [] if glob == "*" * 255 else ["synced"])
                    self.assertLess(time.monotonic() - started, 2)


class SparedTests(RulesTestCase):
    """Receivers of Django's and of signalscope's."""

    def test_told_apart_by_package(self):
        """A label is theirs by its first part, not by how it begins."""
        for label in (
            "django.contrib.auth.models.update_last_login",
            "signalscope.contrib.celery.receivers.begin",
            "partial(django.contrib.sites.models.clear_site_cache)",
            "partial(partial(django.x.y))",
        ):
            self.assertIs(is_own(label), True, label)
        for label in (
            "django_shop.receivers.pay",
            "djangosaml.receivers.pay",
            "shop.django.receivers.pay",
            "partial(django_shop.receivers.pay)",
            "signalscope_demo.receivers.hear",
            "django",
        ):
            self.assertIs(is_own(label), False, label)

    def test_kept_out_only_by_force(self):
        """A rule that matches everything spares them, unless it is forced."""

        def update_last_login(sender, **kwargs):
            return "updated"

        def pay(sender, **kwargs):
            return "paid"

        update_last_login.__module__, pay.__module__ = "django.contrib.auth.models", "django_shop"
        signal = Signal()
        with connected(signal, update_last_login, pay, partial(update_last_login)):
            self.set(rule(receiver="*"))
            self.assertEqual(call(signal), ["updated", "updated"])
            self.set(rule(receiver="*", is_forced=True))
            self.assertEqual(call(signal), [])


class EndTests(RulesTestCase):
    """Rules end by themselves."""

    def setUp(self):
        self.now_s = 1000.0
        planner = wiring.scope().planner
        self.rules = Rules(planner.make_anew, clock=lambda: self.now_s)
        planner.gatekeepers.append(self.rules.gate)
        self.addCleanup(planner.make_anew)
        self.addCleanup(planner.gatekeepers.remove, self.rules.gate)

    def verdict(self):
        """Return who keeps out each receiver of a dispatch now."""
        with recorded() as seen:
            order_paid.send(sender=Order)
        return [call.error_message for call in seen.dispatches()[0].calls]

    def test_without_anybody_who_looks(self):
        """At its moment it ends, though nothing was read or changed since; so do others."""
        self.set(
            rule(receiver="sync_crm", end_s=1010, text="short"),
            rule(receiver="*", end_s=1020, text="long"),
        )
        with connected(order_paid, sync_crm, touch_stock):
            for now_s, expected in (
                (1000, ["long", "long"]),
                (1010, ["long", "long"]),
                (1019.999, ["long", "long"]),
                (1020, ["", ""]),
                (9999, ["", ""]),
            ):
                self.now_s = now_s
                self.assertEqual(self.verdict(), expected, now_s)

    def test_one_after_another(self):
        """Each receiver is muted until the last of its own rules ends."""
        self.set(
            rule(receiver="sync_crm", end_s=1010, text="a"),
            rule(receiver="sync_crm", end_s=1005, text="b"),
            rule(receiver="touch_stock", end_s=1020, text="c"),
        )
        with connected(order_paid, sync_crm, touch_stock):
            for now_s, expected in ((1000, ["a", "c"]), (1010, ["", "c"]), (1020, ["", ""])):
                self.now_s = now_s
                self.assertEqual(self.verdict(), expected, now_s)

    def test_for_good(self):
        """One without an end does not end."""
        self.set(rule(receiver="sync_crm", end_s=math.inf))
        with connected(order_paid, sync_crm):
            self.now_s = 1e12
            self.assertEqual(self.verdict(), [BY])

    def test_clock_that_jumps(self):
        """A clock that goes ahead and comes back leaves the rule as it was."""
        self.set(rule(receiver="sync_crm", end_s=1010))
        with connected(order_paid, sync_crm):
            for now_s, expected in ((1000, [BY]), (5000, [""]), (1000, [BY]), (0, [BY])):
                self.now_s = now_s
                self.assertEqual(self.verdict(), expected, now_s)


class CostTests(RulesTestCase):
    """Rules that match nobody cost a dispatch nothing."""

    def test_no_gate_where_nothing_matches(self):
        """A hundred rules that do not match leave the plan without a gate."""
        self.set(*[rule(receiver=f"other_{number}") for number in range(100)])
        with connected(order_paid, sync_crm):
            order_paid.send(sender=Order)
            plan = PLANS[id(order_paid) ^ id(Order)]
        self.assertEqual(plan.gates, ())

    def test_plans_are_made_anew_only_for_other_rules(self):
        """The same rules once more leave the plans alone; other ones do not."""
        with connected(order_paid, sync_crm):
            rules = [rule(receiver="nobody"), rule(receiver="nothing")]
            self.set(*rules)
            order_paid.send(sender=Order)
            plan = PLANS[id(order_paid) ^ id(Order)]
            self.set(*[rule(receiver="nobody"), rule(receiver="nothing")])
            self.assertIs(PLANS[id(order_paid) ^ id(Order)], plan)
            self.set(rules[0])
            self.assertNotIn(id(order_paid) ^ id(Order), PLANS)

    def test_plan_made_while_rules_change(self):
        """A plan that was begun by the old rules does not outlive the change."""
        gatekeepers = wiring.scope().planner.gatekeepers

        def meanwhile(plan, candidates):
            # As another thread might, at the worst moment: once the old rules were asked.
            self.set(rule(receiver="sync_crm"))

        with connected(order_paid, sync_crm):
            gatekeepers.append(meanwhile)
            try:
                self.assertEqual(call(order_paid), ["synced"])
            finally:
                gatekeepers.remove(meanwhile)
            self.assertEqual(call(order_paid), [])

    def test_what_is_remembered_is_bounded(self):
        """Senders without end do not fill the memory."""
        self.set(rule(receiver="sync_crm"))
        with mock.patch("signalscope.control.rules.MAX_PLANS", 5), connected(order_paid, sync_crm):
            for number in range(50):
                order_paid.send(sender=type(f"Sender{number}", (), {}))
        self.assertLessEqual(len(self.rules._known[1]), 5)
        self.assertGreater(plans.MAX_PLANS, 5)


class QueryTests(TestCase):
    """What the database has to do with it."""

    def test_no_query_on_the_sending_thread(self):
        """Ten thousand dispatches under a hundred rules run no query."""
        rules = wiring.scope().rules
        self.addCleanup(rules.replace, [])
        rules.replace([rule(receiver=f"other_{n}") for n in range(99)] + [rule(receiver="*crm")])
        with connected(mail_queued, sync_crm, touch_stock), self.assertNumQueries(0):
            for _ in range(10_000):
                answers = mail_queued.send(sender=Order)
        self.assertEqual([answer for _, answer in answers], ["touched"])
