"""Projects with other users than Django's, or none: each in a process of its own."""

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from django.test import SimpleTestCase

SETTINGS = """
SECRET_KEY = "only for tests"
USE_TZ = True
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": r"{folder}/db"}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""

MODELS = """
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Member(AbstractBaseUser):
    mail = models.EmailField(unique=True)
    objects = BaseUserManager()
    USERNAME_FIELD = "mail"
"""


class ProjectTests(SimpleTestCase):
    """What is logged there."""

    def run_project(self, settings, script, models=""):
        """Run a script in a project of its own; return the log as lines."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            app = Path(folder) / "club"
            app.mkdir()
            (app / "__init__.py").touch()
            (app / "models.py").write_text(models)
            text = SETTINGS.format(folder=folder) + textwrap.dedent(settings)
            (Path(folder) / "club_settings.py").write_text(text)
            code = (
                f"import sys; sys.path[:0] = [{folder!r}, {str(Path.cwd())!r}]\n"
                "import django; django.setup()\n"
                "from django.core.management import call_command\n"
                "call_command('migrate', run_syncdb=True, verbosity=0)\n"
                f"{textwrap.dedent(script)}\n"
                "import signalscope; assert signalscope.flush(30)\n"
                "from signalscope.models import ActivityLog\n"
                "for entry in ActivityLog.objects.exclude(action='migrated').order_by('id'):\n"
                "    print(entry.action, entry.object_type, entry.object_label)\n"
            )
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", code],
                check=False,
                capture_output=True,
                text=True,
                timeout=120,
                env={"DJANGO_SETTINGS_MODULE": "club_settings", "PATH": ""},
            )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_no_users(self):
        """Without django.contrib.auth, commands and migrations are logged."""
        lines = self.run_project('INSTALLED_APPS = ["signalscope"]', "")
        self.assertEqual(lines, ["command_run  migrate"])

    def test_other_user_model(self):
        """A user model without permissions has passwords, and a name field of its own."""
        lines = self.run_project(
            """
            INSTALLED_APPS = [
                "signalscope", "django.contrib.contenttypes", "django.contrib.auth", "club",
            ]
            AUTH_USER_MODEL = "club.Member"
            """,
            """
            from club.models import Member
            from django.contrib.auth import authenticate
            ann = Member(mail="ann@example.org")
            ann.set_password("sesame")
            ann.save()
            ann.set_password("open")
            ann.save()
            authenticate(mail="bob@example.org", password="x")
            authenticate(username="eve@example.org", password="x")
            """,
            MODELS,
        )
        self.assertEqual(
            lines,
            [
                "command_run  migrate",
                "password_changed club.Member ann@example.org",
                "login_failed club.Member bob@example.org",
                "login_failed club.Member eve@example.org",
            ],
        )

    def test_user_model_without_the_app(self):
        """AbstractBaseUser needs no django.contrib.auth."""
        lines = self.run_project(
            """
            INSTALLED_APPS = ["signalscope", "club"]
            AUTH_USER_MODEL = "club.Member"
            """,
            """
            from club.models import Member
            ann = Member.objects.create(mail="ann@example.org", password="!")
            ann.set_password("open")
            ann.save()
            """,
            MODELS,
        )
        self.assertEqual(
            lines, ["command_run  migrate", "password_changed club.Member ann@example.org"]
        )
