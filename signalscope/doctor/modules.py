"""D006: modules with receivers that nothing imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from signalscope.doctor.connects import maybe_connects
from signalscope.doctor.files import module_of
from signalscope.doctor.finding import NOT_IMPORTED, Finding
from signalscope.doctor.project import Project
from signalscope.doctor.sources import first_line

NAMES = ("signals", "receivers", "handlers")


def not_imported(project: Project) -> Iterator[Finding]:
    """Give modules of apps, by their usual names, that connect receivers and are not imported."""
    for config in project.apps():
        folder = Path(config.path)
        for path in _files(folder):
            module = module_of(path, folder, config.name)
            if module in sys.modules:
                continue
            source = project.sources.read(str(path), module)
            connects = [] if source is None else list(maybe_connects(source))
            if connects:
                first = min(connects, key=lambda connect: first_line(connect.node))
                line = first_line(first.node)
                yield Finding(
                    NOT_IMPORTED,
                    f"{module} connects receivers, and is not imported now that the apps are "
                    "loaded.",
                    str(path),
                    line,
                    spots=((str(path), line, first.last_line),),
                )


def _files(folder: Path) -> Iterator[Path]:
    for name in NAMES:
        file = folder / f"{name}.py"
        if file.is_file():
            yield file
        package = folder / name
        if (package / "__init__.py").is_file():
            yield from sorted(package.rglob("*.py"))
