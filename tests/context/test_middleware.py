"""Requests through Django's own handlers: who is behind them, and that nothing is left of it."""

import asyncio
import gc
import json
import threading
from unittest import mock
from wsgiref.util import FileWrapper

from asgiref.sync import iscoroutinefunction, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.test import (
    AsyncRequestFactory,
    RequestFactory,
    TestCase,
    TransactionTestCase,
    override_settings,
)

import signalscope
from signalscope import SignalContext, wiring
from signalscope.context import CONTEXT, running_actor
from signalscope.middleware import SignalContextMiddleware
from tests.context import views
from tests.settings import MIDDLEWARE

OURS = "signalscope.middleware.SignalContextMiddleware"
HEADERS = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7", "User-Agent": "browser"}


class MiddlewareTestCase(TestCase):
    """Has a user, and the middleware before all others."""

    middleware = [OURS, *MIDDLEWARE[1:]]

    @classmethod
    def setUpTestData(cls):
        cls.user = get_user_model().objects.create_user("ann")

    def setUp(self):
        self.enterContext(
            override_settings(
                ROOT_URLCONF="tests.context.views",
                MIDDLEWARE=self.middleware,
                SIGNALSCOPE={"TRUSTED_PROXIES": 1},
            )
        )
        views.seen.clear()

    def tearDown(self):
        self.assertIsNone(CONTEXT.get())
        self.assertIsNone(SignalContext.get_request())


class SyncTests(MiddlewareTestCase):
    """Under WSGI."""

    def test_logged_in(self):
        """The view can ask for all of it."""
        self.client.force_login(self.user)
        answer = self.client.get("/who/", headers=HEADERS).json()
        self.assertEqual(
            answer,
            {
                "is_request": True,
                "user": "ann",
                "ip_address": "203.0.113.7",
                "user_agent": "browser",
            },
        )

    def test_anonymous(self):
        """Nobody is logged in, so there is no user."""
        self.assertIsNone(self.client.get("/who/").json()["user"])

    def test_no_query_unless_asked(self):
        """A view that does not ask runs no query, and its response does not vary by cookie."""
        self.client.force_login(self.user)
        with self.assertNumQueries(0):
            response = self.client.get("/nothing/")
        self.assertNotIn("Vary", response.headers)

    def test_what_is_known_without_a_query(self):
        """Before the session is loaded nothing is; then the key, without the user's name."""
        self.client.force_login(self.user)
        with self.assertNumQueries(1):
            answer = self.client.get("/unasked/").json()
        self.assertEqual(answer["before"][:2], ["", ""])
        self.assertEqual(answer["after"][:2], [str(self.user.pk), ""])

    def test_login_during_the_request(self):
        """Who logs in or out is seen at once."""
        found = self.client.get("/change-user/").json()
        key = str(self.user.pk)
        self.assertEqual([one[:2] for one in found], [["", ""], [key, "ann"], ["", ""]])

    def test_exception(self):
        """What a view raises goes on, and nothing is left."""
        with self.assertRaisesMessage(ValueError, "broken view"):
            self.client.get("/broken/")
        self.assertIsNone(CONTEXT.get())

    def test_stream(self):
        """Each part is made in the context, and so is the end; not what sends them."""
        self.client.force_login(self.user)
        response = self.client.get("/stream/", headers=HEADERS)
        self.assertIsNone(CONTEXT.get())
        expected = [str(self.user.pk), "ann", "203.0.113.7", "browser"]
        content = iter(response.streaming_content)
        self.assertEqual(json.loads(next(content)), expected)
        self.assertIsNone(CONTEXT.get())
        self.assertEqual([json.loads(part) for part in content], [expected] * 2)
        self.assertEqual(views.seen, [expected])

    def test_stream_that_fails(self):
        """The error goes on, and nothing is left."""
        response = self.client.get("/failing-stream/")
        with self.assertRaisesMessage(ValueError, "broken stream"):
            list(response.streaming_content)
        self.assertIsNone(CONTEXT.get())

    def test_trace_knows_who(self):
        """The request's trace names the user as long as it is open."""
        recorder, found = wiring.scope().recorder, []
        self.client.force_login(self.user)

        def hand_over(trace):
            found.append(trace.context.actor(may_query=False).label)

        with mock.patch.object(recorder, "_hand_over_last", hand_over):
            self.client.get("/who/")
        self.assertEqual(found, ["ann"])

    def test_without_signalscope(self):
        """What is not recorded has a context all the same."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        self.client.force_login(self.user)
        self.assertEqual(self.client.get("/who/").json()["user"], "ann")

    def test_threads(self):
        """Sixteen threads, each with its own request, never see another's."""
        wrong, barrier = [], threading.Barrier(16)

        def get_response(request):
            barrier.wait(10)
            for _ in range(200):
                if SignalContext.get_user() is not request.user:
                    wrong.append(request.user)
            return HttpResponse()

        def send(number):
            middleware = SignalContextMiddleware(get_response)
            for _ in range(5):
                request = RequestFactory().get("/")
                request.user = get_user_model()(pk=number)
                middleware(request)
                if CONTEXT.get() is not None:
                    wrong.append("left behind")

        threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 17)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


