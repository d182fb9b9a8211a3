"""Settings of the Sphinx build."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_init = (ROOT / "signalscope" / "__init__.py").read_text(encoding="utf-8")

project = "signalscope"
author = "The signalscope developers"
copyright = author
release = re.search(r'^__version__ = "(.+)"$', _init, re.MULTILINE)[1]
version = release

extensions = []
exclude_patterns = ["_build", "changelog.d"]
root_doc = "index"
highlight_language = "python"
pygments_style = "sphinx"
nitpicky = True
nitpick_ignore_regex = [
    # There is no inventory of Python's and Django's own names: the build needs no network.
    ("py:.*", r"(django|collections|typing|builtins)\..*"),
    ("py:class", r"(bool|str|float|int|None|Signal)"),
    ("py:exc", r"(TypeError|ValueError)"),
]

html_theme = "alabaster"
html_theme_options = {
    "description": "See every signal dispatch of a Django project",
    "fixed_sidebar": True,
    "page_width": "70rem",
    "sidebar_width": "16rem",
}
html_show_sourcelink = False
