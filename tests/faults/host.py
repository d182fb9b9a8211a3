"""What the project does in a process of its own, when a test asks for it; see run_host.py."""

import io
import logging
import os
import threading
import time
from pathlib import Path

RECEIVER = "tests.faults.host.hear_order"


def hear_order(sender, **kwargs):
    """Hear the shop's signal."""


def request(count, threads=1):
    """Make requests in each thread; return how many, with which statuses, and all orders."""
    from django.test import Client

    from tests.shop.models import Order

    statuses = []

    def work():
        client = Client()
        statuses.extend(client.get("/orders/").status_code for _ in range(count))

    _in_threads(work, threads)
    return [len(statuses), sorted(set(statuses)), Order.objects.count()]


def send(count, threads=1):
    """Send a signal in each thread; return how many calls came back with what they should."""
    from tests.shop.models import Order
    from tests.shop.signals import order_paid

    good = []

    def work():
        for _ in range(count):
            good.append(order_paid.send(sender=Order) == [(hear_order, None)])

    _in_threads(work, threads)
    return sum(good)


def _in_threads(work, count):
    if count == 1:
        return work()
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return None


class Load:
    """Sends and requests without a pause, in threads, until it is stopped."""

    threads = []
    is_on = False
    counts = {}
    peak = 0


def start_load(threads):
    """Begin to send in so many threads, each in traces of ten dispatches and an entry."""
    import signalscope
    from tests.shop.models import Order
    from tests.shop.signals import order_paid

    def work(number):
        while Load.is_on:
            with signalscope.trace("load"):
                signalscope.log("loaded")
                for _ in range(10):
                    order_paid.send(sender=Order)
            Load.counts[number] += 1
            Load.peak = max(Load.peak, state()["buffer_bytes"])
            time.sleep(0.001)

    Load.is_on = True
    Load.counts = dict.fromkeys(range(threads), 0)
    Load.threads = [threading.Thread(target=work, args=[number]) for number in range(threads)]
    for thread in Load.threads:
        thread.start()


def look_at_load():
    """Return how many traces each thread has sent so far, and the most bytes in the buffer."""
    return [list(Load.counts.values()), Load.peak]


def sleep(seconds):
    """Let the load go on for a while."""
    time.sleep(seconds)


def stop_load():
    """End the load; return what look_at_load() does."""
    Load.is_on = False
    for thread in Load.threads:
        thread.join()
    return look_at_load()


def trace(*names):
    """Send once in a trace of each name."""
    import signalscope

    for name in names:
        with signalscope.trace(name):
            send(1)


def log(*actions):
    """Write entries of the activity log."""
    import signalscope

    for action in actions:
        signalscope.log(action)


def tracked_order():
    """Track the shop's orders, and make one, in a trace with an entry written by hand."""
    import signalscope
    from tests.shop.models import Order

    signalscope.track(Order)
    with signalscope.trace("ordering"):
        signalscope.log("ordered")
        Order.objects.create(number="A-1")


def promise(*numbers):
    """Promise a mail for each number, in a transaction each; they wait for a worker."""
    from tests.faults import promised

    for number in numbers:
        promised.send(number)


def promised(alias):
    """Return the states of the deliveries in a database, oldest first."""
    from tests.faults import promised

    return promised.promised(alias)


def write_entries(alias, *ages_days):
    """Write entries of such ages into a database, as a tracked model does."""
    from datetime import timedelta

    from django.utils import timezone

    from signalscope.models import ActivityLog

    for age_days in ages_days:
        at = timezone.now() - timedelta(days=age_days)
        ActivityLog.objects.using(alias).create(at=at, action="updated")


class Pragmas:
    """Statements that each new connection to signalscope's database begins with."""

    statements = []

    @classmethod
    def run(cls, connection, **kwargs):
        """Run them, and give SQLite a function that takes a second."""
        if connection.alias == "observability":
            with connection.cursor() as cursor:
                for statement in cls.statements:
                    cursor.execute(statement)
            if connection.vendor == "sqlite":
                connection.connection.create_function("pg_sleep", 1, time.sleep)


def set_pragmas(*statements):
    """Let each new connection to signalscope's database begin with these."""
    from django.db.backends.signals import connection_created

    Pragmas.statements = statements
    connection_created.connect(Pragmas.run)


