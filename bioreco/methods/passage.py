"""How a cycle passes between measurements and images: of microscopes, and of MRI scanners.

The generator and its critics see images with real channels, whatever was measured: a passage turns
a batch into them, and knows the forward path H of the y-branch, y -> G(y) -> H G(y), and that of
the x-branch, x -> H x + n, with as much noise as the measurements have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from bioreco.methods.camera import Camera
from bioreco.methods.method import Batch, Facts
from bioreco.operators.convolution import cut

Forward = Callable[[Tensor], Tensor]
_CORNER = 0.75  # of the way to the edge of k-space, from where on there is next to no signal
_PASSED = 0.02  # of detail from pixel to pixel: what passes a blur that hides it
_MEDIAN = 0.8326  # of |n| over the root of E|n|^2


class Passage(Protocol):
    """What a cycle asks of its measurements."""

    def measured(self, batch: Batch) -> Tensor:
        """Return what the generator sees (b, c, [z,] y, x)."""

    def forward(self, batch: Batch) -> Forward:
        """Return H of these measurements, from images to what the generator sees."""

    def remeasured(self, batch: Batch, *, noisy: bool) -> Tensor:
        """Return H x + n of the sharp images of the batch."""

    def seen(self, measured: Tensor) -> Tensor:
        """Return the part of measurements that what lies beyond a patch says nothing in."""

    def noise(self, clean: Tensor, batch: Batch) -> Tensor | None:
        """Return the deviation of noise that measurements of `clean` have, where it's known."""

    def images(self, sharp: Tensor) -> Tensor:
        """Return the sharp images of a batch with real channels."""

    def estimate(self, images: Tensor) -> Tensor:
        """Return images as the method's users get them."""


class Microscope:
    """Blurred images, whose noise follows from their level.

    Parameters
    ----------
    model
        Its `operator()` maps sharp to measured images.

    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.camera = Camera()

    def prepare(self, facts: Facts) -> None:
        """Learn the noise of the measurements, at detail that the blur leaves nothing of."""
        found = Camera.of_blurred(facts) if self._hides() else None
        self.camera = found or Camera.of(facts)

    def _hides(self) -> bool:
        """Return whether nothing passes the blur of what changes from pixel to pixel."""
        kernel = getattr(self.model, "kernel", None)
        if kernel is None or int(getattr(self.model, "down", 1)) > 1:
            return False
        plane = kernel.detach().double()
        plane = plane.sum(0) if plane.ndim == 3 else plane
        second = torch.tensor([1.0, -2.0, 1.0], dtype=plane.dtype, device=plane.device)
        fine = torch.outer(second, second)[None, None] / 6
        return float(functional.conv2d(plane[None, None], fine, padding=2).norm()) < _PASSED

    def measured(self, batch: Batch) -> Tensor:
        """Return the measurements."""
        return batch["y"]

    def forward(self, batch: Batch) -> Forward:
        """Return H, the same for all."""
        del batch
        operator: Forward = self.model.operator()
        return operator

    def remeasured(self, batch: Batch, *, noisy: bool) -> Tensor:
        """Return H x + n on the network's scale."""
        clean = self.forward(batch)(batch["sharp"])
        return self.noisy(clean, batch) if noisy else clean

    def noisy(self, clean: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return an image with the noise of the camera at its level."""
        down = int(getattr(self.model, "down", 1))
        noise = torch.randn_like(clean[..., ::down, ::down])
        noise = noise.repeat_interleave(down, -1).repeat_interleave(down, -2)
        return clean + self.camera.deviation(clean, batch) * noise

    def seen(self, measured: Tensor) -> Tensor:
        """Return the inside of measurements (b, c, [z,] y, x) that the PSF reaches from no border.

        There H x of a patch is what the microscope would show. Where the PSF is wide, the middle
        half along each axis.
        """
        kernel = getattr(self.model, "kernel", None)
        if kernel is None:
            return measured
        sides = measured.shape[2:]
        margins = [min(k // 2, n // 4) for k, n in zip(kernel.shape, sides, strict=True)]
        inside = [n - 2 * m for n, m in zip(sides, margins, strict=True)]
        return cut(measured, margins, inside)

    def noise(self, clean: Tensor, batch: Batch) -> Tensor:
        """Return that of the camera, on the network's scale."""
        return self.camera.deviation(clean, batch).expand_as(clean)

    def images(self, sharp: Tensor) -> Tensor:
        """Return them as they are."""
        return sharp

    def estimate(self, images: Tensor) -> Tensor:
        """Return them as they are."""
        return images


class Scanner:
    """Undersampled k-space: the generator sees E^H y, with real and imaginary parts as channels.

    H of images is E^H M E, with M the measured samples: b = E^H y is its value at the image, but
    for noise (Oh et al., IEEE Trans. Comput. Imaging 6, 2020).

    Parameters
    ----------
    model
        Its `operator(batch)` maps images (b, S, y, x) to k-space.

    Notes
    -----
    Sharp images come with the coils and the samples that they are measured with, `sharp_maps` and
    `sharp_mask`.

    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.camera = Camera()

    def prepare(self, facts: Facts) -> None:
        """Know nothing beforehand: noise is looked at in each batch."""

    def measured(self, batch: Batch) -> Tensor:
        """Return E^H y."""
        return apart(self.model.operator(batch).adjoint(batch["y"]))

    def forward(self, batch: Batch) -> Forward:
        """Return E^H M E of the measurements."""
        H = self.model.operator(batch)
        return lambda x: apart(H.normal(together(x)))

    def remeasured(self, batch: Batch, *, noisy: bool) -> Tensor:
        """Return E^H (M E x + n), with the coils of the sharp images."""
        x = batch["sharp"]
        count = len(x)
        mask = batch["sharp_mask"]
        known = {"maps": batch["sharp_maps"], "mask": mask, "caipi": batch["caipi"][:count]}
        H = self.model.operator(known)
        y = H.forward(x)
        if noisy:
            noise = torch.randn_like(y) * noise_of_scan(batch)[:count]
            y = y + torch.where(mask, noise, 0)
        return apart(H.adjoint(y))

    def seen(self, measured: Tensor) -> Tensor:
        """Return all: a scan has no patches."""
        return measured

    def noise(self, clean: Tensor, batch: Batch) -> None:
        """Know nothing of that of E^H y."""

    def images(self, sharp: Tensor) -> Tensor:
        """Return real and imaginary parts as channels."""
        return apart(sharp)

    def estimate(self, images: Tensor) -> Tensor:
        """Return complex images."""
        return together(images)


def apart(x: Tensor) -> Tensor:
    """Return complex images (b, S, y, x) as real ones (b, 2 S, y, x)."""
    return torch.cat([x.real, x.imag], 1)


def together(x: Tensor) -> Tensor:
    """Return real images (b, 2 S, y, x) as complex ones (b, S, y, x)."""
    real, imaginary = x.chunk(2, 1)
    return torch.complex(real, imaginary)


def noise_of_scan(batch: Batch) -> Tensor:
    """Return the root of E|n|^2 of measured samples (b, 1, 1, 1), from the corners of k-space."""
    y = batch["y"]
    rows, columns = (
        (torch.linspace(-1, 1, n, device=y.device).abs() > _CORNER) for n in y.shape[-2:]
    )
    corners = rows[:, None] & columns[None]
    found = []
    for one, mask in zip(y, batch["mask"], strict=True):
        seen = corners & mask[0]
        size = one[:, seen].abs() if bool(seen.any()) else one.new_zeros(1).abs()
        found.append(size.median() / _MEDIAN)
    return torch.stack(found).view(-1, 1, 1, 1)
