"""What values and objects look like in an entry."""

import enum
import ipaddress
import json
import math
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace

from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections, models
from django.db.models import F, Value
from django.db.models.functions import Upper
from django.test import SimpleTestCase, TestCase
from django.test.utils import isolate_apps
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from signalscope.activity.values import (
    MASKED,
    field_value,
    is_secret,
    json_value,
    object_key,
    object_label,
)
from tests.shop.models import Item, Order


class Status(models.TextChoices):
    """What becomes of an order."""

    NEW = "new", "just arrived"
    PAID = "paid", "paid in full"


class Colour(enum.Enum):
    """An enum that is no choice."""

    RED = 1


class Hostile:
    """Fails at whatever is asked of it."""

    def __str__(self):
        raise RuntimeError("no text")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __hash__ = None

    def __getattr__(self, name):
        raise RuntimeError(f"no {name}")


class LoudText(str):
    """A text that says something else when asked."""

    __slots__ = ()

    def __str__(self):
        raise RuntimeError("no text")

    def __len__(self):
        raise RuntimeError("no length")


class ObjectTests(TestCase):
    """Keys and labels of objects."""

    def test_key_plain_and_unsaved(self):
        """A key is text, and what has none has an empty one."""
        self.assertEqual(object_key(Order(pk=3)), "3")
        self.assertEqual(object_key(Order()), "")

    def test_key_composite(self):
        """A key of several parts is a JSON list."""
        part = uuid.UUID(int=7)
        key = object_key(SimpleNamespace(pk=(1, part)))
        self.assertEqual(json.loads(key), [1, str(part)])

    def test_label_is_the_text(self):
        """An object's own text is its label."""
        self.assertEqual(object_label(User(username="ann")), "ann")

    def test_label_long(self):
        """A label has at most 255 characters."""
        label = object_label(User(username="x" * 1_000_000))
        self.assertEqual(label, "x" * 254 + "…")

    def test_label_that_queries(self):
        """No query runs or is counted: kind and key stand in, and afterwards all is as before."""
        permission = Permission.objects.get(codename="add_order")
        before = set(connections["default"].__dict__)
        with self.assertNumQueries(0):
            label = object_label(permission)
        self.assertEqual(label, f"permission {permission.pk}")
        self.assertEqual(set(connections["default"].__dict__), before)
        with self.assertNumQueries(1):
            self.assertEqual(str(permission), "Shop | order | Can add order")
        self.assertEqual(object_label(permission), "Shop | order | Can add order")

    def test_label_of_deferred_field(self):
        """A field that was not loaded is not loaded for the label."""
        User.objects.create(username="ann")
        user = User.objects.only("pk").get()
        with self.assertNumQueries(0):
            self.assertEqual(object_label(user), f"user {user.pk}")
        self.assertEqual(user.username, "ann")

    def test_label_of_lazy_object(self):
        """An object that is looked up only when it is asked for stays unasked."""
        lazy = SimpleLazyObject(User.objects.get)
        with self.assertNumQueries(0):
            shaped = json_value({"user": lazy})
        self.assertEqual(shaped, {"user": "<django.utils.functional.SimpleLazyObject>"})
        ann = User.objects.create(username="ann")
        self.assertEqual(lazy, ann)
        self.assertEqual(json_value(lazy), "ann")

    def test_label_keeps_patched_cursor(self):
        """What another library put in the place of cursor() is there afterwards."""

        def cursor(*args, **kwargs):
            raise AssertionError("nobody asked")

        connection.cursor = cursor
        try:
            object_label(Permission(pk=1, content_type_id=1))
            self.assertIs(connection.cursor, cursor)
        finally:
            del connection.cursor

    def test_label_with_shared_connection(self):
        """Where another thread may use the connection, it is left alone."""
        connection.inc_thread_sharing()
        try:
            self.assertEqual(object_label(User(pk=3, username="ann")), "user 3")
            self.assertNotIn("cursor", connections["default"].__dict__)
        finally:
            connection.dec_thread_sharing()

    @isolate_apps("tests.shop")
    def test_label_hostile(self):
        """Whatever str() raises, there is a label."""

        class Rude(Order):
            class Meta:
                proxy = True
                app_label = "shop"
                verbose_name = "rude order"

            def __str__(self):
                raise RuntimeError("no")

        self.assertEqual(object_label(Rude(pk=3)), "rude order 3")


class SecretTests(SimpleTestCase):
    """Which names are of secrets."""

    def test_secret(self):
        """A whole word of the name counts, however the name is written."""
        names = (
            *("password", "PASSWORD", "old_password2", "apiKey", "api_key", "HTTPToken"),
            *("cardNumber", "card-number", "user.PIN", "client_secrets", "cvv", "otp", "IBAN"),
        )
        self.assertEqual([name for name in names if not is_secret(name)], [])

    def test_no_secret(self):
        """A word that merely holds such a word does not."""
        names = ("keyboard", "monkey", "discard", "pinned", "spinPoint", "tokenizer", "name", "")
        self.assertEqual([name for name in names if is_secret(name)], [])


