"""How the toolbar finds and drives the panel, and when there is nothing to show."""

import asyncio
import threading
from contextvars import copy_context
from pathlib import Path
from unittest import mock, skipIf

import debug_toolbar
from debug_toolbar.store import get_store
from debug_toolbar.toolbar import DebugToolbar, StoredDebugToolbar
from django.apps import apps
from django.contrib.staticfiles import finders
from django.core.signals import got_request_exception
from django.db.models.signals import post_save
from django.http import HttpResponse
from django.test import (
    RequestFactory,
    SimpleTestCase,
    TestCase,
    override_settings,
)

from signalscope import wiring
from signalscope.core import faults
from signalscope.panels import SignalScopePanel
from signalscope.recorder.recorder import SPILL_LENGTH
from signalscope.recorder.strands import CURRENT, running_strand
from signalscope.recorder.traces import enclosing_trace
from tests.panels.toolbar import (
    PANEL_ID,
    PanelMixin,
    async_log,
    connected,
    log_mail,
    tree,
)
from tests.shop.models import Item, Order
from tests.shop.signals import mail_queued, never_heard, order_paid


class StateTests(PanelMixin, SimpleTestCase):
    """When there is nothing to show."""

    def assert_off(self, subtitle, text):
        """The panel says so, live and from the store."""
        for panel in (self.panel, self.stored_panel()):
            self.assertEqual(panel.nav_subtitle, subtitle)
            self.assertIn(text, panel.content)

    def test_uninstalled(self):
        """The panel says that nothing is recorded, and what to do."""
        wiring.uninstall()
        self.addCleanup(wiring.install)
        with self.watched():
            mail_queued.send(sender=None)
        self.assert_off("not recording", "Call signalscope.install() to record again")
        self.assertEqual(self.panel.get_headers(self.request), {})

    def test_disabled(self):
        """The setting is named."""
        with override_settings(SIGNALSCOPE={"ENABLED": False}):
            wiring.uninstall()
            with self.watched():
                pass
            wiring.install()
        self.assert_off("not recording", 'SIGNALSCOPE["ENABLED"] is False')

    def test_cannot_instrument(self):
        """The reason is shown."""
        wiring.uninstall()
        self.addCleanup(wiring.install)
        wiring.scope().problem = "Signal.send is not <Django's>"
        with self.watched():
            pass
        self.assert_off("not recording", "Signal.send is not &lt;Django&#x27;s&gt;")

    def test_installed_meanwhile(self):
        """A request that began before install() was not recorded."""
        wiring.uninstall()
        self.panel.enable_instrumentation()
        wiring.install()
        self.panel.disable_instrumentation()
        self.finish()
        self.assert_off("not recording", "The next one is recorded")

    def test_app_not_installed(self):
        """Without the app there is no template; the panel still says what to do."""
        wiring.uninstall()
        self.addCleanup(wiring.install)
        # Another INSTALLED_APPS would make every app connect its receivers once more.
        with mock.patch.object(apps, "is_installed", return_value=False):
            with self.watched():
                pass
            self.assertIn("to INSTALLED_APPS", self.panel.content)
        self.assertEqual(self.stats["reason"], "not_an_app")

    def test_own_fault_is_no_error_of_the_request(self):
        """A fault while the stats are built is logged, and the panel says so."""
        self.panel.enable_instrumentation()
        running_strand().top.append(["not a record"])
        self.panel.disable_instrumentation()
        with self.assertLogs("signalscope", "ERROR"):
            self.finish()
        self.assertTrue(faults.caught)
        faults.caught.clear()
        self.assert_off("not recording", "signalscope failed while it built this panel")


