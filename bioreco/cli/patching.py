"""Whether training patches fit a method and its network."""

from __future__ import annotations

from bioreco.data.measurements import Measurements
from bioreco.errors import UserError
from bioreco.methods.method import Method


def check_patch(data: Measurements, method: Method) -> None:
    """Refuse patches that the network can't halve so often, or the method can't use."""
    for pixels, step in zip(data.patch, method.stride or (), strict=False):
        if pixels % step:
            raise UserError(
                f"patches of {' x '.join(map(str, data.patch))} pixels don't fit the network, which"
                f" needs multiples of {step}: lower network.depth, or change data.patch"
            )
    method.check(data.patch)
