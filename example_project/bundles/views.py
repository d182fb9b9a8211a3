"""The pages of bundles."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from django.views.generic import ListView

from bundles.forms import BundleForm, PartFormSet
from bundles.models import Bundle


class BundleList(ListView):
    """All bundles, with their parts."""

    queryset = Bundle.objects.prefetch_related("parts__product")
    template_name = "bundles/index.html"
    extra_context = {"form": BundleForm()}


@staff_member_required(login_url="login")
@require_POST
def create(request):
    """Make a bundle, and go to the page of its parts."""
    form = BundleForm(request.POST)
    if form.is_valid():
        return redirect("bundles:edit", form.save().pk)
    messages.error(request, "A bundle needs a name.")
    return redirect("bundles:index")


@staff_member_required(login_url="login")
def edit(request, pk):
    """Change the parts of a bundle, all of them in one transaction."""
    bundle = get_object_or_404(Bundle, pk=pk)
    parts = PartFormSet(request.POST or None, instance=bundle)
    if request.method == "POST" and parts.is_valid():
        before = bundle.touch_count
        with transaction.atomic():
            parts.save()
        bundle.refresh_from_db()
        changed = parts.new_objects + parts.changed_objects + parts.deleted_objects
        touch_count = bundle.touch_count - before
        messages.success(
            request, f"Parts changed: {len(changed)}. Updates of the bundle: {touch_count}."
        )
        return redirect("bundles:edit", bundle.pk)
    return render(request, "bundles/edit.html", {"bundle": bundle, "parts": parts})