class CollectingTests(PanelMixin, SimpleTestCase):
    """What belongs to the request, and what does not."""

    def test_context_is_left_as_found(self):
        """Enable and disable, each also twice, leave the context as it was."""
        before = CURRENT.get()
        self.panel.enable_instrumentation()
        self.panel.enable_instrumentation()
        self.panel.disable_instrumentation()
        self.panel.disable_instrumentation()
        self.assertIs(CURRENT.get(), before)

    def test_disable_in_another_context(self):
        """An async server may end a request in another context than it began."""
        copy_context().run(self.panel.enable_instrumentation)
        self.panel.disable_instrumentation()
        self.assertIsNone(CURRENT.get())

    def test_not_collected_before_and_after(self):
        """What is dispatched outside of the window is not the request's."""
        mail_queued.send(sender=None)
        with self.watched():
            never_heard.send(sender=None)
        mail_queued.send(sender=None)
        self.assertEqual(tree(self.stats), "never_heard send None unheard")

    def test_reaches_the_trace_below(self):
        """What the panel copies is still recorded as before."""
        trace = wiring.scope().recorder.open_trace("block", "test")
        try:
            with self.watched():
                mail_queued.send(sender=None)
            self.assertEqual(len(trace), 1)
        finally:
            wiring.scope().recorder.close_trace(trace)

    def test_long_request_is_handed_over_in_parts(self):
        """The panel's copy does not keep the trace from being emptied."""
        trace = wiring.scope().recorder.open_trace("block", "test")
        try:
            with self.watched():
                for _ in range(3 * SPILL_LENGTH):
                    never_heard.send(sender=None)
            self.assertLessEqual(len(trace), SPILL_LENGTH + 1)
        finally:
            wiring.scope().recorder.close_trace(trace)
        self.assertEqual(self.stats["dispatch_count"], 3 * SPILL_LENGTH)

    def test_exception_in_the_view(self):
        """Where the view's exception comes through, only disable runs, and all is as before."""
        before = CURRENT.get()
        with self.assertRaises(ZeroDivisionError):
            self.panel.enable_instrumentation()
            try:
                raise ZeroDivisionError
            finally:
                self.panel.disable_instrumentation()
        self.assertIs(CURRENT.get(), before)

    def test_threads_do_not_mix(self):
        """Two requests in two threads at the same time see their own dispatches."""
        barrier = threading.Barrier(2, timeout=10)
        found = {}

        def serve(name, sender):
            toolbar = self.make_toolbar()
            panel = toolbar.get_panel_by_id(PANEL_ID)
            panel.enable_instrumentation()
            barrier.wait()
            for _ in range(20):
                never_heard.send(sender=sender)
            barrier.wait()
            panel.disable_instrumentation()
            panel.generate_stats(self.request, self.response)
            found[name] = tree(panel.get_stats())

        threads = [
            threading.Thread(target=serve, args=("one", Order)),
            threading.Thread(target=serve, args=("two", Item)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(
            found,
            {
                "one": "never_heard send shop.Order x20 unheard",
                "two": "never_heard send shop.Item x20 unheard",
            },
        )

    def test_gathered_requests_do_not_mix(self):
        """Two requests in one event loop see their own dispatches."""

        async def serve(sender):
            toolbar = self.make_toolbar()
            panel = toolbar.get_panel_by_id(PANEL_ID)
            panel.enable_instrumentation()
            for _ in range(5):
                await mail_queued.asend(sender=sender)
                await asyncio.sleep(0)
                await asyncio.to_thread(never_heard.send, sender=sender)
            panel.disable_instrumentation()
            panel.generate_stats(self.request, self.response)
            return tree(panel.get_stats())

        async def serve_both():
            return await asyncio.gather(serve(Order), serve(Item))

        with connected((mail_queued, async_log)):
            found = asyncio.run(serve_both())
        for text, sender in zip(found, ("shop.Order", "shop.Item"), strict=True):
            self.assertEqual(
                text,
                f"mail_queued asend {sender} x5\n"
                "  async_log ok\n"
                f"never_heard send {sender} x5 unheard",
            )


@override_settings(DEBUG=True)
class RequestTests(TestCase):
    """Whole requests through the toolbar's middleware."""

    def setUp(self):
        get_store().clear()
        self.addCleanup(get_store().clear)

    def panel_of(self, response):
        """Return the panel of a response, as the history has it."""
        toolbar = StoredDebugToolbar.from_store(response["djdt-request-id"], panel_id=PANEL_ID)
        return toolbar.get_panel_by_id(PANEL_ID)

    def test_wsgi(self):
        """A page's toolbar shows the request's dispatches."""
        with connected((post_save, log_mail, Order)):
            response = self.client.get("/orders/")
        self.assertContains(response, "djdt-SignalScopePanel")
        self.assertEqual(
            tree(self.panel_of(response).get_stats()),
            "post_save send shop.Order\n"
            "  log_mail ok\n"
            "order_paid send shop.Order unheard\n"
            "never_heard send shop.Order unheard",
        )
        self.assertContains(response, "3 dispatches, 1 receiver, ")

    def test_render_panel(self):
        """The toolbar fetches the panel's content by its own address."""
        response = self.client.get("/orders/")
        content = self.client.get(
            "/__debug__/render_panel/",
            {"request_id": response["djdt-request-id"], "panel_id": PANEL_ID},
        ).json()
        self.assertIn("never_heard", content["content"])
        self.assertEqual(content["scripts"], [])

    def test_render_panels(self):
        """With RENDER_PANELS the content is part of the page."""
        config = {"IS_RUNNING_TESTS": False, "RENDER_PANELS": True}
        with override_settings(DEBUG_TOOLBAR_CONFIG=config):
            self.assertContains(self.client.get("/orders/"), 'id="signalscope-tab-called"')

    def test_broken_view(self):
        """A view that raises gives stats, too, and its trace is marked below the panel's copy."""
        statuses = []

        def note_status(**named):
            trace = enclosing_trace(CURRENT.get().base)
            statuses.append((trace.find_name(), trace.status))

        self.client.raise_request_exception = False
        with connected((got_request_exception, note_status)):
            response = self.client.get("/broken/")
        self.assertEqual(response.status_code, 500)
        self.assertIn("note_status ok", tree(self.panel_of(response).get_stats()))
        self.assertEqual(statuses, [("GET /broken/", "error")])

    async def test_asgi(self):
        """The same under ASGI, where the toolbar's middleware is async."""
        with connected((order_paid, async_log, Order)):
            response = await self.async_client.get("/orders/async/")
        self.assertEqual(
            tree(self.panel_of(response).get_stats()),
            "order_paid asend shop.Order\n  async_log ok",
        )

    async def test_sync_view_under_asgi(self):
        """A sync view runs in another thread, and its dispatches are the request's."""
        response = await self.async_client.get("/orders/")
        self.assertEqual(
            tree(self.panel_of(response).get_stats()),
            "order_paid send shop.Order unheard\nnever_heard send shop.Order unheard",
        )


class RegistrationTests(SimpleTestCase):
    """How the toolbar finds the panel."""

    def test_panel_id_is_not_the_toolbars_own(self):
        """The class name keys DOM, cookies and store, so it must be unique."""
        self.assertEqual(SignalScopePanel.__name__, PANEL_ID)

    def test_titles_differ_from_the_toolbars_signals_panel(self):
        """Its own panel is called "Signals"."""
        toolbar = DebugToolbar(RequestFactory().get("/"), lambda request: HttpResponse())
        titles = [str(panel.nav_title) for panel in toolbar.panels]
        self.assertEqual(len(titles), len(set(titles)))

    @skipIf(int(debug_toolbar.VERSION.partition(".")[0]) < 8, "icons are new in debug-toolbar 8.0")
    def test_icon_can_be_inlined(self):
        """The toolbar inlines only files that begin with an svg element."""
        toolbar = DebugToolbar(RequestFactory().get("/"), lambda request: HttpResponse())
        panel = toolbar.get_panel_by_id(PANEL_ID)
        icon = Path(finders.find(panel.nav_icon)).read_text(encoding="utf-8")
        self.assertTrue(icon.startswith("<svg "))
