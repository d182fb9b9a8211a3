"""The SIGNALSCOPE setting becomes one frozen Conf."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from django.conf import settings

from signalscope.core.addresses import find_networks
from signalscope.core.retention import Retention

SETTING = "SIGNALSCOPE"
# In the environment, for whoever must switch off at once and cannot deploy.
DISABLED = "SIGNALSCOPE_DISABLED"

# What makes the calls that receivers with @deferred put off.
BACKENDS = ("celery", "inline", "tasks", "thread")

# Tables that every project writes to without meaning anything by it.
NOISE = (
    # All that is signalscope's, but for the signals of signalscope.bulk: the project's work.
    "signalscope.[!b]*",
    "sessions.*",
    "migrations.*",
    "contenttypes.*",
    "admin.LogEntry",
    "debug_toolbar.*",
)


@dataclass(frozen=True, slots=True)
class Conf:
    """
    The settings, each with its default.

    Sizes, times and shares carry their unit in their name; docs/reference/settings.rst explains
    each. None means that the value follows DEBUG.
    """

    enabled: bool = True
    database: str = "default"
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    signals: Sequence[str] = ()
    sample_rate: float | None = None
    sample_rates: Mapping[str, float] = field(default_factory=dict)
    keep_errors: bool = True
    slow_ms: float | None = 100
    slow_trace_ms: float | None = 1000
    keep: Sequence[str] = ()
    keep_activity: bool = True
    keep_per_minute: int = 60
    correlation_headers: Sequence[str] = ("traceparent", "X-Correlation-ID", "X-Request-ID")
    trusted_proxies: int | Sequence[str] = ()
    proxy_header: str | None = None
    ip_address: str = "full"
    activity_exclude: Sequence[str] = ()
    track: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    track_write: str = "transaction"
    mask: Sequence[str] = ()
    slow_query_ms: float | None = None
    environment: str | None = None
    rules_refresh_s: float = 5.0
    guard: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    delivery: Mapping[str, Any] = field(default_factory=dict)
    capture_sql: bool | None = None
    max_trace_dispatches: int = 1000
    max_keys: int = 5000
    buffer_bytes: int = 16 * 1024 * 1024
    flush_interval_s: float | None = None
    exit_timeout_s: float = 5.0
    catch_sigterm: bool = True
    upkeep: bool = True
    retain_traces_days: float | None = 7
    retain_minutes_days: float | None = 2
    retain_hours_days: float | None = 60
    retain_days_days: float | None = 730
    activity_retention_days: float | None = None
    retain_deliveries_days: float | None = 7
    store_in_tests: bool = False

    @property
    def effective_sample_rate(self) -> float:
        """All traces with DEBUG, else one in a hundred, unless the setting says otherwise."""
        if self.sample_rate is not None:
            return self.sample_rate
        return 1.0 if settings.DEBUG else 0.01

    @property
    def captures_sql(self) -> bool:
        """With DEBUG, unless the setting says otherwise."""
        return settings.DEBUG if self.capture_sql is None else self.capture_sql

    @property
    def effective_flush_interval_s(self) -> float:
        """1 s with DEBUG, else 10 s, unless the setting says otherwise."""
        if self.flush_interval_s is not None:
            return self.flush_interval_s
        return 1.0 if settings.DEBUG else 10.0

    @property
    def retention(self) -> Retention:
        """How long rows are kept."""
        return Retention.of_days(
            traces=self.retain_traces_days,
            minutes=self.retain_minutes_days,
            hours=self.retain_hours_days,
            days=self.retain_days_days,
            activity=self.activity_retention_days,
            deliveries=self.retain_deliveries_days,
        )


def known_keys() -> dict[str, str]:
    """Return the names of the settings, as written in SIGNALSCOPE, with Conf's names."""
    return {entry.name.upper(): entry.name for entry in fields(Conf)}


def given() -> Mapping[str, Any]:
    """Return the SIGNALSCOPE setting, empty where it is missing or no dict."""
    value = getattr(settings, SETTING, {})
    return value if isinstance(value, Mapping) else {}


@cache
def get_conf() -> Conf:
    """Return the settings; a value that cannot be used counts as not given (checks.py says so)."""
    known = known_keys()
    problems = {key for key, _ in find_problems()}
    conf = Conf(
        **{
            known[key]: value
            for key, value in given().items()
            if key in known and key not in problems
        }
    )
    return replace(conf, enabled=False) if is_disabled_by_environment() else conf


def is_disabled_by_environment() -> bool:
    """Tell whether SIGNALSCOPE_DISABLED says so: it is set, and not to 0, false, no or nothing."""
    return os.environ.get(DISABLED, "").strip().lower() not in ("", "0", "false", "no")


def find_problems() -> list[tuple[str, str]]:
    """Return what is wrong with the setting: (key, sentence), the key "" for the whole."""
    value = getattr(settings, SETTING, {})
    if not isinstance(value, Mapping):
        return [("", f"{SETTING} is {value!r}; it must be a dict.")]
    known = known_keys()
    problems = []
    for key, entry in value.items():
        if key not in known:
            allowed = ", ".join(sorted(known))
            problems.append((str(key), f"{SETTING} has no key {key!r}. Allowed: {allowed}."))
        elif sentence := _problem(key, entry):
            problems.append((key, f"{SETTING}[{key!r}] is {entry!r}; {sentence}."))
    return problems


