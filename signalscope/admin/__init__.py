"""Registers the read-only pages; loaded by the admin, where it is installed."""

from __future__ import annotations

from django.contrib import admin

from signalscope.admin.call import ReceiverCallAdmin
from signalscope.admin.dispatch import DispatchAdmin
from signalscope.admin.loss import LossAdmin
from signalscope.admin.rollup import RollupAdmin
from signalscope.admin.trace import TraceAdmin
from signalscope.models import Dispatch, Loss, ReceiverCall, Rollup, Trace

admin.site.register(Trace, TraceAdmin)
admin.site.register(Dispatch, DispatchAdmin)
admin.site.register(ReceiverCall, ReceiverCallAdmin)
admin.site.register(Rollup, RollupAdmin)
admin.site.register(Loss, LossAdmin)
