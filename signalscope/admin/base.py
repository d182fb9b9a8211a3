"""Read-only pages whose cost does not grow with their table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from signalscope.conf import get_conf
from signalscope.formatting import duration
from signalscope.models import Trace

# Behind these pages a filter finds more than leafing does, and the database reads less.
MAX_PAGES = 100

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class UncountedPaginator(Paginator):  # type: ignore[type-arg]
    """
    Counts no further than the first row of the next page.

    page_number: the page that is shown.
    """

    page_number = 1

    @cached_property
    def count(self) -> int:
        """How many rows there are up to the one after this page."""
        if not 1 <= self.page_number <= MAX_PAGES:
            # More than one page, so that the list looks for this one, and finds none.
            return MAX_PAGES * self.per_page
        return (self.page_number - 1) * self.per_page + len(self._keys)

    @cached_property
    def _keys(self) -> list[Any]:
        """The keys of this page's rows, and of the first one of the next page."""
        start = (self.page_number - 1) * self.per_page
        end = start + self.per_page + (self.page_number < MAX_PAGES)
        rows: Any = self.object_list
        return list(rows.values_list("pk", flat=True)[start:end])

    def page(self, number: int | str) -> Any:
        """Return a page; the rows before it are passed over by key, not joined to others."""
        number = self.validate_number(number)
        if number != self.page_number:
            return super().page(number)
        rows: Any = self.object_list
        shown = rows.filter(pk__in=self._keys[: self.per_page])
        return self._get_page(shown, number, self)  # type: ignore[attr-defined]

    @property
    def is_at_end(self) -> bool:
        """Whether this is the last page that is offered, however many rows there are."""
        return self.page_number == MAX_PAGES


class NewestFirst(ChangeList):
    """A list by primary key, whatever the address asks for: no other order has an index."""

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        """Return what to filter by; a text that a database refuses leads back to the list."""
        found: dict[str, Any] = super().get_filters_params(params)
        if any("\0" in value for values in found.values() for value in values):
            raise IncorrectLookupParameters
        return found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the one order."""
        return ["-pk"]

    def get_ordering_field_columns(self) -> dict[int, Any]:
        """Return nothing: no column shows an arrow."""
        return {}


class ReadOnlyAdmin(ModelAdmin):
    """
    Rows to look at, from the database that signalscope writes to.

    extra_lookups: what an address may filter by, beside the filters of the list.
    """

    actions: Sequence[str] | None = None
    # Found by its name, the one of SignalScopeHistoryMixin would be taken.
    object_history_template = "admin/object_history.html"
    list_per_page = 50
    # "Show all" would read a whole table.
    list_max_show_all = 0
    ordering = ("-pk",)
    paginator = UncountedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()
    extra_lookups: tuple[str, ...] = ()

    class Media:
        css = {"all": ("signalscope/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds a row."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes a row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a row."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read from the database that the writer writes to."""
        return super().get_queryset(request).using(get_conf().database)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that is always in one order."""
        return NewestFirst

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        per_page: int,
        orphans: int = 0,
        allow_empty_first_page: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """Return a paginator that knows which page it is for."""
        paginator = super().get_paginator(
            request, queryset, per_page, orphans, allow_empty_first_page
        )
        try:
            paginator.page_number = int(request.GET.get(PAGE_VAR, 1))  # type: ignore[attr-defined]
        except ValueError:
            pass
        return paginator

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the list's own filters only: any other one could read a whole table."""
        allowed = {"id__exact", "pk", *self.extra_lookups}
        for entry in self.list_filter:
            if isinstance(entry, str):
                allowed |= {f"{entry}__exact", f"{entry}__isnull"}
            else:
                allowed.add(getattr(entry, "parameter_name", ""))
        return lookup in allowed


class PageAdmin(ReadOnlyAdmin):
    """
    Rows with a page that is more than their fields.

    page_template: shows what page_context() returns.
    """

    page_template: str

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what the template needs beside what every admin page needs."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a row; of one that is gone, Django says so."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            redirect: HttpResponse = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
                request, self.opts, object_id
            )
            return redirect
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            self.page_template,
            {
                **self.admin_site.each_context(request),
                "title": capfirst(self.opts.verbose_name),
                "subtitle": str(row),
                "opts": self.opts,
                "media": self.media,
                **self.page_context(request, row),
                **(extra_context or {}),
            },
        )


def short(name: str) -> SafeString:
    """Return the last part of a dotted name, with the whole as its title."""
    return format_html('<span title="{}">{}</span>', name, name.rpartition(".")[2] or name)


def shown_duration(ns: int) -> SafeString:
    """Return a duration with its unit, which stays on the same line."""
    return format_html('<span class="signalscope-number">{}</span>', duration(ns))


def receiver_url(receiver: str) -> str:
    """Return the address of a receiver's statistics."""
    address = reverse("admin:signalscope_receiver")
    return f"{address}?{urlencode({'receiver': receiver})}"


def trace_url(key: int) -> str:
    """Return the address of a trace's page."""
    return reverse("admin:signalscope_trace_change", args=[key])


def stored_trace_url(key: int | None) -> str:
    """Return the address of a trace's page; "" where the trace is not stored."""
    if key is None or not Trace.objects.using(get_conf().database).filter(pk=key).exists():
        return ""
    return trace_url(key)
