"""Pages of the shop."""

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.cache import cache
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from django.views.generic import DetailView, FormView, ListView

from shop.exceptions import OrderRefused
from shop.forms import NewsletterForm, OrderForm
from shop.models import Order, Product
from shop.orders import cancel_order, place_order
from shop.receivers import BEST_SELLERS
from shop.signals import newsletter_requested, pulse_taken


class ProductList(ListView):
    """All products."""

    model = Product

    def get_context_data(self, **kwargs):
        """Add the names of the best sellers."""
        return super().get_context_data(best_sellers=cache.get(BEST_SELLERS, []), **kwargs)


class ProductPage(DetailView):
    """One product, with the form to order it."""

    model = Product
    extra_context = {"form": OrderForm()}


@login_required
@require_POST
def order_product(request, slug):
    """Order a product, and go to the order's page."""
    product = get_object_or_404(Product, slug=slug)
    form = OrderForm(request.POST)
    if not form.is_valid():
        return render(request, "shop/product_detail.html", {"product": product, "form": form})
    try:
        order = place_order(request.user, product, form.cleaned_data["quantity"])
    except OrderRefused as error:
        messages.error(request, str(error))
        return redirect(product)
    messages.success(request, "Thank you for your order.")
    return redirect(order)


class OwnOrders(LoginRequiredMixin):
    """Orders of the customer who is logged in."""

    def get_queryset(self):
        """Leave out what others ordered."""
        return Order.objects.filter(customer=self.request.user).prefetch_related("lines__product")


class OrderList(OwnOrders, ListView):
    """All of a customer's orders."""


class OrderPage(OwnOrders, DetailView):
    """One order, its log, and buttons for what can be done with it."""

    def get_queryset(self):
        """Let the shop keeper see all orders."""
        if self.request.user.is_staff:
            return Order.objects.prefetch_related("lines__product")
        return super().get_queryset()


@login_required
@require_POST
def cancel(request, pk):
    """Cancel an order."""
    order = get_object_or_404(Order, pk=pk, customer=request.user)
    try:
        cancel_order(order)
        messages.success(request, f"{order} is cancelled.")
    except OrderRefused as error:
        messages.error(request, str(error))
    return redirect(order)


async def pulse(request):
    """Show how the shop is doing, as far as receivers of a signal say."""
    answers = await pulse_taken.asend(sender=pulse)
    facts = [answer for _, answer in answers if answer]
    # The page reads the session to say who is logged in, which is not for the event loop.
    return await sync_to_async(render)(request, "shop/pulse.html", {"facts": facts})


class NewsletterPage(FormView):
    """Asks for a newsletter, by a signal that nobody hears."""

    form_class = NewsletterForm
    template_name = "shop/newsletter.html"

    def form_valid(self, form):
        """Send the signal and thank the visitor."""
        # Nobody hears it, to show that signalscope says so.
        email = form.cleaned_data["email"]
        newsletter_requested.send(sender=Product, email=email)  # signalscope: ignore=D005
        messages.success(self.request, "Thank you. The first newsletter will come one day.")
        return redirect("shop:product_list")