class JsonValueTests(TestCase):
    """Any value as JSON has it."""

    def check(self, value, expected):
        shaped = json_value(value)
        self.assertEqual(shaped, expected)
        self.assertIs(type(shaped), type(expected))
        json.dumps(shaped, allow_nan=False)

    def test_plain(self):
        """What JSON has stays as it is."""
        for value in (None, True, 0, -5, 2**53, 1.5, "text", ""):
            with self.subTest(value):
                self.check(value, value)

    def test_numbers_beyond_json(self):
        """A number that JSON or a browser would change is text."""
        self.check(2**53 + 1, "9007199254740993")
        self.check(math.nan, "nan")
        self.check(-math.inf, "-inf")
        self.check(10**5000, "<builtins.int>")

    def test_text(self):
        """Text is cut at 500 characters; a subclass cannot say otherwise."""
        self.check("x" * 1_000_000, "x" * 499 + "…")
        self.check(mark_safe("<b>"), "<b>")
        self.check(LoudText("loud"), "loud")
        self.check(gettext_lazy("user"), "user")

    def test_moments(self):
        """Aware moments are in the current time zone, with its offset; naive ones as they are."""
        moment = datetime(2026, 11, 21, 13, tzinfo=UTC)
        with timezone.override("Europe/Vienna"):
            self.check(moment, "2026-11-21 14:00:00+01:00")
            self.check(datetime.max.replace(tzinfo=UTC), "9999-12-31 23:59:59.999999+00:00")
        self.check(datetime(2026, 11, 21, 13), "2026-11-21 13:00:00")  # noqa: DTZ001
        self.check(date(2026, 11, 21), "2026-11-21")
        self.check(time(13, 30), "13:30:00")
        self.check(timedelta(days=1, minutes=5), "1 day, 0:05:00")

    def test_kinds(self):
        """Decimals, keys, addresses, files, members of enums and bytes."""
        self.check(Decimal("10.50"), "10.50")
        self.check(uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001")
        self.check(ipaddress.ip_address("::1"), "::1")
        self.check(Status.PAID, "paid in full")
        self.check(Colour.RED, "RED")
        self.check(SimpleUploadedFile("receipt.pdf", b"x"), "receipt.pdf")
        self.check(b"x" * 12, "<12 bytes>")
        self.check(memoryview(b"x" * 12), "<12 bytes>")
        self.check(Order(pk=3), "Order object (3) (3)")

    def test_expressions(self):
        """An expression is its text."""
        self.check(F("count") + 1, "F(count) + Value(1)")
        self.check(Upper(Value("x")), "Upper(Value('x'))")

    def test_queryset(self):
        """A queryset is not evaluated."""
        with self.assertNumQueries(0):
            self.check(Order.objects.all(), "<django.db.models.query.QuerySet>")

    def test_nested(self):
        """Lists and dicts keep their form; values of secret names are masked at every level."""
        self.check(
            {"a": [1, {"apiKey": {"x": 1}, "b": Decimal(1)}], 5: {3, 1}, "password": None},
            {"a": [1, {"apiKey": MASKED, "b": "1"}], "5": [1, 3], "password": MASKED},
        )

    def test_bounded(self):
        """Neither depth nor width, nor a dict in itself, makes it large."""
        itself = {}
        itself["again"] = itself
        deep = json_value(itself)
        self.assertEqual(json.dumps(deep).count("again"), 6)
        wide = json_value([["x" * 1000] * 1000] * 1000)
        self.assertLess(len(json.dumps(wide)), 200_000)
        self.assertEqual(json_value(list(range(500)))[-2:], [199, "…"])

    def test_hostile(self):
        """An object that fails at everything is its type."""
        self.check(Hostile(), f"<{__name__}.Hostile>")
        self.check([{"x": Hostile()}], [{"x": f"<{__name__}.Hostile>"}])


class FieldValueTests(TestCase):
    """Values of a model's fields."""

    def test_choice(self):
        """A choice is its label, also in a group; an unknown value is as it is."""
        field = models.CharField(
            choices=[("n", "new"), ("Group", [("p", gettext_lazy("user"))])], max_length=1
        )
        self.assertEqual(field_value(field, "n"), "new")
        self.assertEqual(field_value(field, "p"), "user")
        self.assertEqual(field_value(field, "?"), "?")
        self.assertIsNone(field_value(field, None))
        self.assertEqual(field_value(field, Hostile()), f"<{__name__}.Hostile>")

    def test_choices_of_enum(self):
        """The value and the member have the same label."""
        field = models.CharField(choices=Status, max_length=9)
        self.assertEqual(field_value(field, "paid"), "paid in full")
        self.assertEqual(field_value(field, Status.PAID), "paid in full")

    def test_choices_that_query(self):
        """Choices that come from the database are not fetched."""
        field = models.IntegerField(choices=lambda: list(Order.objects.values_list("id", "number")))
        with self.assertNumQueries(0):
            self.assertEqual(field_value(field, 3), 3)

    def test_foreign_key(self):
        """The related object is named where it is at hand and is the one that the key means."""
        order = Order.objects.create(number="7")
        item = Item.objects.create(order=order, name="pen")
        field = Item._meta.get_field("order")
        with self.assertNumQueries(0):
            self.assertEqual(
                field_value(field, order.pk, item), f"Order object ({order.pk}) ({order.pk})"
            )
            self.assertEqual(field_value(field, order.pk + 1, item), order.pk + 1)
            self.assertEqual(field_value(field, order.pk), order.pk)
            fresh = Item(pk=item.pk, order_id=order.pk)
            self.assertEqual(field_value(field, order.pk, fresh), order.pk)

    def test_json(self):
        """A document keeps its form, without its secrets."""
        field = models.JSONField()
        self.assertEqual(field_value(field, {"token": "abc", "n": 1}), {"token": MASKED, "n": 1})

    def test_file(self):
        """A file is its name."""
        field = models.FileField()
        field.set_attributes_from_name("document")
        file = field.attr_class(Order(), field, "a/b.pdf")
        self.assertEqual(field_value(field, file), "a/b.pdf")
        self.assertEqual(field_value(field, field.attr_class(Order(), field, None)), "")
