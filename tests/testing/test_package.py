"""signalscope.testing stands at the top, and needs nothing but Django."""

import os
import subprocess
import sys

from django.test import SimpleTestCase

IMPORT_ALL = """
import sys
sys.modules["pytest"] = sys.modules["factory"] = None
import django
django.setup()
import signalscope
assert not [name for name in sys.modules if name.startswith("signalscope.testing")]
from signalscope import testing
for name in testing.__all__:
    assert getattr(testing, name).__name__ == name
assert testing.__all__ == sorted(testing.__all__)
"""


class PackageTests(SimpleTestCase):
    def test_fresh_interpreter(self):
        """It is not loaded by signalscope, and loads neither pytest nor factory_boy."""
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        environment.pop("PYTEST_VERSION", None)
        finished = subprocess.run(
            [sys.executable, "-c", IMPORT_ALL],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)

    def test_unknown_name(self):
        """A name that there is not is an AttributeError."""
        from signalscope import testing

        with self.assertRaisesMessage(AttributeError, "has no attribute 'missing'"):
            _ = testing.missing
