"""Names for what a payload refers to, and what is found by them."""

from __future__ import annotations

import sys
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any

from django.apps import apps

from signalscope.exceptions import UnreadablePayload

Named = type[Any] | FunctionType
# The script that a process runs, which in another process is another one.
_SCRIPTS = ("__main__", "__mp_main__")


def find_module(name: str) -> ModuleType:
    """
    Return a module by its dotted name.

    A payload may come from whoever can write to the broker: only public modules of installed
    apps are imported for it, any other one must be loaded already.
    Raises UnreadablePayload.
    """
    module = sys.modules.get(name)
    if module is None and _may_be_imported(name):
        try:
            module = import_module(name)
        except Exception as error:
            raise UnreadablePayload(f"module {name!r} cannot be imported: {error}") from error
    if module is None:
        raise UnreadablePayload(
            f"module {name!r} is not loaded here, and of no installed app: import it as the "
            "project starts, in AppConfig.ready()"
        )
    return module


def _may_be_imported(name: str) -> bool:
    # __main__ and the like do something when they are imported.
    is_public = not any(part.startswith("_") for part in name.split("."))
    return is_public and apps.get_containing_app_config(name) is not None


def refer(found: Named) -> str | None:
    """Return "module:qualified.name" of a class or function; None where it is not found there."""
    reference = f"{found.__module__}:{found.__qualname__}"
    owner: Any = sys.modules.get(found.__module__)
    return reference if _walk(owner, found.__qualname__) is found else None


def resolve(reference: str) -> Any:
    """
    Return what refer() gave a name to; nothing of it is called.

    Raises UnreadablePayload.
    """
    module_name, _, path = reference.partition(":")
    found = _walk(find_module(module_name), path)
    if found is None:
        raise UnreadablePayload(f"{reference!r} is gone: was it renamed or moved?")
    return found


def locate(found: object) -> str | None:
    """Return the dotted path of an object in a loaded module; None where it has none."""
    # What is also there under a script's name is found elsewhere by its other one.
    for module_name, module in sorted(sys.modules.items(), key=lambda item: item[0] in _SCRIPTS):
        if isinstance(module, ModuleType):
            for attribute, value in list(vars(module).items()):
                if value is found:
                    return f"{module_name}.{attribute}"
    return None


def follow(path: str) -> Any:
    """Return what has a dotted path, in a module or a class there; None where nothing has."""
    module_name = path.rpartition(".")[0]
    while module_name:
        try:
            return _walk(find_module(module_name), path[len(module_name) + 1 :])
        except UnreadablePayload:
            module_name = module_name.rpartition(".")[0]
    return None


def _walk(owner: Any, path: str) -> Any:
    for part in path.split("."):
        # Past descriptors and __getattr__, which would run.
        if not isinstance(owner, type | ModuleType):
            return None
        owner = vars(owner).get(part)
    return owner
