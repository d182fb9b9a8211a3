"""
The project in a process of its own; the test says on stdin what it does.

A line is the name of a function in host.py and its arguments, as JSON; so is each answer.
"""

import json
import logging
import sys


def main():
    """Answer until there is no more input."""
    import django
    from django.db import connections

    django.setup()
    from tests.faults import host
    from tests.shop.signals import order_paid

    order_paid.connect(host.hear_order)
    logging.getLogger("signalscope").addHandler(host.Log())
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        answer = getattr(host, name)(*arguments)
        if "observability" in connections:
            # The test's own, over which the server may end.
            connections["observability"].close()
        print(json.dumps(answer), flush=True)
