"""What other pages show of notifications: ``{% load notifications %}``."""

from django import template

register = template.Library()


@register.inclusion_tag("notifications/link.html")
def notifications_link(user):
    """Link to the notifications of a user who is logged in, with how many are unread: one query."""
    return {"unread_count": user.notifications.filter(read_at=None).count()}
