"""The Django project that the benchmarks run in: signalscope, a few models, an SQLite file."""

import atexit
import shutil
import tempfile
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command


def configure(**signalscope_settings):
    """Set Django up with a fresh, migrated database."""
    folder = tempfile.mkdtemp(prefix="signalscope-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings.configure(
        DEBUG=False,
        SECRET_KEY="benchmark",
        USE_TZ=True,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="benchmarks.urls",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "signalscope",
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "benchmarks",
        ],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(folder) / "db.sqlite3"),
                "OPTIONS": {"transaction_mode": "IMMEDIATE"},
            }
        },
        # The writer runs when a benchmark says so.
        SIGNALSCOPE={"FLUSH_INTERVAL_S": 3600, **signalscope_settings},
    )
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
