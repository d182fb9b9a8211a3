"""The documentation says what the code does: names, defaults, options and examples."""

import ast
import doctest
import inspect
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from pkgutil import resolve_name
from unittest import skipUnless

from django.apps import apps
from django.core.management.base import BaseCommand
from django.test import SimpleTestCase
from django.utils.module_loading import import_string

import signalscope
from signalscope import checks, conf, testing
from signalscope.doctor.finding import KINDS, LEVELS
from signalscope.management.commands.signalscope import SUBCOMMANDS
from signalscope.management.commands.signalstats import Command
from signalscope.management.tables import FORMATS
from signalscope.management.views import receiver_columns
from signalscope.stats.reports import SORTS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.rst") if path.parent.name != "changelog.d")
TEXTS = [ROOT / "README.rst", *PAGES]
TUTORIAL = DOCS / "tutorial" / "first-steps.rst"

CODE_BLOCK = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<language>\w+)\n"
    r"(?P<options>(?:(?P=indent)   :.*\n)*)\n"
    r"(?P<body>(?:(?:(?P=indent)   .*)?\n)+)",
    re.MULTILINE,
)
UNDERLINE = re.compile(r"^(.+)\n([=\-~])\2+$", re.MULTILINE)


def read(path):
    """Return a text file's content, with an end of line at its end."""
    return path.read_text(encoding="utf-8")


def page(name):
    """Return a page of the reference."""
    return read(DOCS / "reference" / f"{name}.rst")


def blocks(path, language):
    """Return the code blocks of a page in one language: (caption, code)."""
    found = []
    for match in CODE_BLOCK.finditer(read(path)):
        if match["language"] == language:
            caption = re.search(r":caption: (.+)", match["options"])
            code = inspect.cleandoc("\n" + match["body"])
            found.append((caption[1] if caption else "", code + "\n"))
    return found


def commands(path):
    """Return the command lines of a page, and what it says they print."""
    for _, code in blocks(path, "console"):
        for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
            line, _, output = part.partition("\n")
            yield line, output


def sections(text):
    """Return the text below each heading, by heading."""
    parts = UNDERLINE.split(text)
    return dict(zip(parts[1::3], parts[3::3], strict=True))


class SettingsReferenceTests(SimpleTestCase):
    def test_keys(self):
        """Each key of SIGNALSCOPE has a section, and no section is about another key."""
        documented = [name for name in sections(page("settings")) if name.isupper()]
        self.assertEqual(sorted(documented), sorted(conf.known_keys()))

    def test_defaults(self):
        """Each section gives the default."""
        conf_defaults = conf.Conf()
        defaults = {
            field.name.upper(): getattr(conf_defaults, field.name) for field in fields(conf.Conf)
        }
        for key, text in sections(page("settings")).items():
            if key not in defaults:
                continue
            with self.subTest(key=key):
                given = ast.literal_eval(re.search(r":Default: ``(.+)``", text)[1])
                default = defaults[key]
                self.assertEqual(given, list(default) if default == () else default)
                self.assertEqual(type(given), list if default == () else type(default))

    def test_own_exclusions(self):
        """What is left out by default is listed where EXCLUDE is explained."""
        for text in (sections(page("settings"))["EXCLUDE"], read(DOCS / "howto" / "exclude.rst")):
            for glob in conf.NOISE:
                self.assertIn(f"``{glob}``", text)


class ChecksReferenceTests(SimpleTestCase):
    def test_ids(self):
        """Each id of a system check is in the reference, and no other one is in any page."""
        pattern = re.compile(r"signalscope\.[DEW]\d{3}")
        given = set(pattern.findall(inspect.getsource(checks)))
        given |= {kind.id for kind in KINDS}
        self.assertEqual(set(pattern.findall(page("checks"))), given)
        for path in TEXTS:
            self.assertLessEqual(set(pattern.findall(read(path))), given, path)

    def test_levels(self):
        """Each finding of the doctor is in the reference with its level, each id once."""
        documented = re.findall(r"\* - ``(signalscope\.D\d{3})``, (\w+)", page("checks"))
        levels = {number: name for name, number in LEVELS.items()}
        self.assertEqual(documented, [(kind.id, levels[kind.level]) for kind in KINDS])


