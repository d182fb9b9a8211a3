"""Rules: the list, and the form that sets, changes and ends one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from signalscope.admin.base import ReadOnlyAdmin, receiver_url
from signalscope.admin.control_rule_form import GLOBS, ControlRuleForm
from signalscope.admin.history import SignalScopeHistoryMixin
from signalscope.conf import get_conf
from signalscope.formatting import short_names
from signalscope.models import ControlRule

CHANGE = "signalscope.change_controlrule"


class StateFilter(admin.SimpleListFilter):
    """Those in force, and those that have ended."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the two states."""
        return [("in force", _("in force")), ("ended", _("ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rules in a state."""
        if self.value() == "in force":
            in_force: QuerySet[Any] = queryset.in_force()  # type: ignore[attr-defined]
            return in_force
        if self.value() == "ended":
            return queryset.filter(until__lte=timezone.now())
        return queryset


class ControlRuleAdmin(SignalScopeHistoryMixin, ReadOnlyAdmin):
    """
    Who is not called, until when and why.

    Who may change rules may set them, too. One that has ended stays as it is, for the record.
    """

    form = ControlRuleForm
    list_display = ("state", "what", "end", "reason", "set_by", "created_at")
    list_display_links = ("what",)
    list_filter = (StateFilter,)
    actions = ("end_selected",)
    change_form_template = "admin/signalscope/rule_form.html"

    @admin.display(description=_("state"))
    def state(self, rule: ControlRule) -> SafeString:
        """Return whether it holds."""
        if rule.has_ended:
            return format_html('<span class="signalscope-badge">{}</span>', _("ended"))
        return format_html('<span class="signalscope-badge warning">{}</span>', _("in force"))

    @admin.display(description=_("what"))
    def what(self, rule: ControlRule) -> str:
        """Return what it does to whom."""
        return str(rule)

    @admin.display(description=_("until"))
    def end(self, rule: ControlRule) -> str:
        """Return when it ends or ended."""
        return end_label(rule)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may set rules: who may change them."""
        return request.user.has_perm(CHANGE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may change rules; nobody changes one that has ended."""
        return request.user.has_perm(CHANGE) and not (obj is not None and obj.has_ended)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may look at rules, ended ones as well."""
        return super().has_view_permission(request, obj) or request.user.has_perm(CHANGE)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the form's fields; for those who only look, all that is known."""
        if self.has_change_permission(request, obj):
            return (*GLOBS, "reason", "lasts", "until", "is_forced")
        return ("state", *GLOBS, "end", "reason", "is_forced", "set_by", "created_at")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the address says of whom to mute; how long is never said by it."""
        return {name: request.GET[name] for name in GLOBS if name in request.GET}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the form, and below it whom the rule matches."""
        form = context["adminform"].form
        if self.has_change_permission(request, context.get("original")):
            context["can_preview"] = True
            if form.is_preview:
                # To look at the preview is asked for below, and is no error.
                context["errors"] = None
            if form.has_globs and (form.is_preview or not form.errors):
                context |= {"reached": _lines(form), "shown": form.fingerprint}
                context["is_waiting"] = form.is_preview
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def save_model(self, request: HttpRequest, obj: ControlRule, form: Any, change: Any) -> None:
        """Save it under the name of the user, who answers for what it says from now on."""
        obj.set_by = request.user.get_username()[:255]
        obj.save(using=get_conf().database)

    @admin.action(description=_("End selected rules now"), permissions=["change"])
    def end_selected(self, request: HttpRequest, queryset: QuerySet[ControlRule]) -> None:
        """End the selected rules that are in force."""
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        rules = list(self.get_queryset(request).in_force().filter(pk__in=keys))  # type: ignore[attr-defined]
        for rule in rules:
            rule.until = timezone.now()
            rule.save(update_fields=["until"])
            self.log_change(request, rule, _now("Ended."))
        text = ngettext("%d rule has ended.", "%d rules have ended.", len(rules))
        self.message_user(request, text % len(rules))


def _lines(form: ControlRuleForm) -> list[dict[str, Any]]:
    """Return the receivers that a form's rule matches, as the preview shows them."""
    reached = form.reached()
    short = short_names(receiver.receiver for receiver in reached)
    return [
        {
            "receiver": receiver,
            "short_name": short[receiver.receiver],
            "url": receiver_url(receiver.receiver),
        }
        for receiver in reached
    ]


def end_label(rule: ControlRule) -> str:
    """Return when a rule ends, in the reader's time zone."""
    if rule.until is None:
        return _now("for good")
    until = timezone.localtime(rule.until) if timezone.is_aware(rule.until) else rule.until
    return date_format(until, "DATETIME_FORMAT")


def mute_url(**globs: str) -> str:
    """Return the address of a new rule's form that is filled in."""
    given = {name: glob for name, glob in globs.items() if glob}
    return f"{reverse('admin:signalscope_controlrule_add')}?{urlencode(given)}"
