"""The SIGNALSCOPE setting becomes one frozen Conf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from django.conf import settings

SETTING = "SIGNALSCOPE"

# Tables that every project writes to without meaning anything by it.
NOISE = (
    "signalscope.*",
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
    capture_sql: bool | None = None
    max_trace_dispatches: int = 1000
    buffer_bytes: int = 16 * 1024 * 1024
    flush_interval_s: float | None = None
    exit_timeout_s: float = 5.0
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


def known_keys() -> dict[str, str]:
    """Return the names of the settings, as written in SIGNALSCOPE, with Conf's names."""
    return {field.name.upper(): field.name for field in fields(Conf)}


def given() -> Mapping[str, Any]:
    """Return the SIGNALSCOPE setting, empty where it is missing or no dict."""
    value = getattr(settings, SETTING, {})
    return value if isinstance(value, Mapping) else {}


@cache
def get_conf() -> Conf:
    """Return the settings; a value that cannot be used counts as not given (checks.py says so)."""
    known = known_keys()
    problems = {key for key, _ in find_problems()}
    return Conf(
        **{
            known[key]: value
            for key, value in given().items()
            if key in known and key not in problems
        }
    )


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
    return isinstance(value, int | float) and not isinstance(value, bool)


def _problem(key: str, value: Any) -> str:
    """Return what a value should be, "" when it is that."""
    if key in ("ENABLED", "STORE_IN_TESTS") and not isinstance(value, bool):
        return "it must be True or False"
    if key == "CAPTURE_SQL" and not (value is None or isinstance(value, bool)):
        return "it must be True, False, or None to follow DEBUG"
    if key in ("INCLUDE", "EXCLUDE", "SIGNALS") and not _is_names(value):
        return "it must be a list of texts"
    if key == "DATABASE" and value not in settings.DATABASES:
        return f"it must be an alias in DATABASES: {', '.join(sorted(settings.DATABASES))}"
    if key == "SAMPLE_RATE" and value is not None and not (_is_number(value) and 0 <= value <= 1):
        return "it must be a number from 0 to 1, or None to follow DEBUG"
    if key in ("MAX_TRACE_DISPATCHES", "BUFFER_BYTES") and not (type(value) is int and value > 0):
        return "it must be a whole number above 0"
    if key == "FLUSH_INTERVAL_S" and value is not None and not (_is_number(value) and value > 0):
        return "it must be a number of seconds above 0, or None to follow DEBUG"
    if key == "EXIT_TIMEOUT_S" and not (_is_number(value) and value >= 0):
        return "it must be a number of seconds, 0 or more"
    return ""
