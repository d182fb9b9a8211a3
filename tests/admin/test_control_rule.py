"""Tests of rules in the admin: who may set them, what is shown before, what is left behind."""

import json
import re
from datetime import timedelta
from html import unescape
from unittest import mock

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client, TransactionTestCase, override_settings
from django.utils import timezone
from django.utils.html import escape

from signalscope import wiring
from signalscope.models import ControlRule
from tests.admin.base import AdminTestCase, address
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.stats.rows import HOSTILE, rollup
from tests.trees import connected

LIST, ADD = "controlrule_changelist", "controlrule_add"


def sync_crm(sender, **kwargs):
    """Answer."""
    return "synced"


def touch_stock(sender, **kwargs):
    """Answer."""
    return "touched"


CRM = f"{__name__}.sync_crm"


def fingerprint(receiver="sync_crm"):
    """Return what a page posts that has shown the preview of a rule for a receiver."""
    return json.dumps(
        {"signal": "", "sender": "", "receiver": receiver, "dispatch_uid": "", "is_forced": False}
    )


def stored(**given):
    """Store a rule."""
    return ControlRule.objects.create(
        **{"receiver": "sync_crm", "reason": "down", "set_by": "alice", **given}
    )


class RuleTestCase(AdminTestCase):
    """As a user who may change rules."""

    def setUp(self):
        super().setUp()
        self.allow("change_controlrule")
        self.addCleanup(wiring.scope().rules.replace, [])

    def allow(self, *codenames):
        self.viewer.user_permissions.add(
            *Permission.objects.filter(
                content_type__app_label="signalscope", codename__in=codenames
            )
        )

    def deny(self, codename):
        self.viewer.user_permissions.remove(Permission.objects.get(codename=codename))

    def post(self, url=None, button="_save", shown=None, **data):
        """Press a button of the form; return the response."""
        data = {"receiver": "sync_crm", "reason": "the CRM is down", "lasts": "1h", **data}
        if shown is not None:
            data["_shown"] = shown
        return self.client.post(url or address(ADD), {**data, button: "x"})

    def shown(self, response):
        """Return what the page says that its preview is about."""
        found = re.search(r'name="_shown" value="([^"]*)"', response.content.decode())
        return found and unescape(found[1])

    def save(self, url=None, **data):
        """Look at the preview, and save; return the response."""
        seen = self.shown(self.post(url, button="_preview", **data))
        return self.post(url, shown=seen, **data)

    def assert_saved(self, response):
        self.assertRedirects(response, address(LIST), fetch_redirect_response=False)


