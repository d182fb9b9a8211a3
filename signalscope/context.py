"""Who and what is behind the work in hand: request, user, address and user agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.functional import LazyObject

from signalscope.conf import get_conf
from signalscope.core.addresses import client_address, parse_address, shorten
from signalscope.core.blocks import Block
from signalscope.core.correlation import environ_id, find_headers
from signalscope.core.variables import leave
from signalscope.who import OF_REQUEST, Named, Who

if TYPE_CHECKING:
    from django.http import HttpRequest

MAX_TEXT_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Actor:
    """
    Who did something, as texts that outlive the request and the user.

    key: the user's primary key, "" for nobody. label: the user's own text. reason: why, as
    SignalContext.use() was told.
    """

    key: str = ""
    label: str = ""
    ip_address: str = ""
    user_agent: str = ""
    correlation_id: str = ""
    reason: str = ""


NOBODY = Actor()


def _tell_nobody(context: Context) -> None:
    """Do nothing: nobody records."""


class Context:
    """
    What is known of the work in hand; what nobody asks for is never looked up.

    request: None outside of requests. user: as Who has it; the request's unless given.
    texts: what is known of Actor's other fields; the request tells the rest.
    """

    # Called with each context that begins, so that the running trace knows who is behind it.
    attach: ClassVar[Callable[[Context], None]] = staticmethod(_tell_nobody)

    __slots__ = ("_actor", "_texts", "request", "who")

    def __init__(
        self,
        request: HttpRequest | None = None,
        user: Any = OF_REQUEST,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        self.request = request
        self.who = Who(request, user)
        self._texts = dict(texts) if texts else {}
        self._actor: Actor | None = None

    @classmethod
    def of(cls, actor: Actor) -> Context:
        """Return the context of work that somebody asked for in another process."""
        texts = {
            "ip_address": limit_address(actor.ip_address),
            "user_agent": actor.user_agent,
            "correlation_id": actor.correlation_id,
            "reason": actor.reason,
        }
        return cls(None, Named(actor.key, actor.label), texts)

    def within(self, user: Any, texts: Mapping[str, str]) -> Context:
        """Return one that differs in some texts, and in the user unless that is OF_REQUEST."""
        inner = Context(self.request, user, {**self._texts, **texts})
        if user is OF_REQUEST:
            inner.who = self.who
        return inner

    def text(self, name: str) -> str:
        """Return ip_address, user_agent, correlation_id or reason, "" where it is not known."""
        found = self._texts.get(name)
        if found is None:
            read = _READERS.get(name)
            found = "" if read is None or self.request is None else read(self.request)
            self._texts[name] = found
        return found

    def actor(self, *, may_query: bool) -> Actor:
        """
        Return who is behind it.

        may_query: whether a user who was not loaded yet may be; else only what is known counts.
        """
        named = self.who.named(may_query=may_query)
        actor = self._actor
        # Only the user may change.
        if actor is None or (actor.key, actor.label) != (named.key, named.label):
            actor = self._actor = Actor(
                named.key,
                named.label,
                self.text("ip_address"),
                self.text("user_agent"),
                self.text("correlation_id"),
                self.text("reason"),
            )
        return actor


CONTEXT: ContextVar[Context | None] = ContextVar("signalscope_context", default=None)


def begin(context: Context) -> Token[Context | None]:
    """Let a context be the running one; core.variables.leave() ends that."""
    token = CONTEXT.set(context)
    Context.attach(context)
    return token


def running_context() -> Context:
    """Return the running context, one that knows nothing where there is none."""
    return CONTEXT.get() or Context()


def running_actor(*, may_query: bool) -> Actor:
    """Return who is behind the running code, NOBODY where that is not known."""
    context = CONTEXT.get()
    return NOBODY if context is None else context.actor(may_query=may_query)


def limit_address(address: str) -> str:
    """Return as much of an address as IP_ADDRESS allows to be known."""
    mode = get_conf().ip_address
    if mode == "truncate":
        return shorten(address)
    return "" if mode == "off" else address


def _ip_address(request: HttpRequest) -> str:
    conf = get_conf()
    return limit_address(client_address(request.META, conf.trusted_proxies, conf.proxy_header))


def _user_agent(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_USER_AGENT", ""))[:MAX_TEXT_LENGTH]


def _correlation_id(request: HttpRequest) -> str:
    return environ_id(request.META, find_headers(tuple(get_conf().correlation_headers)))


_READERS: dict[str, Callable[[HttpRequest], str]] = {
    "ip_address": _ip_address,
    "user_agent": _user_agent,
    "correlation_id": _correlation_id,
}


class use(Block):  # noqa: N801
    """
    Say who and what is behind the work in a block, or in a function.

    user: an instance, a text such as "cron", or None for nobody. reason: why the work is done.
    What is not given is as it was outside of the block.
    Raises TypeError for what is neither, ValueError for an ip_address that is none.
    """

    def __init__(
        self,
        *,
        user: Any = OF_REQUEST,
        reason: str | None = None,
        ip_address: str | None = None,
        user_agent: str | None = None,
    ) -> None:
        self._given = {
            "reason": reason,
            "ip_address": ip_address,
            "user_agent": user_agent,
        }
        self._user = user
        self._who = _checked_user(user)
        self._texts = {
            name: _checked_text(name, value)
            for name, value in self._given.items()
            if value is not None
        }
        # One block may be open in several threads and tasks: each has a context of its own.
        self._tokens: dict[Context, Token[Context | None]] = {}

    def __enter__(self) -> None:
        inner = running_context().within(self._who, self._texts)
        self._tokens[inner] = begin(inner)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        inner = CONTEXT.get()
        # A generator may be closed in another context than it ran in.
        own = inner if inner in self._tokens else next(reversed(self._tokens))
        leave(self._tokens.pop(own))
        outer = CONTEXT.get()
        if outer is not None:
            Context.attach(outer)

    def again(self) -> use:
        """Return another one like this."""
        return use(user=self._user, **self._given)


def _checked_user(user: Any) -> Any:
    """Return what Who takes for a user."""
    # First of all, since to look at a lazy one would load it.
    if isinstance(user, LazyObject) or user is None or user is OF_REQUEST:
        return user
    if isinstance(user, str):
        return Named(label=user[:MAX_TEXT_LENGTH])
    if isinstance(user, type) or not hasattr(user, "pk"):
        raise TypeError(f"user is {user!r}; give a user, a text such as 'cron', or None for nobody")
    return user


def _checked_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}; give a text")
    if name != "ip_address":
        return value[:MAX_TEXT_LENGTH]
    address = parse_address(value)
    if address is None and value:
        raise ValueError(f"ip_address is {value!r}; give an address of IPv4 or IPv6, as text")
    return limit_address(str(address or ""))


class SignalContext:
    """
    Who and what is behind the work in hand, for a project to ask and to tell.

    It is the running thread's, task's or request's own; nothing of it is looked up unless asked.
    """

    use = use

    @staticmethod
    def set_request(request: HttpRequest) -> None:
        """Let a request be behind what runs from now on; the middleware does that by itself."""
        begin(Context(request))

    @staticmethod
    def clear() -> None:
        """Let nothing be behind what runs from now on."""
        CONTEXT.set(None)

    @staticmethod
    def get_request() -> HttpRequest | None:
        """Return the request, None outside of any."""
        return running_context().request

    @staticmethod
    def get_user() -> Any | None:
        """
        Return the user; None where nobody is logged in.

        As with request.user this may run a query, and raises SynchronousOnlyOperation where that
        is not allowed: see aget_user().
        """
        return running_context().who.user()

    @staticmethod
    async def aget_user() -> Any | None:
        """Return the user; None where nobody is logged in."""
        return await running_context().who.auser()

    @staticmethod
    def get_ip_address() -> str:
        """Return the client's address, as IP_ADDRESS and TRUSTED_PROXIES say; "" for none."""
        return running_context().text("ip_address")

    @staticmethod
    def get_user_agent() -> str:
        """Return what the client calls itself, up to 255 characters; "" for nothing."""
        return running_context().text("user_agent")

    @staticmethod
    def get_reason() -> str:
        """Return why the work is done, as use() was told; "" for nothing."""
        return running_context().text("reason")
