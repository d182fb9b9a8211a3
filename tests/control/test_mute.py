"""What mute() and only() match, and what they refuse."""

import functools
import sys
import uuid

from django.apps import apps
from django.contrib.auth.signals import user_login_failed
from django.core.signals import setting_changed
from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

import signalscope
from signalscope.control.mute import Mute
from tests.control.muting import (
    ALL,
    METHODS,
    Bell,
    MuteTestCase,
    first,
    fourth,
    second,
    send,
    third,
)
from tests.shop.models import Item, Order
from tests.shop.signals import order_paid
from tests.trees import connected


def twice(function):
    """Wrap a function twice."""

    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    @functools.wraps(inner)
    def outer(*args, **kwargs):
        return inner(*args, **kwargs)

    outer.inner = inner
    return outer


class MatchTests(MuteTestCase):
    """Each keyword, and several of them."""

    def test_receiver_in_all_four_methods(self):
        """A muted receiver is not called, be it sync or async; the others are, in their order."""
        for method in METHODS:
            with self.subTest(method=method):
                with signalscope.mute(receiver=first):
                    self.assertHeard("second third fourth", method)
                with signalscope.mute(receiver=[second, fourth]):
                    self.assertHeard("first third", method)
                with signalscope.mute(receiver={first, second}):
                    self.assertHeard("third fourth", method)
                with signalscope.mute(receiver=(third, fourth)):
                    self.assertHeard("first second", method)
                with signalscope.mute.all():
                    self.assertHeard("", method)
                self.assertHeard(ALL, method)

    def test_responses_are_of_the_receivers_that_ran(self):
        """send() returns pairs of the project's own receivers, as it would without the muted."""
        with signalscope.mute(receiver=[second, third]):
            self.assertEqual(send(self.signal), [(first, "first"), (fourth, "fourth")])

    def test_receiver_by_name_and_glob(self):
        """A dotted name, its last part, and globs."""
        for receiver, expected in (
            ("tests.control.muting.first", "second third fourth"),
            ("first", "second third fourth"),
            ("*.f*", "second third"),
            ("tests.control.*", ""),
            (["first", "th?rd"], "second fourth"),
            (["First", "tests.control"], ALL),
            (["first", fourth], "second third"),
        ):
            with self.subTest(receiver=receiver), signalscope.mute(receiver=receiver):
                self.assertHeard(expected)

    def test_wrapped_receiver(self):
        """A receiver is meant by itself, by what it wraps and by what wraps it."""
        outer, other = twice(first), twice(first)
        self.signal = Signal()
        with connected(self.signal, outer.inner):
            for receiver, expected in (
                (outer, ""),
                (outer.inner, ""),
                (first, ""),
                (other, "first"),
                (second, "first"),
            ):
                with signalscope.mute(receiver=receiver):
                    self.assertHeard(expected)

    def test_receiver_with_conditions(self):
        """A receiver below conditions is meant by its name and by the function."""

        def plain(sender, **kwargs):
            return "plain"

        decorated = signalscope.not_raw(signalscope.signal_condition(lambda **kwargs: True)(plain))
        self.signal = Signal()
        with connected(self.signal, decorated):
            self.assertHeard("plain")
            for receiver in (decorated, plain, "plain"):
                with signalscope.mute(receiver=receiver):
                    self.assertHeard("")
            with signalscope.disconnected(self.signal, decorated):
                self.assertHeard("")

    def test_lazy_sender(self):
        """A lazy object is compared as it is, and not evaluated."""
        with signalscope.mute(sender=SimpleLazyObject(lambda: self.fail("evaluated"))):
            self.assertHeard(ALL)

    def test_methods_partials_and_callable_objects(self):
        """A method means that of one object, a class's function that of all its objects."""
        bell, other, call = Bell(), Bell(), functools.partial(first)
        self.signal = Signal()
        with connected(self.signal, bell.ring, other.ring, bell, call):
            for receiver, expected in (
                (bell.ring, "ring bell first"),
                (Bell.ring, "bell first"),
                ("Bell.ring", "ring ring bell first"),
                ("*.Bell.ring", "bell first"),
                (bell, "ring ring first"),
                (other, "ring ring bell first"),
                (call, "ring ring bell"),
                (first, "ring ring bell"),
                (functools.partial(first), "ring ring bell first"),
            ):
                with self.subTest(receiver=receiver), signalscope.mute(receiver=receiver):
                    self.assertHeard(expected)

    def test_partial_does_not_mean_what_it_calls(self):
        """A partial of a connected function is another receiver."""
        with signalscope.mute(receiver=functools.partial(first)):
            self.assertHeard(ALL)

    def test_signal(self):
        """The object, its dotted name, the last part, another path to it, and globs."""
        named = Signal()
        with connected(order_paid, first), connected(named, second):
            for signal, expected in (
                (order_paid, "second"),
                ([order_paid, named], ""),
                ("tests.shop.signals.order_paid", "second"),
                ("order_paid", "second"),
                ("tests.control.test_mute.order_paid", "second"),
                ("*.order_*", "second"),
                (named, "first"),
                (pre_save, "first second"),
            ):
                with self.subTest(signal=signal), signalscope.mute(signal=signal):
                    answers = [*send(order_paid), *send(named)]
                    self.assertEqual(" ".join(answer for _, answer in answers), expected)

    def test_sender(self):
        """A class, its label, globs, other objects; "None" where the sender is None."""
        token = object()
        for sender, heard_by in (
            (Order, [Item, None, token, "text"]),
            ("shop.Order", [Item, None, token, "text"]),
            ("shop.*", [None, token, "text"]),
            ([Order, Item], [None, token, "text"]),
            (token, [Order, Item, None, "text"]),
            (7, [Order, Item, None, token, "text"]),
            ("None", [Order, Item, token, "text"]),
            ("builtins.str", [Order, Item, None, token]),
        ):
            with self.subTest(sender=sender), signalscope.mute(sender=sender):
                heard = [s for s in (Order, Item, None, token, "text") if self.heard(sender=s)]
                self.assertEqual(heard, heard_by)

    def test_dispatch_uid(self):
        """A dispatch_uid, a glob of it, or the object; who has none is not meant."""
        key = uuid.uuid4()
        self.signal = Signal()
        for receiver, dispatch_uid in ((first, "stock[1]"), (second, key), (third, None)):
            self.signal.connect(receiver, dispatch_uid=dispatch_uid)
        for dispatch_uid, expected in (
            ("stock[1]", "second third"),
            ("stock*", "second third"),
            (key, "first third"),
            ([key, "stock[1]"], "third"),
            ("*", "third"),
            ("stock", "first second third"),
        ):
            with self.subTest(uid=dispatch_uid), signalscope.mute(dispatch_uid=dispatch_uid):
                self.assertHeard(expected)

    def test_family(self):
        """All signals of a family, custom ones as well."""
        with connected(pre_save, first), connected(user_login_failed, second):
            for family, expected in (
                ("model", "second first second third fourth"),
                (["auth", "custom"], "first"),
                (["auth", "custom", "model"], ""),
            ):
                with self.subTest(family=family), signalscope.mute(family=family):
                    answers = [
                        *pre_save.send(Order, raw=True),
                        *user_login_failed.send(None, credentials={}),
                        *self.signal.send(None),
                    ]
                    self.assertEqual(" ".join(answer for _, answer in answers), expected)

    def test_all_keywords_must_match(self):
        """What is given by several keywords is meant by all of them."""
        mute = signalscope.mute(signal=self.signal, sender=Order, receiver=["first", "third"])
        with mute:
            self.assertHeard("second fourth", sender=Order)
            self.assertHeard(ALL, sender=Item)
        with signalscope.mute(signal=order_paid, receiver=first):
            self.assertHeard(ALL)
        with signalscope.mute(family="model", receiver=first):
            self.assertHeard(ALL)

    def test_only(self):
        """What matches runs, and nothing else, whatever the signal."""
        with connected(order_paid, first, second):
            for method in METHODS:
                with self.subTest(method=method), signalscope.only(receiver=[first, third]):
                    self.assertHeard("first third", method)
                    self.assertEqual(send(order_paid, method), [(first, "first")])
            with signalscope.only(signal=order_paid):
                self.assertHeard("")
                self.assertEqual(len(send(order_paid)), 2)

    def test_nested(self):
        """What runs must be let through by all blocks around it."""
        mute, only = signalscope.mute, signalscope.only
        with mute(receiver=first):
            with only(receiver=[first, second, third]):
                self.assertHeard("second third")
                with mute(receiver=third):
                    self.assertHeard("second")
                self.assertHeard("second third")
            self.assertHeard("second third fourth")
        with only(receiver=first), only(receiver=second):
            self.assertHeard("")
        with only(receiver=[first, second]), mute(receiver=second):
            self.assertHeard("first")

    def test_nothing_is_asked_while_none_is_open(self):
        """A dispatch calls nothing to find out that no mute is open, and no rule is in force."""

        def called():
            names = set()
            sys.setprofile(lambda frame, event, arg: names.add(frame.f_code.co_name))
            try:
                self.signal.send(None)
            finally:
                sys.setprofile(None)
            return names

        for receiver in (third, fourth):
            self.signal.disconnect(receiver)
        called()
        self.assertNotIn("choose", called())
        with signalscope.mute(signal=order_paid):
            self.assertIn("choose", called())
        self.assertNotIn("choose", called())

    def test_signals_that_are_not_watched(self):
        """Muted is also what EXCLUDE leaves out, and what suppress() does not record."""
        with override_settings(SIGNALSCOPE={"EXCLUDE": ["*"]}), signalscope.mute(receiver=first):
            self.assertHeard("second third fourth")
        with signalscope.suppress(), signalscope.mute(receiver=first):
            self.assertHeard("second third fourth")

    def test_djangos_own_receivers(self):
        """mute.all() and only() stand for Django's receivers, too, such as those of settings."""
        with override_settings(LANGUAGE_CODE="de"):
            heard = setting_changed.send(None, setting="X", value=1, enter=True)
        self.assertNotEqual(heard, [])
        for block in (signalscope.mute.all(), signalscope.only(receiver=first)):
            with block:
                self.assertEqual(setting_changed.send(None, setting="X", value=1, enter=True), [])

    def test_own_receivers(self):
        """What signalscope connects itself is never muted."""

        def own(sender, **kwargs):
            return "own"

        own.__module__ = "signalscope.contrib.celery"
        part = functools.partial(own)
        with connected(self.signal, own, part):
            for block in (
                signalscope.mute.all(),
                signalscope.mute(receiver=[own, first, second, third, fourth]),
                signalscope.only(receiver="no_such_receiver"),
            ):
                with block:
                    self.assertHeard("own own")