class PreviewTests(RuleTestCase):
    """What is shown before a rule is saved."""

    def test_preview_button(self):
        """It shows receivers, their calls and errors of the last hour, and saves nothing."""
        rollup(*[1000] * 7, receiver=CRM, errors=3)
        rollup(*[1000] * 50, receiver=CRM, age_s=7200)
        with connected(order_paid, sync_crm, touch_stock, dispatch_uid=None):
            page = self.post(button="_preview").content.decode()
        row = next(row for row in page.split("<tr") if ">sync_crm</a>" in row)
        self.assertRegex(row, r'class="number">7</td>\s*<td class="number"><span[^>]*>3<')
        self.assertIn("order_paid", row)
        self.assertNotIn("touch_stock", page)
        self.assertNotIn("errornote", page)
        self.assertFalse(ControlRule.objects.exists())

    def test_first_save_shows_it_too(self):
        """To save without having seen the preview shows it; to save again saves."""
        response = self.post()
        self.assertContains(response, "Not saved yet")
        self.assertContains(response, "Whom it matches now")
        self.assertFalse(ControlRule.objects.exists())
        self.assert_saved(self.post(shown=self.shown(response)))
        self.assertEqual(ControlRule.objects.get().receiver, "sync_crm")

    def test_seen_is_not_enough_for_another_rule(self):
        """A preview of one glob does not let another one be saved."""
        seen = self.shown(self.post(button="_preview"))
        for other in ({"receiver": "*"}, {"is_forced": "on"}, {"signal": "order_paid"}):
            self.assertContains(self.post(shown=seen, **other), "Not saved yet")
        self.assertFalse(ControlRule.objects.exists())

    def test_by_address(self):
        """The form that the Signals page leads to shows it at once, and one Save is enough."""
        url = f"{address(ADD)}?receiver=sync_crm&signal=order_paid&lasts=for+good&is_forced=1"
        with connected(order_paid, sync_crm):
            response = self.client.get(url)
            self.assertContains(response, ">sync_crm</a>")
        self.assertContains(response, '<option value="1h" selected>')
        self.assertNotContains(response, "checked")
        self.assertNotContains(response, "Not saved yet")
        self.assert_saved(self.post(signal="order_paid", shown=self.shown(response)))

    def test_receivers_of_other_processes(self):
        """Receivers that are not connected here are known by their calls; nobody is said, too."""
        rollup(1000, receiver="worker.receivers.sync_crm", signal="worker.signals.done")
        page = self.post(button="_preview").content.decode()
        self.assertIn("worker.receivers.sync_crm", page)
        self.assertIn("not connected in this process", page)
        self.assertContains(self.post(button="_preview", receiver="nobody"), "No receiver that is")

    def test_senders(self):
        """Calls are those of the senders that the rule is about, each receiver's own."""
        rollup(*[1000] * 5, receiver=CRM, sender="shop.Order")
        rollup(*[1000] * 3, receiver=CRM, sender="shop.Product")
        with connected(order_paid, sync_crm), connected(order_paid, sync_crm, sender=Order):
            for sender, expected in (
                ("", [("", 3), ("shop.Order", 5)]),
                ("shop.Order", [("", 0), ("shop.Order", 5)]),
                ("shop.Product", [("", 3)]),
            ):
                with self.subTest(sender=sender):
                    lines = self.post(button="_preview", sender=sender).context["reached"]
                    found = [line["receiver"] for line in lines]
                    self.assertEqual([(line.sender, line.count) for line in found], expected)

    def test_hostile_texts(self):
        """Globs and reasons cannot become markup, in the form, the preview and the list."""
        for text in (*HOSTILE, "[", "[!", "%s %(a)s {{ x }} {% y %}"):
            with self.subTest(text=text):
                rollup(1000, receiver=text, signal=text, sender=text)
                for data in ({"receiver": text}, {"sender": text, "reason": text}):
                    self.assertNotContains(self.post(**data), "<script>alert")
                    self.assert_saved(self.save(**data))
        self.assertNotIn("<script>alert", self.get(address(LIST)))
        rule = ControlRule.objects.filter(reason__contains="<script>").get()
        page = self.get(address("controlrule_change", rule.pk))
        self.assertNotIn("<script>alert", page)
        self.assertIn(escape("<script>alert(1)</script>"), page)

    def test_no_script_of_its_own(self):
        """The form has neither script nor style in it but Django's."""
        page = self.post(button="_preview").content.decode()
        self.assertEqual(re.findall(r"<script(?![^>]*\bsrc=)", page), [])
        self.assertNotIn(" style=", page)


class FormTests(RuleTestCase):
    """What can be said in the form, and what cannot."""

    def test_how_long(self):
        """One hour unless something else is chosen; for good must be."""
        now = timezone.now()
        for lasts, expected in (
            ("15m", timedelta(minutes=15)),
            ("1h", timedelta(hours=1)),
            ("7d", timedelta(days=7)),
            ("for good", None),
        ):
            self.assert_saved(self.save(lasts=lasts))
            until = ControlRule.objects.first().until
            if expected is None:
                self.assertIsNone(until)
            else:
                self.assertLess(abs(until - now - expected), timedelta(seconds=30))
        page = self.get(address(ADD))
        self.assertIn('<option value="1h" selected>', page)
        self.assertNotIn('value="now"', page)

    def test_a_moment_of_ones_own(self):
        """It must be given, and be still to come."""
        day = timezone.localdate() + timedelta(days=3)
        self.assert_saved(self.save(lasts="moment", until_0=f"{day}", until_1="12:00"))
        self.assertEqual(timezone.localtime(ControlRule.objects.get().until).date(), day)
        for given in ({}, {"until_0": "2020-01-01", "until_1": "12:00"}):
            self.assertContains(self.post(lasts="moment", **given), "still to come")
        self.assertContains(self.post(lasts="x"), "Select a valid choice")

    def test_something_must_match(self):
        """Without a glob there is no rule, and without a reason neither."""
        self.assertContains(self.post(receiver=""), "Say what to mute")
        self.assertContains(self.post(receiver="  "), "Say what to mute")
        response = self.post(reason="")
        self.assertContains(response, "This field is required")
        self.assertNotContains(response, "Not saved yet")
        self.assertFalse(ControlRule.objects.exists())

    def test_djangos_own(self):
        """A rule that matches them alone needs the tick; one that matches others spares them."""

        def update_last_login(sender, **kwargs):
            """Stand for Django's."""

        update_last_login.__module__ = "django.contrib.auth.models"
        with connected(order_paid, update_last_login, sync_crm):
            response = self.save(receiver="update_last_login")
            self.assertContains(response, "Only receivers of Django")
            self.assertFalse(ControlRule.objects.exists())
            page = self.post(button="_preview", signal="order_paid", receiver="")
            self.assertContains(page, "not muted: Django")
            self.assert_saved(self.save(receiver="update_last_login", is_forced="on"))
        self.assertIs(ControlRule.objects.get().is_forced, True)

    def test_too_long(self):
        """A text that does not fit is refused by the form, not by the database."""
        self.assertContains(self.post(receiver="x" * 256), "at most 255 characters")


