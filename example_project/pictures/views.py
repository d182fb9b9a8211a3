"""The page of pictures."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from pictures.forms import PictureForm
from pictures.models import Picture
from shop.models import Product

keepers_only = staff_member_required(login_url="login")


def index(request):
    """Show each product's thumbnail, again each second while one is being made."""
    products = Product.objects.select_related("picture")
    pictures = [product.picture for product in products if hasattr(product, "picture")]
    response = render(request, "pictures/index.html", {"products": products})
    if any(picture.is_being_made for picture in pictures):
        response["Refresh"] = "1"
    return response


@keepers_only
@require_POST
def upload(request, slug):
    """Store a picture of a product, in place of the one that it has."""
    product = get_object_or_404(Product, slug=slug)
    with transaction.atomic():
        # Two uploads at once follow each other: the second removes the file of the first.
        stored = Picture.objects.select_for_update().filter(product=product).first()
        form = PictureForm(request.POST, request.FILES, instance=stored or Picture(product=product))
        if form.is_valid():
            form.save()
    for error in form.errors.get("image", []):
        messages.error(request, f"{product}: {error}")
    return redirect("pictures:index")


@keepers_only
@require_POST
def delete(request, slug):
    """Delete the picture of a product."""
    get_object_or_404(Picture, product__slug=slug).delete()
    return redirect("pictures:index")
