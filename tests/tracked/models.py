"""Models that tests track; none is tracked by itself."""

import uuid

from django.db import models
from django.db.models.functions import Now


class Label(models.Model):
    """The other side of a many-to-many relation."""

    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Customer(models.Model):
    """Has a UUID that Python makes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Invoice(models.Model):
    """Has a field of each sort."""

    class Status(models.TextChoices):
        """What becomes of it."""

        OPEN = "o", "open"
        PAID = "p", "paid in full"

    number = models.CharField(max_length=50)
    status = models.CharField(max_length=1, choices=Status, default=Status.OPEN)
    total = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    count = models.IntegerField(default=0)
    due = models.DateField(null=True)
    paid_at = models.DateTimeField(null=True)
    customer = models.ForeignKey(Customer, models.CASCADE, null=True)
    extra = models.JSONField(default=dict)
    scan = models.FileField(null=True, upload_to="scans")
    digest = models.BinaryField(null=True)
    access_token = models.CharField(max_length=50, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    doubled = models.GeneratedField(
        expression=models.F("count") * 2,
        output_field=models.IntegerField(),
        db_persist=True,
    )
    labels = models.ManyToManyField(Label, related_name="invoices")

    def __str__(self):
        return f"invoice {self.number}"


class Coupon(models.Model):
    """Has a text for its key, and a value that the database makes."""

    code = models.CharField(max_length=20, primary_key=True)
    percent = models.IntegerField()
    since = models.DateTimeField(db_default=Now())


class Seat(models.Model):
    """Has a key of two parts."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()
    guest = models.CharField(max_length=50, blank=True)


class Place(models.Model):
    """The parent of another model."""

    name = models.CharField(max_length=50)
    labels = models.ManyToManyField(Label)


class Restaurant(Place):
    """A multi-table child."""

    stars = models.IntegerField(default=0)


class Pub(Place):
    """A proxy."""

    class Meta:
        proxy = True


class Person(models.Model):
    """Is related to others of its kind, each way."""

    name = models.CharField(max_length=50)
    friends = models.ManyToManyField("self")
