"""The one page of payments."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from payments.models import Payment
from shop.models import Order


@login_required
@require_POST
def pay(request, pk):
    """Pay an order, and go back to its page."""
    with transaction.atomic():
        order = get_object_or_404(Order, pk=pk, customer=request.user)
        is_payable = order.is_open
        if is_payable:
            Payment.objects.create(order=order, amount=order.total)
    if is_payable:
        messages.success(request, f"{order} is paid. Your points were added.")
    else:
        messages.error(request, f"{order} cannot be paid any more.")
    return redirect(order)
