"""SignalContext: what a project asks and tells, and that it stays where it belongs."""

import asyncio
import subprocess
import sys
import threading
from contextvars import copy_context
from unittest import mock

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.test import RequestFactory, SimpleTestCase, TestCase, override_settings
from django.utils.functional import SimpleLazyObject

import signalscope
from signalscope import SignalContext, checks
from signalscope.context import CONTEXT, NOBODY, Actor, Context, begin, running_actor
from signalscope.core.variables import leave
from signalscope.recorder.strands import running_trace
from tests.shop.models import Order

User = get_user_model()


def make_user(number=1, **more):
    """Return a user who is in no database."""
    return User(pk=number, username=f"user {number}", **more)


def make_request(user=None, **meta):
    """Return a request, of a user if one is given."""
    request = RequestFactory().get("/", **meta)
    if user is not None:
        request.user = user
    return request


def raise_error():
    """Fail."""
    raise ValueError("no such user")


class ContextTestCase(SimpleTestCase):
    """Leaves nothing behind, also where a test fails."""

    def setUp(self):
        self.addCleanup(SignalContext.clear)


class AskTests(ContextTestCase):
    """What a project can ask."""

    def test_outside_of_requests(self):
        """Nobody is there."""
        self.assertIsNone(SignalContext.get_request())
        self.assertIsNone(SignalContext.get_user())
        self.assertEqual(SignalContext.get_ip_address(), "")
        self.assertEqual(SignalContext.get_user_agent(), "")
        self.assertEqual(SignalContext.get_reason(), "")
        self.assertEqual(running_actor(may_query=True), NOBODY)

    def test_request(self):
        """A request tells all of it, until clear()."""
        user = make_user()
        request = make_request(
            user, REMOTE_ADDR="203.0.113.7", HTTP_USER_AGENT="x" * 300, HTTP_X_REQUEST_ID="abc"
        )
        SignalContext.set_request(request)
        self.assertIs(SignalContext.get_request(), request)
        self.assertIs(SignalContext.get_user(), user)
        self.assertEqual(SignalContext.get_ip_address(), "203.0.113.7")
        self.assertEqual(SignalContext.get_user_agent(), "x" * 255)
        self.assertEqual(
            running_actor(may_query=False),
            Actor("1", "user 1", "203.0.113.7", "x" * 255, "abc"),
        )
        SignalContext.clear()
        self.assertIsNone(SignalContext.get_request())

    def test_anonymous(self):
        """Who is not logged in is nobody, and so is who is not known at all."""
        for request in (make_request(), make_request(AnonymousUser())):
            SignalContext.set_request(request)
            self.assertIsNone(SignalContext.get_user())
            self.assertEqual(running_actor(may_query=True).key, "")

    def test_lazy_user(self):
        """A lazy user is loaded when it is asked for, and told of from then on."""
        user = make_user()
        load = mock.Mock(return_value=user)
        request = make_request(SimpleLazyObject(load))
        SignalContext.set_request(request)
        self.assertEqual(running_actor(may_query=False).key, "")
        load.assert_not_called()
        self.assertEqual(running_actor(may_query=True).key, "1")
        self.assertIs(SignalContext.get_user(), user)
        self.assertEqual(running_actor(may_query=False).label, "user 1")
        load.assert_called_once()

    def test_user_changes(self):
        """Who logs in during a request is seen at once."""
        request = make_request(AnonymousUser())
        SignalContext.set_request(request)
        self.assertIsNone(SignalContext.get_user())
        request.user = make_user()
        self.assertEqual(running_actor(may_query=False).label, "user 1")

    def test_user_who_cannot_be_loaded(self):
        """What was done is told without the user; the project sees the error where it asks."""
        SignalContext.set_request(make_request(SimpleLazyObject(raise_error)))
        self.assertEqual(running_actor(may_query=True).key, "")
        with self.assertRaisesMessage(ValueError, "no such user"):
            SignalContext.get_user()

    def test_user_without_a_text(self):
        """What is done is told all the same, by the key."""
        user = make_user()
        begin(Context(make_request(user)))
        with mock.patch.object(User, "get_username", side_effect=ValueError):
            actor = running_actor(may_query=True)
        self.assertEqual((actor.key, actor.label), ("1", ""))

    def test_other_users(self):
        """A user need not have a user name, and may not be saved yet."""
        order = Order(number="7")
        with SignalContext.use(user=order):
            self.assertIs(SignalContext.get_user(), order)
            self.assertEqual(running_actor(may_query=False), Actor("", str(order)))

    def test_modes(self):
        """IP_ADDRESS says how much of an address may be known, wherever it comes from."""
        request = make_request(REMOTE_ADDR="2001:db8:1:2::3")
        for mode, found in (("full", "2001:db8:1:2::3"), ("truncate", "2001:db8:1::"), ("off", "")):
            with override_settings(SIGNALSCOPE={"IP_ADDRESS": mode}):
                SignalContext.set_request(request)
                self.assertEqual(SignalContext.get_ip_address(), found)
                with SignalContext.use(ip_address="2001:db8:1:2::3"):
                    self.assertEqual(SignalContext.get_ip_address(), found)
                carried = Context.of(Actor(ip_address="2001:db8:1:2::3"))
                self.assertEqual(carried.text("ip_address"), found)

    def test_import(self):
        """The public name needs no database, and no settings."""
        code = (
            "import sys, signalscope; signalscope.SignalContext; "
            "sys.exit(any(name.startswith('django.db') for name in sys.modules))"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_settings(self):
        """What TRUSTED_PROXIES and PROXY_HEADER cannot be is said."""
        for value in (-1, True, 1.5, "10.0.0.0/8", ["10.0.0.1/8"], ["proxy"], [1], None):
            with self.subTest(value), override_settings(SIGNALSCOPE={"TRUSTED_PROXIES": value}):
                (error,) = checks.check_settings(None)
                self.assertIn("the number of proxies, 0 or more, or a list", error.msg)
        for value in (0, 2, [], ("10.0.0.0/8", "::1", "unix")):
            with override_settings(SIGNALSCOPE={"TRUSTED_PROXIES": value}):
                self.assertEqual(checks.check_settings(None), [])
        with override_settings(SIGNALSCOPE={"PROXY_HEADER": "X-Real-IP"}):
            (error,) = checks.check_settings(None)
            self.assertIn("one of 'X-Forwarded-For', 'Forwarded', None", error.msg)


class UseTests(ContextTestCase):
    """What a project tells."""

    def test_label(self):
        """A command names itself, and why it runs."""
        with SignalContext.use(user="cron", reason="nightly import"):
            self.assertIsNone(SignalContext.get_user())
            self.assertEqual(SignalContext.get_reason(), "nightly import")
            self.assertEqual(
                running_actor(may_query=True), Actor("", "cron", reason="nightly import")
            )
        self.assertIsNone(CONTEXT.get())

    def test_nested(self):
        """What the inner block is not told it takes from the outer one, and gives it back."""
        user, other = make_user(), make_user(2)
        request = make_request(user, REMOTE_ADDR="203.0.113.7")
        SignalContext.set_request(request)
        with SignalContext.use(reason="outer", user_agent="browser"):
            self.assertIs(SignalContext.get_user(), user)
            with SignalContext.use(user=other, ip_address="::ffff:192.0.2.1"):
                self.assertIs(SignalContext.get_request(), request)
                self.assertEqual(
                    running_actor(may_query=False),
                    Actor("2", "user 2", "192.0.2.1", "browser", "", "outer"),
                )
            self.assertEqual(SignalContext.get_ip_address(), "203.0.113.7")
        self.assertEqual(SignalContext.get_reason(), "")

    def test_login_inside(self):
        """A block that is told no user sees who logs in, as its request does."""
        request = make_request(AnonymousUser())
        SignalContext.set_request(request)
        with SignalContext.use(reason="registration"):
            request.user = make_user()
            self.assertEqual(running_actor(may_query=False).label, "user 1")

    def test_one_block_in_two_threads(self):
        """Each thread gets back what it had before, whichever is the first to leave."""
        shared, found = SignalContext.use(user="cron"), []
        entered, left = threading.Event(), threading.Event()

        def stay():
            with SignalContext.use(user="other"), shared:
                entered.set()
                left.wait(10)

        with SignalContext.use(user="mine"):
            with shared:
                thread = threading.Thread(target=stay)
                thread.start()
                entered.wait(10)
            found.append(running_actor(may_query=False).label)
        left.set()
        thread.join()
        self.assertEqual(found, ["mine"])
        self.assertIsNone(CONTEXT.get())

    def test_nobody(self):
        """None takes the user away, also for an anonymous one."""
        SignalContext.set_request(make_request(make_user()))
        for user in (None, AnonymousUser()):
            with SignalContext.use(user=user):
                self.assertIsNone(SignalContext.get_user())
                self.assertEqual(running_actor(may_query=True).key, "")

    def test_lazy(self):
        """request.user is not loaded to look at it."""
        load = mock.Mock(return_value=make_user())
        with SignalContext.use(user=SimpleLazyObject(load)):
            load.assert_not_called()
            self.assertEqual(SignalContext.get_user().username, "user 1")

    def test_exception(self):
        """An error goes on, and nothing is left."""
        with self.assertRaises(ValueError), SignalContext.use(user="cron"):
            raise_error()
        self.assertIsNone(CONTEXT.get())

    def test_decorator(self):
        """Of functions and coroutine functions: each call has a block of its own."""

        @SignalContext.use(user="cron")
        def run(depth=2):
            return run(depth - 1) if depth else running_actor(may_query=False).label

        @SignalContext.use(user="cron", reason="import")
        async def arun():
            await asyncio.sleep(0)
            return running_actor(may_query=False)

        async def both():
            return await asyncio.gather(arun(), arun())

        self.assertEqual(run(), "cron")
        self.assertEqual(asyncio.run(both()), [Actor("", "cron", reason="import")] * 2)
        with self.assertRaisesMessage(TypeError, "is a generator; use 'with use(...)'"):
            SignalContext.use(user="cron")(iterate)
        self.assertIsNone(CONTEXT.get())

    def test_wrong_values(self):
        """An error says what was given, and what may be."""
        for given, error, message in (
            ({"user": 5}, TypeError, "user is 5; give a user, a text such as 'cron', or None"),
            ({"user": User}, TypeError, "give a user"),
            ({"reason": 5}, TypeError, "reason is 5; give a text"),
            ({"user_agent": b"x"}, TypeError, "user_agent is b'x'; give a text"),
            ({"ip_address": "home"}, ValueError, "ip_address is 'home'; give an address"),
        ):
            with self.subTest(given), self.assertRaisesMessage(error, message):
                SignalContext.use(**given)

    def test_trace(self):
        """The running trace knows the context that began last, and the outer one after it."""
        SignalContext.set_request(make_request(make_user()))
        with signalscope.trace("import"):
            trace = running_trace()
            outer = trace.context
            self.assertEqual(outer.actor(may_query=False).label, "user 1")
            with SignalContext.use(user="cron"):
                self.assertEqual(trace.context.actor(may_query=False).label, "cron")
            self.assertIs(trace.context, outer)
        SignalContext.clear()
        with signalscope.trace("import"):
            with SignalContext.use(user="cron"):
                pass
            self.assertEqual(running_trace().context.actor(may_query=False).label, "cron")


def iterate():
    """Be a generator."""
    yield


class CarriedTests(TestCase):
    """Work that somebody asked for in another process."""

    @classmethod
    def setUpTestData(cls):
        cls.user = User.objects.create_user("ann")

    def setUp(self):
        self.addCleanup(SignalContext.clear)

    def carry(self, *texts):
        """Let the context be that of an actor."""
        begin(Context.of(Actor(*texts)))

    def test_user(self):
        """The user is loaded if the project asks, once; texts are told without."""
        actor = Actor(str(self.user.pk), "ann", "203.0.113.7", "browser", "abc", "import")
        begin(Context.of(actor))
        with self.assertNumQueries(0):
            self.assertEqual(running_actor(may_query=True), actor)
        with self.assertNumQueries(1):
            self.assertEqual(SignalContext.get_user(), self.user)
            self.assertEqual(SignalContext.get_user(), self.user)
            with SignalContext.use(reason="more"):
                self.assertEqual(SignalContext.get_user(), self.user)

    async def test_async(self):
        """In an event loop it is awaited, and otherwise raises as request.user does."""
        self.carry(str(self.user.pk))
        with self.assertRaises(SynchronousOnlyOperation):
            SignalContext.get_user()
        self.assertEqual(running_actor(may_query=True).label, "")
        self.assertEqual(await SignalContext.aget_user(), self.user)
        self.assertEqual(running_actor(may_query=False).key, str(self.user.pk))

    def test_name_is_looked_up(self):
        """Where only the key was known, the name is asked for if that may be."""
        self.carry(str(self.user.pk))
        self.assertEqual(running_actor(may_query=False).label, "")
        self.assertEqual(running_actor(may_query=True).label, "ann")

    def test_deleted_user(self):
        """Who was deleted keeps key and name."""
        for label in ("bob", ""):
            self.carry("999", label)
            self.assertIsNone(SignalContext.get_user())
            self.assertEqual(running_actor(may_query=True), Actor("999", label))

    def test_other_key(self):
        """The key of another model's user becomes nobody of this one's; nor does nonsense."""
        for key, label in ((str(self.user.pk), "another"), ("x" * 50, "")):
            self.carry(key, label)
            self.assertIsNone(SignalContext.get_user())

    def test_label(self):
        """A mere label is nobody's, and asks for no query."""
        self.carry("", "cron")
        with self.assertNumQueries(0):
            self.assertIsNone(SignalContext.get_user())
            self.assertEqual(running_actor(may_query=True).label, "cron")


class ConcurrencyTests(ContextTestCase):
    """Nobody sees what is another's."""

    def test_threads(self):
        """Sixteen threads, each with its own user."""
        wrong, barrier = [], threading.Barrier(16)

        def work(number):
            barrier.wait(10)
            for _ in range(300):
                with SignalContext.use(user=make_user(number)):
                    with SignalContext.use(reason=str(number)):
                        actor = running_actor(may_query=True)
                        if (actor.key, actor.reason) != (str(number), str(number)):
                            wrong.append(actor)
                if CONTEXT.get() is not None:
                    wrong.append("left behind")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 17)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    async def test_tasks(self):
        """Two hundred tasks, each with its own user, also in the threads that they use."""
        wrong = []

        async def work(number):
            with SignalContext.use(user=make_user(number)):
                for _ in range(5):
                    await asyncio.sleep(0)
                    in_thread = await sync_to_async(running_actor)(may_query=True)
                    here = running_actor(may_query=True)
                    if not here.key == in_thread.key == str(number):
                        wrong.append((here, in_thread))
            if CONTEXT.get() is not None:
                wrong.append("left behind")

        await asyncio.gather(*(work(number) for number in range(1, 201)))
        self.assertEqual(wrong, [])

    def test_end_in_another_context(self):
        """A block whose end is seen in a copied context ends there, without an error."""
        token = begin(Context())
        copy_context().run(leave, token)
        leave(token)
        self.assertIsNone(CONTEXT.get())
