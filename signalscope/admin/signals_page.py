"""The page of all signals: who is connected, what is called, what nobody hears."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from signalscope import wiring
from signalscope.admin import health, period
from signalscope.admin.base import receiver_url
from signalscope.admin.controls import Controls
from signalscope.conf import NOISE, get_conf
from signalscope.formatting import duration, short_names
from signalscope.registry.builtin import CUSTOM
from signalscope.stats.coverage import ReceiverCoverage, SignalCoverage, State, coverage

STATES: dict[State, Promise] = {
    State.CALLED: _("called"),
    State.KEPT_OUT: _("kept out"),
    State.NEVER_CALLED: _("never called"),
    State.NOT_CONNECTED: _("called, not connected in this process"),
    State.NOT_RECORDED: _("not recorded: see EXCLUDE"),
}

FAMILIES: dict[str, Promise] = {
    "model": _("Models"),
    "migration": _("Migrations"),
    "request": _("Requests"),
    "test": _("Tests"),
    "database": _("Database"),
    "auth": _("Authentication"),
    "tasks": _("Tasks"),
    "autoreload": _("Autoreload"),
    CUSTOM: _("The project's own"),
}


def context(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows; a fixed number of queries, whatever it shows."""
    conf = get_conf()
    since, name = period.chosen(request)
    found = coverage(
        since=since,
        using=conf.database,
        include=conf.include,
        exclude=(*NOISE, *conf.exclude),
    )
    receivers = [receiver for signal in found for receiver in signal.receivers]
    short = short_names(receiver.receiver for receiver in receivers)
    controls = Controls(request)
    open_guards = wiring.scope().guards.open_receivers()
    # What a project sends itself is looked for most.
    found.sort(key=lambda signal: signal.family != CUSTOM)
    return {
        "title": _("Signals"),
        "periods": period.choices(name),
        "families": [
            {
                "label": FAMILIES.get(family, family),
                "signals": [_signal(signal, short, controls, open_guards) for signal in signals],
            }
            for family, signals in groupby(found, key=lambda signal: signal.family)
        ],
        "called_count": sum(receiver.state == State.CALLED for receiver in receivers),
        "never_called_count": sum(receiver.state == State.NEVER_CALLED for receiver in receivers),
        "unheard_signal_count": sum(
            bool(signal.unheard) and signal.family == CUSTOM for signal in found
        ),
        "has_calls": any(receiver.count for receiver in receivers),
        "health": health.context(since=since, using=conf.database),
        "flush_interval_s": f"{conf.effective_flush_interval_s:g}",
    }


def _signal(
    signal: SignalCoverage,
    short: dict[str, str],
    controls: Controls,
    open_guards: frozenset[str],
) -> dict[str, Any]:
    return {
        "name": signal.name,
        "short_name": signal.name.rpartition(".")[2],
        "receivers": [
            {
                **_receiver(receiver, short),
                **controls.of(signal.name, receiver),
                "has_open_guard": receiver.receiver in open_guards,
            }
            for receiver in signal.receivers
        ],
        # Of Django's own only class_prepared is counted, and nobody needs to hear it.
        "unheard": signal.unheard if signal.family == CUSTOM else [],
        "unheard_count": signal.unheard_count,
    }


def _receiver(receiver: ReceiverCoverage, short: dict[str, str]) -> dict[str, Any]:
    return {
        "name": receiver.receiver,
        "short_name": short[receiver.receiver],
        "url": receiver_url(receiver.receiver),
        "sender": receiver.sender,
        "info": receiver.info,
        "count": receiver.count,
        "errors": receiver.errors,
        "muted": receiver.muted,
        "skipped": receiver.skipped,
        "deferred": receiver.deferred,
        "p95": "" if receiver.p95_ns is None else duration(receiver.p95_ns),
        "state": STATES[receiver.state],
        "is_called": receiver.state == State.CALLED,
        "is_never_called": receiver.state == State.NEVER_CALLED,
    }
