"""The values in an entry of the activity log, as its page shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signalscope.activity.values import MASKED
from signalscope.formatting import before_and_after


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value: its text, and how that is shown."""

    text: str
    is_none: bool = False
    is_masked: bool = False
    is_json: bool = False

    @classmethod
    def of(cls, value: Any) -> Value:
        """Return how a value is shown: a plain list line by line, what is nested as JSON."""
        if value is None:
            return cls("", is_none=True)
        if isinstance(value, str):
            return cls(value, is_masked=value == MASKED)
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return cls("\n".join(value))
        is_json = isinstance(value, list | dict)
        return cls(json.dumps(value, ensure_ascii=False, indent=2), is_json=is_json)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What became of one field."""

    name: str
    before: Value
    after: Value


def field_changes(changes: Mapping[str, Any]) -> list[FieldChange]:
    """Return what became of each field, by name: not every database keeps an order."""
    shown = []
    for name, change in sorted(changes.items()):
        before, after = before_and_after(change)
        shown.append(FieldChange(name, Value.of(before), Value.of(after)))
    return shown


def named_values(details: Mapping[str, Any]) -> list[tuple[str, Value]]:
    """Return an entry's details by name."""
    return [(name, Value.of(value)) for name, value in sorted(details.items())]
