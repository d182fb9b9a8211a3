"""The shop keeper's pages."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from fulfilment.life import call_off, ship_order
from fulfilment.models import StatusChange
from shop.exceptions import OrderRefused
from shop.models import Order

STEP_COUNT = 20


@staff_member_required(login_url="login")
def desk(request):
    """Show which orders are to be shipped, and what happened to orders lately."""
    orders = Order.objects.filter(status=Order.Status.PAID).order_by("pk")
    context = {
        "orders": orders.select_related("customer").prefetch_related("lines__product"),
        "changes": StatusChange.objects.select_related("order").order_by("-pk")[:STEP_COUNT],
    }
    return render(request, "fulfilment/desk.html", context)


@staff_member_required(login_url="login")
@require_POST
def ship(request, pk):
    """Ship an order, and go back to its page."""
    return _take_step(request, pk, ship_order, "is shipped")


@staff_member_required(login_url="login")
@require_POST
def cancel(request, pk):
    """Cancel an order and give the money back, and go back to its page."""
    return _take_step(request, pk, call_off, "is cancelled")


def _take_step(request, pk, step, done):
    order = get_object_or_404(Order, pk=pk)
    try:
        step(order)
        messages.success(request, f"{order} {done}.")
    except OrderRefused as error:
        messages.error(request, str(error))
    return redirect(order)
