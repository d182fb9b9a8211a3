"""The page of slow queries."""

from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.db import connection
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from signalscope.models import SlowQuery

from slowlog.requests import slowest_requests

keepers_only = staff_member_required(login_url="login")

# Counts in the database, for about as many rows as it takes to be slow.
COUNT = """
WITH RECURSIVE numbers(number) AS (
    SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < %s
)
SELECT COUNT(*) FROM numbers
"""


@keepers_only
def index(request):
    """Show the requests that were slowed down most, with their slow queries."""
    return render(request, "slowlog/index.html", {"requests": slowest_requests(limit=20)})


@keepers_only
@require_POST
def run(request):
    """Run a slow query, to see it appear."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [1_000_000])
        cursor.fetchone()
    messages.success(request, "That took a while. It is listed as soon as it is stored.")
    return redirect("slowlog:index")


@keepers_only
@require_POST
def clear(request):
    """Begin anew."""
    SlowQuery.objects.all().delete()
    return redirect("slowlog:index")
