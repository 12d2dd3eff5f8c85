"""`baselines=[sense,tikhonov]`: reconstructions that aren't trained, run and scored beside."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from bioreco.build import check_suits
from bioreco.cli.assembly import Shape, assemble
from bioreco.cli.baselines import known
from bioreco.cli.beside import wanted
from bioreco.cli.context import Context
from bioreco.cli.scanning.applying import Found, apply
from bioreco.data.scans import Scans
from bioreco.engine.runtime import Runtime
from bioreco.hints import ConfigError
from bioreco.methods.method import Facts, Method

log = logging.getLogger("bioreco")


def chosen(config: DictConfig, context: Context, data: Scans) -> dict[str, Method]:
    """Return the baselines that the user names, or those of the data.

    Raises
    ------
    UserError
        If a name is unknown, or doesn't go with the forward model.

    """
    allowed = fitting(config, context)
    names = wanted(config, allowed, own=data.baselines)
    shape = Shape(data.bands, 2, joint=True, augment="none", complex=True)
    return {name: assemble(allowed[name], shape)[0] for name in names}


def fitting(config: DictConfig, context: Context) -> dict[str, DictConfig]:
    """Return the configurations of the methods without training that suit the forward model."""
    found = {}
    for name, path in known().items():
        own = config.copy()
        with open_dict(own):
            own.method = OmegaConf.load(path)
            own.method.pop("defaults", None)
        try:
            check_suits(own, {**context.choices, "method": name})
        except ConfigError:
            continue
        found[name] = own
    return found


def applied(
    methods: Mapping[str, Method], data: Scans, runtime: Runtime, folder: Path
) -> dict[str, Found]:
    """Run every baseline, into folders of the run."""
    found = {}
    for name, method in methods.items():
        method.prepare(Facts(channels=data.bands))
        found[name] = apply(method, data, runtime, folder / "baselines" / name)
        log.info("Baseline %s: %.1f s", name, found[name].seconds)
    return found
