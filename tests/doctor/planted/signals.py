"""Signals of the app."""

from django.dispatch import Signal

parcel_sent = Signal()
parcel_lost = Signal()
parcel_weighed = Signal()
parcel_found = Signal()
parcel_packed = Signal()