class LastTests(SyncTests):
    """It may stand behind all others as well."""

    middleware = [*MIDDLEWARE[1:], OURS]


class AsyncTests(MiddlewareTestCase):
    """Under ASGI."""

    async def test_native(self):
        """A coroutine function is answered by one: no thread is needed."""

        async def get_response(request):
            return HttpResponse(threading.current_thread().name)

        middleware = SignalContextMiddleware(get_response)
        self.assertTrue(iscoroutinefunction(middleware))
        response = await middleware(AsyncRequestFactory().get("/"))
        self.assertEqual(response.content.decode(), threading.current_thread().name)

    async def test_async_view(self):
        """The user is awaited, and known from then on."""
        await self.async_client.aforce_login(self.user)
        answer = (await self.async_client.get("/awho/", headers=HEADERS)).json()
        told = [str(self.user.pk), "ann", "203.0.113.7", "browser"]
        self.assertEqual(answer, {"is_request": True, "user": "ann", "told": told})

    async def test_sync_view(self):
        """A sync view in a thread of its own sees the same."""
        await self.async_client.aforce_login(self.user)
        answer = (await self.async_client.get("/who/", headers=HEADERS)).json()
        self.assertEqual((answer["is_request"], answer["user"]), (True, "ann"))

    async def test_query_in_the_loop(self):
        """Where no query can be run, what is known without one is told."""
        await self.async_client.aforce_login(self.user)
        answer = (await self.async_client.get("/in-loop/")).json()
        self.assertEqual(answer, ["", ""])

    async def test_login_during_the_request(self):
        """An anonymous user who was asked for before does not hide who logged in."""
        found = (await self.async_client.get("/achange-user/")).json()
        self.assertEqual(found[:3], ["", None, "ann"])
        self.assertEqual(found[3][:2], [str(self.user.pk), "ann"])

    async def test_exception(self):
        """What a view raises goes on, and nothing is left."""
        with self.assertRaisesMessage(ValueError, "broken view"):
            await self.async_client.get("/broken/")
        self.assertIsNone(CONTEXT.get())

    async def test_stream(self):
        """Each part is made in the context, and so is the end; not what sends them."""
        await self.async_client.aforce_login(self.user)
        response = await self.async_client.get("/astream/")
        content = aiter(response.streaming_content)
        self.assertEqual(json.loads(await anext(content))[1], "ann")
        self.assertIsNone(CONTEXT.get())
        self.assertEqual([json.loads(part)[1] async for part in content], ["ann"] * 2)
        self.assertEqual([one[1] for one in views.seen], ["ann"])
        response.close()

    async def test_stream_that_is_not_read_to_its_end(self):
        """The event loop closes what nobody reads any more; that is done in the context."""

        async def get_response(request):
            return StreamingHttpResponse(views.aparts())

        request = AsyncRequestFactory().get("/")
        request.user = self.user
        response = await SignalContextMiddleware(get_response)(request)
        content = aiter(response)
        await anext(content)
        await content.aclose()
        del content, response
        gc.collect()
        while not views.seen:
            await asyncio.sleep(0)
        self.assertEqual([one[1] for one in views.seen], ["ann"])

    async def test_tasks(self):
        """Two hundred requests at once, each with its own user, in the loop and in threads."""
        wrong = []

        async def get_response(request):
            for _ in range(5):
                await asyncio.sleep(0)
                user = await SignalContext.aget_user()
                in_thread = await sync_to_async(running_actor)(may_query=True)
                if user is not request.user or in_thread.key != str(request.user.pk):
                    wrong.append((user, in_thread))
            return HttpResponse()

        async def send(number):
            request = AsyncRequestFactory().get("/")
            request.user = get_user_model()(pk=number, username=f"user {number}")
            await SignalContextMiddleware(get_response)(request)
            if CONTEXT.get() is not None:
                wrong.append("left behind")

        await asyncio.gather(*(send(number) for number in range(1, 201)))
        self.assertEqual(wrong, [])

    def test_underscores(self):
        """Django drops header names with underscores, so that none passes for the proxy's."""
        scope = AsyncRequestFactory()._base_scope(
            path="/",
            headers=[(b"x-forwarded-for", b"203.0.113.7"), (b"x_forwarded_for", b"6.6.6.6")],
        )
        SignalContext.set_request(ASGIRequest(scope, None))
        self.addCleanup(SignalContext.clear)
        self.assertEqual(SignalContext.get_ip_address(), "203.0.113.7")
        SignalContext.clear()


