"""The page of search."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db import transaction
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from signalscope.delivery.processor import flush_all

from search.models import SearchEntry
from search.tally import tally
from shop.models import Product

keepers_only = staff_member_required(login_url="login")


def index(request):
    """Search, or show what the index does: again each second while something waits."""
    words = request.GET.get("q", "")
    counts = tally.read()
    names = Product.objects.in_bulk(counts["waiting"])
    waiting = [
        (names.get(key, "A product that is deleted"), count)
        for key, count in counts["waiting"].items()
    ]
    context = {
        **counts,
        "words": words,
        "entries": SearchEntry.objects.search(words).select_related("product")[:50],
        "waiting": waiting,
    }
    response = render(request, "search/index.html", context)
    if counts["is_busy"] and not words:
        response["Refresh"] = "1"
    return response


@keepers_only
@require_POST
def save_all(request):
    """Save each product three times, as careless code does."""
    with transaction.atomic():
        products = list(Product.objects.all())
        for _ in range(3):
            for product in products:
                product.save()
    messages.success(request, f"{len(products)} products were saved three times each.")
    return redirect("search:index")


@keepers_only
@require_POST
def flush(request):
    """Index at once what waits for the next batch."""
    if flush_all():
        messages.success(request, "What waited is indexed now.")
    else:
        messages.success(request, "Nothing waits to be indexed.")
    return redirect("search:index")
