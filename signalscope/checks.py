"""The system checks: whatever can be seen to be wrong at start-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import django
from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004
from django.db import DEFAULT_DB_ALIAS, connections, models, router
from django.db.models.signals import post_delete, pre_delete

from signalscope import conf, wiring
from signalscope.activity.options import find_problems
from signalscope.control import guard
from signalscope.control.conditions import ForModels, InEnvironment, find_environment
from signalscope.control.wrapping import Condition, used
from signalscope.core.names import class_label, receiver_label
from signalscope.delivery.async_signal import kinds_of_signals
from signalscope.delivery.batching import Batched
from signalscope.delivery.handing import find_problem
from signalscope.delivery.options import Options
from signalscope.delivery.receivers import deferred_receivers
from signalscope.doctor.examination import QUICK, examine
from signalscope.doctor.project import Project
from signalscope.exceptions import UnknownSignal
from signalscope.models import Trace
from signalscope.registry.receivers import all_receivers
from signalscope.registry.signals import Registry
from signalscope.stats.coverage import is_recorded

# The versions that the suite runs on.
TESTED = ((5, 2), (6, 0), (6, 1))


@register
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the SIGNALSCOPE setting."""
    found: list[CheckMessage] = [
        Error(
            sentence,
            hint="The reference in signalscope's documentation lists all settings.",
            id="signalscope.E001",
        )
        for _, sentence in conf.find_problems()
    ]
    try:
        Registry().register_paths(conf.get_conf().signals)
    except UnknownSignal as error:
        found.append(
            Error(
                f"SIGNALSCOPE['SIGNALS'] names no signal: {error}",
                hint='Give dotted paths, such as "shop.signals.order_paid".',
                id="signalscope.E002",
            )
        )
    return found


