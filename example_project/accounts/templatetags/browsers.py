"""Short names of browsers."""

from django import template

register = template.Library()

# Most browsers also give the names of those after them.
NAMES = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome"}
NAMES["Safari/"] = "Safari"


@register.filter
def browser(user_agent):
    """Return what people call a browser, from what it calls itself: "Firefox"."""
    found = (name for mark, name in NAMES.items() if mark in user_agent)
    return next(found, user_agent.partition("/")[0])
