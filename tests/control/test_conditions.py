"""Which receivers each condition lets run."""

import functools
import gc
from types import SimpleNamespace

from django.db.models.signals import class_prepared, m2m_changed, post_delete, post_save, pre_save
from django.test import override_settings

import signalscope
from signalscope import (
    not_raw,
    only_for_models,
    only_in_environment,
    only_when_created,
    only_when_field_changed,
    signal_condition,
)
from signalscope.checks import check_conditions
from signalscope.core.names import receiver_label
from tests.control.hearing import SEND_METHODS, ConditionTestCase, is_large, is_large_async, send
from tests.shop.signals import order_paid
from tests.trees import connected
from tests.warehouse.models import Bargain, Perishable, Priced, Product, Rate, Supplier


class SignalConditionTests(ConditionTestCase):
    """signal_condition()."""

    def test_arguments(self):
        """The predicate gets what the receiver gets, by name."""
        seen = []
        predicate = functools.partial(lambda **kwargs: seen.append(kwargs))
        with connected(self.signal, signal_condition(predicate)(self.hear())):
            send(self.signal, size=1)
        self.assertEqual(seen, [{"signal": self.signal, "sender": Product, "size": 1}])

    def test_names(self):
        """It is named by its qualified name, and an object by its class."""
        for predicate, name in (
            (lambda sender, **kwargs: False, "SignalConditionTests.test_names.<locals>.<lambda>"),
            (functools.partial(is_large), "partial"),
        ):
            with connected(order_paid, signal_condition(predicate)(self.hear())):
                self.assertEqual(
                    self.skipped(order_paid), [("skipped", f"signal_condition({name})")]
                )

    def test_async_predicate(self):
        """It is awaited for an async receiver, and refused for a sync one."""
        for predicate in (is_large_async, functools.partial(self.answer_later)):
            with connected(self.signal, signal_condition(predicate)(self.ahear())):
                for method in SEND_METHODS:
                    self.assertEqual(send(self.signal, method, size=11), ["heard"])
                    self.assertEqual(send(self.signal, method, size=1), [None])
        with self.assertRaisesMessage(TypeError, "is sync, so that signal_condition() cannot"):
            signal_condition(is_large_async)(self.hear())

    def answer_later(self, **kwargs):
        """Return what is to be awaited."""
        return is_large_async(**kwargs)

    def test_error(self):
        """The predicate's error is the receiver's: send() raises it, send_robust() returns it."""

        def fail(**kwargs):
            raise LookupError("no such size")

        for function in (self.hear(), self.ahear()):
            with connected(self.signal, signal_condition(fail)(function)):
                for method in ("send", "asend"):
                    with self.assertRaisesMessage(LookupError, "no such size"):
                        send(self.signal, method)
                for method in ("send_robust", "asend_robust"):
                    with self.assertLogs("django.dispatch"):
                        (response,) = send(self.signal, method)
                    self.assertIsInstance(response, LookupError)

    def test_no_predicate(self):
        """What cannot be called is refused."""
        with self.assertRaisesMessage(TypeError, "signal_condition() takes a function, not None"):
            signal_condition(None)


class ForModelsTests(ConditionTestCase):
    """only_for_models()."""

    def passes(self, *models, sender):
        """Tell whether a receiver runs for a sender."""
        with connected(self.signal, only_for_models(*models)(self.hear())):
            return send(self.signal, sender=sender) == ["heard"]

    def test_senders(self):
        """The model, its proxies and children count; a parent, others, and no models do not."""
        for given in (Product, "warehouse.Product", "warehouse.pRODUCT"):
            with self.subTest(given=given):
                for sender in (Product, Bargain, Perishable):
                    self.assertTrue(self.passes(given, sender=sender))
                for sender in (Rate, Product(pk=1), None, "warehouse.Product", int):
                    self.assertFalse(self.passes(given, sender=sender))
        self.assertFalse(self.passes(Perishable, sender=Product))
        self.assertTrue(self.passes(Supplier, "warehouse.Rate", sender=Rate))

    def test_abstract_model(self):
        """A class may be abstract: what inherits from it counts."""
        self.assertTrue(self.passes(Priced, sender=Rate))
        self.assertFalse(self.passes(Priced, sender=Supplier))

    def test_model_of_a_migration(self):
        """A migration's own class of a model has its label, and is not it."""
        fake = SimpleNamespace(label_lower="warehouse.product", apps=object())
        self.assertFalse(
            self.passes("warehouse.Product", sender=type("Product", (), {"_meta": fake}))
        )

    def test_relation(self):
        """m2m_changed is sent by the model in between."""
        through = Product.similar.through
        under = only_for_models(through)(self.hear())
        by_label = only_for_models("warehouse.Product_similar")(self.hear())
        with connected(m2m_changed, under, by_label):
            self.assertEqual(send(m2m_changed, sender=through), ["heard", "heard"])
            self.assertEqual(send(m2m_changed, sender=Product), [None, None])

    def test_while_models_are_made(self):
        """class_prepared comes before the model is in the registry."""
        with connected(class_prepared, only_for_models("warehouse.Product")(self.hear())):
            responses = send(class_prepared, sender=Product)
            self.assertIn("heard", responses)

    def test_what_is_no_model(self):
        """It is refused as it is said."""
        for given in (5, self.hear, int, None):
            with self.assertRaisesMessage(TypeError, 'labels such as "shop.Order", not'):
                only_for_models(given)
        for label in ("Product", "warehouse.", ".Product", "a.b.c", ""):
            with self.assertRaisesMessage(ValueError, f"not {label!r}"):
                only_for_models(label)
        with self.assertRaisesMessage(TypeError, "at least one model"):
            only_for_models()

    def test_unknown_label(self):
        """A system check finds it."""
        under = only_for_models("warehouse.Prodct", "warehouse.Rate")(self.hear())
        (error,) = found("signalscope.E006")
        self.assertIn("warehouse.prodct", error.msg)
        self.assertNotIn("warehouse.rate", error.msg)
        self.assertIn(receiver_label(under), error.msg)
        del under
        gc.collect()
        self.assertEqual(found("signalscope.E006"), [])