@register
def check_tracking(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the TRACK setting names models and fields that there are."""
    return [
        Error(
            sentence,
            hint='Give labels of models, such as "shop.Order", or globs, such as "shop.*".',
            id="signalscope.E003",
        )
        for sentence in find_problems(conf.get_conf().track)
    ]


@register
def check_guard(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the GUARD setting can be followed, and that its guards see what they guard."""
    setting = conf.get_conf().guard
    found: list[CheckMessage] = [
        Error(
            sentence,
            hint="Give names of receivers, or globs, with limits: see the how-to guide.",
            id="signalscope.E005",
        )
        for sentence in guard.find_problems(setting)
    ]
    exclude = (*conf.NOISE, *conf.get_conf().exclude)
    recorded = [
        info.receiver
        for info in all_receivers()
        if is_recorded(info, conf.get_conf().include, exclude)
    ]
    found += [
        Warning(
            f"SIGNALSCOPE['GUARD'][{name!r}] guards nobody: no receiver of that name is both "
            "connected and recorded.",
            hint="Look for its name on the Signals page, and for what EXCLUDE leaves out.",
            id="signalscope.W004",
        )
        for name in setting
        if not any(guard.is_guarded_by(name, receiver) for receiver in recorded)
    ]
    return found


@register
def check_conditions(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the conditions of receivers can hold."""
    found: list[CheckMessage] = []
    for receiver, condition in used(Condition):  # type: ignore[type-abstract]
        label = receiver_label(receiver)
        if isinstance(condition, InEnvironment) and find_environment() is None:
            found.append(
                Error(
                    f"{label} stands under only_in_environment(), but SIGNALSCOPE['ENVIRONMENT'] "
                    "is not set: it never runs.",
                    hint='Say where this runs: SIGNALSCOPE = {"ENVIRONMENT": "production"}.',
                    id="signalscope.E004",
                )
            )
        if isinstance(condition, ForModels) and (unknown := condition.unknown_labels()):
            found.append(
                Error(
                    f"{label} stands under only_for_models() with labels that name no model: "
                    f"{', '.join(unknown)}.",
                    hint='Give labels of models, such as "shop.Order".',
                    id="signalscope.E006",
                )
            )
    return found


@register
def check_delivery(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that what receivers are deferred to is there, and can do what they ask for."""
    return [
        Error(
            f"{name} is deferred to the backend {options.effective_backend!r}: {problem}",
            hint="Choose another one by @deferred(backend=...) or SIGNALSCOPE['DELIVERY'].",
            id="signalscope.E007",
        )
        for name, options in _deferrals()
        if (problem := find_problem(options))
    ]


def _deferrals() -> Iterator[tuple[str, Options]]:
    """Yield what is deferred to a backend, receivers and signals, by name."""
    for name, deferred in deferred_receivers.all():
        if deferred.batch is None:
            yield name, deferred.options
    for kind, options in kinds_of_signals():
        yield class_label(kind), options


@register(deploy=True)
def check_threads(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that nothing is left to threads, whose calls end with their process."""
    found = {
        name
        for name, options in _deferrals()
        if options.effective_backend == "thread" and not options.is_durable
    }
    found |= {receiver_label(receiver) for receiver, _ in used(Batched)}
    if not found:
        return []
    return [
        Warning(
            "Calls that wait in threads are lost when their process is killed. "
            f"These are left to threads: {', '.join(sorted(found))}.",
            hint=(
                "Set SIGNALSCOPE['DELIVERY'] to {'backend': 'celery'} or {'backend': 'tasks'}, "
                "or to {'durable': True}; of a batched receiver say @batched(durable=True)."
            ),
            id="signalscope.W006",
        )
    ]


@register
def check_instrument(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that dispatches can be recorded with this Django, and what else is installed."""
    found: list[CheckMessage] = []
    if django.VERSION[:2] not in TESTED:
        found.append(
            Warning(
                f"signalscope was not tested with Django {django.get_version()}.",
                hint="Look for a newer signalscope: its changelog names the versions of Django.",
                id="signalscope.W001",
            )
        )
    if conf.get_conf().enabled and wiring.scope().problem:
        found.append(
            Warning(
                f"signalscope records nothing: {wiring.scope().problem}.",
                hint=(
                    "Another package has patched Signal before signalscope, or this Django is "
                    "not known. Put signalscope first in INSTALLED_APPS."
                ),
                id="signalscope.W002",
            )
        )
    return found


@register
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that migrations make the tables in the database that is written to, and only there."""
    database = conf.get_conf().database
    allowed = [alias for alias in connections if router.allow_migrate_model(alias, Trace)]
    # With the default database no router is needed: tables elsewhere are made on request only.
    if allowed == [database] or (database == DEFAULT_DB_ALIAS and database in allowed):
        return []
    return [
        Warning(
            f"SIGNALSCOPE['DATABASE'] is {database!r}, but signalscope's tables are made in: "
            f"{', '.join(allowed) or 'no database'}.",
            hint='Add "signalscope.routers.SignalscopeRouter" to DATABASE_ROUTERS, as the first.',
            id="signalscope.W003",
        )
    ]


@register
def check_cascades(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that nobody waits for the deletion of rows that the database deletes by itself."""
    # New in Django 6.1.
    by_database = getattr(models, "DB_CASCADE", None)
    if by_database is None:
        return []
    return [
        Warning(
            f"pre_delete and post_delete of {model._meta.label} have receivers, but are not sent "
            "for the rows that the database deletes, since on_delete is DB_CASCADE.",
            hint="Use CASCADE; else receivers, and signalscope.track(), miss these rows.",
            obj=field,
            id="signalscope.W005",
        )
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        # Tracking a model connects receivers as well.
        if getattr(field.remote_field, "on_delete", None) is by_database
        and (pre_delete.has_listeners(model) or post_delete.has_listeners(model))
    ]


@register
def check_receivers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the project's receivers, as far as a look at each of them shows what is wrong."""
    return [
        CheckMessage(
            finding.level,
            f"{finding.kind.title}: {finding.message}",
            hint=finding.kind.hint,
            obj=finding.place or None,
            id=finding.kind.id,
        )
        for finding in examine(Project(), QUICK).findings
    ]