class ChangeTests(RuleTestCase):
    """Changing and ending rules."""

    def test_set_by(self):
        """Who saves a rule answers for it, also for one that another set."""
        self.save()
        self.assertEqual(ControlRule.objects.get().set_by, "viewer")
        rule = stored(set_by="alice")
        url = address("controlrule_change", rule.pk)
        self.save(url, lasts="for good", reason="still down", set_by="mallory")
        rule.refresh_from_db()
        self.assertEqual((rule.set_by, rule.reason), ("viewer", "still down"))

    def test_admin_log(self):
        """Setting, changing and ending are in the admin's log."""
        self.save()
        rule = ControlRule.objects.get()
        url = address("controlrule_change", rule.pk)
        self.save(url, reason="still down")
        self.client.post(address(LIST), {"action": "end_selected", "_selected_action": [rule.pk]})
        messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
        self.assertEqual(messages[0], "Added.")
        self.assertIn("Reason", messages[1])
        self.assertEqual(messages[2], "Ended.")
        self.assertIn("Added.", self.get(address("controlrule_history", rule.pk)))

    def test_end_by_the_form(self):
        """It can be ended there, too; then it stays as it is."""
        rule = stored()
        url = address("controlrule_change", rule.pk)
        page = self.get(url)
        self.assertIn('<option value="for good" selected>', page)
        self.assert_saved(self.post(url, lasts="now", shown=fingerprint()))
        rule.refresh_from_db()
        self.assertIs(rule.has_ended, True)
        page = self.get(url)
        self.assertNotIn('name="_save"', page)
        self.assertIn("alice", self.get(address(LIST)) + "alice")
        self.assertEqual(self.post(url, lasts="for good").status_code, 403)

    def test_unchanged(self):
        """The page of a rule shows its preview at once, so that one Save is enough."""
        rule = stored(until=timezone.now() + timedelta(hours=3))
        url = address("controlrule_change", rule.pk)
        response = self.client.get(url)
        local = timezone.localtime(rule.until)
        self.assertContains(response, '<option value="moment" selected>')
        self.assert_saved(
            self.post(
                url,
                shown=self.shown(response),
                lasts="moment",
                until_0=f"{local:%Y-%m-%d}",
                until_1=f"{local:%H:%M:%S}",
            )
        )

    def test_end_selected(self):
        """Those in force end, those that have ended stay; never a whole table."""
        ended_at = timezone.now() - timedelta(days=1)
        first, second, ended = stored(), stored(), stored(until=ended_at)
        response = self.client.post(
            address(LIST),
            {
                "action": "end_selected",
                "_selected_action": [first.pk, ended.pk],
                "select_across": "1",
            },
            follow=True,
        )
        self.assertContains(response, "1 rule has ended.")
        self.assertIs(ControlRule.objects.get(pk=first.pk).has_ended, True)
        self.assertIs(ControlRule.objects.get(pk=second.pk).has_ended, False)
        self.assertEqual(ControlRule.objects.get(pk=ended.pk).until, ended_at)

    def test_nothing_is_deleted(self):
        """Rules stay for the record: there is no deleting, not even for superusers."""
        self.viewer.is_superuser = True
        self.viewer.save()
        rule = stored()
        self.get(address("controlrule_delete", rule.pk), status=403)
        self.assertNotIn("delete_selected", self.get(address(LIST)))


