"""Settings of the example shop: only signalscope and the debug toolbar are out of the ordinary."""

import os
import sys
from pathlib import Path

import django
from debug_toolbar.settings import PANELS_DEFAULTS

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "demo-only-never-use-this-key-in-a-real-project"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INTERNAL_IPS = ["127.0.0.1"]

INSTALLED_APPS = [
    # First, so that it sees the models of all other apps.
    "signalscope",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "accounts",
    "shop",
    "payments",
    "stock",
    "mails",
    "fulfilment",
    "prices",
    "pricelist",
    "bundles",
    "pictures",
    "notifications",
    "search",
    "slowlog",
    "imports",
    "alerts",
    "patterns",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # So that traces and the activity log tell who it was, and from where.
    "signalscope.middleware.SignalContextMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TESTING = "test" in sys.argv
# The toolbar refuses to run in tests.
HAS_TOOLBAR = not TESTING and os.environ.get("EXAMPLE_TOOLBAR") != "0"
if HAS_TOOLBAR:
    INSTALLED_APPS.append("debug_toolbar")
    MIDDLEWARE.insert(0, "debug_toolbar.middleware.DebugToolbarMiddleware")
DEBUG_TOOLBAR_PANELS = [*PANELS_DEFAULTS, "signalscope.panels.SignalScopePanel"]
# It looks for all static files of all apps for each page, which takes longer than the page.
DEBUG_TOOLBAR_PANELS.remove("debug_toolbar.panels.staticfiles.StaticFilesPanel")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("EXAMPLE_DB", BASE_DIR / "db.sqlite3"),
        "OPTIONS": {
            # SQLite has one writer at a time: ask for its turn at the start of a transaction,
            # where waiting is possible, and let pages be read meanwhile.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_REDIRECT_URL = "shop:product_list"
LOGOUT_REDIRECT_URL = "shop:product_list"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = os.environ.get("EXAMPLE_MEDIA", BASE_DIR / "media")

# Mails are kept, to be looked at.
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "mails.backend.EmailBackend"}}
else:
    EMAIL_BACKEND = "mails.backend.EmailBackend"
DEFAULT_FROM_EMAIL = "shop@example.com"

# How long the ledger takes to answer; whoever wants to kill a worker meanwhile needs more time.
LEDGER_ANSWER_S = float(os.environ.get("LEDGER_ANSWER_S", "0.03"))

# Whether the search index follows the products; in tests only where they are about that.
SEARCH_AUTOSYNC = not TESTING

SIGNALSCOPE = {
    # Who changed them, and from what to what. The shop's own models say so themselves.
    "TRACK": {
        "stock.StockItem": {"fields": ["quantity", "reorder_level"]},
        "auth.User": {"fields": ["username", "first_name", "last_name", "email"]},
    },
    # Which queries are slow.
    "SLOW_QUERY_MS": 50,
    # What is left alone for a while when it fails.
    "GUARD": {
        "alerts.receivers.post_to_webhook": {
            "max_error_rate": 0.5,
            "min_calls": 3,
            "window_s": 60,
            "for_s": 5,
        },
    },
    # Threads of this process run what is deferred; a real shop takes "celery" or "tasks".
    # The times are short, so that nobody waits long for a worker that takes over from a killed one.
    "DELIVERY": {"backend": "thread", "hand_over_s": 2, "lease_s": 5},
}
