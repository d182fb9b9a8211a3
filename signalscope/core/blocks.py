"""Blocks that can stand as ``with`` and as a decorator, of sync and of async functions."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Block(ABC):
    """What contextlib.ContextDecorator is, with coroutine functions: each call has its block."""

    @abstractmethod
    def __enter__(self) -> None:
        """Begin the block."""

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the block."""

    @abstractmethod
    def again(self) -> Self:
        """Return another one like this, for each call of a decorated function."""

    def __call__(self, function: Function) -> Function:
        """
        Decorate a function, sync or async.

        Raises TypeError for generators, whose bodies do not run when they are called.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__qualname__} is a generator; use "
                f"'with {type(self).__name__}(...)' inside of it"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with self.again():
                    return await function(*args, **kwargs)

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self.again():
                return function(*args, **kwargs)

        return called  # type: ignore[return-value]