def found(check_id):
    """Return what system checks find under an id."""
    return [message for message in check_conditions(None) if message.id == check_id]


class InEnvironmentTests(ConditionTestCase):
    """only_in_environment()."""

    def test_environments(self):
        """The setting is read at each call, also while nothing is recorded."""
        with connected(self.signal, only_in_environment("production", "staging")(self.hear())):
            for install in (signalscope.install, signalscope.uninstall):
                install()
                self.addCleanup(signalscope.install)
                for name, answer in (("production", "heard"), ("staging", "heard"), ("test", None)):
                    with override_settings(SIGNALSCOPE={"ENVIRONMENT": name}):
                        self.assertEqual(send(self.signal), [answer])

    def test_without_the_setting(self):
        """The receiver does not run, the record says why, and a check calls it an error."""
        under = only_in_environment("production")(self.hear())
        for setting in ({}, {"ENVIRONMENT": None}, {"ENVIRONMENT": 5}, {"ENVIRONMENT": ""}):
            with self.subTest(setting=setting), override_settings(SIGNALSCOPE=setting):
                with connected(order_paid, under):
                    self.assertEqual(
                        self.skipped(order_paid),
                        [
                            (
                                "skipped",
                                "only_in_environment: SIGNALSCOPE['ENVIRONMENT'] is not set",
                            )
                        ],
                    )
                (error,) = found("signalscope.E004")
                self.assertIn(receiver_label(under), error.msg)
        with override_settings(SIGNALSCOPE={"ENVIRONMENT": "test"}):
            self.assertEqual(found("signalscope.E004"), [])
        del under
        gc.collect()
        self.assertEqual(found("signalscope.E004"), [])

    def test_names(self):
        """They are texts, one at least."""
        for names in ((), (self.hear,), ("production", None), ("",)):
            with self.assertRaisesMessage(TypeError, "only_in_environment() takes names"):
                only_in_environment(*names)


class WhenCreatedTests(ConditionTestCase):
    """only_when_created."""

    def test_post_save(self):
        """It is what the signal says."""
        with connected(post_save, only_when_created(self.hear()), sender=Rate):
            for created, answer in ((True, "heard"), (False, None)):
                self.assertEqual(send(post_save, sender=Rate, created=created), [answer])

    def test_pre_save(self):
        """It is what the instance says of itself."""
        with connected(pre_save, only_when_created()(self.hear()), sender=Rate):
            rate = Rate(code="a")
            self.assertEqual(send(pre_save, sender=Rate, instance=rate), ["heard"])
            rate._state.adding = False
            self.assertEqual(send(pre_save, sender=Rate, instance=rate), [None])

    def test_other_signals(self):
        """A signal that does not say it is no place for the condition."""
        with connected(post_delete, only_when_created(self.hear()), sender=Rate):
            with self.assertRaisesMessage(TypeError, "takes receivers of post_save, pre_save"):
                send(post_delete, sender=Rate, instance=Rate())


class NotRawTests(ConditionTestCase):
    """not_raw."""

    def test_fixtures(self):
        """What is sent with raw=True is kept out, and the record says by what."""
        for decorate in (not_raw, not_raw()):
            with connected(order_paid, decorate(self.hear())):
                self.assertEqual(self.skipped(order_paid, raw=True), [("skipped", "not_raw")])
                self.assertEqual(self.skipped(order_paid, raw=False), [("ok", "")])
                self.assertEqual(self.skipped(order_paid), [("ok", "")])


class FieldChangedMisuseTests(ConditionTestCase):
    """only_when_field_changed() where it makes no sense."""

    def test_names(self):
        """They are texts, one at least."""
        for names in ((), (self.hear,), ("price", None)):
            with self.assertRaisesMessage(TypeError, "only_when_field_changed() takes names"):
                only_when_field_changed(*names)

    def test_other_signals(self):
        """Only what is sent of a save tells of changes."""
        under = only_when_field_changed("price")(self.hear())
        for signal in (self.signal, post_delete):
            with connected(signal, under):
                with self.assertRaisesMessage(TypeError, "takes receivers of pre_save and post_s"):
                    send(signal, instance=Product())
