"""Compiles BaseCommand.execute anew, so that each management command has a trace."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypedDict

from signalscope.instrument.source import compile_function, located, parse_function

# No frame is added between the caller and the command, as with Signal.
GUARD = """
$trace = $begin_command(self)
try:
    pass
except BaseException as $error:
    $fail_command($trace, $error)
    raise
finally:
    $end_command($trace)
"""


class CommandHelpers(TypedDict):
    """What the inserted statements call."""

    begin_command: Callable[[Any], Any]
    fail_command: Callable[[Any, BaseException], None]
    end_command: Callable[[Any], None]


def compile_execute(execute: FunctionType, helpers: CommandHelpers) -> FunctionType:
    """
    Return BaseCommand.execute with a trace around its body.

    Raises CannotInstrument when its source cannot be read.
    """
    definition = parse_function(execute)
    body = definition.body
    first = 1 if ast.get_docstring(definition) is not None else 0
    begin, guarded = located(GUARD, body[first])
    assert isinstance(guarded, ast.Try)
    guarded.body = body[first:]
    body[first:] = [begin, guarded]
    return compile_function(execute, definition, helpers)