class ListTests(RuleTestCase):
    """The list."""

    def test_states(self):
        """Rules in force and ended ones are told apart, and can be filtered."""
        stored(receiver="a.one", until=timezone.now() - timedelta(days=1))
        stored(receiver="b.two", until=timezone.now() + timedelta(days=1))
        stored(receiver="c.three", signal="order_*")
        page = self.get(address(LIST))
        for text in ("ended", "in force", "for good", "mute receiver a.one", "alice", "down"):
            self.assertIn(text, page)
        self.assertIn("mute signal order_*, receiver c.three", page)
        in_force = self.get(f"{address(LIST)}?state=in+force")
        self.assertNotIn("a.one", in_force)
        self.assertIn("b.two", in_force)
        ended = self.get(f"{address(LIST)}?state=ended")
        self.assertIn("a.one", ended)
        self.assertNotIn("c.three", ended)
        self.assertIn(address(ADD), page)

    def test_empty(self):
        """Without rules it says so."""
        self.assertIn("No rule was ever set", self.get(address(LIST)))

    def test_same_queries_with_1_and_50_rules(self):
        """Neither the list nor the form nor the Signals page costs more with more rules."""
        counts = {}
        # The type of its content is looked up once per process.
        self.get(address(ADD))
        with connected(order_paid, sync_crm):
            for number in (1, 49):
                for _ in range(number):
                    rule = stored(receiver="*")
                for url in (
                    address(LIST),
                    address(ADD),
                    f"{address(ADD)}?receiver=*",
                    address("controlrule_change", rule.pk),
                    address("signals"),
                ):
                    name = re.sub(r"\d+", "", url)
                    counts.setdefault(name, set()).add(len(self.queries(url)))
        self.assertEqual(
            {name: len(found) for name, found in counts.items()}, dict.fromkeys(counts, 1)
        )


class AccessTests(RuleTestCase):
    """Only users with the permission set, change and end rules."""

    def test_viewers_only_look(self):
        """With the view permission there is a list and a page, and no form."""
        rule = stored()
        self.deny("change_controlrule")
        page = self.get(address("controlrule_change", rule.pk))
        self.assertIn("sync_crm", page)
        self.assertNotIn("_preview", page)
        self.assertNotIn("end_selected", self.get(address(LIST)))
        self.assertNotIn(address(ADD), self.get(address(LIST)))
        self.get(address(ADD), status=403)
        self.assertEqual(self.post().status_code, 403)
        self.assertEqual(self.post(address("controlrule_change", rule.pk)).status_code, 403)
        self.client.post(address(LIST), {"action": "end_selected", "_selected_action": [rule.pk]})
        self.assertIs(ControlRule.objects.get().has_ended, False)

    def test_add_permission_is_not_enough(self):
        """Django's own permission to add rules sets none."""
        self.deny("change_controlrule")
        self.allow("add_controlrule", "delete_controlrule")
        self.assertEqual(self.post().status_code, 403)
        self.get(address(ADD), status=403)

    def test_change_permission_is_enough(self):
        """Who may change rules sees, sets and ends them."""
        self.deny("view_controlrule")
        rule = stored()
        self.get(address(LIST))
        self.get(address("controlrule_change", rule.pk))
        self.assert_saved(self.save())

    def test_others_see_nothing(self):
        """Staff without a permission is refused, everywhere."""
        rule = stored()
        self.client.force_login(self.nobody)
        for url in (address(LIST), address(ADD), address("controlrule_change", rule.pk)):
            self.get(url, status=403)

    def test_token(self):
        """Another site's form sets nothing."""
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.viewer)
        shown = fingerprint()
        data = {"receiver": "sync_crm", "reason": "x", "lasts": "1h", "_shown": shown}
        self.assertEqual(client.post(address(ADD), data).status_code, 403)


