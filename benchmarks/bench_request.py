"""
What a whole request costs, beside bare Django's: its wall time, and the CPU time of all threads.

    python -m benchmarks.bench_request heavy|light 0|1

with the sample rate 0 (roll-ups only) or 1 (every dispatch stored in SQLite).
"""

import sys
import time

from benchmarks.setup import configure

if __name__ == "__main__":
    KIND, RATE = sys.argv[1], float(sys.argv[2])
    configure(SAMPLE_RATE=RATE)

from django.core.wsgi import get_wsgi_application
from django.dispatch import Signal
from django.test import RequestFactory

import signalscope
from benchmarks import receivers
from benchmarks.models import Customer, Product
from benchmarks.side_by_side import METHODS, Methods, compare, show

# (requests per measurement, rounds, bars of wall and CPU by sample rate)
PLAN = {
    "heavy": (20, 30, {0: (1.05, 1.08), 1: (1.10, 1.20)}),
    "light": (100, 40, {0: (None, 1.10), 1: (None, 1.50)}),
}


def main(kind, rate):
    """Print two rows; return whether the bars hold."""
    count, rounds, bars = PLAN[kind]
    wall_bar, cpu_bar = bars[int(rate)]
    Customer.objects.create(name="customer")
    Product.objects.bulk_create([Product(name=f"product {n}") for n in range(30)])
    getattr(receivers, f"connect_{kind}")()
    found = Methods()
    methods = {"bare": found.bare, "scoped": found.scoped}
    application = get_wsgi_application()
    factory = RequestFactory()

    def requests():
        for _ in range(count):
            environ = factory._base_environ(PATH_INFO=f"/{kind}/", REQUEST_METHOD="GET")
            response = application(environ, lambda status, headers: None)
            assert response.status_code == 200
            response.close()

    def requests_and_writing():
        requests()
        signalscope.flush(30)

    def switch(which):
        for name in METHODS:
            if Signal.__dict__[name] is not methods[which][name]:
                setattr(Signal, name, methods[which][name])

    def clear(which):
        signalscope.flush(30)

    what = f"{kind} request, " + ("every dispatch stored" if rate else "roll-ups only")
    works = {"bare": requests, "scoped": requests}
    wall = compare(works, rounds=rounds, before=switch, after=clear)
    held = [show(f"{what}: wall", *wall, wall_bar, count)]
    works["scoped"] = requests_and_writing
    cpu = compare(works, rounds=rounds, before=switch, clock=time.process_time_ns)
    held.append(show(f"{what}: CPU", *cpu, cpu_bar, count))
    return all(held)


if __name__ == "__main__":
    raise SystemExit(0 if main(KIND, RATE) else 1)
