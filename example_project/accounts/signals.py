"""Signals that accounts send."""

from django.dispatch import Signal

user_registered = Signal()
"""
Sent in the transaction that stores somebody who signed up; not for users made by a script.

sender: the user's class. user: the user. email: the address that was given, "" for none.
"""
