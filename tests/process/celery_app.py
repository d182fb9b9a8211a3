"""The site's Celery, with its own keys in Redis."""

import os

from celery import Celery

app = Celery("site", broker=os.environ["BROKER_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(
    task_default_queue=f"{os.environ['SITE_PREFIX']}tasks",
    broker_transport_options={"global_keyprefix": os.environ["SITE_PREFIX"]},
    result_backend_transport_options={"global_keyprefix": os.environ["SITE_PREFIX"]},
    result_expires=60,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task
def send_one():
    """Send a signal, and tell which process did."""
    from tests.process.receivers import ping

    ping.send(sender=None)
    return os.getpid()


@app.task
def tell_one():
    """Send a signal; tell for whom, and who was there before."""
    from signalscope import SignalContext
    from signalscope.context import running_actor
    from tests.process.receivers import ping

    ping.send(sender=None)
    user, actor = SignalContext.get_user(), running_actor(may_query=False)
    return [user and user.username, actor.label, actor.ip_address, actor.reason]


@app.task
def fail_one():
    """Fail."""
    raise ValueError("no such order")
