"""Receivers of the benchmarked requests: 23 lines make about 145 dispatches and 210 calls."""

from django.db.models.signals import post_init, post_save, pre_save
from django.dispatch import Signal

from benchmarks.models import Line, Order, Product

line_added = Signal()
line_shown = Signal()
product_shown = Signal()


def check_line(sender, instance, **kwargs):
    """Look at a line before it is saved."""


def take_from_stock(sender, instance, **kwargs):
    """Save the product of a line: a dispatch in a dispatch."""
    instance.product.stock -= instance.quantity
    instance.product.save(update_fields=["stock"])


def tell_line_added(sender, instance, **kwargs):
    """Send a custom signal."""
    line_added.send(sender=sender, line=instance)


def count_line(sender, line, **kwargs):
    """Hear the custom signal."""


def index_line(sender, line, **kwargs):
    """Hear it, too."""


def check_product(sender, instance, **kwargs):
    """Look at a product before it is saved."""


def index_product(sender, instance, **kwargs):
    """Hear that a product was saved."""


def invalidate_product(sender, instance, **kwargs):
    """Hear it, too."""


def log_order(sender, instance, **kwargs):
    """Hear that an order was saved."""


def remember_state(sender, instance, **kwargs):
    """Hear that a row was read."""


def count_view(sender, **kwargs):
    """Hear that a line or a product was shown."""


def recommend(sender, **kwargs):
    """Hear it, too."""


def connect_heavy():
    """Connect what the heavy request runs."""
    pre_save.connect(check_line, sender=Line)
    post_save.connect(take_from_stock, sender=Line)
    post_save.connect(tell_line_added, sender=Line)
    post_init.connect(remember_state, sender=Line)
    line_added.connect(count_line)
    line_added.connect(index_line)
    pre_save.connect(check_product, sender=Product)
    post_save.connect(index_product, sender=Product)
    post_save.connect(invalidate_product, sender=Product)
    post_save.connect(log_order, sender=Order)


def connect_light():
    """Connect what the light request runs: one receiver for each row."""
    post_init.connect(remember_state, sender=Product)


def connect_reading():
    """Connect what the reading request runs: about 95 dispatches and 145 calls."""
    for model in (Line, Product):
        post_init.connect(remember_state, sender=model)
    for signal in (line_shown, product_shown):
        signal.connect(count_view)
        signal.connect(recommend)
