"""
What the middleware alone adds to a light request: a handler without it and one with it, in turn.

    python -m benchmarks.bench_middleware
"""

if __name__ == "__main__":
    from benchmarks.setup import configure

    configure()

from django.test import override_settings

import signalscope
from benchmarks.side_by_side import compare, finish, show
from benchmarks.traffic import fill, make_requests

COUNT = 10
MIDDLEWARE = "signalscope.middleware.SignalContextMiddleware"


def main():
    """Print a row; return whether the bar holds."""
    fill()
    works = {}
    for kind, middleware in (("without", []), ("with", [MIDDLEWARE])):
        # A handler builds its middleware once, as it is made.
        with override_settings(MIDDLEWARE=middleware):
            works[kind] = make_requests("light")
    times = compare(
        {kind: lambda send=send: send(COUNT) for kind, send in works.items()},
        rounds=2000,
        # Nothing that one of them left waits for the writer while the other one is measured.
        before=lambda kind: signalscope.flush(30),
    )
    return show("light request: the middleware", *times, 1.03, COUNT)


if __name__ == "__main__":
    finish(main())
