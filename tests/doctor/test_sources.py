"""Reading files, and what the names in them stand for."""

import ast
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from django.test import SimpleTestCase

from signalscope.doctor.connects import maybe_connects
from signalscope.doctor.names import UNKNOWN, Names
from signalscope.doctor.sends import find_sends
from signalscope.doctor.sources import Source, Sources
from tests.shop.signals import order_paid


def expression(text):
    """Return the syntax tree of an expression."""
    return ast.parse(text, mode="eval").body


class SourcesTests(SimpleTestCase):
    def test_what_cannot_be_read(self):
        """No file, no Python, other bytes: None, and no error."""
        with TemporaryDirectory() as folder:
            for name, content in (("a.py", b"def"), ("b.py", b"\xff\xfe"), ("c.py", b"x = '\0'")):
                path = Path(folder) / name
                path.write_bytes(content)
                self.assertIsNone(Sources().read(str(path), "x"), name)
            self.assertIsNone(Sources().read(f"{folder}/none.py", "x"))

    def test_lambdas_of_one_line(self):
        """They cannot be told apart, so none of them is read."""
        source = Source("x.py", "x", "a = lambda: 1; b = lambda: 2\nc = lambda: 3")
        self.assertEqual(list(source.functions), [(2, "<lambda>")])

    def test_relative_imports(self):
        """They count from the package of the file."""
        text = "from . import a\nfrom .b import c\nfrom ..d import e"
        module = Source("/p/shop/views.py", "proj.shop.views", text)
        self.assertEqual(
            module.imports,
            {"a": ("proj.shop", "a"), "c": ("proj.shop.b", "c"), "e": ("proj.d", "e")},
        )
        package = Source("/p/shop/__init__.py", "proj.shop", text)
        self.assertEqual(package.imports["c"], ("proj.shop.b", "c"))


class NamesTests(SimpleTestCase):
    def names(self, text):
        """Return the names of a text."""
        return Names(Source("x.py", "x", text))

    def test_find(self):
        """Imported names, with what hangs on them; never by computing an attribute."""
        names = self.names(
            "from tests.shop import signals\nfrom tests.shop.signals import order_paid as p\n"
            "import tests.shop.signals\nimport no.such"
        )
        for text in ("signals.order_paid", "p", "tests.shop.signals.order_paid"):
            self.assertIs(names.find(expression(text)), order_paid, text)
        for text in ("q", "no.such.thing", "signals.none", "f().x"):
            self.assertIs(names.find(expression(text)), UNKNOWN, text)
        self.assertNotIn("no.such", sys.modules)

    def test_origin(self):
        """The path as it is imported, though nothing of it is there."""
        names = self.names("import a.b\nimport c.d as e\nfrom f import g as h")
        for text, origin in (
            ("a.b.x", "a.b.x"),
            ("e.x", "c.d.x"),
            ("h.x", "f.g.x"),
            ("local.x", ""),
            ("f()", ""),
        ):
            self.assertEqual(names.origin(expression(text)), origin)

    def test_sends(self):
        """The method is told, and whether it is in a transaction."""
        source = Source(
            "x.py",
            "x",
            "from django.db import transaction\n"
            "from tests.shop.signals import order_paid\n"
            "order_paid.send(None)\n"
            "with transaction.atomic():\n  order_paid.send_robust(None)\n"
            "@transaction.atomic(using='b')\ndef f():\n  for x in y: order_paid.send(None)\n"
            "@transaction.atomic\ndef g():\n  lambda: order_paid.send(None)\n"
            "async def h():\n  await order_paid.asend(None)\n"
            "other.send(None)\n",
        )
        found = [(one.line, one.method, one.in_transaction) for one in find_sends([source])]
        self.assertEqual(
            sorted(found),
            [
                (3, "send", False),
                (5, "send_robust", True),
                (8, "send", True),
                (11, "send", False),
                (13, "asend", False),
            ],
        )

    def test_connects_to_what_is_not_imported(self):
        """A signal of a module that is not there is known by the module's name only."""
        source = Source(
            "x.py",
            "x",
            "from nowhere.signals import paid\nfrom nowhere.net import wire\n"
            "paid.connect(f)\nwire.connect(f)\n",
        )
        self.assertEqual([one.node.lineno for one in maybe_connects(source)], [3])
