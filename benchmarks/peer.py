"""
A process that answers requests with one peer installed, as bench_peers.py asks it to.

    python -m benchmarks.peer NAME heavy|light

For each line it reads, the number of requests to send, it prints one: wall and CPU time in ns.
What it has to say first is "ready", or an error.
"""

import sys
import time

from benchmarks.databases import BUSY, make_database
from benchmarks.setup import configure

SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
# What each needs beside the project's own, with its usual settings.
APPS = {
    "bare": [],
    "signalscope": ["signalscope"],
    "signalscope, all stored": ["signalscope"],
    "signalscope, tracking": ["signalscope"],
    "signalscope, after_commit": ["signalscope"],
    "sentry-sdk": [],
    "django-silk": ["silk"],
    "django-auditlog": ["auditlog"],
    "django-easy-audit": ["easyaudit"],
}
CONTEXT = "signalscope.middleware.SignalContextMiddleware"
MIDDLEWARE = {
    "signalscope, tracking": [CONTEXT],
    "signalscope, after_commit": [CONTEXT],
    "django-silk": ["silk.middleware.SilkyMiddleware"],
    "django-auditlog": ["auditlog.middleware.AuditlogMiddleware"],
    "django-easy-audit": ["easyaudit.middleware.easyaudit.EasyAuditMiddleware"],
}
SETTINGS = {"django-auditlog": {"AUDITLOG_INCLUDE_ALL_MODELS": True}}
TRACK = {"benchmarks.*": {}}
SIGNALSCOPE = {
    "signalscope, all stored": {"SAMPLE_RATE": 1.0},
    "signalscope, tracking": {"TRACK": TRACK},
    "signalscope, after_commit": {"TRACK": TRACK, "TRACK_WRITE": "after_commit"},
}

# The spans that Sentry's SDK had to send, of the first requests.
sentry_spans = []


def start_sentry():
    """Start Sentry's SDK: a span for each receiver, every request traced, and nothing sent."""
    import sentry_sdk
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.transport import Transport

    class Dropping(Transport):
        """Takes what is due, and drops it."""

        def capture_envelope(self, envelope):
            """Drop it."""
            if not sentry_spans:
                event = envelope.get_transaction_event() or {}
                sentry_spans.extend(event.get("spans", ()))

    sentry_sdk.init(
        dsn="http://key@localhost/1",
        transport=Dropping,
        traces_sample_rate=1.0,
        integrations=[DjangoIntegration(signals_spans=True)],
    )


def prepare(name):
    """Set the project up with one peer."""
    if name == "sentry-sdk":
        start_sentry()
    configure(
        databases={"default": make_database("sqlite", options=BUSY)},
        apps=[*APPS[name], "django.contrib.sessions", "django.contrib.messages"],
        also={
            "MIDDLEWARE": [SESSION, AUTHENTICATION, *MIDDLEWARE.get(name, [])],
            **SETTINGS.get(name, {}),
        },
        **SIGNALSCOPE.get(name, {}),
    )


def main(name, kind):
    """Answer until there is nothing more to read."""
    prepare(name)
    from benchmarks.traffic import fill, make_requests

    fill()
    requests = make_requests(kind, "/committed/" if kind == "heavy" else None)
    requests(20)
    check(name)
    print("ready", flush=True)
    for line in sys.stdin:
        number = int(line)
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        requests(number)
        wall = time.perf_counter_ns() - wall
        end_turn(name)
        print(wall, time.process_time_ns() - cpu, flush=True)


def end_turn(name):
    """Let signalscope's writer have the turn that it has every 10 s."""
    if name.startswith("signalscope"):
        import signalscope

        signalscope.flush(30)


def check(name):
    """Raise where the peer recorded nothing of the first requests."""
    from django.apps import apps

    end_turn(name)
    # Of the activity log a tracked change: migrations make entries, too.
    updated = ("signalscope.ActivityLog", {"action": "updated"})
    expected = {
        "signalscope, tracking": updated,
        "signalscope, after_commit": updated,
        "django-silk": ("silk.Request", {}),
        "django-auditlog": ("auditlog.LogEntry", {}),
        "django-easy-audit": ("easyaudit.RequestEvent", {}),
    }
    is_missing = name == "sentry-sdk" and not sentry_spans
    if name in expected:
        model, values = expected[name]
        is_missing = not apps.get_model(model).objects.filter(**values).exists()
    if is_missing:
        raise RuntimeError(f"{name} recorded nothing")


if __name__ == "__main__":
    main(*sys.argv[1:])
