"""Tests of the admin's pages of deliveries."""

from datetime import timedelta
from tempfile import TemporaryDirectory
from unittest import mock
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client, SimpleTestCase
from django.utils import timezone

from signalscope.admin.payload import arguments
from signalscope.delivery.payload import pack
from signalscope.models import Delivery
from tests.activity.tracking import tracked
from tests.admin.base import AdminTestCase, address
from tests.management.test_deliveries import delivery
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.stats.rows import HOSTILE
from tests.tracked.models import Coupon, Invoice, Pub, Restaurant, Seat


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

    def shown(self, instance, *masks):
        """Return what the page shows of an instance."""
        return texts({"instance": instance}, masks)["instance"]

    def test_names_of_fields(self):
        """A field is masked by its name, not only by that of its column's attribute."""
        invoice = Invoice(pk=7, number="A-1", customer_id=UUID(int=0x77))
        for masks in (["customer"], ["tracked.Invoice.customer"], ["customer_id"]):
            found = self.shown(invoice, *masks)
            self.assertNotIn("77", found)
            self.assertIn("A-1", found)

    def test_models(self):
        """MASK may name the concrete model, its parents or the proxy."""
        for model in (Pub, Restaurant):
            place = model(pk=7, name="Mill")
            for mask in (f"tracked.{model.__name__}.*", "tracked.Place.name"):
                self.assertNotIn("Mill", self.shown(place, mask))
            self.assertIn("Mill", self.shown(place, "tracked.Invoice.name"))

    def test_key(self):
        """A key that is masked is so as key, too."""
        coupon = Coupon(code="C-1", percent=5)
        self.assertNotIn("C-1", self.shown(coupon, "code"))
        self.assertIn('"pk": "C-1"', self.shown(coupon, "percent"))
        self.assertIn("Ann", self.shown(Seat(row=1, number=2, guest="Ann"), "row"))

    def test_what_track_masks(self):
        """What a model is tracked without is not shown here, either."""
        order = Order(pk=7, number="A-1")
        with tracked(Order, mask=["number"]):
            self.assertNotIn("A-1", self.shown(order))
        self.assertIn("A-1", self.shown(order))

    def test_arguments(self):
        """Arguments and keys of dicts are masked by name, as fields are."""
        found = texts({"salary": 5000, "info": {"salary": 6000, "name": "Ann"}}, ["sal*"])
        self.assertEqual(found["salary"], "masked")
        self.assertNotIn("6000", found["info"])
        self.assertIn("Ann", found["info"])

    def test_gone(self):
        """A model or a field that is gone is masked by what its name was."""
        body = {"model": "tracked.Gone", "key": 7, "fields": {"customer_id": 77, "number": "A-1"}}
        for label in ("tracked.Gone", "tracked.Invoice", "nonsense"):
            payload = {"named": {"a": {"instance": {**body, "model": label}}}}
            for mask in ("customer", f"{label}.customer"):
                ((_, value),) = arguments(payload, [mask])
                self.assertNotIn("77", value.text)
                self.assertIn("A-1", value.text)

    def test_malformed(self):
        """Whatever is in the row, there is something to show, and secrets are not."""
        odd = [{"instance": 5}, {"instance": {}}, {"dict": [5]}, {"dict": 5}]
        for payload in (None, 5, [], {}, {"named": 5}, *({"named": {"a": one}} for one in odd)):
            self.assertEqual(len(arguments(payload, ["*"])), 1)
        ((_, value),) = arguments({"version": 9, "token": "abc"}, [])
        self.assertNotIn("abc", value.text)


class DeliveryTestCase(AdminTestCase):
    def allow(self):
        """Let the viewer act."""
        self.viewer.user_permissions.add(
            Permission.objects.get(
                content_type__app_label="signalscope", codename="change_delivery"
            )
        )

    def states(self):
        """Return the states in the project's own database."""
        return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


class DeliveryTests(DeliveryTestCase):
    """The list and the page."""

    def act(self, action, *rows, **data):
        """Run an action of the list on some deliveries."""
        return self.client.post(
            address("delivery_changelist"),
            {"action": action, "_selected_action": [row.pk for row in rows], **data},
            follow=True,
        ).content.decode()

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


