"""Settings of a project whose own database is well, while signalscope's is in trouble."""

import json
import os

from tests.settings import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SITE_DB"],
        "OPTIONS": {"timeout": 2, "transaction_mode": "IMMEDIATE"},
    }
}
SIGNALSCOPE = {
    "SAMPLE_RATE": 1.0,
    "FLUSH_INTERVAL_S": 0.1,
    "EXIT_TIMEOUT_S": 2,
    "UPKEEP": False,
    **json.loads(os.environ.get("SITE_SIGNALSCOPE", "{}")),
}
if "SITE_OBSERVABILITY" in os.environ:
    DATABASES["observability"] = json.loads(os.environ["SITE_OBSERVABILITY"])
    DATABASE_ROUTERS = ["signalscope.routers.SignalscopeRouter"]
    SIGNALSCOPE["DATABASE"] = "observability"
INSTALLED_APPS = [name for name in INSTALLED_APPS if name != "debug_toolbar"]  # noqa: F405
MIDDLEWARE = [name for name in MIDDLEWARE if "debug_toolbar" not in name]  # noqa: F405
ROOT_URLCONF = "tests.faults.urls"
