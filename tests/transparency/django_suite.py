"""
Runs Django's own tests with and without signalscope installed, and compares the outcomes.

    python -m tests.transparency.django_suite [label ...]

The tests come from the source package, on PyPI, of the Django that is installed. The exit status
is 1 when a test has another outcome with signalscope, or when it printed something more.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

LABELS = (
    "signals dispatch m2m_signals migrate_signals async requests_tests transaction_hooks "
    "basic delete many_to_many transactions auth_tests.test_basic auth_tests.test_login "
    "auth_tests.test_middleware auth_tests.test_models auth_tests.test_signals"
)
PROJECT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SETTINGS = "from test_sqlite import *\nTEST_RUNNER = 'outcomes.Runner'\n"
# What would be printed if something of signalscope came apart.
TELLTALES = ("signalscope failed", "Exception ignored", "ResourceWarning", "signalscope cannot")


def fetch(folder: Path) -> Path:
    """Unpack Django's source package of the installed version; return its tests folder."""
    name = f"django-{django.__version__}"
    archive = folder / f"{name}.tar.gz"
    if not archive.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary"]
        command += [":all:", "--dest", str(folder), f"django=={django.__version__}"]
        subprocess.run(command, check=True)
    if not (folder / name).exists():
        with tarfile.open(archive) as source:
            source.extractall(folder, filter="data")
    return folder / name / "tests"


def run(tests: Path, labels: list[str], *, with_signalscope: bool) -> tuple[dict[str, str], str]:
    """Run the labels; return each test's outcome, and what was printed."""
    (tests / "outcomes_settings.py").write_text(SETTINGS)
    script = (tests / "runtests.py").read_text()
    if with_signalscope:
        first = "ALWAYS_INSTALLED_APPS = ["
        assert script.count(first) == 1
        script = script.replace(first, f'{first}\n    "signalscope",')
    (tests / "runtests_compared.py").write_text(script)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        environment = {
            **os.environ,
            "OUTCOMES_FILE": file.name,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(PROJECT)]),
        }
        # A test run of its own, not a part of pytest's.
        for name in ("DJANGO_SETTINGS_MODULE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
            environment.pop(name, None)
        command = [sys.executable, "-Wdefault", "runtests_compared.py", "--parallel=1"]
        command += ["--settings=outcomes_settings", *labels]
        finished = subprocess.run(
            command, cwd=tests, env=environment, capture_output=True, text=True, check=False
        )
        written = Path(file.name).read_text()
    if not written:
        raise SystemExit(f"The suite did not run:\n{finished.stdout}{finished.stderr}")
    return json.loads(written), finished.stdout + finished.stderr


def main() -> int:
    """Compare, print what differs, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", nargs="*", default=LABELS.split())
    parser.add_argument("--folder", type=Path, default=PROJECT / "build" / "django")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    tests = fetch(options.folder)
    bare, bare_output = run(tests, options.labels, with_signalscope=False)
    scoped, output = run(tests, options.labels, with_signalscope=True)
    differences = [
        f"{name}: {bare.get(name, 'not run')} without, {scoped.get(name, 'not run')} with"
        for name in sorted(bare.keys() | scoped.keys())
        if bare.get(name) != scoped.get(name)
    ]
    for telltale in TELLTALES:
        if output.count(telltale) > bare_output.count(telltale):
            differences.append(f"printed with signalscope only: {telltale!r}")
    if differences:
        print(output)
    print("\n".join(differences))
    failed = len(differences)
    print(f"Django {django.__version__}, {' '.join(options.labels)}: {len(bare)} tests compared")
    print(f"{len(bare) - failed} passed, {failed} failed")
    return 1 if failed or not bare else 0


if __name__ == "__main__":
    sys.exit(main())