class RefusedTests(MuteTestCase):
    """What cannot be meant is refused where it is written."""

    def assertRefused(self, error, pattern, *args, **kwargs):
        """Assert that both refuse it, with words that help."""
        for block in (signalscope.mute, signalscope.only):
            with self.subTest(args=args, **kwargs), self.assertRaisesRegex(error, pattern):
                block(*args, **kwargs)

    def test_nothing(self):
        """Nothing given is an error that names what there is; mute.all() says it aloud."""
        self.assertRefused(TypeError, r"signal, sender, receiver.*mute\.all\(\)")
        self.assertRefused(TypeError, r"mute\.all\(\)", signal=None, family=None)

    def test_positional(self):
        """Signals by position could be senders as well."""
        self.assertRefused(TypeError, "by a keyword: signal, sender", post_save)
        self.assertRefused(TypeError, "by a keyword: signal, sender", first)

    def test_empty_lists(self):
        """A list without anything, or with None, means nothing."""
        self.assertRefused(ValueError, "at least one", receiver=[])
        self.assertRefused(ValueError, "at least one", sender=[None])

    def test_unknown_family(self):
        """The message lists the families."""
        self.assertRefused(ValueError, "'models'.*model, migration,.*custom", family="models")

    def test_unknown_signal(self):
        """The message has what is nearest, and where to look."""
        self.assertRefused(ValueError, "there is .*post_save", signal="post_svae")
        self.assertRefused(
            ValueError, r"order_paid.*signalstats --list", signal="shop.signals.order_payed"
        )
        self.assertRefused(ValueError, "no signal", signal="tests.shop.models.Order")

    def test_other_types(self):
        """What is no signal, and what nobody could call."""
        self.assertRefused(TypeError, "signal is 7", signal=7)
        self.assertRefused(TypeError, "receiver is 7", receiver=[first, 7])
        with self.assertRaises(TypeError):
            signalscope.mute(receivers=first)

    def test_before_the_apps_are_ready(self):
        """A signal's name cannot be looked up yet, and is taken as it is."""
        apps.ready = False
        try:
            mute = signalscope.mute(signal="not.yet.imported")
        finally:
            apps.ready = True
        with mute:
            self.assertHeard(ALL)

    def test_not_installed(self):
        """Where nothing is instrumented a mute says that it mutes nothing."""
        signalscope.uninstall()
        try:
            with self.assertWarnsRegex(RuntimeWarning, r"mute at .*test_mute:\d+ mutes nothing"):
                with signalscope.mute(receiver=first):
                    self.assertHeard(ALL)
        finally:
            signalscope.install()
        self.assertIs(Mute.can_mute(), True)
