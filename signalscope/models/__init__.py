"""signalscope's tables: rows, indexes and labels; no logic."""

from signalscope.models.loss import Loss
from signalscope.models.rollup import Rollup
from signalscope.models.trace import Dispatch, ReceiverCall, Trace

__all__ = ["Dispatch", "Loss", "ReceiverCall", "Rollup", "Trace"]
