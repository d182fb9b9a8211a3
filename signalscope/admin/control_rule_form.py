"""The form of a rule: how long it lasts is chosen, and whom it matches is shown beforehand."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from signalscope.conf import get_conf
from signalscope.models import ControlRule
from signalscope.models.rule import as_rule
from signalscope.stats.reach import Reached, reach

GLOBS = ("signal", "sender", "receiver", "dispatch_uid")
_MATCH = (*GLOBS, "is_forced")
MOMENT, FOR_GOOD, NOW = "moment", "for good", "now"
DEFAULT = "1h"
LENGTHS: dict[str, tuple[timedelta, Promise]] = {
    "15m": (timedelta(minutes=15), _("15 minutes")),
    DEFAULT: (timedelta(hours=1), _("1 hour")),
    "8h": (timedelta(hours=8), _("8 hours")),
    "1d": (timedelta(days=1), _("1 day")),
    "7d": (timedelta(days=7), _("7 days")),
}
if TYPE_CHECKING:
    ModelForm = forms.ModelForm[ControlRule]
else:
    ModelForm = forms.ModelForm

# Posted by the page that showed whom the rule matches.
SHOWN = "_shown"
PREVIEW = "_preview"


class ControlRuleForm(ModelForm):
    """A rule, by what it matches and how long it lasts."""

    lasts = forms.ChoiceField(
        label=_("Lasts"),
        choices=[
            *((key, label) for key, (_length, label) in LENGTHS.items()),
            (MOMENT, _("until the moment below")),
            (FOR_GOOD, _("for good, until somebody ends it")),
        ],
        initial=DEFAULT,
        help_text=_("From now on; then the rule ends by itself."),
    )

    class Meta:
        model = ControlRule
        fields = (*GLOBS, "until", "reason", "is_forced")
        # Names are long.
        widgets = {
            name: AdminTextInputWidget(attrs={"class": "vLargeTextField"})
            for name in (*GLOBS, "reason")
        }
        help_texts = {
            "signal": _("A name, or a glob such as *.post_save. What is empty matches all."),
            "sender": _("Such as shop.Order or shop.*"),
            "receiver": _("Such as shop.receivers.sync_crm or shop.receivers.*"),
            "dispatch_uid": _("Of receivers that were connected with one."),
            "until": _("Where it lasts until a moment."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reached: list[Reached] | None = None
        if self.instance.pk is not None:
            lasts: Any = self.fields["lasts"]
            lasts.choices = [*lasts.choices, (NOW, _("end it now"))]
            lasts.initial = FOR_GOOD if self.instance.until is None else MOMENT

    @property
    def fingerprint(self) -> str:
        """What the preview is about; it is posted with the form that shows it."""
        return json.dumps(self._match())

    @property
    def has_globs(self) -> bool:
        """Whether there is something to preview."""
        match = self._match()
        return any(match[name] for name in GLOBS)

    def reached(self) -> list[Reached]:
        """Return the receivers that the rule matches now; one query."""
        if self._reached is None:
            rule = as_rule(ControlRule(**self._match()))
            self._reached = reach(rule, using=get_conf().database)
        return self._reached

    def clean(self) -> dict[str, Any]:
        """Ask for a glob, for the end, and for a look at the preview."""
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["until"] = self._end(cleaned)
        if self.errors:
            return cleaned
        if not self.has_globs:
            raise ValidationError(
                _("Say what to mute: a signal, a sender, a receiver or a dispatch_uid.")
            )
        reached = self.reached()
        if reached and all(receiver.is_spared for receiver in reached):
            self.add_error(
                "is_forced",
                _("Only receivers of Django's or signalscope's match. Tick this to mute them."),
            )
        elif PREVIEW in self.data or self.data.get(SHOWN) != self.fingerprint:
            raise ValidationError(_("See whom it matches, then save it."), code=PREVIEW)
        return cleaned

    @property
    def is_preview(self) -> bool:
        """Whether nothing stands in the way of saving but a look at the preview."""
        return bool(
            self.is_bound
            and list(self.errors) == [NON_FIELD_ERRORS]
            and self.has_error(NON_FIELD_ERRORS, PREVIEW)
        )

    def _end(self, cleaned: dict[str, Any]) -> Any:
        lasts, until = cleaned.get("lasts"), cleaned.get("until")
        if lasts == FOR_GOOD:
            return None
        if lasts != MOMENT:
            length = LENGTHS[lasts][0] if lasts in LENGTHS else timedelta()
            return (timezone.now() + length).replace(microsecond=0)
        if "until" not in self.errors and (until is None or until <= timezone.now()):
            self.add_error("until", _("Give a moment that is still to come."))
        return until

    def _match(self) -> dict[str, Any]:
        """Return what says whom the rule matches, as far as it is known."""
        if self.is_bound:
            values = self.cleaned_data
        else:
            values = {name: self.get_initial_for_field(self.fields[name], name) for name in _MATCH}
        globs = {name: values.get(name) or "" for name in GLOBS}
        return {**globs, "is_forced": bool(values.get("is_forced"))}
