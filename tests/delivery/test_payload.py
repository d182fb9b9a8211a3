"""What a dispatch was sent with goes through JSON and comes back as it was."""

import gc
import json
import sys
import uuid
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import ModuleType
from unittest import mock
from zoneinfo import ZoneInfo, available_timezones

from django.apps import apps
from django.contrib.auth.models import AnonymousUser, User
from django.db import OperationalError, connection, models, transaction
from django.db.models import F
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, QueryDict
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy, override
from hypothesis import given, settings
from hypothesis import strategies as st

import signalscope
from signalscope.delivery.databases import database_of
from signalscope.delivery.payload import pack, unpack
from signalscope.exceptions import UnreadablePayload
from tests.delivery.receivers import Access, Colour, Service, Size
from tests.shop import signals
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.tracked.models import Coupon, Customer, Invoice, Pub, Restaurant, Seat


class WritesToDefault:
    """A router that reads elsewhere."""

    def db_for_write(self, model, **hints):
        """Return the one that is written to."""
        return "default"


def carry(sender=None, **named):
    """Return what arrives elsewhere: sender and arguments."""
    signal, sender, named = unpack(json.loads(json.dumps(pack(order_paid, sender, named))))
    assert signal is order_paid
    return sender, named


def carry_value(value):
    """Return what arrives of a value."""
    return carry(value=value)[1]["value"]


zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=-30)),
                         timezone(timedelta(seconds=1), "odd"),
                         *map(ZoneInfo, sorted(available_timezones())[:40])])  # fmt: skip
moments = st.datetimes(timezones=zones, allow_imaginary=True) | st.builds(
    lambda moment: moment.replace(fold=1), st.datetimes(timezones=zones)
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30)
    | st.floats()
    | st.text(alphabet=st.characters(exclude_categories=()))
    | st.binary()
    | st.decimals()
    | st.uuids()
    | st.dates()
    | moments
    | st.times(timezones=zones)
    | st.timedeltas()
    | st.sampled_from([*Colour, *Size, *Access, Access.READ | Access.WRITE, *Invoice.Status])
    | st.builds(mark_safe, st.text())
)
keys = scalars.filter(lambda value: not _is_signaling(value) and value == value)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.dictionaries(keys, inner)
    ),
    max_leaves=20,
)


def _is_signaling(value):
    return isinstance(value, Decimal) and value.is_snan()