class DatabaseTests(DeliveryTestCase):
    """Deliveries of several databases."""

    def setUp(self):
        super().setUp()
        self.own = delivery(receiver="shop.mine", state="failed")
        # Django never closes one in memory.
        file = f"{self.enterContext(TemporaryDirectory())}/warehouse.sqlite3"
        given = {"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": {}}
        second = {**connections.settings["default"], **given}
        self.enterContext(mock.patch.dict(connections.settings, warehouse=second))
        # Named on the class, the database would have to be there before the tests begin.
        self.enterContext(mock.patch.object(type(self), "databases", {"default", "warehouse"}))
        self.addCleanup(self.close)

    def close(self):
        """Leave nothing of the second database."""
        connections["warehouse"].close()
        del connections["warehouse"]

    def make_table(self):
        """Make the second database's table, with a delivery; return that."""
        with connections["warehouse"].schema_editor() as editor:
            editor.create_model(Delivery)
        row = delivery(receiver="shop.theirs", state="failed")
        Delivery.objects.filter(pk=row.pk).delete()
        row.pk = self.own.pk
        row.save(using="warehouse", force_insert=True)
        return row

    def urls(self, alias):
        """Return the addresses that name a database: those to get, and the one to post to."""
        key = self.own.pk
        pages = [
            address("delivery_changelist"),
            *(address(f"delivery_{name}", key) for name in ("change", "history", "delete")),
        ]
        named = [f"{url}?database={alias}" for url in [*pages, address("delivery_act", key)]]
        return named[:-1], named[-1]

    def check_refused(self, alias, told):
        """Assert that each address says why it shows nothing, and that nothing is changed."""
        pages, act = self.urls(alias)
        for response in (
            *(self.client.get(url, follow=True) for url in pages),
            self.client.post(act, {"act": "retry"}, follow=True),
            self.client.post(
                pages[0],
                {"action": "retry_selected", "_selected_action": [self.own.pk]},
                follow=True,
            ),
        ):
            self.assertRedirects(response, address("delivery_changelist"))
            self.assertEqual([str(message) for message in response.context["messages"]], [told])
            self.assertContains(response, ">mine</span>")
        self.assertEqual(self.states(), ["failed"])

    def test_without_the_table(self):
        """It is said that there is no table, with the command that makes it."""
        self.allow()
        self.check_refused(
            "warehouse",
            "signalscope's tables are not in the database 'warehouse'. "
            "Run: manage.py migrate signalscope --database warehouse",
        )

    def test_unreadable(self):
        """What the database says is told."""
        self.allow()
        connections["warehouse"].settings_dict["NAME"] = "/nowhere/at/all.sqlite3"
        self.check_refused(
            "warehouse",
            "The database 'warehouse' cannot be read: unable to open database file",
        )

    def test_unknown(self):
        """An alias that is none leads to the project's own; no row of that is changed."""
        self.allow()
        self.check_refused("nonsense", "There are no deliveries in a database 'nonsense'.")

    def test_without_permission(self):
        """Who may not view deliveries learns nothing of databases."""
        self.client.force_login(self.nobody)
        pages, act = self.urls("warehouse")
        for url in pages:
            self.get(url, status=403)
        self.assertEqual(self.client.post(act).status_code, 403)

    def test_with_the_table(self):
        """Its deliveries are listed, shown and acted upon, and those of the others left alone."""
        self.allow()
        row = self.make_table()
        (list_url, change_url, *_), act = self.urls("warehouse")
        page = self.get(list_url)
        self.assertIn(">theirs</span>", page)
        self.assertRegex(page, rf'/delivery/{row.pk}/change/\?[^"]*\bdatabase=warehouse"')
        self.assertIn(act, self.get(change_url))
        self.assertRedirects(self.client.post(act, {"act": "retry"}), change_url)
        row.refresh_from_db()
        self.assertEqual((row.state, self.states()), ("pending", ["failed"]))

    def test_its_own(self):
        """Neither naming the project's own nor naming none costs a query."""
        counts = {
            len(self.queries(address("delivery_changelist") + query))
            for query in ("", "?database=", "?database=default")
        }
        self.assertEqual(len(counts), 1)
