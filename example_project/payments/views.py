"""Paying, and the ledger."""

from io import StringIO

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST
from django.views.generic import ListView
from signalscope.models import Delivery

from payments.models import LedgerEntry, Outage, Payment
from shop.models import Order

QUEUE = "ledger"
ROW_COUNT = 20
STATES = (
    Delivery.State.PENDING,
    Delivery.State.RUNNING,
    Delivery.State.DONE,
    Delivery.State.FAILED,
)


@login_required
@require_POST
def pay(request, pk):
    """Pay an order, and go back to its page."""
    with transaction.atomic():
        # Of two clicks on the button, the second one waits here and finds the order paid.
        orders = Order.objects.select_for_update()
        order = get_object_or_404(orders, pk=pk, customer=request.user)
        is_payable = order.is_open
        if is_payable:
            Payment.objects.create(order=order, amount=order.total)
    if is_payable:
        messages.success(request, f"{order} is paid. Your points were added.")
    else:
        messages.error(request, f"{order} cannot be paid any more.")
    return redirect(order)


class LedgerPage(LoginRequiredMixin, ListView):
    """What is booked; for the shop keeper, also what waits to be, with the buttons."""

    template_name = "payments/ledger.html"
    context_object_name = "entries"

    def get_queryset(self):
        """Leave out what others paid, but for the shop keeper."""
        entries = LedgerEntry.objects.select_related("payment__order")
        if not self.request.user.is_staff:
            entries = entries.filter(payment__order__customer=self.request.user)
        return entries[:ROW_COUNT]

    def get_context_data(self, **kwargs):
        """Add the deliveries, as signalscope has them."""
        deliveries = Delivery.objects.filter(queue=QUEUE)
        counted = deliveries.order_by().values_list("state").annotate(Count("pk"))
        counts = dict(counted)
        return super().get_context_data(
            deliveries=deliveries[:ROW_COUNT],
            counts=[(state.label, counts.get(state, 0)) for state in STATES],
            has_outage=Outage.objects.exists(),
            **kwargs,
        )


@staff_member_required(login_url="login")
@require_POST
def run_worker(request):
    """Do what "manage.py signalscope deliver --once" does, and say what came of it."""
    said = StringIO()
    call_command("signalscope", "deliver", "--once", "--queue", QUEUE, stdout=said)
    messages.success(request, said.getvalue().strip())
    return redirect("payments:ledger")


@staff_member_required(login_url="login")
@require_POST
def try_now(request, key):
    """Let a delivery be due at once, whatever became of it before, and run the worker."""
    call_command("signalscope", "deliveries", "--retry", str(key), stdout=StringIO())
    return run_worker(request)


@staff_member_required(login_url="login")
@require_POST
def toggle_outage(request):
    """Let the book-keeping service not answer, or answer again."""
    if not Outage.objects.all().delete()[0]:
        Outage.objects.create()
    return redirect("payments:ledger")
