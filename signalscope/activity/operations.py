"""Entries of what is done to the project itself: migrations, commands, control, test settings."""

from __future__ import annotations

import getpass
import os
from typing import Any

from django.apps import apps

from signalscope.activity.entries import make_entry
from signalscope.recorder.notes import Entry


def migrated(named: dict[str, Any]) -> list[Entry]:
    """
    Return one entry for each migration of a post_migrate's plan, in order.

    The signal is sent for each app that has models, always with the whole plan: the first counts.
    """
    with_models = (app for app in apps.get_app_configs() if app.models_module is not None)
    if named.get("app_config") is not next(with_models, None):
        return []
    return [
        make_entry(
            "migrated",
            object_label=f"{migration.app_label}.{migration.name}",
            details={"using": named.get("using"), "backwards": is_backwards},
        )
        for migration, is_backwards in named.get("plan") or ()
    ]


def setting_changed(named: dict[str, Any]) -> list[Entry]:
    """Return the entry of a setting that a test changes, or that gets its value back; no values."""
    name = named.get("setting")
    # Who sets signalscope up for a test looks for what the test does.
    if name == "SIGNALSCOPE":
        return []
    return [
        make_entry(
            "setting_changed", object_label=str(name), details={"enter": bool(named.get("enter"))}
        )
    ]


def command_run(name: str, *, is_error: bool, duration_ns: int) -> Entry:
    """Return the entry of a management command that ends; its arguments are nobody's business."""
    return make_entry(
        "command_run",
        object_label=name,
        details={
            "status": "error" if is_error else "ok",
            "duration_ms": round(duration_ns / 1e6, 3),
            "os_user": os_user(),
        },
    )


def guard_changed(receiver: str, state: str, reason: str) -> Entry:
    """Return the entry of a receiver's guard that opened, lets a call through, or closed."""
    return make_entry(
        "guard_changed", object_label=receiver, details={"state": state, "because": reason}
    )


def rule_entry(action: str, rule: Any) -> Entry:
    """Return the entry of a ControlRule that is set, changed or ended."""
    until = rule.until
    return make_entry(
        action,
        rule,
        details={
            "until": "for good" if until is None else until.isoformat(timespec="seconds"),
            "reason": rule.reason,
            "set_by": rule.set_by,
            "is_forced": rule.is_forced,
        },
    )


def os_user() -> str:
    """Return the name of the user that this process runs as."""
    try:
        import pwd

        # Not getpass.getuser(): it believes the environment, which anybody may set.
        return pwd.getpwuid(os.getuid()).pw_name
    except ImportError:
        # Windows has no such table.
        return getpass.getuser()
    except KeyError:
        # In a container a user may have no name.
        return str(os.getuid())
