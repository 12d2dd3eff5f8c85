"""Diffraction tomography without learning: Fourier binning, Gerchberg-Papoulis, total variation.

The baselines of Fig. 10 of the review. All work on the scattering potential f, in which the
measurement is linear, and return refractive indices.

References
----------
.. [1] R. W. Gerchberg, "Super-resolution through error energy reduction", Optica Acta 21, 1974.
.. [2] A. Papoulis, "A new algorithm in spectral analysis and band-limited extrapolation", IEEE
   Transactions on Circuits and Systems 22, 1975.
.. [3] J. Lim et al., "Comparative study of iterative reconstruction algorithms for missing cone
   problems in optical diffraction tomography", Optics Express 23, 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.method import Batch, Estimate, Method
from bioreco.operators import variation
from bioreco.operators.diffraction import refractive_index
from bioreco.operators.fourier_bins import Bins, bin_caps
from bioreco.operators.odt import ODT, views_of


class Tomography(Method):
    """A reconstruction of refractive indices (1, 1, z, y, x). Subclasses give `potential`."""

    averaged = False
    denoises = False

    def __init__(self, forward_model: ODT) -> None:
        super().__init__()
        self.forward_model = forward_model

    def potential(self, bins: Bins, scale: float) -> Tensor:
        """Return f (z, y, x); `scale` is what f is for an index 1 above the medium's."""
        raise NotImplementedError

    def bins(self, batch: Batch) -> Bins:
        """Return what a tomogram's measurements say of the spectrum of f."""
        seen = self.forward_model.scattered(batch["y"])[0]
        size = int(batch["box"][0])
        return bin_caps(seen, views_of(batch), size, pad=self.forward_model.pad)

    @torch.no_grad()
    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the refractive index (1, 1, z, y, x)."""
        return Estimate(index_of(self.potential(self.bins(batch), scale_of(batch)), batch))

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Train nothing."""
        return {}

    @property
    def augment(self) -> str:
        """Nothing is turned."""
        return "none"


def scale_of(batch: Batch) -> float:
    """Return df/dn at the medium's index, 2 k_m^2 / n_m."""
    return 2 * views_of(batch).wavenumber ** 2 / float(batch["optics"][0, 2])


def index_of(f: Tensor, batch: Batch) -> Tensor:
    """Return the refractive index (1, 1, z, y, x) of a potential (z, y, x)."""
    medium, wavenumber = float(batch["optics"][0, 2]), views_of(batch).wavenumber
    return refractive_index(f, medium, wavenumber)[None, None]


class FourierBinning(Tomography):
    """What was measured, and 0 in the missing cone.

    Parameters
    ----------
    forward_model
        Rytov or Born.

    """

    def potential(self, bins: Bins, scale: float) -> Tensor:  # noqa: ARG002
        """Return the volume of the measured frequencies."""
        return bins.volume(bins.values)


class GerchbergPapoulis(Tomography):
    """Fill the missing cone with what keeps the object positive and within the box.

    Parameters
    ----------
    forward_model
        Rytov or Born.
    iterations
        Of constraints and measured frequencies in turn.
    positive
        Whether f is nowhere negative.

    Raises
    ------
    UserError
        If `iterations` is below 1.

    """

    def __init__(self, forward_model: ODT, *, iterations: int = 100, positive: bool = True) -> None:
        super().__init__(forward_model)
        _check(iterations, 0.0)
        self.iterations, self.positive = iterations, positive

    def potential(self, bins: Bins, scale: float) -> Tensor:  # noqa: ARG002
        """Return f after all iterations."""
        start = bins.volume(bins.values)
        return gerchberg_papoulis(bins, start, self.iterations, positive=self.positive)


class TomographicTV(Tomography):
    """argmin_f 1/2 ||M F f - y||^2 + weight TV(f), by an accelerated proximal gradient (FISTA).

    Parameters
    ----------
    forward_model
        Rytov or Born.
    weight
        In refractive index.
    iterations
        Steps.
    positive
        Whether f is nowhere negative.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        forward_model: ODT,
        *,
        weight: float = 0.002,
        iterations: int = 100,
        positive: bool = True,
    ) -> None:
        super().__init__(forward_model)
        _check(iterations, weight)
        self.weight, self.iterations, self.positive = weight, iterations, positive

    def potential(self, bins: Bins, scale: float) -> Tensor:
        """Return f after all steps, each of length 1: M F doesn't lengthen anything."""
        x = ahead = bins.volume(bins.values)
        t = 1.0
        for _ in range(self.iterations):
            new = variation.smooth(bins.imposed(ahead), self.weight * scale, iterations=10, axes=3)
            new = new.clamp(min=0) if self.positive else new
            after = (1 + (1 + 4 * t * t) ** 0.5) / 2
            ahead = new + (t - 1) / after * (new - x)
            x, t = new, after
        return x


def gerchberg_papoulis(bins: Bins, f: Tensor, iterations: int, *, positive: bool = True) -> Tensor:
    """Return f (z, y, x) after so many turns: positive, then as it was measured."""
    for _ in range(iterations):
        f = bins.imposed(f.clamp(min=0) if positive else f)
    return f.clamp(min=0) if positive else f


def _check(iterations: int, weight: float) -> None:
    if iterations < 1 or weight < 0:
        raise UserError(
            f"method: iterations={iterations}, weight={weight:g}: at least 1 iteration, weight 0 or"
            " more"
        )
