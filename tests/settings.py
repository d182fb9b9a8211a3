"""Settings of the test suite; TEST_DATABASE says on which database: sqlite, postgres, mariadb."""

import os
from pathlib import Path

ENGINES = {
    "sqlite": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "signalscope.sqlite3",
        # A file, so that the writer's connection sees what the tests' connection sees.
        "TEST": {"NAME": str(Path(__file__).parent / f"test-{os.getpid()}.sqlite3")},
    },
    "postgres": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("POSTGRES_HOST", "127.0.0.1"),
        "PORT": os.environ.get("POSTGRES_PORT", "5432"),
        "NAME": os.environ.get("POSTGRES_DB", "signalscope"),
        "USER": os.environ.get("POSTGRES_USER", "postgres"),
        "PASSWORD": os.environ.get("POSTGRES_PASSWORD", ""),
        "TEST": {"NAME": f"test_signalscope_{os.getpid()}"},
    },
    "mariadb": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": os.environ.get("MARIADB_HOST", "127.0.0.1"),
        "PORT": os.environ.get("MARIADB_PORT", "3306"),
        "NAME": os.environ.get("MARIADB_DB", "signalscope"),
        "USER": os.environ.get("MARIADB_USER", "root"),
        "PASSWORD": os.environ.get("MARIADB_PASSWORD", ""),
        "OPTIONS": {"charset": "utf8mb4"},
        "TEST": {"NAME": f"test_signalscope_{os.getpid()}"},
    },
}

SECRET_KEY = "only for tests"  # noqa: S105
USE_TZ = True
DATABASES = {"default": ENGINES[os.environ.get("TEST_DATABASE", "sqlite")]}
INSTALLED_APPS = [
    "signalscope",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "debug_toolbar",
    "tests.shop",
    "tests.tracked",
    "tests.warehouse",
    "tests.bulk",
]
MIDDLEWARE = [
    "debug_toolbar.middleware.DebugToolbarMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "tests.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEBUG_TOOLBAR_CONFIG = {"IS_RUNNING_TESTS": False, "RENDER_PANELS": False}
DEBUG_TOOLBAR_PANELS = [
    "debug_toolbar.panels.history.HistoryPanel",
    "debug_toolbar.panels.signals.SignalsPanel",
    "signalscope.panels.SignalScopePanel",
]
INTERNAL_IPS = ["127.0.0.1"]
SIGNALSCOPE = {"SAMPLE_RATE": 1.0}