class CommandReferenceTests(SimpleTestCase):
    def test_options(self):
        """Each option of each command has a description, and no other one is described."""
        common = BaseCommand().create_parser("manage.py", "signalstats")
        parsers = {"signalstats": Command().create_parser("manage.py", "signalstats")}
        for name, module in SUBCOMMANDS.items():
            parsers[f"signalscope {name}"] = parser = ArgumentParser()
            module.add_arguments(parser)
        known = {option for action in common._actions for option in action.option_strings}
        _, *parts = re.split(r"^\.\. program:: manage.py (.+)$", page("commands"), flags=re.M)
        found = dict(zip(parts[::2], parts[1::2], strict=True))
        self.assertEqual(set(found), set(parsers))
        for name, parser in parsers.items():
            with self.subTest(command=name):
                own = {o for action in parser._actions for o in action.option_strings} - known
                documented = re.findall(r"^\.\. option:: (--[\w-]+)", found[name], re.MULTILINE)
                self.assertEqual(sorted(documented), sorted(own))

    def test_choices(self):
        """The orders and the formats are all named."""
        for choice in (*SORTS, *FORMATS):
            self.assertIn(f"``{choice}``", page("commands"))

    def test_json_keys(self):
        """The keys of the JSON objects are listed in their order."""
        listed = re.findall(r"^   \* - ``(\w+)``$", page("commands"), re.MULTILINE)
        columns = [column.key for column in receiver_columns([], is_short=False)]
        self.assertEqual(listed, columns)

    def test_commands_of_examples(self):
        """Examples call signalstats with options that it has."""
        for path in TEXTS:
            for line, _ in commands(path):
                words = shlex.split(line)
                if words[:3] == ["python", "manage.py", "signalstats"]:
                    with self.subTest(line=line):
                        Command().create_parser("manage.py", "signalstats").parse_args(words[3:])


class ApiReferenceTests(SimpleTestCase):
    package, text = signalscope, page("api")

    @property
    def documented(self):
        return re.findall(r"^\.\. py:(?:function|class):: (\w+)\((.*)\)$", self.text, re.MULTILINE)

    def test_names(self):
        """Each public name is described, and nothing else."""
        values = re.findall(r"^\.\. py:data:: (\w+)$", self.text, re.MULTILINE)
        names = [name for name, _ in self.documented]
        self.assertEqual(sorted([*names, *values]), self.package.__all__)

    def test_arguments(self):
        """Each one is described with its arguments and their defaults."""
        for name, arguments in self.documented:
            with self.subTest(name=name):
                signature = inspect.signature(getattr(self.package, name))
                plain = signature.replace(
                    parameters=[
                        parameter.replace(annotation=parameter.empty)
                        for parameter in signature.parameters.values()
                    ],
                    return_annotation=signature.empty,
                )
                self.assertEqual(f"({arguments})", str(plain))

    def test_dotted_paths(self):
        """Dotted paths of signalscope in the reference can be imported."""
        for name in set(re.findall(r"``(signalscope\.(?:panels|middleware)\.\w+)``", self.text)):
            import_string(name)


class TestingReferenceTests(ApiReferenceTests):
    package, text = testing, page("testing")


class ModelsReferenceTests(SimpleTestCase):
    def test_tables_and_fields(self):
        """Each model has a section with its table and its fields, in their order."""
        found = sections(page("models"))
        models = {
            model.__name__: model for model in apps.get_app_config("signalscope").get_models()
        }
        self.assertEqual(set(found) - {"Models"}, set(models))
        for name, model in models.items():
            with self.subTest(model=name):
                self.assertIn(f"``{model._meta.db_table}``", found[name])
                listed = re.findall(r"^\* ``(\w+)``:", found[name], re.MULTILINE)
                self.assertEqual(listed, [field.name for field in model._meta.concrete_fields])

    def test_choices(self):
        """The values that a field can have are all named."""
        for model in apps.get_app_config("signalscope").get_models():
            for field in model._meta.concrete_fields:
                for value, _ in field.choices or ():
                    self.assertIn(f"``{value}``", sections(page("models"))[model.__name__])


class NamesReferenceTests(SimpleTestCase):
    def test_examples(self):
        """The examples of globs give what the page says."""
        results = doctest.testfile(
            str(DOCS / "reference" / "names.rst"), module_relative=False, encoding="utf-8"
        )
        self.assertEqual(results.failed, 0)
        self.assertGreater(results.attempted, 5)


