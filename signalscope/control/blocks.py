"""Blocks that may be open several times at once, and that decorate classes, too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType, TracebackType
from typing import Any, Self

from signalscope.core.blocks import Block, Function

# Of the methods with two underscores, those that a project calls as it calls any other.
_CALLED_BY_NAME = ("__init__", "__call__")
# pytest counts the parameters of these as they are, not of what they wrap.
_COUNTED = ("setup_class", "setup_method", "teardown_method", "teardown_class")


class ControlBlock(Block):
    """
    A block that one instance may have open in several threads and tasks, and within itself.

    It stands as ``with`` and ``async with``, and decorates functions, coroutine functions and
    classes.
    """

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def again(self) -> Self:
        """Return itself, for each call of a decorated function."""
        return self

    def __call__(self, target: Function) -> Function:
        """
        Decorate a function, or a class: each of its own methods, and all of a TestCase.

        Raises TypeError for generators, whose bodies do not run when they are called, and for
        classes without methods of their own.
        """
        if not isinstance(target, type):
            return super().__call__(target)
        # As every subclass of unittest.TestCase has it; the module is not loaded for nothing.
        if hasattr(target, "enterClassContext"):
            _decorate_test_case(self, target)
        else:
            _decorate_methods(self, target)
        return target


def _decorate_methods(block: ControlBlock, cls: type) -> None:
    decorated = dict(_decorated_methods(block, cls))
    if not decorated:
        raise TypeError(
            f"{cls.__qualname__} has no methods of its own; decorate what has, or use "
            f"'with {type(block).__name__}(...)' where it is used"
        )
    for name, method in decorated.items():
        setattr(cls, name, method)


def _decorated_methods(block: ControlBlock, cls: type) -> Iterator[tuple[str, object]]:
    for name, method in vars(cls).items():
        if name.startswith("__") and name.endswith("__") and name not in _CALLED_BY_NAME:
            continue
        kind = type(method)
        function = method.__func__ if kind in (staticmethod, classmethod) else method
        if type(function) is not FunctionType:
            continue
        decorated: Callable[..., Any] = block(function)
        if name in _COUNTED and function.__code__.co_argcount == 1:
            decorated = _with_one_parameter(decorated)
        yield name, decorated if function is method else kind(decorated)


def _with_one_parameter(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(target: Any) -> Any:
        return function(target)

    return called


def _decorate_test_case(block: ControlBlock, cls: Any) -> None:
    """Let the block be open from setUpClass() to the end of the class, also in subclasses."""
    own = vars(cls).get("setUpClass")

    def setUpClass(tests: Any) -> None:
        tests.enterClassContext(block)
        if own is None:
            super(cls, tests).setUpClass()
        else:
            own.__get__(None, tests)()

    cls.setUpClass = classmethod(setUpClass)
    # The tests of an IsolatedAsyncioTestCase run in a context that is older than setUpClass().
    if hasattr(cls, "asyncSetUp"):
        _open_in_set_up(block, cls)


def _open_in_set_up(block: ControlBlock, cls: Any) -> None:
    own = vars(cls).get("setUp")

    def setUp(test: Any) -> None:
        test.enterContext(block)
        if own is None:
            super(cls, test).setUp()
        else:
            own.__get__(test)()

    cls.setUp = setUp
