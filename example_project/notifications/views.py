"""The page of notifications."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from notifications.forms import PriceForm
from notifications.models import Follow
from shop.models import Product


@login_required
def index(request):
    """Show what the user was told, and which products there are to follow."""
    own = Follow.objects.filter(user=request.user, product=OuterRef("pk"))
    products = Product.objects.annotate(is_followed=Exists(own), follower_count=Count("follows"))
    # Django leaves the model's own order out where it groups.
    products = products.order_by("name")
    return render(
        request,
        "notifications/index.html",
        {
            "notifications": request.user.notifications.select_related("product")[:50],
            "products": products,
        },
    )


@login_required
@require_POST
def follow(request, slug):
    """Follow a product."""
    product = get_object_or_404(Product, slug=slug)
    Follow.objects.get_or_create(user=request.user, product=product)
    return redirect("notifications:index")


@login_required
@require_POST
def unfollow(request, slug):
    """Follow a product no longer."""
    Follow.objects.filter(user=request.user, product__slug=slug).delete()
    return redirect("notifications:index")


@login_required
@require_POST
def mark_read(request, pk=None):
    """Mark one notification of the user as read, or all."""
    unread = request.user.notifications.filter(read_at=None)
    if pk is not None:
        unread = unread.filter(pk=pk)
    unread.update(read_at=timezone.now())
    return redirect("notifications:index")


@staff_member_required(login_url="login")
@require_POST
def change_price(request, slug):
    """Change the price of a product, of which its followers are told."""
    product = get_object_or_404(Product, slug=slug)
    form = PriceForm(request.POST, instance=product)
    if form.is_valid():
        form.save()
        messages.success(request, f"{product} costs {product.price} € now.")
    for error in form.errors.get("price", []):
        messages.error(request, f"{product}: {error}")
    return redirect("notifications:index")
