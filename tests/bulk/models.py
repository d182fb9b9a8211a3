"""Models with a manager that sends bulk signals, and with Django's own beside it."""

from django.db import models

from signalscope.bulk import BulkSignalManager, BulkSignalQuerySet


class ParcelQuerySet(BulkSignalQuerySet):
    """Has a method of its own."""

    def heavy(self):
        """Return those that are heavy."""
        return self.filter(weight__gte=10)


class Parcel(models.Model):
    """Has a key that the database makes."""

    code = models.CharField(max_length=20, unique=True)
    weight = models.IntegerField(default=1)
    note = models.CharField(max_length=50, blank=True)

    objects = BulkSignalManager()
    plain = models.Manager()  # noqa: DJ012
    parcels = BulkSignalManager.from_queryset(ParcelQuerySet)()
    as_manager = ParcelQuerySet.as_manager()


class Express(Parcel):
    """A proxy."""

    class Meta:
        proxy = True


class Sticker(models.Model):
    """Goes with its parcel, by Django."""

    parcel = models.ForeignKey(Parcel, models.CASCADE, null=True, related_name="stickers")
    text = models.CharField(max_length=20)

    objects = BulkSignalManager()


class Slot(models.Model):
    """Has a key of two parts."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()
    is_free = models.BooleanField(default=True)

    objects = BulkSignalManager()


class Ring(models.Model):
    """Has a field that is called as an option of update() is."""

    keys = models.IntegerField()

    objects = BulkSignalManager()


class Depot(models.Model):
    """Has rows that go with it."""

    name = models.CharField(max_length=20)


class Shelf(models.Model):
    """Goes with its depot by the database, where Django knows of that, else by Django."""

    depot = models.ForeignKey(Depot, getattr(models, "DB_CASCADE", models.CASCADE))


class Box(Shelf):
    """Inherits how it goes."""

    class Meta:
        proxy = True
