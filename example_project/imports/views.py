"""The page of imports, and what its buttons do."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db import IntegrityError, transaction
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from imports.changing import WAYS
from imports.forms import SAMPLE, ChangeForm, ImportForm
from imports.importing import store_articles
from imports.models import Article
from imports.statistics import NOTHING, count_articles, read_statistics, store_statistics

keepers_only = staff_member_required(login_url="login")


@keepers_only
def index(request):
    """Import articles, or show the statistics beside what is counted now."""
    form = ImportForm(request.POST or None, request.FILES or None, initial={"text": SAMPLE})
    if form.is_valid():
        try:
            result = store_articles(form.cleaned_data["articles"])
        except IntegrityError:
            form.add_error(None, "Somebody has stored one of these just now. Import it once more.")
        else:
            messages.success(request, f"Imported: {result}.")
            return redirect("imports:index")
    stored, counted = read_statistics(), count_articles()
    rows = [
        {
            "category": category,
            "stored": stored.get(category, NOTHING),
            "counted": counted.get(category, NOTHING),
        }
        for category in sorted({**stored, **counted})
    ]
    context = {
        "form": form,
        "change_form": ChangeForm(auto_id=False),
        "rows": rows,
        "articles": Article.objects.all()[:50],
        "article_count": sum(row["counted"].article_count for row in rows),
    }
    return render(request, "imports/index.html", context)


@keepers_only
@require_POST
@transaction.atomic
def change(request):
    """Change the articles of a category, by one of the ways."""
    form = ChangeForm(request.POST)
    if form.is_valid():
        category = form.cleaned_data["category"].category
        WAYS[form.cleaned_data["way"]](Article.objects.filter(category=category))
        messages.success(request, f"{category}: done.")
    else:
        messages.error(request, "Choose a category that has articles, and one of the buttons.")
    return redirect("imports:index")


@keepers_only
@require_POST
def recount(request):
    """Count anew, which mends what went wrong."""
    store_statistics()
    messages.success(request, "Everything is counted anew.")
    return redirect("imports:index")