def flush(timeout=30):
    """Flush, and return whether all is stored."""
    import signalscope

    return signalscope.flush(timeout)


def state():
    """Return what waits, and what was lost and not yet told."""
    from signalscope import wiring

    scope = wiring.scope()
    return {
        "buffer_bytes": scope.buffer._bytes,
        "waiting_nodes": scope.writer.waiting.batch.node_count,
        "tallies": len(scope.recorder.rollups._tallies),
        "lost_traces": scope.recorder.lost_traces,
        "failures": scope.writer._failures,
        "is_alive": scope.writer._thread.is_alive(),
    }


def memory_bytes():
    """Return how much memory the process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def wait_for_failure():
    """Return when the writer has failed to store once more."""
    before = state()["failures"]
    for _ in range(600):
        if state()["failures"] > before:
            return True
        time.sleep(0.05)
    return False


def wait_for_recovery():
    """Return when the writer has stored again, by itself."""
    for _ in range(2000):
        if not state()["failures"]:
            return True
        time.sleep(0.05)
    return False


def stored():
    """Return what the tables say: calls, traces, entries, what was lost, and dispatches."""
    from django.db.models import Sum

    from signalscope.models import ActivityLog, Dispatch, Loss, Rollup, Trace

    lost = Loss.objects.aggregate(
        traces=Sum("trace_count", default=0),
        calls=Sum("call_count", default=0),
        entries=Sum("entry_count", default=0),
    )
    ours = Rollup.objects.filter(receiver=RECEIVER)
    return {
        "calls": sum(ours.values_list("call_count", flat=True)),
        "histogram": sum(sum(h[1:]) for h in ours.values_list("histogram", flat=True)),
        "traces": Trace.objects.exclude(trigger="command").count(),
        "dispatches": Dispatch.objects.filter(signal="tests.shop.signals.order_paid").count(),
        "lost_traces": lost["traces"],
        "lost_calls": lost["calls"],
        "entries": ActivityLog.objects.exclude(action__in=ActivityLog.Action.values).count(),
        "lost_entries": lost["entries"],
    }


def command(*arguments):
    """Run a management command; return what it printed."""
    from django.core.management import call_command

    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def migrate():
    """Make signalscope's tables, and begin from there."""
    command("migrate", "signalscope", "--database=observability", "--verbosity=0")
    is_stored = flush()
    warnings()
    return is_stored


class Log(logging.StreamHandler):
    """Keeps what signalscope says, beside writing it to stderr."""

    records = []

    def emit(self, record):
        """Take one record."""
        self.records.append(record)
        super().emit(record)


def warnings():
    """Return what signalscope has logged since this was called last."""
    found, Log.records[:] = [record.getMessage() for record in Log.records], []
    return found


def pages(*paths):
    """Return pages as a superuser sees them."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    user = User.objects.filter(username="root").first()
    client.force_login(user or User.objects.create_superuser("root"))
    return [[answer.status_code, answer.content.decode()] for answer in map(client.get, paths)]


def tables(alias):
    """Return the tables of a database, by its alias."""
    from django.db import connections

    return connections[alias].introspection.table_names()


def hold_lock():
    """Begin a transaction of the project's that writes, and keep it open."""
    from django.db import transaction

    from tests.shop.models import Order

    Load.atomic = transaction.atomic()
    Load.atomic.__enter__()
    Order.objects.create(number="held")


def release_lock():
    """End it; return how many orders there are."""
    from tests.shop.models import Order

    Load.atomic.__exit__(None, None, None)
    return Order.objects.count()


def statements_of_host(count):
    """Make requests and flush; return the statements on the project's connections, by alias."""
    from contextlib import ExitStack

    from django.db import connections

    seen = {connection.alias: [] for connection in connections.all()}

    def note(execute, sql, params, many, context):
        seen[context["connection"].alias].append(sql)
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        for connection in connections.all():
            connection.force_debug_cursor = True
            stack.enter_context(connection.execute_wrapper(note))
        request(count)
        flush()
        for connection in connections.all():
            connection.force_debug_cursor = False
            seen[connection.alias] += [query["sql"] for query in connection.queries_log]
    return seen
