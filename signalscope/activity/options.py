"""What is tracked of a model: the options of track() and of the TRACK setting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.db import models

from signalscope.core.names import matches

OPTIONS = ("fields", "exclude", "mask", "raw")
# A glob means the project's own data, not what Django and signalscope keep for themselves.
_NEVER_BY_GLOB = ("signalscope.*", "contenttypes.*", "sessions.*", "admin.LogEntry")


@dataclass(frozen=True, slots=True)
class Options:
    """
    What is tracked of a model.

    fields: their names, None for all. exclude: names that are left out. mask: names whose values
    are never stored. raw: whether saves of fixtures count.
    """

    fields: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    mask: frozenset[str] = frozenset()
    raw: bool = False


def make_options(
    model: object,
    *,
    fields: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    mask: Iterable[str] = (),
    raw: bool = False,
) -> Options:
    """
    Return the options for a model.

    Raises TypeError for what is no model, no names or no bool, ValueError for a model that
    cannot be tracked and for names that it has not.
    """
    options = _read(fields, exclude, mask, raw)
    checked = check_model(model)
    allowed = trackable_fields(checked)
    unknown = _all_names(options) - set(allowed)
    if unknown:
        raise ValueError(
            f"{_label(checked)} has no field {', '.join(map(repr, sorted(unknown)))} to track. "
            f"Allowed: {', '.join(sorted(allowed))}"
        )
    return options


def check_model(model: object) -> type[models.Model]:
    """Return a model that can be tracked; raises TypeError or ValueError where it cannot."""
    if not (isinstance(model, type) and issubclass(model, models.Model)):
        raise TypeError(f"{model!r} is no model; give a model class, such as Order")
    meta: Any = model._meta
    if meta.abstract:
        raise ValueError(f"{_label(model)} is abstract; track the models that inherit from it")
    if meta.swapped:
        raise ValueError(f"{_label(model)} is swapped for {meta.swapped}; track that")
    if meta.auto_created:
        owner = meta.auto_created._meta.label
        raise ValueError(f"{_label(model)} has no saves of its own; track {owner} and its field")
    if meta.app_label == "signalscope":
        raise ValueError(f"{_label(model)} is signalscope's own; track a model of the project")
    return model


def trackable_fields(model: type[models.Model]) -> dict[str, Any]:
    """
    Return a model's fields that can be tracked, by name: columns, and many-to-many relations.

    The primary key, whatever its parts, is the entry's key; the database makes a GeneratedField.
    """
    meta: Any = model._meta
    columns = [
        field
        for field in meta.concrete_fields
        if not (field.primary_key or field in meta.pk_fields or field.generated)
    ]
    return {field.name: field for field in (*columns, *meta.many_to_many)}


def options_of_setting(
    track: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[type[models.Model], Options], dict[type[models.Model], Options]]:
    """
    Return the models that the TRACK setting names by a glob, and those it names by their label.

    Of several globs the first one counts. What cannot be used is left out: find_problems() says.
    """
    by_glob: dict[type[models.Model], Options] = {}
    by_label: dict[type[models.Model], Options] = {}
    for label, given in track.items():
        try:
            if _is_glob(label):
                options = _read(**given)
                for model in _models_by_glob(label):
                    if fitting := _fitting(options, model):
                        by_glob.setdefault(model, fitting)
            else:
                model = _model_by_label(label)
                by_label[model] = make_options(model, **given)
        except (LookupError, TypeError, ValueError):
            continue
    return by_glob, by_label


def find_problems(track: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the TRACK setting, a sentence each; all apps must be loaded."""
    for label, given in track.items():
        prefix = f"SIGNALSCOPE['TRACK'][{label!r}]"
        if unknown := set(given) - set(OPTIONS):
            names = ", ".join(map(repr, sorted(unknown)))
            yield f"{prefix} has no option {names}. Allowed: {', '.join(OPTIONS)}."
            continue
        try:
            if _is_glob(label):
                _check_glob(label, given)
            else:
                make_options(_model_by_label(label), **given)
        except (LookupError, TypeError, ValueError) as error:
            # Django's own sentences have a full stop already.
            yield f"{prefix}: {str(error).rstrip('.')}."


def _check_glob(glob: str, given: Mapping[str, Any]) -> None:
    found = _models_by_glob(glob)
    if not found:
        known = sorted({model._meta.app_label for model in apps.get_models()})
        raise LookupError(f"no model matches. Apps with models: {', '.join(known)}")
    names: set[str] = set()
    for model in found:
        names.update(trackable_fields(model))
    if unknown := _all_names(_read(**given)) - names:
        raise ValueError(
            f"none of its models has a field {', '.join(map(repr, sorted(unknown)))}. "
            f"Allowed: {', '.join(sorted(names))}"
        )


def _is_glob(label: str) -> bool:
    return not {"*", "?", "["}.isdisjoint(label)


def _model_by_label(label: str) -> type[models.Model]:
    """Return a model; raises LookupError where there is none."""
    app_label, _, name = label.partition(".")
    if not name:
        raise LookupError("it is no label of a model, such as shop.Order, nor a glob")
    return apps.get_model(app_label, name)


def _models_by_glob(glob: str) -> list[type[models.Model]]:
    return [
        model
        for model in apps.get_models()
        if matches((glob,), model._meta.label) and not matches(_NEVER_BY_GLOB, model._meta.label)
    ]


def _fitting(options: Options, model: type[models.Model]) -> Options | None:
    """Return options without names that a model has not; None where nothing is left to track."""
    names = trackable_fields(model).keys()
    fields = None if options.fields is None else options.fields & names
    if fields is not None and not fields:
        return None
    return replace(options, fields=fields, exclude=options.exclude & names)


def _read(
    fields: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    mask: Iterable[str] = (),
    raw: bool = False,  # noqa: FBT001, FBT002
) -> Options:
    """Return options of whatever model; raises TypeError for what is no names or no bool."""
    if not isinstance(raw, bool):
        raise TypeError(f"raw is {raw!r}; it must be True or False")
    return Options(
        fields=None if fields is None else _names("fields", fields),
        exclude=_names("exclude", exclude),
        mask=_names("mask", mask),
        raw=raw,
    )


def _names(option: str, value: object) -> frozenset[str]:
    if isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(name, str) for name in value
    ):
        return frozenset(value)
    raise TypeError(f"{option} is {value!r}; it must be a list of names of fields")


def _all_names(options: Options) -> frozenset[str]:
    return (options.fields or frozenset()) | options.exclude | options.mask


def _label(model: type[models.Model]) -> str:
    return f"{model._meta.app_label}.{model.__name__}"
