"""
Compiles Django's own methods anew, from their source, with a clock around each receiver.

Receivers must not see that they are recorded: no frame between sender and receiver, no wrapper
around a receiver, the responses, errors and order of exactly this Django version. Loops written
by hand would have to be written once per version and be wrong for the next. So each method is
parsed from Django's source, and statements are put around what it does already:

- where nobody listens: a call for custom signals, so that they are counted;
- behind ``self._live_receivers(sender)``: receivers that are muted are left out, and the record
  is opened;
- behind each call of a sync receiver: one clock reading is appended to the record;
- around each coroutine of an async receiver: a driver that reads the clock;
- before the method returns, or when it raises: the record is closed.

Line numbers and file name stay Django's, so tracebacks read as before. Whatever is not found
where it is expected raises CannotInstrument, and Signal stays as it is.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
import warnings
from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

from signalscope.exceptions import CannotInstrument

Definition = ast.FunctionDef | ast.AsyncFunctionDef

# What must stand in Django's source.
LIVE_RECEIVERS = "sync_receivers, async_receivers = self._live_receivers(sender)"
ASYNC_IF = "if async_receivers:"
RECEIVER_CALL = "receiver(signal=self, sender=sender, **named)"

# The names in inserted statements, written with a $ below, get a prefix that no source has.
PREFIX = "_signalscope_"

# Model instances send pre_init and post_init to nobody all the time: they get away with one test.
UNHEARD = """
if type(self) is not $ModelSignal or $gate.OPEN_CAPTURES:
    $unheard(self, sender, named, $method)
"""

# The look-up stands here rather than in a function, since a call costs as much as all of it.
# The strand changes last: whatever interrupts this leaves it as it was.
OPEN = """
$record = $token = None
try:
    $plan = $plans(id(self) ^ id(sender))
    if (
        $plan is None
        or $plan.sender() is not sender
        or $plan.receiver_count != len(self.receivers)
        or $plan.last_key is not self.receivers[-1][0]
        or $Signal._live_receivers is not $live_receivers
    ):
        $plan = $make_plan(self, sender, sync_receivers, async_receivers)
    if $plan.gates or $gate.OPEN_MUTES:
        $plan, sync_receivers, async_receivers = $choose(
            $plan, self, sender, sync_receivers, async_receivers
        )
    if $gate.OPEN_CAPTURES:
        $strand, $token, $parent, $record = $open_captured($plan, $method, sender, named)
    elif $plan.is_plain:
        $strand = $current()
        if $strand is None:
            $strand = $loose.strand
        elif $strand.thread != $get_ident():
            $strand, $token = $enter_thread($strand)
        $parent = $strand.top
        $read_atomic = $plan.read_atomic
        $record = [$plan, $method, $read_atomic and $read_atomic(named)]
        $record.append($clock())
        $strand.top = $record
    elif $plan.is_watched or $plan.hook is not None:
        $strand, $token, $parent, $record = $open_rarely($plan, $method, named)
except IndexError:
    # Another thread has just disconnected the last receiver: rare, and not worth a record.
    $record = None
    sync_receivers, async_receivers = $choose_anew(
        self, sender, sync_receivers, async_receivers
    )
except Exception as $fault_error:
    $record = $fault("opening the record of a dispatch", $fault_error)
"""

CLOSE = """
$strand.top = $parent
try:
    if async_receivers:
        $record.append(("end", $clock()))
    $parent.append($record)
    if len($parent) > $limit or $token is not None or not $plan.is_plain:
        $close_rarely($record, $parent, $token)
except Exception as $fault_error:
    $fault("closing the record of a dispatch", $fault_error)
"""

# A coroutine can be suspended, so it leaves the strand alone.
ASYNC_OPEN = """
$parent, $record, sync_receivers, async_receivers = $open_async(
    self, sender, sync_receivers, async_receivers, $method, named
)
"""

ASYNC_CLOSE = """
$close_async($parent, $record)
"""

# send() and asend() do not catch a receiver's error: the dispatch ends with it.
GUARD = """
try:
    pass
except BaseException as $error:
    $abort($record, $error)
    raise
"""
ASYNC_GUARD = """
try:
    pass
except BaseException:
    raise
"""

ASYNC_PART = """
def async_part(self, sender, named, async_receivers, responses, $record):
    pass