def _is_names(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(name, str) for name in value
    )


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def _has_text_keys(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _are_proxies(value: Any) -> bool:
    if not _is_names(value):
        return type(value) is int and value >= 0
    try:
        find_networks(tuple(value))
    except ValueError:
        return False
    return True


def _begins_with_trigger(name: object) -> bool:
    return isinstance(name, str) and name.partition(":")[0] in _TRIGGERS


_TRIGGERS = ("request", "command", "task", "block", "dispatch")
_LISTS = (
    "INCLUDE",
    "EXCLUDE",
    "SIGNALS",
    "KEEP",
    "CORRELATION_HEADERS",
    "ACTIVITY_EXCLUDE",
    "MASK",
)
# What each key of DELIVERY must be.
_DELIVERY: dict[str, tuple[Callable[[Any], bool], str]] = {
    "backend": (lambda value: value in BACKENDS, f"one of {', '.join(map(repr, BACKENDS))}"),
    "queue": (lambda value: isinstance(value, str) and bool(value), "the name of a queue"),
    "retries": (lambda value: type(value) is int and value >= 0, "a whole number, 0 or more"),
    "durable": (lambda value: isinstance(value, bool), "True or False"),
    "max_attempts": (lambda value: type(value) is int and value > 0, "a whole number above 0"),
    "lease_s": (lambda value: _is_number(value) and value > 0, "seconds above 0"),
    "hand_over_s": (lambda value: _is_number(value) and value >= 0, "seconds, 0 or more"),
}
_BOUNDS = ("MAX_TRACE_DISPATCHES", "BUFFER_BYTES", "MAX_KEYS")
_SWITCHES = (
    "ENABLED",
    "KEEP_ERRORS",
    "KEEP_ACTIVITY",
    "CATCH_SIGTERM",
    "UPKEEP",
    "STORE_IN_TESTS",
)
_AGES = (
    "RETAIN_TRACES_DAYS",
    "RETAIN_MINUTES_DAYS",
    "RETAIN_HOURS_DAYS",
    "RETAIN_DAYS_DAYS",
    "ACTIVITY_RETENTION_DAYS",
    "RETAIN_DELIVERIES_DAYS",
)
_CHOICES = {
    "IP_ADDRESS": ("off", "truncate", "full"),
    "PROXY_HEADER": ("X-Forwarded-For", "Forwarded", None),
    "TRACK_WRITE": ("transaction", "after_commit"),
}


def _problem_of_delivery(value: Any) -> str:
    if not isinstance(value, Mapping):
        return 'it must be a dict such as {"backend": "celery", "retries": 3}'
    for name, given in value.items():
        if name not in _DELIVERY:
            return f"its keys may be {', '.join(_DELIVERY)}, and {name!r} is none of them"
        is_good, allowed = _DELIVERY[name]
        if not is_good(given):
            return f"its {name!r} must be {allowed}"
    return ""


def _problem(key: str, value: Any) -> str:
    """Return what a value should be, "" when it is that."""
    if key in _SWITCHES and not isinstance(value, bool):
        return "it must be True or False"
    if key == "CAPTURE_SQL" and not (value is None or isinstance(value, bool)):
        return "it must be True, False, or None to follow DEBUG"
    if key in _LISTS and not _is_names(value):
        return "it must be a list of texts"
    if key == "DATABASE" and value not in settings.DATABASES:
        return f"it must be an alias in DATABASES: {', '.join(sorted(settings.DATABASES))}"
    if key == "SAMPLE_RATE" and value is not None and not _is_share(value):
        return "it must be a number from 0 to 1, or None to follow DEBUG"
    if key == "SAMPLE_RATES" and not (
        isinstance(value, Mapping)
        and all(_begins_with_trigger(name) and _is_share(rate) for name, rate in value.items())
    ):
        return (
            'it must be a dict such as {"request:/health*": 0}, with numbers from 0 to 1, '
            f"for {', '.join(_TRIGGERS)}"
        )
    if key == "TRACK" and not (
        isinstance(value, Mapping)
        and all(isinstance(label, str) for label in value)
        and all(_has_text_keys(options) for options in value.values())
    ):
        return 'it must be a dict such as {"shop.Order": {"exclude": ["note"]}, "shop.*": {}}'
    if key == "GUARD" and not (
        _has_text_keys(value) and all(_has_text_keys(options) for options in value.values())
    ):
        return 'it must be a dict such as {"shop.receivers.sync_crm": {"max_error_rate": 0.5}}'
    if key == "DELIVERY":
        return _problem_of_delivery(value)
    if key in _CHOICES and value not in _CHOICES[key]:
        return f"it must be one of {', '.join(map(repr, _CHOICES[key]))}"
    if key in ("SLOW_MS", "SLOW_TRACE_MS", "SLOW_QUERY_MS") and not (
        value is None or (_is_number(value) and value > 0)
    ):
        return "it must be a number of milliseconds above 0, or None to keep none for that"
    if key == "TRUSTED_PROXIES" and not _are_proxies(value):
        return (
            "it must be the number of proxies, 0 or more, or a list of their addresses, networks "
            'such as "10.0.0.0/8" (no bits set behind the /), or "unix"'
        )
    if key == "KEEP_PER_MINUTE" and not (type(value) is int and value >= 0):
        return "it must be a whole number, 0 or more"
    if key in _AGES and not (value is None or (_is_number(value) and value > 0)):
        return "it must be a number of days above 0, or None to delete nothing"
    if key in _BOUNDS and not (type(value) is int and value > 0):
        return "it must be a whole number above 0"
    if key == "FLUSH_INTERVAL_S" and value is not None and not (_is_number(value) and value > 0):
        return "it must be a number of seconds above 0, or None to follow DEBUG"
    if key == "RULES_REFRESH_S" and not (_is_number(value) and value > 0):
        return "it must be a number of seconds above 0"
    if key == "ENVIRONMENT" and not (value is None or (isinstance(value, str) and value)):
        return 'it must be a text such as "production", or None'
    if key == "EXIT_TIMEOUT_S" and not (_is_number(value) and value >= 0):
        return "it must be a number of seconds, 0 or more"
    return ""
