"""Tests of the admin's pages of deliveries."""

from datetime import timedelta

from django.contrib.auth.models import Permission
from django.test import Client, SimpleTestCase
from django.utils import timezone

from signalscope.admin.payload import arguments
from signalscope.delivery.payload import pack
from signalscope.models import Delivery
from tests.admin.base import AdminTestCase, address
from tests.management.test_deliveries import delivery
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.stats.rows import HOSTILE


def texts(named, masks=()):
    """Return the arguments of a dispatch as the page shows them: text, or "masked"."""
    packed = pack(order_paid, None, named)
    return {
        name: "masked" if value.is_masked else value.text
        for name, value in arguments(packed, masks)
    }


class PayloadTests(SimpleTestCase):
    """What is shown of a payload."""

    def test_values(self):
        """Values are shown without the words that say what they are."""
        found = texts({"number": 5, "names": ["a", "b"], "empty": None, "pair": ("x", "y")})
        self.assertEqual(found, {"number": "5", "names": "a\nb", "empty": "", "pair": "x\ny"})

    def test_secrets(self):
        """Values of secret names are masked, at every level."""
        found = texts({"token": "abc", "options": {"password": "abc", "deep": [{"pin": "abc"}]}})
        self.assertEqual(found["token"], "masked")
        self.assertNotIn("abc", found["options"])
        self.assertEqual(found["options"].count("********"), 2)

    def test_instances(self):
        """An instance is shown by its model, key and fields, but for those that MASK names."""
        order = Order(pk=7, number="A-1")
        found = texts({"instance": order})["instance"]
        for part in ("shop.Order", "7", "A-1"):
            self.assertIn(part, found)
        for masks in (["number"], ["shop.Order.number"]):
            self.assertNotIn("A-1", texts({"instance": order}, masks)["instance"])

    def test_malformed(self):
        """Whatever is in the row, there is something to show, and secrets are not."""
        odd = [{"instance": 5}, {"instance": {}}, {"dict": [5]}, {"dict": 5}]
        for payload in (None, 5, [], {}, {"named": 5}, *({"named": {"a": one}} for one in odd)):
            self.assertEqual(len(arguments(payload, ["*"])), 1)
        ((_, value),) = arguments({"version": 9, "token": "abc"}, [])
        self.assertNotIn("abc", value.text)