"""
CALL_ASYNC_PART = "$async_part(self, sender, named, async_receivers, responses, $record)"

STAMP = "$record.append($clock())"
FAILED = "$failed($record, err)"
# Logging the error took time that is not the next receiver's.
LOGGED = '$record.append(("start", $clock()))'
DRIVE = "$drive(None, $record)"

ENTER_THREAD = "$token = $enter_sync_part($record)"
IN_THREAD = """
try:
    pass
except BaseException as $error:
    $abort($record, $error)
    raise
finally:
    $leave_sync_part($token)
"""


def compile_methods(
    cls: type, names: tuple[str, ...], helpers: Mapping[str, object]
) -> dict[str, FunctionType]:
    """
    Return the methods of a Signal class compiled anew, by name.

    helpers: what the inserted statements name, without the $.
    Raises CannotInstrument when a method is not as expected.
    """
    compiled = {}
    for name in names:
        method = cls.__dict__[name]
        definition = parse_function(method)
        async_part = _instrument(definition)
        known = {**helpers, "method": name}
        if async_part is not None:
            known["async_part"] = compile_function(method, async_part, known)
        compiled[name] = compile_function(method, definition, known)
    return compiled


def parse_function(function: FunctionType) -> Definition:
    """Return the ast of a function's definition, with the line numbers of its file."""
    try:
        lines, first_line = inspect.getsourcelines(function)
        (definition,) = ast.parse(textwrap.dedent("".join(lines))).body
    except (OSError, TypeError, SyntaxError, ValueError) as error:
        raise CannotInstrument(
            f"the source of {function.__qualname__} cannot be read: {error}"
        ) from error
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        raise CannotInstrument(f"the source of {function.__qualname__} is not a function")
    return ast.increment_lineno(definition, first_line - 1)


def compile_function(
    function: FunctionType, definition: Definition, helpers: Mapping[str, object]
) -> FunctionType:
    """
    Compile a changed definition to a function that stands for the old one.

    It shares the old one's globals, so that what is patched there is seen. The helpers become
    constants of its code: the fastest there is, and nothing is added to Django's module.
    """
    module = ast.Module([_Constants(helpers).visit(definition)], [])
    with warnings.catch_warnings():
        # A call of a constant looks like a slip.
        warnings.simplefilter("ignore", SyntaxWarning)
        code = compile(
            ast.fix_missing_locations(module),
            function.__code__.co_filename,
            "exec",
            dont_inherit=True,
        )
    (code,) = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    constants = {PREFIX + name: helper for name, helper in helpers.items()}
    code = _finished(code, constants, definition.name, function.__qualname__)
    compiled = FunctionType(code, function.__globals__, function.__name__)
    compiled.__defaults__ = function.__defaults__
    compiled.__kwdefaults__ = function.__kwdefaults__
    compiled.__doc__ = function.__doc__
    compiled.__dict__.update(function.__dict__)
    return compiled


class _Constants(ast.NodeTransformer):
    """
    Puts a text constant in the place of each helper's name.

    A helper must not be tested itself: the compiler knows that such a text is true.
    """

    def __init__(self, helpers: Mapping[str, object]) -> None:
        self._names = {PREFIX + name for name in helpers}

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace a name that stands for a helper."""
        if node.id not in self._names:
            return node
        return ast.copy_location(ast.Constant(node.id), node)


def _finished(
    code: CodeType, constants: Mapping[str, object], name: str, qualname: str
) -> CodeType:
    """Return code with the helpers for their texts, and qualified names as Django's."""

    def finished(constant: Any) -> Any:
        if isinstance(constant, CodeType):
            return _finished(constant, constants, name, qualname)
        if isinstance(constant, str):
            return constants.get(constant, constant)
        return constant

    return code.replace(
        co_consts=tuple([finished(constant) for constant in code.co_consts]),
        co_qualname=qualname + code.co_qualname.removeprefix(name),
    )


def located(template: str, place: ast.AST) -> list[ast.stmt]:
    """Parse inserted statements; for tracebacks they stand in a line of Django's."""
    inserted = ast.parse(template.replace("$", PREFIX)).body
    for statement in inserted:
        for node in ast.walk(statement):
            if "lineno" in node._attributes:
                ast.copy_location(node, place)
    return inserted


def _expression(template: str, place: ast.AST) -> Any:
    (statement,) = located(template, place)
    return statement.value  # type: ignore[attr-defined]


