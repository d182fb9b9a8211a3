"""What the Signals page says of rules: who is muted now, and where to mute the others."""

from __future__ import annotations

from glob import escape
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from signalscope.admin.control_rule import CHANGE, end_label, mute_url
from signalscope.conf import get_conf
from signalscope.control.rules import Rule
from signalscope.models import ControlRule
from signalscope.models.rule import as_rule
from signalscope.registry.receivers import UNKNOWN
from signalscope.stats.coverage import ReceiverCoverage
from signalscope.stats.reach import may_keep_out


class Controls:
    """The rules in force, read in one query, as the user may see and set them."""

    def __init__(self, request: HttpRequest) -> None:
        self._may_change = request.user.has_perm(CHANGE)
        self._may_view = self._may_change or request.user.has_perm("signalscope.view_controlrule")
        stored = ControlRule.objects.using(get_conf().database).in_force()
        pairs = [(rule, as_rule(rule)) for rule in stored]
        # Of several rules the one that lasts longest says it all.
        self._rules = sorted(pairs, key=lambda pair: pair[1].end_s, reverse=True)

    def of(self, signal: str, receiver: ReceiverCoverage) -> dict[str, Any]:
        """Return the rule that keeps a receiver out, and the address to mute it."""
        for stored, rule in self._rules:
            if _keeps_out(rule, signal, receiver):
                return {"rule": self._shown(stored, receiver)}
        if not self._may_change:
            return {}
        info = receiver.info
        # Labels may have what globs take for more than a letter.
        globs = {
            "signal": escape(signal),
            "sender": "" if receiver.sender == UNKNOWN else escape(receiver.sender),
            "receiver": escape(receiver.receiver),
            "dispatch_uid": "" if info is None else escape(info.dispatch_uid),
        }
        return {"mute_url": mute_url(**globs)}

    def _shown(self, rule: ControlRule, receiver: ReceiverCoverage) -> dict[str, str]:
        end = end_label(rule)
        if rule.until is None:
            label = _("muted for good")
        else:
            label = _("muted until %(end)s") % {"end": end}
        if rule.sender and not receiver.sender:
            label = _("%(muted)s, for %(sender)s") % {"muted": label, "sender": rule.sender}
        url = ""
        if self._may_view:
            url = reverse("admin:signalscope_controlrule_change", args=[rule.pk])
        return {"label": label, "url": url}


def _keeps_out(rule: Rule, signal: str, receiver: ReceiverCoverage) -> bool:
    if receiver.info is not None:
        return may_keep_out(rule, receiver.info)
    # Of what is called elsewhere the dispatch_uid is not known.
    return (
        not rule.dispatch_uid
        and rule.hears(signal, receiver.sender)
        and rule.names(receiver.receiver)
    )
