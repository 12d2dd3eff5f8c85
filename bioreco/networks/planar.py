"""Three-way averaging: a stack restored plane by plane along each of its axes.

Each orientation of planes has a 2D network of its own, since microscopes blur z more than y and x.
Their results are averaged (Lee et al., ISBI 2019). Where they differ nothing holds the result.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bioreco.errors import UserError, nearest
from bioreco.networks.unet import UNet

AXES = {"xy": 2, "xz": 3, "yz": 4}  # axis of (b, c, z, y, x) that planes lie across


class Planar(nn.Module):
    """2D U-Nets along planes of a stack, averaged.

    Parameters
    ----------
    inputs, outputs, dims
        Channels that go in and come out; 3 spatial axes.
    planes
        Orientations: "xy", "xz", "yz".
    channels, depth, norm, pool, top_skip
        Of each network; see `UNet`.

    Attributes
    ----------
    halo, stride
        As of `UNet`.

    Raises
    ------
    UserError
        If there are images, or an orientation isn't known.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dims: int,
        *,
        planes: tuple[str, ...] = ("xy", "xz", "yz"),
        channels: int = 16,
        depth: int = 2,
        norm: str = "none",
        pool: str = "max",
        top_skip: bool = True,
    ) -> None:
        super().__init__()
        if dims != 3:
            raise UserError("network=planar goes along the planes of stacks; these are images")
        for plane in planes:
            if plane not in AXES:
                raise UserError(
                    f"network.planes={list(planes)}: any of {', '.join(AXES)}."
                    + nearest(plane, AXES)
                )
        if not planes:
            raise UserError(f"network.planes=[]: at least one of {', '.join(AXES)}")
        options: dict[str, Any] = {"channels": channels, "depth": depth, "norm": norm}
        options |= {"pool": pool, "top_skip": top_skip}
        self.planes = tuple(planes)
        networks = [UNet(inputs, outputs, 2, **options) for _ in planes]
        self.each = nn.ModuleList(networks)
        halo, stride = networks[0].halo, networks[0].stride
        crossed = [[AXES[p] != axis for p in planes] for axis in AXES.values()]
        self.stride = tuple(stride[0] if any(along) else 1 for along in crossed)
        self.halo: tuple[int, ...] | None = None
        if halo is not None:
            self.halo = tuple(halo[0] if any(along) else 0 for along in crossed)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inputs, z, y, x) to (b, outputs, z, y, x)."""
        return torch.stack(self.views(x)).mean(0)

    def views(self, x: Tensor) -> list[Tensor]:
        """Return what each orientation makes of a stack."""
        found = []
        for plane, network in zip(self.planes, self.each, strict=True):
            turned = x.movedim(AXES[plane], 1)
            made = network(turned.flatten(0, 1)).unflatten(0, turned.shape[:2])
            found.append(made.movedim(1, AXES[plane]))
        return found
