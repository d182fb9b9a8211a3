"""Runs all diagnoses, each guarded, and leaves out what is to be left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from signalscope.doctor import (
    identities,
    lifetimes,
    modules,
    queries,
    saving,
    senders,
    signatures,
    usage,
    waiting,
)
from signalscope.doctor.finding import NEVER_CALLED, Finding
from signalscope.doctor.project import Project

Diagnosis = Callable[[Project], Iterator[Finding]]

# What costs no more than a look at each receiver; system checks run these.
QUICK: tuple[Diagnosis, ...] = (
    identities.connected_twice,
    senders.silent_senders,
    modules.not_imported,
    signatures.without_kwargs,
)
ALL: tuple[Diagnosis, ...] = (
    *QUICK,
    lifetimes.held_weakly,
    senders.lazy_senders,
    senders.senders_by_name,
    usage.never_called,
    usage.sent_to_nobody,
    signatures.without_name,
    saving.saves_its_sender,
    waiting.sync_in_async,
    queries.queries_in_init,
    waiting.waits_in_transaction,
)
_COMMENT = re.compile(r"#\s*signalscope:\s*ignore=([\w., ]+)")


@dataclass(frozen=True, slots=True)
class Report:
    """
    What came out.

    findings: the most severe first. silenced_count: how many a comment or setting leaves out.
    unread: names of receivers whose source cannot be read. failed: diagnoses that could not be
    made, each with the error.
    """

    findings: list[Finding]
    silenced_count: int
    receiver_count: int
    signal_count: int
    unread: list[str]
    failed: dict[str, str] = field(default_factory=dict)


def examine(
    project: Project, diagnoses: Iterable[Diagnosis] = ALL, *, silenced: Iterable[str] = ()
) -> Report:
    """
    Return what the diagnoses find in a project, no finding twice.

    silenced: ids that are left out. A diagnosis that fails does not stop the others.
    """
    found: list[Finding] = []
    failed = {}
    for diagnose in diagnoses:
        try:
            found += diagnose(project)
        except Exception as error:  # noqa: BLE001
            failed[diagnose.__name__] = f"{type(error).__name__}: {error}"
    distinct = _distinct(found)
    ids = set(silenced)
    kept = [one for one in distinct if one.kind.id not in ids and not _has_comment(project, one)]
    return Report(
        findings=sorted(kept, key=_order),
        silenced_count=len(distinct) - len(kept),
        receiver_count=project.receiver_count,
        signal_count=project.signal_count,
        unread=sorted(project.unread),
        failed=failed,
    )


def _distinct(found: Iterable[Finding]) -> list[Finding]:
    distinct = {(one.kind.id, one.message, one.place): one for one in found}.values()
    # Why a receiver is not called is told, where that is known.
    told = {(one.signal, one.receiver) for one in distinct if one.kind is not NEVER_CALLED}
    return [
        one
        for one in distinct
        if one.kind is not NEVER_CALLED or (one.signal, one.receiver) not in told
    ]


def _order(one: Finding) -> tuple[int, str, str, int, str]:
    return -one.level, one.kind.id, one.file, one.line, one.message


def _has_comment(project: Project, one: Finding) -> bool:
    """Tell whether a comment such as "signalscope: ignore=D007" stands at one of its spots."""
    number = one.kind.id.rpartition(".")[2]
    for file, first, last in one.spots:
        source = project.sources.read(file, "")
        for line in [] if source is None else source.lines[max(first - 1, 0) : last]:
            comment = _COMMENT.search(line)
            if comment and number in re.split(r"[\s,]+", comment[1]):
                return True
    return False
