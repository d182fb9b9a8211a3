"""Models whose changes the tests of conditions ask for."""

from django.db import models


class Supplier(models.Model):
    """The other side of a foreign key."""

    name = models.CharField(max_length=50)


class Priced(models.Model):
    """An abstract model."""

    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)

    class Meta:
        abstract = True


class Product(Priced):
    """Has a field of each sort that matters."""

    title = models.CharField(max_length=50)
    stock = models.IntegerField(default=0)
    supplier = models.ForeignKey(Supplier, models.CASCADE, null=True)
    checked_at = models.DateTimeField(auto_now=True)
    doubled = models.GeneratedField(
        expression=models.F("stock") * 2, output_field=models.IntegerField(), db_persist=True
    )
    similar = models.ManyToManyField("self")


class Perishable(Product):
    """A multi-table child."""

    shelf_days = models.IntegerField(default=0)


class Bargain(Product):
    """A proxy."""

    class Meta:
        proxy = True


class Rate(Priced):
    """Has a text for its key."""

    code = models.CharField(max_length=20, primary_key=True)
