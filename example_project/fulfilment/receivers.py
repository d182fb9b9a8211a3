"""What follows from a step in an order's life: a line in its log, and mails."""

import signalscope
from django.core.mail import send_mail
from django.db.models.signals import post_save
from django.dispatch import receiver

from fulfilment.models import StatusChange
from shop.models import Order
from shop.signals import order_status_changed


def is_shipped(new, **kwargs):
    """Tell whether an order goes out."""
    return new == Order.Status.SHIPPED


def note(order, old, new):
    """Add a line to an order's log: who is behind the work in hand, signalscope knows."""
    context = signalscope.SignalContext
    StatusChange.objects.create(
        order=order,
        old=old,
        new=new,
        changed_by=str(context.get_user() or context.get_reason()),
        ip_address=context.get_ip_address(),
        user_agent=context.get_user_agent(),
    )


@receiver(post_save, sender=Order)
@signalscope.not_raw
@signalscope.only_when_created
def log_new_order(sender, instance, **kwargs):
    """Begin the log of a new order, in the transaction that stores it."""
    note(instance, "", instance.status)


@receiver(order_status_changed)
def log_status(sender, order, old, new, **kwargs):
    """Add a step to the log of an order, in the transaction that takes it."""
    note(order, old, new)


@receiver(post_save, sender=Order)
@signalscope.not_raw
@signalscope.only_when_created
@signalscope.deferred(durable=True, queue="mail", retries=5, order_by="instance")
def send_confirmation(sender, instance, **kwargs):
    """Thank for an order; by now it is committed, and its lines are stored."""
    lines = "\n".join(
        f"{line}: {line.price} €" for line in instance.lines.select_related("product")
    )
    mail_customer(instance, "Thank you", f"You ordered\n\n{lines}\n\nTotal: {instance.total} €")


@receiver(order_status_changed)
@signalscope.signal_condition(is_shipped)
@signalscope.deferred(durable=True, queue="mail", retries=5, order_by="order")
def send_shipping_mail(sender, order, **kwargs):
    """Tell that the parcel is on its way; never before the confirmation, thanks to order_by."""
    mail_customer(order, "Your parcel is on its way", "It leaves the shop today.")


def mail_customer(order, subject, text):
    """Write to who placed an order, if there is an address."""
    address = order.customer.email
    if address:
        send_mail(f"{subject} ({order})", text, None, [address])
