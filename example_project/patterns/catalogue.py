"""What the example project shows, in the order in which its page lists it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """One use of signals: its title, the module to take away, and the page that shows it."""

    title: str
    modules: str
    page: str


PATTERNS = (
    Pattern("A profile and a welcome mail for each new user", "accounts", "mails:mailbox"),
    Pattern("The life of an order", "fulfilment", "shop:order_list"),
    Pattern("Price changes: history and notices", "prices", "prices:index"),
    Pattern("Stock that runs low, told once", "stock", "stock:index"),
    Pattern("Logins and changes of accounts", "accounts", "account_activity"),
    Pattern("A cached page that is made anew", "pricelist", "pricelist:index"),
    Pattern("Thumbnails of pictures", "pictures", "pictures:index"),
    Pattern("Notifications to followers", "notifications", "notifications:index"),
    Pattern("A bundle that knows of its parts", "bundles", "bundles:index"),
    Pattern("Slow queries of each request", "slowlog", "slowlog:index"),
    Pattern("Bulk imports, with statistics kept right", "imports", "imports:index"),
    Pattern("A search index, in batches", "search", "search:index"),
    Pattern("Payments that reach the ledger", "payments", "payments:ledger"),
    Pattern("Alerts with a guard", "alerts", "alerts:index"),
)