class ReadmeTests(SimpleTestCase):
    text = read(ROOT / "README.rst")

    def test_the_two_commands(self):
        """README has both commands."""
        lines = [line for line, _ in commands(ROOT / "README.rst")]
        self.assertLessEqual({"make demo", "make test"}, set(lines))

    @skipUnless((ROOT / "Makefile").exists(), "the Makefile is not part of this copy")
    def test_make_targets(self):
        """Each "make" that a page asks for is there."""
        targets = set(re.findall(r"^([\w-]+):", read(ROOT / "Makefile"), re.MULTILINE))
        for path in [*TEXTS, ROOT / "CONTRIBUTING.rst"]:
            for line, _ in commands(path):
                if line.startswith("make "):
                    self.assertIn(line.split()[1], targets, path)

    def test_extras(self):
        """The extras to install are in pyproject.toml."""
        project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
        for path in TEXTS:
            for extra in re.findall(r"signalscope\[(\w+)\]", read(path)):
                self.assertIn(extra, project["optional-dependencies"])

    def test_apps_and_panels(self):
        """What goes into the settings can be imported, and signalscope is the first app."""
        for path in TEXTS:
            for _, code in blocks(path, "python"):
                for panel in re.findall(r'"(signalscope\.[\w.]+)"', code):
                    resolve_name(panel)
                for first in re.findall(r'^INSTALLED_APPS = \["(\w+)"', code, re.MULTILINE):
                    self.assertEqual(apps.get_app_config(first).name, "signalscope")

    def test_versions(self):
        """README names the versions that pyproject.toml and the system check name."""
        classifiers = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["classifiers"]
        for product, prefix in (("Python", "Programming Language"), ("Django", "Framework")):
            versions = re.findall(rf"{prefix} :: {product} :: (\d\.\d+)", "\n".join(classifiers))
            line = re.search(rf"^\* {product} (.+)$", self.text, re.MULTILINE)[1]
            self.assertEqual(re.findall(r"\d\.\d+", line), versions)
        self.assertEqual([f"{major}.{minor}" for major, minor in checks.TESTED], versions)

    def test_files(self):
        """The files that README shows and links to exist."""
        targets = re.findall(r"(?:image:: |<)([\w/.-]+\.(?:png|rst))", self.text)
        self.assertGreater(len(targets), 5)
        for target in targets:
            self.assertTrue((ROOT / target).exists(), target)


class PagesTests(SimpleTestCase):
    def test_reachable(self):
        """Each page is in the table of contents."""
        reached, waiting = set(), [DOCS / "index.rst"]
        while waiting:
            path = waiting.pop()
            reached.add(path)
            for tree in re.findall(r"\.\. toctree::\n((?:   .*\n|\n)+)", read(path) + "\n"):
                waiting += [
                    found
                    for line in tree.splitlines()
                    if line.strip() and not line.strip().startswith(":")
                    for found in path.parent.glob(f"{line.strip()}.rst")
                    if found not in reached
                ]
        self.assertEqual(sorted(reached), PAGES)

    def test_one_sentence_per_line(self):
        """No line of prose holds the end of one sentence and the beginning of the next."""
        for path in [*TEXTS, ROOT / "CONTRIBUTING.rst", ROOT / "CHANGELOG.rst"]:
            prose = CODE_BLOCK.sub("\n", read(path))
            for line in prose.splitlines():
                self.assertNotRegex(re.sub(r"\d\. ", "", line), r"[a-z`)]\. [A-Z]", path)

    def test_fragments(self):
        """Each fragment of the changelog is named by topic and kind, and says something."""
        for path in (DOCS / "changelog.d").iterdir():
            self.assertRegex(path.name, r"^[a-z-]+\.(added|changed|fixed|removed)\.rst$")
            self.assertTrue(read(path).strip())

    def test_python_compiles(self):
        """Each Python example is Python."""
        for path in [*TEXTS, ROOT / "CONTRIBUTING.rst"]:
            for _, code in blocks(path, "python"):
                with self.subTest(page=path.name, code=code):
                    compile(code, str(path), "exec")

    def test_python_runs(self):
        """An example that begins with "import signalscope" runs as it stands."""
        ran = 0
        for path in TEXTS:
            for _, code in blocks(path, "python"):
                if code.startswith("import signalscope\n"):
                    with self.subTest(page=path.name, code=code):
                        exec(compile(code, str(path), "exec"), {"__name__": "example"})
                        ran += 1
        self.assertGreater(ran, 5)

    def test_settings_are_right(self):
        """Each SIGNALSCOPE in an example is one that the system check has nothing against."""
        databases = {"default": {}, "observability": {}}
        seen = 0
        for path in TEXTS:
            for _, code in blocks(path, "python"):
                for node in ast.walk(ast.parse(code)):
                    is_setting = isinstance(node, ast.Assign) and [
                        getattr(target, "id", "") for target in node.targets
                    ] == ["SIGNALSCOPE"]
                    if is_setting:
                        seen += 1
                        value = ast.literal_eval(node.value)
                        with self.settings(SIGNALSCOPE=value), self.subTest(value=value):
                            problems = [
                                sentence
                                for key, sentence in conf.find_problems()
                                if not (key == "DATABASE" and value[key] in databases)
                            ]
                            self.assertEqual(problems, [])
        self.assertGreater(seen, 5)

    def test_settings_are_named(self):
        """Keys in double backticks that look like settings are some."""
        own = set(conf.known_keys())
        others = {"SIGNALSCOPE", "DEBUG", "DATABASES", "INSTALLED_APPS", "DEBUG_TOOLBAR_PANELS"}
        others |= {
            "PANELS_DEFAULTS",
            "IMMEDIATE",
            "DETACH",
            "INSERT",
            "MIT",
            "COPY",
            "DATABASE_ROUTERS",
            "MIDDLEWARE",
            "REMOTE_ADDR",
            "TASKS",
            "AUTH_USER_MODEL",
            "CONN_MAX_AGE",
            "SILENCED_SYSTEM_CHECKS",
        }
        others |= {conf.DISABLED, "SIGTERM", "SIG_DFL"}
        for path in TEXTS:
            for word in re.findall(r"``((?!POSTGRES_|MARIADB_)[A-Z_]{3,})``", read(path)):
                self.assertIn(word, own | others, path)


