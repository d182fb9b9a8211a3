"""Receivers from files that a test writes, each with its signals as they were before."""

import sys
import tempfile
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from textwrap import dedent
from unittest import mock

from django.apps import AppConfig, apps
from django.test import SimpleTestCase

from signalscope.doctor.examination import ALL, examine
from signalscope.doctor.project import Project
from signalscope.registry.signals import registry

_numbers = count(1)


class DoctorTestCase(SimpleTestCase):
    """Loads modules; what they connect is gone after the test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.signals = [info.signal for info in registry.signals() if info.signal is not None]
        for signal in self.signals:
            # What other tests left to die is not looked at.
            signal.has_listeners(type(self))
            self.addCleanup(self.restore, signal, list(signal.receivers))

    def restore(self, signal, receivers):
        """Give a signal the receivers that it had."""
        with signal.lock:
            signal.receivers = receivers
            # Some may have died meanwhile.
            signal._dead_receivers = True
            signal.sender_receivers_cache.clear()

    def load(self, text):
        """Import a text as a module of its own, and return that."""
        name = f"loaded_{next(_numbers)}"
        path = self.folder / f"{name}.py"
        path.write_text(dedent(text), encoding="utf-8")
        spec = spec_from_file_location(name, path)
        module = sys.modules[name] = module_from_spec(spec)
        self.addCleanup(sys.modules.pop, name)
        spec.loader.exec_module(module)
        self.path = path
        return module

    def load_app(self, imported, **files):
        """Install a package with files, of which some are imported; return its name."""
        name = f"loaded_app_{next(_numbers)}"
        folder = self.folder / name
        for path, text in {"__init__": "", **files}.items():
            file = folder / f"{path.replace('__in__', '/')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(dedent(text.replace("THIS", name)), encoding="utf-8")
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        self.addCleanup(self.forget, name)
        config = AppConfig(name, import_module(name))
        config.apps, config.models = apps, {}
        patch = mock.patch.dict(apps.app_configs, {name: config})
        patch.start()
        self.addCleanup(patch.stop)
        for module in imported:
            import_module(f"{name}.{module}")
        return name

    def forget(self, package):
        """Take a package out of what is imported."""
        for name in list(sys.modules):
            if name.partition(".")[0] == package:
                del sys.modules[name]

    def report(self, *diagnoses, **options):
        """Examine this process."""
        silenced = options.pop("silenced", ())
        return examine(Project(**options), diagnoses or ALL, silenced=silenced)

    def found(self, *diagnoses, **options):
        """Return (id, line) of what is found in modules of this test."""
        return [
            (finding.kind.id[-4:], finding.line)
            for finding in self.report(*diagnoses, **options).findings
            if Path(finding.file).parent == self.folder
        ]
