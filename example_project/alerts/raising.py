"""How an alert is raised."""

from django.db import transaction

from alerts.models import Alert
from alerts.signals import alert_raised


def raise_alert(level, text):
    """Store an alert, and tell of it; a receiver that fails is logged, and stops nobody."""
    alert = Alert.objects.create(level=level, text=text)
    # Whoever is told waits for others on the network, for which no transaction should be open.
    transaction.on_commit(lambda: alert_raised.send_robust(sender=Alert, alert=alert), robust=True)
    return alert
