"""Values of a test as text that is bounded, and compared without trusting them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from signalscope.core.names import class_label, sender_label

# In characters.
MAX_VALUE = 80


class _Missing:
    """Stands for an argument that was not sent."""


MISSING = _Missing()


def text_of(value: object) -> str:
    """Return repr() of a value, at most 80 characters; one that fails is said to."""
    if value is MISSING:
        return "(not sent)"
    try:
        text = repr(value)
        if type(text) is not str:
            text = str.__str__(text)
    except Exception as error:  # noqa: BLE001
        return f"<{class_label(type(value))}, whose repr() raises {type(error).__qualname__}>"
    # In one line, whatever it holds.
    text = text.replace("\r", "\\r").replace("\n", "\\n")
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def label_of(sender: Any) -> str:
    """Return the label of a sender, of which a text is one already."""
    # Not isinstance(), which makes lazy objects, such as a user, evaluate themselves.
    return sender if issubclass(type(sender), str) else sender_label(sender)


def is_equal(expected: object, value: object) -> bool:
    """Tell whether two values are the same or equal; those that cannot be compared are not."""
    if expected is value:
        return True
    try:
        return bool(expected == value)
    except Exception:  # noqa: BLE001
        return False


def differing(expected: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was sent in place of the expected arguments that differ, by name."""
    return {
        name: sent.get(name, MISSING)
        for name, value in expected.items()
        if name not in sent or not is_equal(value, sent[name])
    }


def arguments_text(named: Mapping[str, Any]) -> str:
    """Return arguments as they stand in a call: "order=<Order: 1>, amount=5"."""
    return ", ".join([f"{name}={text_of(value)}" for name, value in named.items()])
