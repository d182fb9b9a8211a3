"""Copies the project without its package, so that tests import the one that is installed."""

import shutil
import sys
from pathlib import Path

PACKAGE = "signalscope"
LEFT_OUT = (".*", "build", "dist", "__pycache__", "_build", "*.sqlite3", "*.egg-info")


def main(source: str, target: str) -> None:
    """Copy the tree; the example project's own folder keeps its name."""
    shutil.rmtree(target, ignore_errors=True)
    ignored = shutil.ignore_patterns(*LEFT_OUT)

    def ignore(folder: str, names: list[str]) -> set[str]:
        found = set(ignored(folder, names))
        if Path(folder) == Path(source):
            found.add(PACKAGE)
        return found

    shutil.copytree(source, target, ignore=ignore)


if __name__ == "__main__":
    main(*sys.argv[1:])
