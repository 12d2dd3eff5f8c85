"""Simulated tomograms of cells: the light is tilted, so that a cone of frequencies is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from bioreco.data.simulation.cell import LEAST, cell
from bioreco.data.tomograms.values import Array, Light, Tomogram
from bioreco.errors import UserError
from bioreco.operators.diffraction import Views, potential
from bioreco.operators.odt import Scatter

WIDE = 2  # images are so many times as wide as the volume: light is scattered to the side
RIM = 0.98  # of the aperture that the tilted light comes through


@dataclass(frozen=True)
class Microscope:
    """How simulated cells are looked at.

    Parameters
    ----------
    views
        Directions of the light: one straight, the others on a cone.
    wavelength, pixel_size
        Nanometres.
    medium, na
        Refractive index around the cell, and numerical aperture of the objectives.
    noise
        Standard deviation of phase (radians) and logarithm of the amplitude, in each pixel.
    scattering
        "rytov" or "born", the approximation that the fields are made by.

    Raises
    ------
    UserError
        If a value can't be.

    """

    views: int = 49
    wavelength: float = 532.0
    pixel_size: float = 110.0
    medium: float = 1.337
    na: float = 1.2
    noise: float = 0.02
    scattering: str = "rytov"

    def __post_init__(self) -> None:
        if self.views < 4 or self.noise < 0:
            raise UserError(
                f"data.microscope: views={self.views}, noise={self.noise:g}: at least 4 views,"
                " noise 0 or more"
            )
        if not (100 <= self.wavelength <= 2000 and 0 < self.na <= self.medium <= 2):
            raise UserError(
                f"data.microscope: wavelength={self.wavelength:g}, na={self.na:g},"
                f" medium={self.medium:g}: 100 to 2000 nm, and na at most the medium's index"
            )
        if not 10 <= self.pixel_size <= self.wavelength / self.medium:
            raise UserError(
                f"data.microscope.pixel_size={self.pixel_size:g}: 10 nm to a wavelength in the"
                f" medium, {self.wavelength / self.medium:.0f} nm"
            )
        if self.scattering not in ("rytov", "born"):
            raise UserError(f"data.microscope.scattering={self.scattering}: rytov or born")

    @property
    def illumination(self) -> Array:
        """Directions of the light (views, 3)."""
        around = 2 * np.pi * np.arange(self.views - 1) / (self.views - 1)
        lateral = RIM * self.na / self.medium
        tilted = [lateral * np.cos(around), lateral * np.sin(around)]
        along = np.full(self.views - 1, np.sqrt(1 - lateral**2))
        return np.concatenate([[[0.0, 0.0, 1.0]], np.stack([*tilted, along], -1)])

    def tomogram(self, seed: int, number: int, box: int) -> Tomogram:
        """Return the `number`-th tomogram of a seed, of a cell in `box` voxels."""
        if box < LEAST:
            raise UserError(f"data.box={box}: at least {LEAST} voxels")
        truth = cell(seed, number, box, self.medium)
        light = self.illumination
        turned = np.broadcast_to(np.eye(3), (self.views, 3, 3))
        k0 = 2 * np.pi * self.pixel_size / self.wavelength
        views = Views(
            torch.from_numpy(light), torch.from_numpy(turned.copy()), k0 * self.medium, k0 * self.na
        )
        f = potential(torch.from_numpy(truth.index), self.medium, views.wavenumber)
        with torch.inference_mode():
            fields = Scatter(views, box, WIDE * box, WIDE).forward(f[None, None])[0].numpy()
        if self.scattering == "born":
            fields = _logarithm(fields)
        draw = np.random.default_rng([67, seed, number])
        noise = draw.normal(size=(2, *fields.shape)) * self.noise
        optics = Light(self.wavelength, self.pixel_size, self.medium, self.na)
        fields = (fields + noise[0] + 1j * noise[1]).astype(np.complex64)
        return Tomogram(f"cell_{seed}_{number}", fields, light, turned, optics, truth)


def _logarithm(scattered: Array) -> Array:
    """Return ln(1 + u_B / u_0), with the phase unwrapped."""
    from bioreco.data.tomograms.phase import log_fields

    whole = 1 + scattered
    return log_fields(np.angle(whole), np.abs(whole), "a simulated cell", unwrap="always")[0]
