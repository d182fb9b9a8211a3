"""
The admin's lists over 5 million traces and calls, beside the same over 5 thousand.

    python -m benchmarks.bench_lists sqlite|postgres
"""

import sys

from benchmarks.databases import BULK, make_database
from benchmarks.setup import configure

if __name__ == "__main__":
    ENGINE = sys.argv[1]
    configure(
        databases={
            alias: make_database(ENGINE, alias, BULK) for alias in ("default", "small", "large")
        },
        apps=[
            "signalscope",
            "django.contrib.admin",
            "django.contrib.sessions",
            "django.contrib.messages",
        ],
        also={
            "MIDDLEWARE": [
                "django.contrib.sessions.middleware.SessionMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware",
                "django.contrib.messages.middleware.MessageMiddleware",
            ],
            "ROOT_URLCONF": "benchmarks.admin_urls",
            "TEMPLATES": [
                {
                    "BACKEND": "django.template.backends.django.DjangoTemplates",
                    "APP_DIRS": True,
                    "OPTIONS": {
                        "context_processors": [
                            "django.template.context_processors.request",
                            "django.contrib.auth.context_processors.auth",
                            "django.contrib.messages.context_processors.messages",
                        ]
                    },
                }
            ],
            "STATIC_URL": "static/",
        },
        SAMPLE_RATE=0.0,
    )

from django.contrib.auth.models import User
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from benchmarks.side_by_side import QUICK, compare, finish, head, row
from benchmarks.stored import RECEIVER, analyze, make_traces
from signalscope.conf import get_conf

ALIASES = ("small", "large")
COUNTS = {"small": 5_000, "large": 50_000 if QUICK else 5_000_000}
PAGES = [
    ("traces", "trace/"),
    ("traces that failed", "trace/?status__exact=error"),
    ("traces of the last 24 hours", "trace/?since=24h"),
    ("traces, page 90", "trace/?p=90"),
    ("calls", "receivercall/"),
    ("calls of one receiver", f"receivercall/?receiver={RECEIVER}7"),
    ("calls that failed", "receivercall/?outcome__exact=error"),
    ("calls of the last 24 hours", "receivercall/?since=24h"),
    ("calls, page 90", "receivercall/?p=90"),
]


def main(engine):
    """Print the table; return whether all bars hold."""
    for alias, count in COUNTS.items():
        make_traces(alias, count)
        analyze(alias)
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    changed = []

    def choose(alias):
        changed.append(override_settings(SIGNALSCOPE={"DATABASE": alias, "SAMPLE_RATE": 0.0}))
        changed[-1].enable()
        get_conf.cache_clear()

    def unchoose(alias):
        changed.pop().disable()

    def get(address):
        response = client.get(f"/admin/signalscope/{address}")
        assert response.status_code == 200, response.status_code
        return response

    def query_count(alias, address):
        choose(alias)
        with CaptureQueriesContext(connections[alias]) as found:
            response = get(address)
        unchoose(alias)
        # A list that is not full would be the quicker one.
        assert len(response.context_data["cl"].result_list) == 50
        return len(found)

    sizes = [f"{COUNTS[alias]:,}" for alias in ALIASES]
    head(f"one page of the admin, {engine}; ms, by rows", *sizes)
    held = []
    for title, address in PAGES:
        works = {alias: lambda address=address: get(address) for alias in ALIASES}
        times = compare(works, rounds=40, before=choose, after=unchoose)
        queries = [query_count(alias, address) for alias in ALIASES]
        held.append(row(f"{title}; {queries[0]} queries", *(ns / 1e6 for ns in times), 1.5))
        if queries[0] != queries[1]:
            held.append(False)
            print(f"    but {queries[1]} queries over the larger tables: DIFFERENT")
    return all(held)


if __name__ == "__main__":
    finish(main(ENGINE))
