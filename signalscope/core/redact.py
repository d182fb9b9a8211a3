"""What may be kept of an exception: text that is made without running code of the host."""

from __future__ import annotations

from types import WrapperDescriptorType

MAX_MESSAGE_LENGTH = 500
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def error_type(error: BaseException) -> str:
    """Return the dotted path of an exception's class, without "builtins."."""
    cls = type(error)
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def error_message(error: BaseException) -> str:
    """
    Return an exception's message, at most 500 characters.

    str() of an exception can run anything, even a query (its argument may be a queryset). It is
    taken only where it is Python's own and all arguments are plain; else a first argument that
    is text stands for it.
    """
    arguments = BaseException.__dict__["args"].__get__(error)
    is_builtin = type(type(error).__str__) is WrapperDescriptorType
    if is_builtin and all(type(argument) in _PLAIN for argument in arguments):
        return str(error)[:MAX_MESSAGE_LENGTH]
    if arguments and type(arguments[0]) is str:
        return str(arguments[0])[:MAX_MESSAGE_LENGTH]
    return ""
