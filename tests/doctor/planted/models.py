"""Models that are saved, and a user in the place of Django's."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class Person(AbstractBaseUser):
    """The user of this project."""

    name = models.CharField(max_length=50, unique=True)
    USERNAME_FIELD = "name"


class Thing(models.Model):
    """What all others are."""

    name = models.CharField(max_length=50)

    class Meta:
        abstract = True


class Box(Thing):
    """A box."""


class Parcel(Thing):
    """A parcel, in a box."""

    box = models.ForeignKey(Box, on_delete=models.CASCADE)
