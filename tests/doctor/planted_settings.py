"""Settings of a site with the planted faults; DEBUG is off, so that Django lets them pass."""

import os

SECRET_KEY = "only for tests"  # noqa: S105
USE_TZ = True
INSTALLED_APPS = [
    "signalscope",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "tests.doctor.planted",
]
AUTH_USER_MODEL = "planted.Person"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SITE_DB"],
        "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
    }
}
# Django's own check of a model that there is not: signalscope says it, too.
SILENCED_SYSTEM_CHECKS = ["signals.E001"]
SIGNALSCOPE = {"ENABLED": False}
