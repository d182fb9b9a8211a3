"""
Registers the pages; loaded by the admin, where it is installed.

A project's own admin takes SignalScopeHistoryMixin from here.
"""

from __future__ import annotations

from django.contrib import admin

from signalscope.admin.activity import ActivityLogAdmin
from signalscope.admin.call import ReceiverCallAdmin
from signalscope.admin.control_rule import ControlRuleAdmin
from signalscope.admin.delivery import DeliveryAdmin
from signalscope.admin.dispatch import DispatchAdmin
from signalscope.admin.history import SignalScopeHistoryMixin
from signalscope.admin.loss import LossAdmin
from signalscope.admin.rollup import RollupAdmin
from signalscope.admin.slow_query import SlowQueryAdmin
from signalscope.admin.trace import TraceAdmin
from signalscope.models import (
    ActivityLog,
    ControlRule,
    Delivery,
    Dispatch,
    Loss,
    ReceiverCall,
    Rollup,
    SlowQuery,
    Trace,
)

__all__ = ["SignalScopeHistoryMixin"]

admin.site.register(Trace, TraceAdmin)
admin.site.register(Dispatch, DispatchAdmin)
admin.site.register(ReceiverCall, ReceiverCallAdmin)
admin.site.register(Rollup, RollupAdmin)
admin.site.register(Loss, LossAdmin)
admin.site.register(ActivityLog, ActivityLogAdmin)
admin.site.register(SlowQuery, SlowQueryAdmin)
admin.site.register(ControlRule, ControlRuleAdmin)
admin.site.register(Delivery, DeliveryAdmin)
