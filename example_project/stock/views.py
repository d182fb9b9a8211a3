"""The page of the stock, and what its buttons do."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db import transaction
from django.db.models import F
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST
from django.views.generic import ListView

from stock.forms import MoveForm
from stock.models import LowStockNotice, StockItem
from stock.moves import OutOfStock, move


class Stock(ListView):
    """How much there is of what, and what was told to run low."""

    queryset = StockItem.objects.select_related("product")
    template_name = "stock/index.html"

    def get_context_data(self, **kwargs):
        """Add the newest notices."""
        notices = LowStockNotice.objects.select_related("item__product")[:20]
        return super().get_context_data(notices=notices, **kwargs)


@staff_member_required(login_url="login")
@require_POST
@transaction.atomic
def move_item(request, pk):
    """Take from the stock, or add to it."""
    item = get_object_or_404(StockItem.objects.select_for_update(), pk=pk)
    form = MoveForm(request.POST)
    if form.is_valid():
        try:
            change = form.cleaned_data["amount"] * form.cleaned_data["direction"]
            move(item, change, f"by {request.user}")
            messages.success(request, f"There are {item} now.")
        except OutOfStock as error:
            messages.error(request, str(error))
    else:
        messages.error(request, "The amount must be a number from 1 to 999.")
    return redirect("stock:index")


@staff_member_required(login_url="login")
@require_POST
@transaction.atomic
def take_of_all(request):
    """Take five of whatever there are five of, by one statement: no item is loaded or saved."""
    item_count = StockItem.objects.filter(quantity__gte=5).update(quantity=F("quantity") - 5)
    messages.success(request, f"Took five of {item_count} products.")
    return redirect("stock:index")


@staff_member_required(login_url="login")
@require_POST
@transaction.atomic
def refill(request):
    """Fill up what is low, by one statement."""
    low = StockItem.objects.filter(quantity__lt=F("reorder_level"))
    item_count = low.update(quantity=F("reorder_level") * 2)
    messages.success(request, f"Refilled {item_count} products.")
    return redirect("stock:index")
