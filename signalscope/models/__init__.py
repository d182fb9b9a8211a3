"""signalscope's tables: rows, indexes and labels; no logic."""

from signalscope.models.activity import ActivityLog, SlowQuery
from signalscope.models.delivery import Delivery
from signalscope.models.lease import Lease
from signalscope.models.loss import Loss
from signalscope.models.process import Process
from signalscope.models.rollup import Rollup
from signalscope.models.rule import ControlRule
from signalscope.models.trace import Dispatch, ReceiverCall, Trace

__all__ = [
    "ActivityLog",
    "ControlRule",
    "Delivery",
    "Dispatch",
    "Lease",
    "Loss",
    "Process",
    "ReceiverCall",
    "Rollup",
    "SlowQuery",
    "Trace",
]