class DeliveryTests(AdminTestCase):
    """The list and the page."""

    def allow(self):
        """Let the viewer act."""
        self.viewer.user_permissions.add(
            Permission.objects.get(
                content_type__app_label="signalscope", codename="change_delivery"
            )
        )

    def act(self, action, *rows, **data):
        """Run an action of the list on some deliveries."""
        return self.client.post(
            address("delivery_changelist"),
            {"action": action, "_selected_action": [row.pk for row in rows], **data},
            follow=True,
        ).content.decode()

    def states(self):
        return list(Delivery.objects.order_by("pk").values_list("state", flat=True))

    def test_list(self):
        """State, attempts, lapses and the last error are in the list."""
        delivery(state="failed", attempts=2, last_error="ValueError: no stock", lapse_count=3)
        page = self.get(address("delivery_changelist"))
        for part in ("failed", "2/2", "ValueError: no stock", ">note<", ">3<"):
            self.assertIn(part, page)

    def test_filters(self):
        """The list is filtered by state and by age."""
        now = timezone.now()
        for name, state, age_h in (("new", "pending", 0), ("old", "failed", 30)):
            delivery(receiver=f"shop.{name}", state=state, created_at=now - timedelta(hours=age_h))
        for query, shown in (
            ("state__exact=failed", {"old"}),
            ("age=1h", {"new"}),
            ("age=over-1h", {"old"}),
            ("age=7d", {"new", "old"}),
            ("age=nonsense", {"new", "old"}),
        ):
            with self.subTest(query):
                page = self.get(f"{address('delivery_changelist')}?{query}")
                found = {name for name in ("new", "old") if f">{name}</span>" in page}
                self.assertEqual(found, shown)

    def test_queries(self):
        """As many queries for fifty rows as for one, none that counts, and no payload."""
        seen = []
        for count in (1, 50):
            for _ in range(count):
                delivery(state="failed")
            seen.append(self.queries(address("delivery_changelist")))
        self.assertEqual(len(seen[0]), len(seen[1]))
        self.assertFalse([sql for sql in seen[1] if "COUNT(" in sql or "payload" in sql])
        row = Delivery.objects.latest("pk")
        of_page = self.queries(address("delivery_change", row.pk))
        self.assertEqual(len([sql for sql in of_page if "signalscope_delivery" in sql]), 1)

    def test_page(self):
        """The page shows all of it, but for secrets."""
        row = delivery(
            state="failed",
            last_error="ValueError: no stock",
            payload=pack(order_paid, Order, {"number": 17, "api_key": "s3cret"}),
            order_key='["shop.Order", "default", 5]',
            lapse_count=2,
        )
        page = self.get(address("delivery_change", row.pk))
        for part in ("ValueError: no stock", ">17<", "masked", "2 attempts had not ended"):
            self.assertIn(part, page)
        self.assertNotIn("s3cret", page)

    def test_hostile(self):
        """Nothing in a row is taken for HTML."""
        for text in HOSTILE:
            named = {"version": 1, "named": {text: text, "list": [text]}}
            row = delivery(receiver=text, last_error=text, payload=named, order_key=text)
            for url in (address("delivery_changelist"), address("delivery_change", row.pk)):
                self.assertNotIn("<script>alert", self.get(url))

    def test_actions(self):
        """Selected ones are run or cancelled, others stay as they are."""
        self.allow()
        rows = [delivery(state=state) for state in ("failed", "failed", "done", "running")]
        page = self.act("retry_selected", rows[0], rows[2])
        self.assertIn("1 delivery is run at once.", page)
        self.assertIn("running or done stay", page)
        self.assertEqual(self.states(), ["pending", "failed", "done", "running"])
        self.act("cancel_selected", *rows)
        self.assertEqual(self.states(), ["cancelled", "cancelled", "done", "running"])

    def test_never_a_whole_table(self):
        """All rows of the table cannot be selected at once."""
        self.allow()
        first, _ = delivery(), delivery()
        self.act("cancel_selected", first, select_across="1")
        self.assertEqual(self.states(), ["cancelled", "pending"])

    def test_buttons(self):
        """The page has a button for what can be done, and does it."""
        self.allow()
        row = delivery(state="failed")
        url, act = address("delivery_change", row.pk), address("delivery_act", row.pk)
        for name, state, left in (
            ("cancel", "cancelled", {"retry"}),
            ("retry", "pending", {"retry", "cancel"}),
        ):
            self.assertIn(f'name="act" value="{name}"', self.get(url))
            self.assertRedirects(self.client.post(act, {"act": name}), url)
            self.assertEqual(self.states(), [state])
            page = self.get(url)
            found = {n for n in ("retry", "cancel") if f'name="act" value="{n}"' in page}
            self.assertEqual(found, left)
        done = delivery(state="done")
        self.assertNotIn('name="act"', self.get(address("delivery_change", done.pk)))
        self.client.post(act, {"act": "delete"})
        self.assertEqual(self.states(), ["pending", "done"])

    def test_others_see_neither_and_are_refused(self):
        """Without the permission there is no action and no button, and nothing changes."""
        row = delivery(state="failed")
        act = address("delivery_act", row.pk)
        self.assertNotIn("retry_selected", self.get(address("delivery_changelist")))
        self.assertNotIn('name="act"', self.get(address("delivery_change", row.pk)))
        self.assertEqual(self.client.post(act, {"act": "retry"}).status_code, 403)
        self.act("retry_selected", row)
        self.client.force_login(self.nobody)
        self.assertEqual(self.client.post(act, {"act": "retry"}).status_code, 403)
        self.assertEqual(self.states(), ["failed"])

    def test_by_post_with_a_token_only(self):
        """A link does nothing, nor does another site's form."""
        self.allow()
        row = delivery(state="failed")
        self.get(address("delivery_act", row.pk), status=405)
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.viewer)
        response = client.post(address("delivery_act", row.pk), {"act": "retry"})
        self.assertEqual((response.status_code, self.states()), (403, ["failed"]))

    def test_other_database(self):
        """An alias that is none, or has no deliveries, leads to the project's own."""
        delivery(receiver="shop.mine")
        page = self.get(f"{address('delivery_changelist')}?database=nonsense")
        self.assertIn(">mine</span>", page)
