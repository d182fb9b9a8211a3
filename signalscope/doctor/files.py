"""Which files are the project's own, and which of an app's files are looked at."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import django

_OWN_FOLDER = str(Path(__file__).parents[1])
# Folders of an app that hold none of what it does when it runs.
_LEFT_OUT = frozenset(("migrations", "tests", "test", "node_modules", "site-packages"))
_PACKAGES = frozenset(("site-packages", "dist-packages"))


@cache
def is_foreign(file: str) -> bool:
    """Tell whether a file is Django's, Python's, signalscope's or of an installed package."""
    if not file:
        return False
    if _PACKAGES & set(Path(file).parts):
        return True
    return file.startswith(tuple(f"{folder}{os.sep}" for folder in _foreign_folders()))


@cache
def _foreign_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return (
        _OWN_FOLDER,
        str(Path(django.__file__).parent),
        *{paths["stdlib"], paths["platstdlib"]},
    )


def python_files(folder: Path) -> Iterator[Path]:
    """Give an app's files, without its tests and migrations."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and name[0] != "."]
        for name in names:
            is_test = name in ("tests.py", "conftest.py") or name.startswith("test_")
            if name.endswith(".py") and not is_test:
                yield Path(parent, name)


def module_of(path: Path, folder: Path, package: str) -> str:
    """Return the dotted name of a file in the folder of a package."""
    parts = list(path.relative_to(folder).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([package, *parts])
