"""Settings of a real site, that the process tests run as servers and commands."""

import os

from tests.settings import *  # noqa: F403

DEBUG = os.environ.get("SITE_DEBUG") == "1"
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SITE_DB"],
        "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
    }
}
INSTALLED_APPS = [
    "signalscope",
    *(name for name in INSTALLED_APPS if name not in ("signalscope", "debug_toolbar")),  # noqa: F405
    "tests.process",
]
MIDDLEWARE = [name for name in MIDDLEWARE if "debug_toolbar" not in name]  # noqa: F405
ROOT_URLCONF = "tests.process.urls"
SIGNALSCOPE = {"SAMPLE_RATE": 1.0, "FLUSH_INTERVAL_S": float(os.environ.get("SITE_FLUSH", "600"))}
