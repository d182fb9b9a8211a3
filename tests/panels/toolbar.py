"""A toolbar with the panel, and receivers to see in it."""

import asyncio
from contextlib import contextmanager

from debug_toolbar.store import get_store
from debug_toolbar.toolbar import DebugToolbar, StoredDebugToolbar
from django.http import HttpResponse
from django.test import (
    AsyncRequestFactory,
    RequestFactory,
)

from tests.shop.models import Order
from tests.shop.signals import mail_queued

PANEL_ID = "SignalScopePanel"


def receipt(**named):
    """Send a signal from a receiver."""
    mail_queued.send_robust(sender=None)


def log_mail(**named):
    """Do nothing."""


def fail(**named):
    """Fail with a message that must be escaped."""
    raise ValueError("<script>alert('x')</script> & \"more\"")


def look_again(**named):
    """Run one statement three times."""
    for _ in range(3):
        Order.objects.filter(number="1").first()


async def async_log(**named):
    """Do nothing, asynchronously."""
    await asyncio.sleep(0)


@contextmanager
def connected(*pairs):
    """Connect (signal, receiver) or (signal, receiver, sender) for a block."""
    for signal, receiver, *sender in pairs:
        signal.connect(receiver, *sender)
    try:
        yield
    finally:
        for signal, receiver, *sender in pairs:
            signal.disconnect(receiver, *sender)


def tree(stats):
    """Return the rows as indented text, without times."""
    lines = []
    for row in stats["rows"]:
        if row["kind"] == "dispatch":
            text = f"{row['signal'].rpartition('.')[2]} {row['method']} {row['sender']}"
            text += f" x{row['repeat_count']}" if row["repeat_count"] > 1 else ""
            text += " unheard" if row["is_unheard"] else ""
        else:
            text = f"{row['receiver'].rpartition('.')[2]} {row['outcome']}"
        lines.append("  " * row["depth"] + text)
    return "\n".join(lines)


class PanelMixin:
    """A toolbar with the panel, as its middleware drives it."""

    is_async = False

    def setUp(self):
        super().setUp()
        get_store().clear()
        self.response = HttpResponse("<html><body></body></html>")
        factory = AsyncRequestFactory() if self.is_async else RequestFactory()
        self.request = factory.get("/")
        self.toolbar = self.make_toolbar()
        self.panel = self.toolbar.get_panel_by_id(PANEL_ID)

    def tearDown(self):
        self.panel.disable_instrumentation()
        get_store().clear()
        super().tearDown()

    def make_toolbar(self):
        """Return a toolbar for the request."""
        toolbar = DebugToolbar(self.request, lambda request: self.response)
        toolbar.init_store()
        return toolbar

    @contextmanager
    def watched(self):
        """Collect in a block, then make the stats."""
        self.panel.enable_instrumentation()
        try:
            yield
        finally:
            self.panel.disable_instrumentation()
        self.finish()

    def finish(self):
        """Make the stats of what was collected."""
        self.panel.generate_stats(self.request, self.response)
        self.panel.generate_server_timing(self.request, self.response)

    @property
    def stats(self):
        """The live stats."""
        return self.panel.get_stats()

    def stored_panel(self):
        """Return the panel as the history makes it, in any process."""
        toolbar = StoredDebugToolbar.from_store(self.toolbar.request_id, panel_id=PANEL_ID)
        return toolbar.get_panel_by_id(PANEL_ID)

    def not_called(self):
        """Return the reasons by receiver, of the receivers in this file."""
        return {
            entry["receiver"].rpartition(".")[2]: (entry["reason"], entry["cause"])
            for entry in self.stats["not_called"]
            if entry["receiver"].startswith(__name__)
        }
