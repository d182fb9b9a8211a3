"""The page of the price list, and what its buttons do."""

from decimal import Decimal

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db import transaction
from django.db.models import F
from django.shortcuts import redirect
from django.views.decorators.http import require_POST
from django.views.generic import TemplateView

from pricelist.cached import get_price_list, read_prices
from pricelist.forms import RaiseForm
from shop.models import Product

STEP = Decimal("0.10")


class CachedList(TemplateView):
    """The cached prices, beside those that are stored."""

    template_name = "pricelist/index.html"

    def get_context_data(self, **kwargs):
        """Add the rows, and whether the cached ones are the stored ones."""
        price_list, stored = get_price_list(), read_prices()
        cached = price_list["prices"]
        nothing = (None, None)
        # What is cached and gone comes last.
        rows = [
            {"cached": cached.get(pk, nothing), "stored": stored.get(pk, nothing)}
            for pk in {**stored, **cached}
        ]
        return super().get_context_data(
            rows=rows,
            made_at=price_list["made_at"],
            is_stale=cached != stored,
            form=RaiseForm(auto_id=False),
            **kwargs,
        )


@staff_member_required(login_url="login")
@require_POST
def raise_price(request):
    """Make a product dearer, by one of three ways."""
    form = RaiseForm(request.POST)
    if form.is_valid():
        with transaction.atomic():
            WAYS[form.cleaned_data["way"]](form.cleaned_data["product"].pk)
        messages.success(request, f"{form.cleaned_data['product']} costs {STEP} € more.")
    else:
        messages.error(request, "Choose a product, and one of the buttons.")
    return redirect("pricelist:index")


def raise_by_save(pk):
    """Load and save the product: Django sends post_save."""
    product = Product.objects.select_for_update().get(pk=pk)
    product.price += STEP
    product.save(update_fields=["price"])


def raise_by_update(pk):
    """Update the row: signalscope's manager sends bulk_updated."""
    Product.objects.filter(pk=pk).update(price=F("price") + STEP)


def raise_unheard(pk):
    """Update the row as Django's own manager does: it sends nothing."""
    Product.objects.filter(pk=pk).update(price=F("price") + STEP, send_signals=False)


WAYS = {"save": raise_by_save, "bulk": raise_by_update, "unheard": raise_unheard}
