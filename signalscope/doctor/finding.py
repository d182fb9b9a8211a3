"""What the doctor can find: the kinds with their ids, and one finding."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.checks import ERROR, INFO, WARNING

LEVELS = {"error": ERROR, "warning": WARNING, "info": INFO}
_NAMES = {number: name for name, number in LEVELS.items()}


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of fault.

    id: as system checks have it; never used again for something else.
    level: one of Django's levels for checks. title, why, hint: what it is, what harm it does,
    and what to do.
    """

    id: str
    level: int
    title: str
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One fault.

    message: a sentence on what was seen. file, line: where; "" and 0 where that is not known.
    signal, receiver: names, "" where it is about none. spots: (file, first line, last line) of
    what a comment to leave it out may stand in.
    weaker: a level to have in place of the kind's.
    """

    kind: Kind
    message: str
    file: str = ""
    line: int = 0
    signal: str = ""
    receiver: str = ""
    spots: tuple[tuple[str, int, int], ...] = ()
    weaker: int = 0

    @property
    def level(self) -> int:
        """One of Django's levels for checks."""
        return self.weaker or self.kind.level

    @property
    def level_name(self) -> str:
        """Its level as text: error, warning or info."""
        return _NAMES[self.level]

    @property
    def place(self) -> str:
        """File and line, as an editor opens them."""
        return f"{self.file}:{self.line}" if self.file else ""


CONNECTED_TWICE = Kind(
    "signalscope.D001",
    WARNING,
    "A receiver is connected more than once",
    "It runs that many times for each dispatch.",
    "Connect it once: import its module by one path only, and give it one dispatch_uid.",
)
HELD_WEAKLY = Kind(
    "signalscope.D002",
    ERROR,
    "A receiver is held weakly, and nothing else holds it",
    "connect() keeps a weak reference: the receiver is collected, and never runs.",
    "Write it as a function at the top level of a module, or connect it with weak=False.",
)
NEVER_SENT = Kind(
    "signalscope.D003",
    WARNING,
    "A receiver waits for a sender that sends nothing",
    "No signal is ever sent by a model that is swapped, abstract or not there.",
    "Connect it to the model in use: sender=settings.AUTH_USER_MODEL for signals of models, "
    "get_user_model() in ready() for others.",
)
NEVER_CALLED = Kind(
    "signalscope.D004",
    INFO,
    "A receiver was not called for long, though its signal was sent",
    "It may be dead code, or wait for the wrong sender.",
    "See what sends the signal: manage.py signalstats --signal NAME. Then correct the sender, or "
    "remove the receiver.",
)
SENT_TO_NOBODY = Kind(
    "signalscope.D005",
    INFO,
    "A signal is sent, and nobody is connected",
    "What should happen then does not: a receiver was removed, or its module is not imported.",
    "Connect a receiver, import the module that does, or remove the signal.",
)
NOT_IMPORTED = Kind(
    "signalscope.D006",
    WARNING,
    "A module with receivers is not imported",
    "Its receivers are connected in no process, or only in those that happen to import it.",
    "Import it in ready() of the app's AppConfig.",
)
WITHOUT_KWARGS = Kind(
    "signalscope.D007",
    WARNING,
    "A receiver takes no **kwargs",
    "With DEBUG, connect() refuses it; without, it fails once the signal has a further argument.",
    "Add **kwargs to its arguments.",
)
WITHOUT_NAME = Kind(
    "signalscope.D008",
    WARNING,
    "A receiver of send_robust() has no __qualname__",
    "When it fails, Django logs it by that name: send_robust() then raises AttributeError, does "
    "not call the receivers after it, and logs nothing.",
    "Connect a function, or give it the name: functools.update_wrapper(partial(...), function).",
)
SAVES_ITS_SENDER = Kind(
    "signalscope.D009",
    ERROR,
    "A receiver saves what it was sent for, on no condition",
    "The save sends the signal again, until RecursionError.",
    "Use QuerySet.update(), which sends nothing, set the field in pre_save without a save, or "
    "save on a condition that ends it.",
)
SYNC_IN_ASYNC = Kind(
    "signalscope.D010",
    INFO,
    "A sync receiver hears a signal that is sent by asend()",
    "Each asend() hands it to a thread and waits; what blocks there delays the whole request.",
    "Make it async, if it waits for something that can be awaited.",
)
QUERIES_IN_INIT = Kind(
    "signalscope.D011",
    WARNING,
    "A receiver of pre_init or post_init runs queries",
    "It does so for each instance that is made: a list of 100 objects costs 100 queries more.",
    "Run them where the answer is needed, such as in a cached_property of the model.",
)
WAITS_IN_TRANSACTION = Kind(
    "signalscope.D012",
    WARNING,
    "A receiver calls the network or sends mail within the transaction of its sender",
    "The transaction holds its locks while it waits, and a rollback does not take it back.",
    "Put @signalscope.on_commit or @signalscope.deferred below @receiver, or use "
    "transaction.on_commit().",
)

KINDS = (
    CONNECTED_TWICE,
    HELD_WEAKLY,
    NEVER_SENT,
    NEVER_CALLED,
    SENT_TO_NOBODY,
    NOT_IMPORTED,
    WITHOUT_KWARGS,
    WITHOUT_NAME,
    SAVES_ITS_SENDER,
    SYNC_IN_ASYNC,
    QUERIES_IN_INIT,
    WAITS_IN_TRANSACTION,
)