def figures_masked(text):
    """
    Return the lines of a table, in any order, which depends on the figures.

    They are without durations, shares and counts of Django's own receivers.
    """
    text = re.sub(r"<?\d*\.\d+%?( [mµ]?s)?", "#", text)
    text = re.sub(r"(?<=of )\d+ lines|\d+ calls", "#", text)
    text = re.sub(r"\b\d+\.?\d* [mµ]?s\b", "#", text)
    # From 100 on they have no decimals; no count in the tutorial is as high.
    text = re.sub(r"\b\d{3,}\b", "#", text)
    return sorted(re.sub(r"[ -]+", " ", text).strip().splitlines())


class TutorialTests(SimpleTestCase):
    """Follows the tutorial in an empty folder."""

    OPEN_PAGE = """
from django.test import Client
for _ in range(3):
    assert Client(headers={"host": "localhost"}).get("/").status_code == 200
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="signalscope-tutorial-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        # A project of its own, not a part of this test run.
        apart = ("DJANGO_SETTINGS_MODULE", "PYTEST_VERSION", "PYTEST_CURRENT_TEST")
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in apart},
            "PYTHONPATH": str(Path(signalscope.__file__).resolve().parent.parent),
            "PYTHONIOENCODING": "utf-8",
        }

    def run_python(self, *arguments):
        """Run Python in the folder; return what it printed."""
        finished = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        self.assertEqual(finished.returncode, 0, finished.stdout + finished.stderr)
        return finished.stdout

    def write(self, caption, code):
        """Write a file as its caption says."""
        name, _, how = caption.partition(" ")
        path = self.folder / name
        old = read(path) + "\n" if how == "(at the end)" else ""
        path.write_text(old + code, encoding="utf-8")

    def test_it_works(self):
        """Its files and commands work, and print what it says, but for the figures."""
        text = read(TUTORIAL)
        seen = 0
        for match in CODE_BLOCK.finditer(text.partition("Repair the shop\n")[0]):
            code = inspect.cleandoc("\n" + match["body"]) + "\n"
            if match["language"] == "python":
                self.write(re.search(r":caption: (.+)", match["options"])[1], code)
                continue
            for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
                line, _, expected = part.partition("\n")
                words = shlex.split(line)
                if words[-1] == "runserver":
                    self.run_python("manage.py", "shell", "-c", self.OPEN_PAGE)
                elif words[0] == "django-admin":
                    self.run_python("-m", "django", *words[1:])
                elif words[1] == "manage.py" and words[-1] != "createsuperuser":
                    printed = self.run_python(*words[1:])
                    if words[2] == "signalstats":
                        self.assertEqual(figures_masked(printed), figures_masked(expected))
                        seen += 1
        self.assertEqual(seen, 3)
        self.check_repair(text)

    def check_repair(self, text):
        """Apply the repair, and see that nothing is unheard any more."""
        repairs = [
            code
            for _, code in blocks(TUTORIAL, "python")
            if "order_more" in code or "select" in code
        ]
        self.assertEqual(len(repairs), 2)
        old = (self.folder / "orders" / "receivers.py").read_text(encoding="utf-8")
        start, _, rest = old.partition("@receiver(order_placed)\ndef write_invoice")
        tail = rest[rest.index("@receiver(order_placed)") :]
        new = start + repairs[1] + "\n\n" + tail + "\n\n" + repairs[0]
        (self.folder / "orders" / "receivers.py").write_text(new, encoding="utf-8")
        for name in self.folder.glob("db.sqlite3*"):
            name.unlink()
        self.run_python("manage.py", "migrate", "--verbosity=0")
        self.run_python("manage.py", "shell", "-c", self.OPEN_PAGE)
        arguments = ("manage.py", "signalstats", "--format", "csv")
        self.assertNotIn("stock_low", self.run_python(*arguments, "--unheard"))
        self.assertIn("order_more", self.run_python(*arguments))