def exact(value):
    """Return a form that is equal for values of the same types only, and knows NaN."""
    if isinstance(value, (list, tuple)):
        return type(value), [exact(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return type(value), {repr(exact(one)) for one in value}
    if isinstance(value, dict):
        return dict, [(exact(key), exact(one)) for key, one in value.items()]
    if isinstance(value, (datetime, time)):
        zone = value.tzinfo
        named = zone.key if isinstance(zone, ZoneInfo) else (zone, zone and zone.tzname(None))
        return type(value), value.replace(tzinfo=None), value.fold, named
    return type(value), repr(value)


class ValueTests(SimpleTestCase):
    """Plain values."""

    @settings(max_examples=100, deadline=None)
    @given(values)
    def test_round_trip(self, value):
        """Any value of the plain types comes back as it was, type and all."""
        self.assertEqual(exact(carry_value(value)), exact(value))

    def test_corners(self):
        """What formats and databases like to change is the same."""
        for value in (
            *(True, 1, 1.0, -0.0, 2**53, 2**53 + 1, float("inf"), 1e300),
            *(Decimal("1.50"), Decimal("-0E+7"), Decimal("sNaN"), "", "\0", "\ud800", "ä\u2028"),
            *(datetime.max, datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Rome"))),
            *(datetime(1, 1, 1, tzinfo=UTC), time(0, 0, fold=1), date.min, timedelta.min),
            *(b"\xff\0", uuid.UUID(int=0), {"b": 1, "a": 2}, {1: "a", "1": "b", None: ()}),
            *({"tuple": [1]}, {"instance": {}}, {frozenset({1}): {(1, 2)}}, []),
        ):
            # What a subtest is told goes through a pipe, which is stricter.
            with self.subTest(ascii(value)):
                self.assertEqual(exact(carry_value(value)), exact(value))

    def test_replica(self):
        """A row that was read from a replica is read again where it is written."""
        order = Order(number="1")
        order._state.db = "replica"
        with self.settings(DATABASE_ROUTERS=[WritesToDefault()]):
            for named, using in (
                ({"instance": order}, "default"),
                ({"instance": order, "using": "replica"}, "replica"),
            ):
                packed = pack(order_paid, Order, named)["named"]["instance"]["instance"]
                self.assertEqual((packed["using"], database_of(Order, named)), (using, using))

    def test_digits(self):
        """An integer may have more digits than Python reads by default."""
        self.assertEqual(carry_value(-(10**5000)), -(10**5000))

    def test_plain_json(self):
        """Texts and numbers stand in the payload as they are, for whoever reads it."""
        payload = pack(order_paid, None, {"number": 7, "name": "Ann", "tags": ["a"]})
        self.assertEqual(
            payload,
            {
                "version": 1,
                "signal": "tests.shop.signals.order_paid",
                "sender": None,
                "named": {"number": 7, "name": "Ann", "tags": ["a"]},
            },
        )

    def test_texts_that_are_more(self):
        """A text that is translated later is sent as the sender reads it; a safe one stays so."""
        with override("de"):
            self.assertEqual(carry_value(gettext_lazy("Yes")), "Ja")
        found = carry_value(mark_safe("<b>\0"))
        self.assertEqual((type(found), found), (SafeString, "<b>\0"))

    def test_stopped_clock(self):
        """Libraries that stop the clock have dates of their own, which arrive as Python's."""

        class FakeDate(date):
            """As freezegun has it."""

        class FakeDatetime(datetime):
            """As freezegun has it."""

        self.assertEqual(exact(carry_value(FakeDate(2025, 1, 2))), exact(date(2025, 1, 2)))
        found = carry_value(FakeDatetime(2025, 1, 2, tzinfo=UTC))
        self.assertEqual(exact(found), exact(datetime(2025, 1, 2, tzinfo=UTC)))

    def test_refused(self):
        """Anything else is a TypeError with the argument, its type, and what to do."""
        loop = []
        loop.append(loop)

        class Local:
            """Is no plain type."""

        for value, words in (
            (Local(), "it is a tests.delivery.test_payload.ValueTests.test_refused.<locals>.Local"),
            ([{"a": Local()}], "it holds a "),
            (Order.objects.all(), "it is a django.db.models.query.QuerySet; give a list of keys"),
            (Order.objects, "give a list of keys"),
            (HttpRequest(), "give what is needed of the request"),
            (QueryDict("a=1"), "it is a django.http.request.QueryDict"),
            (loop, "it contains itself, or is nested deeper than 50 levels"),
            (print, "it is a builtins.builtin_function_or_method"),
            (Local, "it is a builtins.type"),
            (bytearray(b""), "it is a builtins.bytearray"),
            (SimpleLazyObject(AnonymousUser), "a django.contrib.auth.models.AnonymousUser"),
            (models.Model, "it is a django.db.models.base.ModelBase"),
            (order_paid, "it is a django.dispatch.dispatcher.Signal"),
            (F("count"), "it is a django.db.models.expressions.F"),
        ):
            with self.subTest(value=words), self.assertRaises(TypeError) as caught:
                pack(order_paid, None, {"report": value})
            said = str(caught.exception)
            self.assertIn("the argument 'report' cannot be sent to another process", said)
            self.assertIn(words, said)
        self.assertIn("leave it out: @deferred(exclude=['report'])", said)

    def test_other_zones(self):
        """A time zone of another library is refused, rather than made a fixed offset."""

        class Zone(type(UTC).__base__):
            """A tzinfo."""

            def utcoffset(self, moment):
                return timedelta(0)

        with self.assertRaisesMessage(TypeError, "use zoneinfo.ZoneInfo or datetime.timezone"):
            pack(order_paid, None, {"at": datetime(2025, 1, 1, tzinfo=Zone())})

    def test_left_out(self):
        """An argument that is excluded is neither sent nor looked at."""
        payload = pack(order_paid, None, {"request": HttpRequest(), "a": 1}, exclude=["request"])
        self.assertEqual(payload["named"], {"a": 1})


class SenderTests(SimpleTestCase):
    """Senders by reference."""

    def test_kinds(self):
        """Classes, functions, modules, apps, models and plain values come back the very same."""
        for sender in (
            *(None, Order, Order.tags.through, Service, User),
            *(SimpleTestCase, carry, signals, "checkout", 7, Colour.GREEN, Invoice.Status),
            apps.get_app_config("shop"),
        ):
            with self.subTest(sender=sender):
                self.assertIs(type(carry(sender)[0]), type(sender))
                self.assertEqual(carry(sender)[0], sender)

    def test_refused(self):
        """An object is no sender that another process has, nor is a local class."""

        class Local:
            """Is found by nobody."""

        for sender in (Local, Local(), lambda: None, HttpResponse()):
            with self.assertRaisesMessage(TypeError, "let the sender be a model or another class"):
                pack(order_paid, sender, {})

    def test_signal_without_a_name(self):
        """A signal that nobody else could find is refused, and register() helps."""
        signal = Signal()
        with self.assertRaisesMessage(TypeError, "signalscope.register(signal, name="):
            pack(signal, None, {})
        signalscope.register(signal, name="tests.payload.mine")
        self.assertIs(unpack(pack(signal, None, {}))[0], signal)
        del signal
        gc.collect()

    def test_signal_of_a_script(self):
        """Another process runs another script: only what is nowhere else has a name there."""
        script, here = sys.modules["__main__"], sys.modules[__name__]
        for name, modules in (("__main__", [script]), (__name__, [script, here])):
            with ExitStack() as stack:
                signal = Signal()
                for module in modules:
                    stack.enter_context(mock.patch.object(module, "mine", signal, create=True))
                packed = pack(signal, None, {})
                self.assertEqual(packed["signal"], f"{name}.mine")
                self.assertIs(unpack(packed)[0], signal)
        del signal
        gc.collect()


class InstanceTests(TestCase):
    """Instances of models."""

    def test_read_again(self):
        """The row arrives as it is by then."""
        order = Order.objects.create(number="1")
        payload = pack(order_paid, Order, {"order": order, "orders": [order]})
        Order.objects.update(number="2")
        with self.assertNumQueries(1):
            _, _, named = unpack(payload)
        self.assertEqual(named["order"].number, "2")
        self.assertIs(named["orders"][0], named["order"])
        self.assertEqual(named["order"]._state.db, "default")

    def test_gone(self):
        """Of a deleted row the snapshot arrives, as post_delete has it."""
        order = Order.objects.create(number="1")
        key = order.pk
        order.delete()
        order.pk = key
        with self.assertNumQueries(1):
            found = carry_value(order)
        self.assertEqual((found, found.number, found._state.adding), (order, "1", False))

    def test_unsaved(self):
        """One that was never saved arrives as it is, without a query where it has no key."""
        with self.assertNumQueries(0):
            found = carry_value(Order(number="9"))
        self.assertEqual((found.pk, found.number, found._state.adding), (None, "9", True))
        customer = Customer(name="Ann")
        with self.assertNumQueries(1):
            found = carry_value(customer)
        self.assertEqual((found.pk, found.name, found._state.adding), (customer.pk, "Ann", True))

    def test_each_field(self):
        """The snapshot has the value of each kind of field."""
        invoice = Invoice.objects.create(
            number="7",
            status=Invoice.Status.PAID,
            total=Decimal("1.50"),
            due=date(2025, 1, 2),
            paid_at=datetime(2025, 1, 2, 3, tzinfo=UTC),
            customer=Customer.objects.create(name="Ann"),
            extra={"a": [1, {"b": None}]},
            scan="scans/a.png",
            digest=b"\xff\0",
        )
        invoice.refresh_from_db()
        before = {f.attname: getattr(invoice, f.attname) for f in Invoice._meta.concrete_fields}
        payload = json.loads(json.dumps(pack(order_paid, None, {"invoice": invoice})))
        Invoice.objects.all().delete()
        found = unpack(payload)[2]["invoice"]
        after = {f.attname: getattr(found, f.attname) for f in Invoice._meta.concrete_fields}
        before["scan"], after["scan"] = before["scan"].name, after["scan"].name
        self.assertEqual(after, before)
        self.assertEqual(found.get_deferred_fields(), set())

    def test_empty_file(self):
        """A field without a file has none afterwards, either."""
        invoice = Invoice(number="1")
        self.assertIsNone(carry_value(invoice).scan.name)

    def test_not_loaded(self):
        """Fields that were not loaded are left out, and cost no query."""
        Order.objects.create(number="1")
        order = Order.objects.only("id").get()
        with self.assertNumQueries(0):
            payload = pack(order_paid, None, {"order": order})
        Order.objects.all().delete()
        self.assertEqual(unpack(payload)[2]["order"].get_deferred_fields(), {"number"})

    def test_expression(self):
        """What only the database knows is left out."""
        invoice = Invoice.objects.create(number="1")
        invoice.count = F("count") + 1
        payload = pack(order_paid, None, {"invoice": invoice})
        Invoice.objects.all().delete()
        self.assertEqual(unpack(payload)[2]["invoice"].get_deferred_fields(), {"count"})

    def test_keys_of_each_kind(self):
        """UUIDs, texts, and keys of two parts are keys; parents and proxies are models."""
        for instance in (
            Customer.objects.create(name="Ann"),
            Coupon.objects.create(code="x/ä", percent=5),
            Seat.objects.create(row=1, number=2),
            Restaurant.objects.create(name="Rex", stars=3),
            Pub.objects.create(name="Pub"),
        ):
            for is_gone in (False, True):
                with self.subTest(instance=instance, is_gone=is_gone), transaction.atomic():
                    payload = json.loads(json.dumps(pack(order_paid, None, {"it": instance})))
                    if is_gone:
                        type(instance).objects.filter(pk=instance.pk).delete()
                    found = unpack(payload)[2]["it"]
                    self.assertIs(type(found), type(instance))
                    self.assertEqual(found, instance)
        self.assertEqual(
            unpack(pack(order_paid, None, {"it": Restaurant(stars=3)}))[2]["it"].stars, 3
        )

    def test_lazy_user(self):
        """A user of a request is one of the model's instances."""
        user = User.objects.create_user("ann")
        found = carry_value(SimpleLazyObject(User.objects.get))
        self.assertEqual((type(found), found), (User, user))

    def test_as_sender(self):
        """An instance may be the sender."""
        order = Order.objects.create(number="1")
        self.assertEqual(carry(order)[0], order)

    def test_origin(self):
        """The queryset that deletes arrives as None, an instance as itself."""
        order = Order.objects.create(number="1")
        self.assertIsNone(carry(origin=Order.objects.all())[1]["origin"])
        _, named = carry(instance=order, origin=order)
        self.assertIs(named["origin"], named["instance"])

    def test_foreign_model(self):
        """A model of no app, such as those that a migration makes up, is refused."""

        class Meta:
            """Belongs to no registry of Django's."""

            app_label = "shop"
            apps = type(apps)()

        made_up = type("Order", (models.Model,), {"__module__": "__fake__", "Meta": Meta})
        with self.assertRaisesMessage(TypeError, "a model of an installed app"):
            pack(order_paid, None, {"order": made_up()})


class UnreadableTests(TestCase):
    """Payloads that cannot be read, for what became of the project or by malice."""

    def assert_unreadable(self, words, value=None, **changes):
        """Say why."""
        payload = {**pack(order_paid, None, {}), **changes}
        if value is not None:
            payload["named"] = {"value": value}
        with self.assertRaises(UnreadablePayload) as caught:
            unpack(payload)
        self.assertIn(words, str(caught.exception))

    def test_version(self):
        """Another version is not guessed at."""
        self.assertEqual(pack(order_paid, None, {})["version"], 1)
        self.assert_unreadable("version 2", version=2)

    def test_gone(self):
        """Signals, models, fields, databases, members and modules may be gone."""
        body = pack(order_paid, None, {"it": Order(number="1")})["named"]["it"]["instance"]
        for words, value in (
            ("no model 'shop.Gone'", {"model": "shop.Gone"}),
            ("no model 'shop.Gone'", {"instance": {**body, "model": "shop.Gone"}}),
            ("no field 'colour'", {"instance": {**body, "fields": {"colour": 1}}}),
            ("no database 'old'", {"instance": {**body, "using": "old"}}),
            ("'x' is no key", {"instance": {**body, "key": "x"}}),
            ("Gone' is gone", {"enum": ["tests.delivery.receivers:Gone", "A"]}),
            ("KeyError", {"enum": ["tests.delivery.receivers:Colour", "BLUE"]}),
            ("not loaded here", {"enum": ["gone.module:Colour", "RED"]}),
            ("Never/Land", {"datetime": ["2025-01-01T00:00:00", 0, "Never/Land"]}),
        ):
            with self.subTest(words):
                self.assert_unreadable(words, value)
        self.assert_unreadable("no signal is named 'tests.shop.signals.old'",
                               signal="tests.shop.signals.old")  # fmt: skip

    def test_field_that_has_changed(self):
        """A field may be of another kind by now, which its old value does not fit."""
        body = pack(order_paid, None, {"it": Invoice(number="1")})["named"]["it"]["instance"]
        body["fields"]["due"] = {"field": "soon"}
        self.assert_unreadable("soon", {"instance": body})

    def test_malformed(self):
        """Whatever it is instead of a payload, nothing but UnreadablePayload comes of it."""
        deep = []
        for _ in range(500):
            deep = [deep]
        for value in (
            *({}, {"a": 1, "b": 2}, {"nonsense": 1}, {"int": 5}, {"decimal": "x"}, {"uuid": []}),
            *({"bytes": "*"}, {"date": "soon"}, {"set": [[]]}, {"dict": [1]}, {"dict": [[[], 1]]}),
            *({"enum": "x"}, {"flag": ["x"]}, {"instance": 5}, {"instance": {}}, 1.5, deep),
            *({"model": 5}, {"module": "../x"}, {"app": "x"}, {"name": "x"}, {"name": ""}),
            *({"instance": {}, "name": ""}, {"model": "shop.Order", "b": 1}),
            *({"float": {}}, {"timedelta": [10**20]}, {"datetime": []}, {"characters": [-1]}),
            *({"safe": 5}, {"time": ["0:0", 5, None]}, {"datetime": ["2025-01-01", 0, [1e99, ""]]}),
        ):
            with self.subTest(value=str(value)[:40]):
                self.assert_unreadable("", value)
                self.assert_unreadable("", sender=value)
        for payload in ({}, {"version": 1}, {"version": 1, "signal": [], "named": 5}):
            with self.assertRaises(UnreadablePayload):
                unpack(payload)

    def test_hostile(self):
        """Nothing is called that a payload names, nor imported unless it is an app's."""
        self.assert_unreadable("is no Enum", {"enum": ["subprocess:Popen", "x"]})
        self.assert_unreadable("is no Flag", {"flag": ["subprocess:Popen", 1]})
        self.assert_unreadable("is no value of a flag", {"flag": ["re:RegexFlag", "x"]})
        self.assert_unreadable("is no class or function", sender={"name": "sys:path"})
        gone = {"name": "tests.delivery.receivers:note.__globals__"}
        self.assert_unreadable("is gone", sender=gone)
        for module in ("antigravity", "this", "django.__main__", "tests.shop.__main__"):
            self.assertNotIn(module, sys.modules)
            self.assert_unreadable("not loaded here", sender={"module": module})
            self.assertNotIn(module, sys.modules)

    def test_what_only_senders_are(self):
        """An argument is no function, class, module or app: a message might choose any."""
        for tag, body in (("name", "subprocess:call"), ("module", "os"), ("app", "shop")):
            unpack({**pack(order_paid, None, {}), "sender": {tag: body}})
            for value in ({tag: body}, [{tag: body}], {"dict": [["a", {tag: body}]]}):
                self.assert_unreadable("is no kind of value", value)
            self.assert_unreadable("is no kind of value", sender=[{tag: body}])

    def test_imports_of_apps(self):
        """A public module of an installed app is imported where it is not yet."""
        sys.modules.pop("tests.shop.views", None)
        found = unpack({**pack(order_paid, None, {}), "sender": {"module": "tests.shop.views"}})[1]
        self.assertIsInstance(found, ModuleType)

    def test_errors_of_the_database(self):
        """Where the row cannot be read now, the payload is not to blame: it may be later."""
        payload = pack(order_paid, None, {"order": Order(pk=1, number="1")})

        def fail(*args):
            raise OperationalError("gone away")

        with connection.execute_wrapper(fail), self.assertRaises(OperationalError):
            unpack(payload)


class ClosedConnectionTests(TransactionTestCase):
    """A connection that the database has closed, since nobody used it for long."""

    def carry(self, *, is_usable):
        """Let a row be read by a connection whose first statement fails; return what arrives."""
        payload = pack(order_paid, None, {"order": Order.objects.create(number="1")})
        failed = []

        def fail_once(execute, *args):
            if not failed:
                failed.append(True)
                raise OperationalError("gone away")
            return execute(*args)

        with (
            mock.patch.object(connection, "is_usable", return_value=is_usable),
            connection.execute_wrapper(fail_once),
        ):
            return unpack(payload)[2]["order"].number

    def test_closed(self):
        """Is opened again."""
        self.assertEqual(self.carry(is_usable=False), "1")

    def test_open(self):
        """Where it works, the error is another one."""
        with self.assertRaisesMessage(OperationalError, "gone away"):
            self.carry(is_usable=True)

    def test_transaction(self):
        """One that is in a transaction is left alone: what it has done would be lost."""
        with self.assertRaisesMessage(OperationalError, "gone away"), transaction.atomic():
            self.carry(is_usable=False)
        transaction.set_autocommit(False)
        try:
            with self.assertRaisesMessage(OperationalError, "gone away"):
                self.carry(is_usable=False)
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)