def _instrument(definition: Definition) -> ast.FunctionDef | None:
    """
    Put the statements into one send method.

    Returns the part of a sync method that runs async receivers, as a function of its own.
    Raises CannotInstrument if the method is not as expected.
    """
    is_async = isinstance(definition, ast.AsyncFunctionDef)
    body = definition.body
    early = _only(definition, "early return", [s for s in body if isinstance(s, ast.If)][:1])
    live = _only(
        definition,
        "call of _live_receivers()",
        [s for s in body if ast.unparse(s).strip() == LIVE_RECEIVERS],
    )
    at = body.index(live) + 1
    rest = body[at:]
    last = rest[-1]
    if ast.unparse(early.body) != "return []" or not isinstance(last, ast.Return):
        raise _unexpected(definition, "return statements")
    rewriter = _ReceiverCalls()
    async_part = None
    if not is_async:
        async_part = _take_out_async_part(definition, rest)
        rewriter.visit(async_part)
    unrecorded = copy.deepcopy(rest)
    recorded = [rewriter.visit(statement) for statement in rest[:-1]]
    if (rewriter.sync_count, rewriter.async_count) != (1, 1):
        raise _unexpected(definition, f"the two calls {RECEIVER_CALL}")
    (guarded,) = located(ASYNC_GUARD if is_async else GUARD, rest[0])
    assert isinstance(guarded, ast.Try)
    close = ASYNC_CLOSE if is_async else CLOSE
    guarded.body = _flat(recorded)
    guarded.handlers[0].body[-1:-1] = located(close, last)
    choice = ast.copy_location(
        ast.If(
            _expression("$record is None", rest[0]),
            unrecorded,
            [guarded, *located(close, last), last],
        ),
        rest[0],
    )
    early.body[:0] = located(UNHEARD, early.body[0])
    body[at:] = [*located(ASYNC_OPEN if is_async else OPEN, live), choice]
    return async_part


def _take_out_async_part(definition: Definition, rest: list[ast.stmt]) -> ast.FunctionDef:
    """
    Move what runs async receivers out of a sync method.

    Its closures would make a cell of nearly every variable of the method, which dispatches
    without async receivers, and those that nobody hears, would pay for.
    """
    async_if = _only(
        definition,
        "part for async receivers",
        [s for s in rest if ast.unparse(s).startswith(ASYNC_IF)],
    )
    (function,) = located(ASYNC_PART, async_if)
    assert isinstance(function, ast.FunctionDef)
    function.body = async_if.body
    async_if.body = located(CALL_ASYNC_PART, async_if.body[-1])
    return function


class _ReceiverCalls(ast.NodeTransformer):
    """Finds the calls of receivers and puts the clock beside them."""

    def __init__(self) -> None:
        self.sync_count = 0
        self.async_count = 0

    def visit_Assign(self, node: ast.Assign) -> Any:
        """A sync receiver's response: read the clock behind it."""
        if not _is_receiver_call(node.value):
            return self.generic_visit(node)
        self.sync_count += 1
        return [node, *located(STAMP, node)]

    def visit_Try(self, node: ast.Try) -> Any:
        """send_robust() catches a sync receiver's error: note it before it is logged."""
        first = node.body[0]
        if isinstance(first, ast.Assign) and _is_receiver_call(first.value):
            for handler in node.handlers:
                handler.body[:0] = located(FAILED, handler.body[0])
                handler.body += located(LOGGED, handler.body[-1])
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        """An async receiver's coroutine: give it a driver."""
        if not _is_receiver_call(node):
            return self.generic_visit(node)
        self.async_count += 1
        driven = _expression(DRIVE, node)
        driven.args[0] = node
        return ast.copy_location(driven, node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """asend() runs sync receivers in a thread: let that thread know the record."""
        self.generic_visit(node)
        if node.name == "sync_send":
            (guarded,) = located(IN_THREAD, node.body[0])
            assert isinstance(guarded, ast.Try)
            guarded.body = node.body
            node.body = [*located(ENTER_THREAD, node.body[0]), guarded]
        return node


def _is_receiver_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node) == RECEIVER_CALL


def _flat(nodes: list[Any]) -> list[ast.stmt]:
    return [s for node in nodes for s in (node if isinstance(node, list) else [node])]


def _only(definition: Definition, what: str, found: list[Any]) -> Any:
    if len(found) != 1:
        raise _unexpected(definition, what)
    return found[0]


def _unexpected(definition: Definition, what: str) -> CannotInstrument:
    return CannotInstrument(f"Signal.{definition.name} is not as expected: {what}")
