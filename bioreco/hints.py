"""Check plain configured values against the type hints of a constructor."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from bioreco.errors import UserError, nearest

WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    type(None): "null",
    Path: "a path",
}


class ConfigError(UserError):
    """A configuration that does not fit the thing it configures."""


def fit(value: Any, hint: Any, path: str) -> Any:
    """Check a plain value against a type hint and convert it where nothing is lost.

    Whole numbers and floats become each other, a list a tuple, and a text a `Path`; hints that
    say more than plain data can hold are left to the constructor.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _fit_choice(value, arguments, path)
    if origin in (Union, types.UnionType):
        return _fit_union(value, arguments, path)
    if hint in WORDS:
        return _fit_plain(value, hint, path)
    container = origin or hint
    if container is tuple or _is_sequence(container):
        return _fit_sequence(value, container, arguments, path)
    if isinstance(container, type) and issubclass(container, Mapping):
        return _fit_mapping(value, arguments, path)
    return value


def _wrong(value: Any, wanted: str, path: str) -> ConfigError:
    shown = f"'{value}'" if isinstance(value, str) else value
    return ConfigError(f"{path}={shown} is not {wanted}.")


def _fit_plain(value: Any, hint: type, path: str) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if hint is int and type(value) is float and value.is_integer():
        return int(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if type(value) is not hint:
        raise _wrong(value, WORDS[hint], path)
    return value


def _fit_choice(value: Any, allowed: Sequence[Any], path: str) -> Any:
    if value not in allowed:
        names = [str(name) for name in allowed]
        raise ConfigError(
            f"{path}={value} is not one of {', '.join(names)}.{nearest(str(value), names)}"
        )
    return value


def _fit_union(value: Any, hints: Sequence[Any], path: str) -> Any:
    if any(type(value) is hint for hint in hints):
        return value
    errors = []
    for hint in hints:
        try:
            return fit(value, hint, path)
        except ConfigError as error:
            errors.append(error)
    if all(hint in WORDS for hint in hints):
        raise _wrong(value, " or ".join(WORDS[hint] for hint in hints), path)
    raise errors[0]


def _is_sequence(container: Any) -> bool:
    return (
        isinstance(container, type)
        and issubclass(container, Sequence)
        and not issubclass(container, str | bytes)
    )


def _fit_sequence(value: Any, container: Any, hints: Sequence[Any], path: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _wrong(value, "a list [a,b,...]", path)
    fixed = container is tuple and hints and hints[-1] is not ...
    if fixed and len(hints) != len(value):
        raise _wrong(value, f"a list of {len(hints)}", path)
    each = list(hints) if fixed else [hints[0] if hints else Any] * len(value)
    items = [
        fit(item, h, f"{path}[{i}]") for i, (item, h) in enumerate(zip(value, each, strict=True))
    ]
    return tuple(items) if container is tuple else items


def _fit_mapping(value: Any, hints: Sequence[Any], path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(value, "a mapping {a: b, ...}", path)
    hint = hints[1] if len(hints) == 2 else Any
    return {key: fit(item, hint, f"{path}.{key}") for key, item in value.items()}
