"""A signal and its receiver."""

from django.dispatch import Signal, receiver

ping = Signal()


@receiver(ping)
def hear_ping(sender, **kwargs):
    """Hear the signal."""
