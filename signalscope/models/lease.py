"""Who may do what one process at a time does."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Lease(models.Model):
    """
    The right to do a piece of upkeep, until a moment.

    A process that dies with it loses it by that moment. until_s: s since the epoch.
    """

    name = models.CharField(_("name"), max_length=50, primary_key=True)
    holder = models.CharField(_("holder"), max_length=255)
    until_s = models.FloatField(_("until (s since 1970)"))

    class Meta:
        verbose_name = _("lease")
        verbose_name_plural = _("leases")

    def __str__(self) -> str:
        return self.name
