"""Deliveries: their list, the page of one, and what can be done about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import Error, connections
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from signalscope.admin.activity_databases import DATABASE_VAR
from signalscope.admin.base import NewestFirst, PageAdmin, receiver_url, short
from signalscope.admin.filters import PERIODS
from signalscope.admin.payload import arguments
from signalscope.conf import get_conf
from signalscope.models import Delivery, Rollup
from signalscope.models.delivery_queries import DeliveryQuerySet
from signalscope.outbox.acts import cancel, retry
from signalscope.outbox.databases import default_database, possible_databases

_ERROR_LENGTH = 120
State = Delivery.State

View = Callable[..., HttpResponse]


def _where_deliveries_are(view: View) -> View:
    """Let a view run where there is a table; else say why not, and lead to the project's own."""

    @wraps(view)
    def run(self: DeliveryAdmin, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if why_not := _why_not(request.GET.get(DATABASE_VAR)):
            self.message_user(request, why_not, messages.ERROR)
            return HttpResponseRedirect(reverse("admin:signalscope_delivery_changelist"))
        return view(self, request, *args, **kwargs)

    return run


def _why_not(alias: str | None) -> str:
    """Return why there are no deliveries in a database that an address names, "" if there are."""
    if not alias or alias == default_database():
        return ""
    if alias not in possible_databases():
        return gettext("There are no deliveries in a database %(name)r.") % {"name": alias}
    named = {"name": alias, "command": f"manage.py migrate signalscope --database {alias}"}
    try:
        if Delivery._meta.db_table in connections[alias].introspection.table_names():
            return ""
    except (Error, ImproperlyConfigured) as error:
        return gettext("The database %(name)r cannot be read: %(error)s") % {
            **named,
            "error": error,
        }
    return (
        gettext("signalscope's tables are not in the database %(name)r. Run: %(command)s") % named
    )


class AgeFilter(admin.SimpleListFilter):
    """Those that are new, and those that have been there for long."""

    title = _("age")
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the ages."""
        newest = [(key, label) for key, (_length, label) in PERIODS.items()]
        return [*newest, ("over-1h", _("Over an hour")), ("over-24h", _("Over 24 hours"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep those of an age."""
        value = self.value() or ""
        name = value.removeprefix("over-")
        if name not in PERIODS:
            return queryset
        since = timezone.now() - PERIODS[name][0]
        return queryset.filter(**{f"created_at__{'gte' if name == value else 'lt'}": since})


class DeliveryDatabaseFilter(admin.SimpleListFilter):
    """One database at a time."""

    title = _("database")
    parameter_name = DATABASE_VAR

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the databases, if there are several."""
        aliases = possible_databases()
        return [(alias, alias) for alias in aliases] if len(aliases) > 1 else []

    def value(self) -> str:
        """Return which one is chosen; the project's own without a choice."""
        return super().value() or default_database()

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Give the databases, without a choice for all of them."""
        choices = super().choices(changelist)
        next(choices)
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep all: get_queryset() has chosen the database."""
        return queryset


class DeliveryList(NewestFirst):
    """The list, whose links name the database where that is not the project's own."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Return the rows without what only their pages show."""
        return super().get_queryset(*args, **kwargs).defer("payload", "context")

    def url_for_result(self, result: Any) -> str:
        """Return the address of a delivery's page."""
        return delivery_url(result.pk, result._state.db)


class DeliveryAdmin(PageAdmin):
    """What is promised, and what became of it."""

    list_display = (
        "created_at",
        "shown_state",
        "age",
        "short_receiver",
        "short_signal",
        "tries",
        "lapse_count",
        "queue",
        "error",
    )
    list_filter = ("state", AgeFilter, DeliveryDatabaseFilter)
    # From one delivery to the others of its object.
    extra_lookups = ("order_key__exact", "receiver__exact")
    actions = ("retry_selected", "cancel_selected")
    page_template = "admin/signalscope/delivery.html"

    @admin.display(description=_("state"))
    def shown_state(self, row: Delivery) -> SafeString:
        """Return the state; one that asks for somebody stands out."""
        label = State(row.state).label
        if row.state == State.FAILED:
            return format_html('<span class="signalscope-badge error">{}</span>', label)
        return format_html("{}", label)

    @admin.display(description=_("age"))
    def age(self, row: Delivery) -> str:
        """Return how long ago it was promised."""
        return timesince(row.created_at, depth=1)

    @admin.display(description=_("receiver"))
    def short_receiver(self, row: Delivery) -> SafeString:
        """Return the receiver's name."""
        return short(row.receiver)

    @admin.display(description=_("signal"))
    def short_signal(self, row: Delivery) -> SafeString:
        """Return the signal's name."""
        return short(row.signal)

    @admin.display(description=_("attempts"))
    def tries(self, row: Delivery) -> str:
        """Return how many there were, of how many."""
        return f"{row.attempts}/{row.max_attempts}"

    @admin.display(description=_("last error"))
    def error(self, row: Delivery) -> str:
        """Return the beginning of the last error."""
        return Truncator(row.last_error).chars(_ERROR_LENGTH)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Tell who may act: who may change deliveries, though nothing else in them changes."""
        return request.user.has_perm("signalscope.change_delivery")

    @admin.action(description=_("Run selected deliveries at once"), permissions=["act"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the selected ones be tried again."""
        self._act(request, "retry", request.POST.getlist(ACTION_CHECKBOX_NAME))

    @admin.action(description=_("Cancel selected deliveries"), permissions=["act"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the selected ones never be run."""
        self._act(request, "cancel", request.POST.getlist(ACTION_CHECKBOX_NAME))

    # Django has each of these read a row or the list, whatever the user may do.
    changelist_view = _where_deliveries_are(PageAdmin.changelist_view)
    change_view = _where_deliveries_are(PageAdmin.change_view)
    delete_view = _where_deliveries_are(PageAdmin.delete_view)
    history_view = _where_deliveries_are(PageAdmin.history_view)

    @_where_deliveries_are
    def act_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Do something about one delivery, and show it again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_act_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, str(object_id))
        if row is not None:
            self._act(request, request.POST.get("act", ""), [str(object_id)])
        # The page of one that is gone says so.
        return HttpResponseRedirect(delivery_url(object_id, self.get_queryset(request).db))

    def _act(self, request: HttpRequest, name: str, keys: Sequence[str]) -> None:
        """Change those that are there, by key: never a whole table."""
        if name not in _ACTS:
            return
        count = _ACTS[name](self.get_queryset(request).filter(pk__in=keys))
        if name == "retry":
            text = ngettext("%d delivery is run at once.", "%d deliveries are run at once.", count)
        else:
            text = ngettext("%d delivery is cancelled.", "%d deliveries are cancelled.", count)
        self.message_user(request, text % count)
        if count < len(keys):
            self.message_user(request, _("Those that are running or done stay as they are."))

    def get_urls(self) -> list[URLPattern]:
        """Return also the address that does something about a delivery."""
        act = self.admin_site.admin_view(self.act_view)
        return [
            path("<int:object_id>/act/", act, name="signalscope_delivery_act"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> DeliveryQuerySet:
        """Read from the database that the address names, if deliveries can be there."""
        alias = request.GET.get(DATABASE_VAR)
        known = possible_databases()
        using = alias if alias in known else default_database()
        return Delivery.objects.using(using).order_by("-pk")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows the database of its rows."""
        return DeliveryList

    def page_context(self, request: HttpRequest, row: Delivery) -> dict[str, Any]:
        """Return what the page of a delivery shows; no query."""
        has_links = self.admin_site.get_model_admin(Rollup).has_view_permission(request)
        act_url = reverse("admin:signalscope_delivery_act", args=[row.pk])
        return {
            "delivery": row,
            "arguments": arguments(row.payload, get_conf().mask),
            "actor": row.context.get("actor", {}),
            "receiver_url": receiver_url(row.receiver) if row.receiver and has_links else "",
            "can_act": self.has_act_permission(request),
            "can_retry": row.state in (State.PENDING, State.FAILED, State.CANCELLED),
            "can_cancel": row.state in (State.PENDING, State.FAILED),
            "act_url": _with_database(act_url, row._state.db),
        }


_ACTS: dict[str, Callable[[DeliveryQuerySet], int]] = {"retry": retry, "cancel": cancel}


def delivery_url(key: int, using: str | None) -> str:
    """Return the address of a delivery's page."""
    return _with_database(reverse("admin:signalscope_delivery_change", args=[key]), using)


def _with_database(url: str, using: str | None) -> str:
    if using is None or using == default_database():
        return url
    return f"{url}?{urlencode({DATABASE_VAR: using})}"
