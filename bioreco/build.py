"""Turn a configuration node into the object it describes, after checking that it fits.

Names and types are checked against the constructor's own signature, so that a class is its own
schema: there is no second list of options to keep in step.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast, get_type_hints

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from bioreco.errors import nearest
from bioreco.hints import ConfigError, fit

__all__ = ["ConfigError", "build", "check_suits", "find"]

TRUSTED = ("bioreco", "torch.optim")
RESERVED = ("_target_", "_partial_", "suits")


def check_suits(config: DictConfig, choices: Mapping[str, str | None]) -> None:
    """Refuse a combination of options that makes no sense, and remove what said so.

    Parameters
    ----------
    config : DictConfig
        The composed configuration. Its groups may carry ``suits: {forward: [mri]}``: the options
        of other groups that they work with. These entries are removed.
    choices : mapping
        The chosen option of each group.
    """
    for group in [str(name) for name in config]:
        node = config._get_node(group)
        if not isinstance(node, DictConfig) or node._is_none() or "suits" not in node:
            continue
        with open_dict(node):
            suits = node.pop("suits")
        for other, allowed in suits.items():
            if choices.get(other) not in allowed:
                raise ConfigError(
                    f"{group}={choices.get(group)} does not go with {other}={choices.get(other)}. "
                    f"It goes with: {', '.join(f'{other}={name}' for name in allowed)}."
                )


def build(
    node: DictConfig | Mapping[str, Any],
    path: str,
    *,
    trusted: Sequence[str] = (),
    **given: Any,
) -> Any:
    """Build the object that a node describes.

    Parameters
    ----------
    node : DictConfig or mapping
        ``_target_``, the dotted name of a class or function, and its arguments. Nested nodes with
        a ``_target_`` are built first. With ``_partial_: true`` the arguments still to come are
        left open.
    path : str
        Where the node is, for messages: ``"method"``.
    trusted : sequence of str
        Packages besides bioreco's own whose code may be run.
    **given : Any
        Arguments that are no part of the configuration, handed over as they are.

    Raises
    ------
    ConfigError
        When the target can't be found or isn't trusted, or an argument is unknown, missing or of
        the wrong type.
    """
    plain = _plain(node, path)
    target = str(plain.get("_target_", ""))
    call = find(target, path, trusted)
    partial = bool(plain.get("_partial_", False))
    values = {key: value for key, value in plain.items() if key not in RESERVED}
    nested = {key for key, value in values.items() if _is_node(value)}
    values = {key: _nested(value, f"{path}.{key}", trusted) for key, value in values.items()}
    _check_names(call, path, {**values, **given}, partial=partial)
    hints = _hints(call)
    for key in values.keys() - nested:
        values[key] = fit(values[key], hints.get(key, Any), f"{path}.{key}")
    return functools.partial(call, **values, **given) if partial else call(**values, **given)


def find(target: str, path: str, trusted: Sequence[str] = ()) -> Callable[..., Any]:
    """Import the class or function of a dotted name, if it may be run."""
    allowed = (*TRUSTED, *trusted)
    if not _within(target, allowed):
        raise ConfigError(
            f"{path}._target_: '{target}' is not of {' or '.join(allowed)}. "
            f"If you trust its code, add trust=[{target.split('.')[0]}]"
        )
    found = _import(target, path)
    home = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if not callable(found) or not _within(home, allowed):
        raise ConfigError(
            f"{path}._target_: '{target}' names no class or function of {' or '.join(allowed)}."
        )
    return cast(Callable[..., Any], found)


def _plain(node: DictConfig | Mapping[str, Any], path: str) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path}: {str(error).splitlines()[0]}") from error
    if not isinstance(plain, Mapping) or "_target_" not in plain:
        raise ConfigError(f"{path}: nothing to build here, as it has no _target_.")
    return {str(key): value for key, value in plain.items()}


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _nested(value: Any, path: str, trusted: Sequence[str]) -> Any:
    if _is_node(value):
        return build(value, path, trusted=trusted)
    if isinstance(value, Mapping):
        return {key: _nested(item, f"{path}.{key}", trusted) for key, item in value.items()}
    if isinstance(value, list):
        return [_nested(item, f"{path}[{i}]", trusted) for i, item in enumerate(value)]
    return value


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _import(target: str, path: str) -> Any:
    parts = target.split(".")
    for count in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:count])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and _within(name, [error.name]):
                missing = error
                continue
            raise ConfigError(f"{path}._target_: '{name}' can't be imported: {error}") from error
        except Exception as error:
            kind = type(error).__name__
            raise ConfigError(
                f"{path}._target_: '{name}' can't be imported: {kind}: {error}"
            ) from error
        return _member(found, name, parts[count:], path)
    raise ConfigError(
        f"{path}._target_: '{target}' can't be imported: {missing}. Your own modules are found "
        "beside your configurations (--config-dir DIR) and on PYTHONPATH."
    ) from missing


def _member(found: Any, name: str, rest: Sequence[str], path: str) -> Any:
    for part in rest:
        if not hasattr(found, part):
            near = nearest(part, [word for word in vars(found) if not word.startswith("_")])
            raise ConfigError(f"{path}._target_: '{name}' has no '{part}'.{near}")
        found = getattr(found, part)
    return found


def _check_names(
    call: Callable[..., Any], path: str, given: Mapping[str, Any], *, partial: bool
) -> None:
    parameters = inspect.signature(call).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    name = getattr(call, "__name__", str(call))
    for key in given:
        if key not in parameters:
            raise ConfigError(
                f"{path}.{key}: {name} takes no '{key}'.{nearest(key, parameters)}\n"
                f"It takes: {', '.join(parameters)}."
            )
    lacking = [k for k, p in parameters.items() if p.default is p.empty and k not in given]
    if lacking and not partial:
        raise ConfigError(f"{path}: {name} needs {', '.join(lacking)}.")


def _hints(call: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(call.__init__ if inspect.isclass(call) else call)
    except (NameError, TypeError):  # hints that only a type checker can read
        return {}
