"""Tells of alerts: in the log, and by a webhook with a guard."""

import json
import logging
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from django.dispatch import receiver
from django.utils import timezone
from signalscope.signals import guard_changed

from alerts.models import Alert, Webhook
from alerts.signals import alert_raised

logger = logging.getLogger(__name__)

LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}
TIMEOUT_S = 2


@receiver(alert_raised)
def write_to_log(sender, alert, **kwargs):
    """Write each alert to the log, whatever becomes of the webhook."""
    logger.log(LEVELS[alert.level], "%s", alert.text)


@receiver(alert_raised)
def post_to_webhook(sender, alert, **kwargs):
    """Post an alert to all webhooks; a guard keeps this out while they do not answer."""
    body = json.dumps({"level": alert.level, "text": alert.text}).encode()
    for webhook in Webhook.objects.all():
        # The form takes nothing but http and https.
        request = Request(webhook.url, body, {"Content-Type": "application/json"})  # noqa: S310
        try:
            urlopen(request, timeout=TIMEOUT_S).close()  # noqa: S310
        except HTTPError as error:
            # It holds the answer, and with that the connection.
            error.close()
            raise
    Alert.objects.filter(pk=alert.pk).update(posted_at=timezone.now())


@receiver(guard_changed)
def note_guard(sender, receiver, state, reason, **kwargs):
    """Keep a note that the webhook is left alone, or tried again: it cannot be told by itself."""
    if receiver == f"{__name__}.{post_to_webhook.__name__}":
        Alert.objects.create(
            level=Alert.Level.CRITICAL if state == "open" else Alert.Level.INFO,
            text=f"The guard of the webhook is {state.replace('_', ' ')}: {reason}",
        )
