"""Tests of the questions that ActivityLog.objects answers."""

from datetime import timedelta
from unittest import mock

from django.contrib.auth.models import AnonymousUser, User
from django.db import models
from django.test import TestCase
from django.test.utils import isolate_apps
from django.utils import timezone

from signalscope.models import ActivityLog
from tests.shop.models import Order
from tests.stats.rows import entry


def labels(entries):
    """Return what entries are about."""
    return [row.object_label for row in entries]


class ForObjectTests(TestCase):
    """What was done to an object."""

    def test_of_that_object_only_newest_first(self):
        """Entries of another key or another model are left out."""
        entry(object_label="old")
        entry(object_label="another key", object_key="6")
        entry(object_label="another model", object_type="shop.Item")
        entry(object_label="new")
        self.assertEqual(labels(ActivityLog.objects.for_object(Order(pk=5))), ["new", "old"])

    def test_not_stored(self):
        """An object without a key has no entries, not those of other ones without."""
        entry(object_key="")
        self.assertEqual(labels(ActivityLog.objects.for_object(Order())), [])

    @isolate_apps("tests.shop", kwarg_name="isolated")
    def test_inheritance(self, isolated):
        """Tables that share a key are one object; a proxy is what it stands for."""

        class Place(models.Model):
            class Meta:
                app_label = "shop"

        class Licence(models.Model):
            licence_id = models.AutoField(primary_key=True)

            class Meta:
                app_label = "shop"

        class Bar(Place, Licence):
            class Meta:
                app_label = "shop"

        class LateBar(Bar):
            class Meta:
                app_label = "shop"

        class Kiosk(Place):
            number = models.AutoField(primary_key=True)
            place = models.OneToOneField(Place, models.CASCADE, parent_link=True)

            class Meta:
                app_label = "shop"

        class AnyPlace(Place):
            class Meta:
                app_label = "shop"
                proxy = True

        for model in (Place, Licence, Bar, LateBar, Kiosk):
            for key in ("5", "7"):
                name = model.__name__
                entry(object_type=f"shop.{name}", object_key=key, object_label=f"{name} {key}")
        bar = {"id": 5, "licence_id": 7, "licence_ptr_id": 7, "place_ptr_id": 5}
        for obj, expected in (
            (Place(id=5), {"Place 5", "Bar 5", "LateBar 5"}),
            (AnyPlace(id=5), {"Place 5", "Bar 5", "LateBar 5"}),
            (Bar(**bar), {"Place 5", "Licence 7", "Bar 5", "LateBar 5"}),
            (LateBar(**bar, bar_ptr_id=5), {"Place 5", "Licence 7", "Bar 5", "LateBar 5"}),
            (Licence(licence_id=7), {"Licence 7"}),
            (Kiosk(number=7, id=5, place_id=5), {"Place 5", "Kiosk 7"}),
        ):
            with (
                self.subTest(type(obj).__name__),
                mock.patch("signalscope.models.activity_queries.apps", isolated),
            ):
                self.assertEqual(set(labels(ActivityLog.objects.for_object(obj))), expected)


class ByTests(TestCase):
    """What somebody did."""

    def test_by(self):
        """Entries of one user; none of nobody."""
        entry(object_label="hers")
        entry(object_label="his", actor_key="8")
        entry(object_label="nobody's", actor_key="")
        self.assertEqual(labels(ActivityLog.objects.by(User(pk=7))), ["hers"])
        self.assertEqual(labels(ActivityLog.objects.by(User())), [])
        self.assertEqual(labels(ActivityLog.objects.by(AnonymousUser())), [])


class BetweenTests(TestCase):
    """What was done in a time."""

    def test_between(self):
        """The beginning is part of it, the end is not; questions can be joined."""
        now = timezone.now()
        for hours in (0, 1, 2, 3):
            entry(at=now - timedelta(hours=hours), object_label=str(hours))
        found = ActivityLog.objects.between(now - timedelta(hours=3), now - timedelta(hours=1))
        self.assertEqual(labels(found), ["3", "2"])
        self.assertEqual(labels(found.by(User(pk=8))), [])
