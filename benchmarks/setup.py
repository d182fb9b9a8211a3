"""The Django project that the benchmarks run in: signalscope, a few models, a fresh database."""

import json
import os

import django
from django.conf import settings
from django.core.management import call_command

from benchmarks.databases import make_database

# What a process beside this one needs to know: see join().
_VARIABLE = "BENCHMARK_PROJECT"


def configure(*, databases=None, apps=("signalscope",), also=None, **signalscope_settings):
    """
    Set Django up with fresh, migrated databases.

    databases: entries by alias, of make_database(); one in SQLite unless given.
    apps: what is installed beside Django's and the benchmarks'; also: more settings.
    """
    chosen = {
        "DEBUG": False,
        "SECRET_KEY": "benchmark",
        "USE_TZ": True,
        "ALLOWED_HOSTS": ["*"],
        "ROOT_URLCONF": "benchmarks.urls",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "INSTALLED_APPS": [
            *apps,
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "benchmarks",
        ],
        "DATABASES": databases or {"default": make_database("sqlite")},
        # The writer runs when a benchmark says so.
        "SIGNALSCOPE": {"FLUSH_INTERVAL_S": 3600, "UPKEEP": False, **signalscope_settings},
        **(also or {}),
    }
    os.environ[_VARIABLE] = json.dumps(chosen)
    settings.configure(**chosen)
    django.setup()
    for alias in chosen["DATABASES"]:
        call_command("migrate", run_syncdb=True, verbosity=0, database=alias)


def project():
    """Return the settings of the process that started this one."""
    return json.loads(os.environ[_VARIABLE])


def join(**changes):
    """Set Django up as the process did that started this one, but for some settings."""
    settings.configure(**{**project(), **changes})
    django.setup()