class SignalsPageTests(RuleTestCase):
    """The Signals page: who is muted, and where to mute."""

    def row(self, name="sync_crm"):
        page = self.get(address("signals"))
        return next(row for row in page.split("<tr") if f">{name}</a>" in row)

    def test_mute(self):
        """Each receiver leads to the form, filled in so that it matches this one."""
        with connected(order_paid, sync_crm, sender=Order, dispatch_uid="crm[1]*"):
            row = self.row()
            (url,) = re.findall(r'href="([^"]*controlrule/add[^"]*)"', row)
            response = self.client.get(url.replace("&amp;", "&"))
            form = response.context["adminform"].form
            self.assertEqual(len(form.reached()), 1)
            self.assertEqual(form.reached()[0].receiver, CRM)
            self.assertEqual(form.reached()[0].dispatch_uid, "crm[1]*")
            self.assertEqual(form.initial["dispatch_uid"], "crm[[]1][*]")
            self.assertEqual(form.initial["sender"], "shop.Order")

    def test_muted(self):
        """A receiver that a rule keeps out says until when, and leads to the rule."""
        with connected(order_paid, sync_crm, touch_stock):
            rule = stored(until=timezone.now() + timedelta(hours=1))
            row = self.row()
            self.assertIn("muted until", row)
            self.assertIn(address("controlrule_change", rule.pk), row)
            self.assertNotIn("controlrule/add", row)
            self.assertNotIn("muted", self.row("touch_stock"))
            stored(sender="shop.Order")
            self.assertIn("muted for good, for shop.Order", self.row())
            stored(receiver="touch_stock", until=timezone.now() - timedelta(hours=1))
            self.assertNotIn("muted", self.row("touch_stock"))

    def test_by_rollups_only(self):
        """So do receivers that are not connected in this process."""
        rollup(1000, receiver="worker.receivers.sync_crm")
        self.assertIn("controlrule/add", self.row())
        stored()
        self.assertIn("muted for good", self.row())

    def test_without_the_permission(self):
        """Others see who is muted, and no way to mute; the link needs a permission, too."""
        stored()
        self.deny("change_controlrule")
        with connected(order_paid, sync_crm, touch_stock):
            self.assertIn("controlrule/", self.row())
            self.assertNotIn("controlrule/add", self.row("touch_stock"))
            self.deny("view_controlrule")
            self.assertIn("muted for good", self.row())
            self.assertNotIn("controlrule/", self.row())

    def test_hostile_labels(self):
        """Labels cannot become markup or break the address."""
        for text in HOSTILE:
            rollup(1000, signal=text, sender=text, receiver=text)
        page = self.get(address("signals"))
        self.assertNotIn("<script>alert", page)
        for url in re.findall(r'href="([^"]*controlrule/add[^"]*)"', page):
            self.get(url.replace("&amp;", "&"))


class EffectTests(TransactionTestCase):
    """From the form to the dispatch."""

    def test_at_once_in_this_process(self):
        """A rule that is saved here holds from the next dispatch on, until it is ended."""
        from django.contrib.auth.models import User

        self.addCleanup(wiring.scope().rules.replace, [])
        self.client.force_login(User.objects.create_superuser("root"))
        data = {"receiver": CRM, "reason": "down", "lasts": "1h"}
        data["_shown"] = fingerprint(CRM)
        with connected(order_paid, sync_crm, touch_stock):
            response = self.client.post(address(ADD), data)
            self.assertEqual(response.status_code, 302)
            self.assertEqual([answer for _, answer in order_paid.send(sender=Order)], ["touched"])
            url = address("controlrule_change", ControlRule.objects.get().pk)
            self.client.post(url, {**data, "lasts": "now"})
            self.assertEqual(len(order_paid.send(sender=Order)), 2)


class ConfigTests(RuleTestCase):
    """Where rules are."""

    def test_database_of_the_setting(self):
        """The list reads, and the form writes, where SIGNALSCOPE["DATABASE"] says."""
        with override_settings(SIGNALSCOPE={"DATABASE": "default"}):
            with mock.patch("signalscope.admin.control_rule.get_conf") as conf:
                conf.return_value.database = "elsewhere"
                with self.assertRaisesRegex(Exception, "elsewhere"):
                    self.save()
        self.assertEqual(wiring.scope().refresh.alias, "default")
