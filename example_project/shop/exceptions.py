"""What can go wrong in the shop."""


class OrderRefused(Exception):
    """An order cannot be placed, paid or cancelled; the text is for the customer."""
