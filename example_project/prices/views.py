"""The page of prices, and what its buttons do."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import Prefetch
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST
from django.views.generic import ListView

from prices.forms import PriceForm
from prices.models import PriceChange, PriceSubscription
from shop.models import Product


class PriceList(ListView):
    """Each product with its price, and what it cost before."""

    template_name = "prices/index.html"

    def get_queryset(self):
        """Return the products, each with its last three changes."""
        changes = Prefetch("price_changes", PriceChange.objects.all()[:3], to_attr="last_changes")
        return Product.objects.prefetch_related(changes)

    def get_context_data(self, **kwargs):
        """Add the keys of the products that the visitor subscribed to."""
        subscriptions = PriceSubscription.objects.filter(subscriber_id=self.request.user.pk)
        subscribed = set(subscriptions.values_list("product_id", flat=True))
        return super().get_context_data(subscribed=subscribed, **kwargs)


@staff_member_required(login_url="login")
@require_POST
@transaction.atomic
def set_price(request, slug):
    """Give a product another price."""
    # Locked, so that of two at the same time the second knows the price that the first has set.
    product = get_object_or_404(Product.objects.select_for_update(), slug=slug)
    form = PriceForm(request.POST)
    if form.is_valid():
        product.price = form.cleaned_data["price"]
        product.save(update_fields=["price"])
        messages.success(request, f"{product} costs {product.price:.2f} €.")
    else:
        messages.error(request, " ".join(form.errors["price"]))
    return redirect("prices:index")


@login_required
@require_POST
def subscribe(request, slug):
    """Tell the visitor from now on when a product's price changes."""
    product = get_object_or_404(Product, slug=slug)
    if request.user.email:
        product.price_subscriptions.get_or_create(subscriber=request.user)
        messages.success(request, f"You get a mail when the price of {product} changes.")
    else:
        messages.error(request, "Your account has no e-mail address to write to.")
    return redirect("prices:index")


@login_required
@require_POST
def unsubscribe(request, slug):
    """Tell the visitor no longer."""
    product = get_object_or_404(Product, slug=slug)
    product.price_subscriptions.filter(subscriber=request.user).delete()
    messages.success(request, f"You get no more mails about {product}.")
    return redirect("prices:index")
