"""Says of each slow query, at once, where it was run."""

import logging

from django.dispatch import receiver
from signalscope.signals import slow_query

logger = logging.getLogger(__name__)


@receiver(slow_query)
def log_slow_query(sender, connection, sql, duration_ns, **kwargs):
    """Write a slow query to the log, where those who watch it see it at once."""
    logger.warning("%.0f ms on %s: %.200s", duration_ns / 1e6, connection.alias, sql)
