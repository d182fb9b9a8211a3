"""Settings of a real site, that the process tests run as servers and commands."""

import json
import os

from tests.settings import *  # noqa: F403

DEBUG = os.environ.get("SITE_DEBUG") == "1"
ALLOWED_HOSTS = ["*"]
DATABASES = {
    "default": {
        **ENGINES[os.environ["SITE_ENGINE"]],  # noqa: F405
        "NAME": os.environ["SITE_DB"],
    }
}
if os.environ["SITE_ENGINE"] == "sqlite":
    DATABASES["default"]["OPTIONS"] = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
INSTALLED_APPS = [
    "signalscope",
    *(name for name in INSTALLED_APPS if name not in ("signalscope", "debug_toolbar")),  # noqa: F405
    "tests.process",
    *json.loads(os.environ.get("SITE_APPS", "[]")),
]
MIDDLEWARE = [name for name in MIDDLEWARE if "debug_toolbar" not in name]  # noqa: F405
MIDDLEWARE += json.loads(os.environ.get("SITE_MIDDLEWARE", "[]"))
ROOT_URLCONF = "tests.process.urls"
# Nothing is stored in time: what is there afterwards was stored as the process ended.
SIGNALSCOPE = {
    "SAMPLE_RATE": 1.0,
    "FLUSH_INTERVAL_S": 600,
    "KEEP_PER_MINUTE": 100_000,
    "UPKEEP": False,
    **json.loads(os.environ.get("SITE_SIGNALSCOPE", "{}")),
}
