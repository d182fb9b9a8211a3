"""How long stored deliveries wait, and how often they are tried, as the DELIVERY setting says."""

from __future__ import annotations

from dataclasses import dataclass, fields

from signalscope.conf import get_conf


@dataclass(frozen=True, slots=True)
class Policy:
    """
    How stored deliveries are run.

    max_attempts: how often one is tried, unless its receiver says so itself. lease_s: how long a
    receiver may take; then another worker may run it, too. hand_over_s: how long a delivery is
    left to the backend that it was handed to, before any worker takes it.
    """

    max_attempts: int = 10
    lease_s: float = 600.0
    hand_over_s: float = 60.0

    @classmethod
    def of_settings(cls) -> Policy:
        """Return what the setting says."""
        given = get_conf().delivery
        return cls(**{f.name: given[f.name] for f in fields(cls) if f.name in given})