@override_settings(
    ROOT_URLCONF="tests.context.views",
    MIDDLEWARE=[OURS, *MIDDLEWARE[1:]],
    SIGNALSCOPE={"TRUSTED_PROXIES": 1},
)
class HandlerTests(TransactionTestCase):
    """What servers call, without a test client between."""

    def test_file(self):
        """A server that sends files by itself still does."""
        environ = RequestFactory()._base_environ(PATH_INFO="/file/")
        environ["wsgi.file_wrapper"] = FileWrapper
        answer = get_wsgi_application()(environ, lambda *args: None)
        self.assertIsInstance(answer, FileWrapper)
        self.assertIn(b"Send a file", b"".join(answer))
        answer.close()

    def test_wsgi_disconnect(self):
        """The client goes away: what the view does then is done in the context."""
        views.seen.clear()
        self.client.force_login(get_user_model().objects.create(username="ann"))
        environ = self.client._base_environ(PATH_INFO="/stream/")
        answer = get_wsgi_application()(environ, lambda *args: None)
        self.assertEqual(json.loads(next(iter(answer)))[1], "ann")
        self.assertIsNone(CONTEXT.get())
        answer.close()
        self.assertEqual([one[1] for one in views.seen], ["ann"])
        self.assertIsNone(CONTEXT.get())

    async def open(self, path):
        """Begin a request of a user who is logged in; return it once the response began."""
        user = await get_user_model().objects.acreate(username="ann")
        await self.async_client.aforce_login(user)
        cookie = self.async_client.cookies.output(attrs=[], header="", sep="; ").strip()
        headers = [(b"cookie", cookie.encode()), (b"x-forwarded-for", b"6.6.6.6, 203.0.113.7")]
        scope = AsyncRequestFactory()._base_scope(path=path) | {"headers": headers}
        communicator = ApplicationCommunicator(get_asgi_application(), scope)
        await communicator.send_input({"type": "http.request"})
        self.assertEqual((await communicator.receive_output())["status"], 200)
        return communicator

    async def test_asgi_stream(self):
        """Each part of a streamed response is made in the context."""
        communicator = await self.open("/astream/")
        bodies, is_last = [], False
        while not is_last:
            message = await communicator.receive_output()
            bodies.append(message.get("body", b""))
            is_last = not message.get("more_body")
        await communicator.wait()
        parts = [json.loads(line) for line in b"".join(bodies).splitlines()]
        self.assertEqual([part[1:3] for part in parts], [["ann", "203.0.113.7"]] * 3)

    async def test_asgi_disconnect(self):
        """The client goes away while the next part is awaited."""
        views.seen.clear()
        communicator = await self.open("/endless/")
        await communicator.receive_output()
        await communicator.send_input({"type": "http.disconnect"})
        await communicator.wait()
        self.assertEqual([one[1] for one in views.seen], ["ann"])
