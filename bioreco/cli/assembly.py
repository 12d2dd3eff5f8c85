"""From a configuration to objects: the method with its parts, its optimisers, and back again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from bioreco.build import build, find
from bioreco.cli.forwarding import forward_model
from bioreco.data.measurements import Measurements
from bioreco.data.normalisation import Normalisation
from bioreco.engine import checkpoint
from bioreco.engine.inference import Inference
from bioreco.engine.predict import Predictor
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.training import Factory
from bioreco.errors import UserError
from bioreco.methods.method import Method
from bioreco.methods.prior import TrainedPrior


@dataclass(frozen=True)
class Shape:
    """What the data ask of a network, and how they are handed to it.

    Attributes
    ----------
    inputs, dims
        Channels and spatial axes of the network.
    joint
        Whether it sees all channels at once.
    augment
        How training patches were turned.
    box, pixel_size
        Of what is learnt, in pixels along a side and in Angstrom, 0 where that is unknown.
    spacing
        Pixel sizes ([z,] y, x) in nanometres; None where they are unknown.
    smallest
        Pixels ([z,] y, x) that all images have at least.
    complex
        Whether images are complex.

    """

    inputs: int
    dims: int
    joint: bool
    augment: str
    box: int = 0
    pixel_size: float = 0.0
    spacing: tuple[float, ...] | None = None
    smallest: tuple[int, ...] | None = None
    complex: bool = False

    @classmethod
    def of(cls, data: Measurements) -> Shape:
        """Return what a data set asks for."""
        seen = cls(data.inputs, data.dims, data.channels == "joint", data.augment)
        return replace(seen, spacing=data.spacing, smallest=data.smallest, box=data.patch[-1])


def assemble(
    config: DictConfig, shape: Shape, *, restored: bool = False
) -> tuple[Method, dict[str, Factory]]:
    """Build the method of a configuration, with the parts it asks for, and its optimisers.

    A part is asked for by the name of a constructor argument: `network`, `forward_model`,
    `noise_model`, `denoiser` (the run that `prior` names); `dims` is the number of spatial axes,
    `inputs` the channels seen at once, `box` and `pixel_size` are those of a volume. A method that
    is `restored` gets its weights afterwards.
    """
    trusted = tuple(config.get("trust") or ())
    torch.manual_seed(fold(int(config.seed), 0))
    node = config.method.copy()
    with open_dict(node):
        optim = node.pop("optim", {})
        node.pop("suits", None)
    made = find(str(node.get("_target_")), "method", trusted)
    wanted = inspect.signature(made).parameters
    if shape.complex and getattr(made, "real", False):
        shape = replace(shape, inputs=2 * shape.inputs)
    parts: dict[str, Any] = {}
    if "network" in wanted:
        each = node.get(getattr(made, "outputs", ""), 1)
        each = each if isinstance(each, int) and each > 0 else 1  # a wrong one is told later
        ends = {"inputs": shape.inputs, "outputs": shape.inputs * each, "dims": shape.dims}
        parts["network"] = build(config.network, "network", trusted=trusted, **ends)
    if "forward_model" in wanted:
        known = {"dims": shape.dims, "inputs": shape.inputs, "spacing": shape.spacing}
        parts["forward_model"] = forward_model(
            config.forward, trusted=trusted, restored=restored, smallest=shape.smallest, **known
        )
    if "noise_model" in wanted:
        parts["noise_model"] = build(config.noise, "noise", trusted=trusted)
    if "denoiser" in wanted:
        parts["denoiser"] = _prior(node.get("prior"), trusted)
    sizes = {name: getattr(shape, name) for name in ("dims", "inputs", "box", "pixel_size")}
    parts |= {name: size for name, size in sizes.items() if name in wanted}
    method: Method = build(node, "method", trusted=trusted, **parts)
    factories = {
        str(player): build(part, f"method.optim.{player}", trusted=trusted)
        for player, part in optim.items()
    }
    return method, factories


def _prior(path: str | None, trust: tuple[str, ...]) -> TrainedPrior | None:
    """Load the trained denoiser that a method asks for as its prior."""
    if path is None:
        return None
    trained = restore(keep(Path(path).expanduser()), trust=trust)
    if trained.shape.inputs != 1 or trained.shape.dims != 2:
        raise UserError(
            f"method.prior={path}: a denoiser of single-channel images in the plane is needed; this"
            f" one takes {trained.shape.inputs} channels along {trained.shape.dims} axes"
        )
    return TrainedPrior(trained.method)


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a configuration as plain values, for a checkpoint."""
    values = OmegaConf.to_container(config, resolve=True)
    return {str(k): v for k, v in values.items()} if isinstance(values, Mapping) else {}


@dataclass(frozen=True)
class Trained:
    """A trained method and all that is needed to apply it.

    Attributes
    ----------
    method, scale, shape
        The method with its weights, the scale it works on, and what it is fed.
    step
        Steps it was trained for.
    path
        The checkpoint.
    names
        The configuration's choice in words, such as "n2v".

    """

    method: Method
    scale: Normalisation
    shape: Shape
    step: int
    path: Path
    names: str

    def predictor(self, runtime: Runtime, inference: Inference) -> Predictor:
        """Return the method ready for images."""
        return Predictor(
            self.method,
            self.scale,
            runtime,
            inference=inference,
            allowed=self.shape.augment,
            joint=self.shape.joint,
        )


@dataclass(frozen=True)
class Kept:
    """A checkpoint as it was read.

    Attributes
    ----------
    path
        Its file.
    state
        What is in it.

    """

    path: Path
    state: dict[str, Any]

    @property
    def kind(self) -> str:
        """The kind of data that were learnt from; see `kinds`."""
        return str(self.state.get("kind", "images"))

    @property
    def names(self) -> str:
        """The method's name in words."""
        return str(self.state["config"]["method"].get("_target_", "")).rsplit(".", 1)[-1]

    def rebuild(self, trust: tuple[str, ...]) -> tuple[Method, Shape]:
        """Return the trained method, and what it is fed.

        Only code of bioreco and of the packages in `trust` is run, whatever the checkpoint says.
        """
        config = OmegaConf.create({**self.state["config"], "trust": list(trust)})
        shape = Shape(**self.state["shape"])
        method, _ = assemble(config, shape, restored=True)
        method.load_state_dict(dict(self.state["method"]) | dict(self.state.get("average", {})))
        return method, shape


def keep(path: Path) -> Kept:
    """Read the checkpoint of a run folder, or of a file.

    Raises
    ------
    UserError
        If there is no finished checkpoint.

    """
    file = path
    if not path.exists():
        raise UserError(f"{path}: there is no such run or checkpoint")
    if path.is_dir():
        file = path / "checkpoints" / "best.pt"
        if not file.exists():
            raise UserError(
                f"{path} is not a run, or has not reached a checkpoint: there is no"
                " checkpoints/best.pt in it"
            )
    kept = Kept(file, checkpoint.load(file))
    if "shape" not in kept.state or (kept.kind == "images" and "normalisation" not in kept.state):
        raise UserError(f"{file} is not a checkpoint that can be applied to images")
    return kept


def restore(kept: Kept, *, trust: tuple[str, ...] = ()) -> Trained:
    """Rebuild a method that was trained on images.

    Raises
    ------
    UserError
        If it learnt from something else.

    """
    if kept.kind != "images":
        raise UserError(f"{kept.path} learnt from {kept.kind}, so it can't be applied to images")
    method, shape = kept.rebuild(trust)
    scale = Normalisation.from_state(kept.state["normalisation"])
    return Trained(method, scale, shape, int(kept.state["step"]), kept.path, kept.names)
