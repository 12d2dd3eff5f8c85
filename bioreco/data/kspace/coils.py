"""Linear combinations of the coils: noise prewhitening, and compression to fewer coils."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bioreco.data.acquisition import Acquisition, Complex
from bioreco.data.image import times
from bioreco.data.kspace.centre import calibration_region
from bioreco.data.kspace.scans import Matrix, Wrapped, described
from bioreco.errors import UserError


@dataclass(frozen=True)
class Mixed(Wrapped):
    """An acquisition whose coils are combined by a matrix (new coils, coils).

    With maps C and image x the mixed maps M C are normalised again, to M C / rho; the image that
    goes with them is rho x.

    Attributes
    ----------
    matrix
        M.

    """

    matrix: Matrix = field(kw_only=True)

    def kspace(self, frame: int, group: int) -> Complex:
        """Return M y."""
        return self._mixed(self.base.kspace(frame, group), 0)

    def maps(self, group: int) -> Complex:
        """Return M C / rho."""
        maps, rho = self._normalised(group)
        return np.asarray(maps / np.where(rho > 0, rho, 1)[:, None], dtype=np.complex64)

    def calibration(self, group: int) -> Complex | None:
        """Return the mixed single-band lines."""
        lines = self.base.calibration(group)
        return None if lines is None else self._mixed(lines, 1)

    def reference(self, frame: int, group: int) -> Complex | None:
        """Return rho x."""
        image = self.base.reference(frame, group)
        return None if image is None else image * self._normalised(group)[1]

    def noise(self) -> Complex | None:
        """Return the mixed noise scan."""
        samples = self.base.noise()
        return None if samples is None else self._mixed(samples, 0)

    def _normalised(self, group: int) -> tuple[Complex, NDArray[np.float32]]:
        maps = self._mixed(self.base.maps(group), 1)
        return maps, np.sqrt((np.abs(maps) ** 2).sum(1)).astype(np.float32)

    def _mixed(self, values: Complex, axis: int) -> Complex:
        matrix = self.matrix.astype(np.complex64)
        return np.ascontiguousarray(np.moveaxis(np.tensordot(matrix, values, (1, axis)), 0, axis))


def covariance(samples: Complex) -> Matrix:
    """Return the noise covariance Psi (coils, coils) of samples (coils, n), of zero mean."""
    values = samples.reshape(len(samples), -1).astype(np.complex128)
    return np.asarray(values @ values.conj().T / values.shape[1])


def prewhitened(base: Acquisition, source: str) -> Acquisition:
    """Make the noise of all coils uncorrelated, with standard deviation 1 of a complex sample.

    y <- L^-1 y with Psi = L L^H (Pruessmann et al., Magn Reson Med 46:638, 2001).

    Parameters
    ----------
    base
        The acquisition.
    source
        "scan": the noise scan that came with it. "edge": the outermost corners of k-space, where
        little signal is left. "auto": the scan, else nothing is done. "none": nothing.

    Raises
    ------
    UserError
        If there is no noise scan, or too few samples.

    """
    samples = base.noise() if source in {"scan", "auto"} else None
    if source == "none":
        return base
    if source == "auto" and samples is None:
        return base
    if source == "scan" and samples is None:
        raise UserError(
            f"{base.name} holds no noise scan; say data.prewhiten=edge to take the noise from the"
            " outer part of k-space, or data.prewhiten=none."
        )
    where = "the noise scan"
    if samples is None:
        samples, where = _edge(base), "the corners of k-space"
    if samples.shape[1] < 4 * base.coils:
        raise UserError(
            f"{base.name}: {samples.shape[1]} samples of noise are too few for the covariance of"
            f" {base.coils} coils, which takes {4 * base.coils}; say data.prewhiten=none."
        )
    psi = covariance(samples)
    values = np.linalg.eigvalsh(psi)
    if values[0] <= 1e-9 * values[-1]:
        raise UserError(
            f"{base.name}: the noise of its coils is linearly dependent (eigenvalues"
            f" {values[0]:.2g} to {values[-1]:.2g}), so that it can't be whitened;"
            " compress the coils with data.coils, and say data.prewhiten=none."
        )
    matrix: Matrix = np.linalg.inv(np.linalg.cholesky(psi)).astype(np.complex128)
    return Mixed(**described(base, _told(psi, samples.shape[1], where)), matrix=matrix)


def _told(psi: Matrix, count: int, where: str) -> str:
    sigma = np.sqrt(np.real(np.diag(psi)))
    correlation = np.abs(psi) / np.outer(sigma, sigma)
    most = float((correlation - np.eye(len(psi))).max(initial=0))
    return (
        f"noise whitened, from {count} samples of {where}: standard deviations of the coils"
        f" {sigma.min():.3g} to {sigma.max():.3g}, correlations up to {most:.2f}"
    )


def _edge(base: Acquisition) -> Complex:
    """Return the samples (coils, n) beyond 90 % of the way to the corners, from some frames."""
    rows, columns = base.size
    far = np.hypot(
        (np.arange(rows)[:, None] - rows // 2) / (rows / 2),
        (np.arange(columns) - columns // 2) / (columns / 2),
    )
    outer, found = far > 0.9 * np.sqrt(2), []
    for frame in range(min(base.frames, 4)):
        for group in range(min(base.groups, 8)):
            chosen = outer & base.mask(frame, group)
            found.append(base.kspace(frame, group)[:, chosen])
    return np.concatenate(found, axis=1)


def compressed(base: Acquisition, coils: int | None, *, lines: int = 24) -> Acquisition:
    """Combine the coils to fewer virtual ones that hold most of the signal.

    The virtual coils are the principal components of the central `lines` of k-space over all slices
    (Buehrer et al., Magn Reson Med 57:1131, 2007; Huang et al., Magn Reson Imaging 26:133, 2008).

    Raises
    ------
    UserError
        If more coils are wanted than there are.

    """
    if coils is None or coils == base.coils:
        return base
    if not 1 <= coils <= base.coils:
        raise UserError(
            f"data.coils={coils}: {base.name} has {base.coils} coils; choose from 1 to"
            f" {base.coils}, or null for all."
        )
    total = np.zeros((base.coils, base.coils), np.complex128)
    for group in range(base.groups):
        region, _ = calibration_region(base, group, lines=lines)
        values = np.moveaxis(region, 1, 0)
        if values.size == 0:
            values = base.kspace(0, group)
        total += covariance(values.reshape(base.coils, -1)) * values[0].size
    energies, vectors = np.linalg.eigh(total)
    if energies[-1] <= 0:
        raise UserError(f"{base.name}: its k-space of {times(base.size)} is 0 in the centre.")
    kept = 100 * energies[::-1][:coils].sum() / energies.sum()
    note = f"{base.coils} coils compressed to {coils} virtual ones that hold {kept:.2f} % of energy"
    matrix = np.asarray(vectors[:, ::-1][:, :coils].conj().T)
    return Mixed(**described(base, note, coils=coils), matrix=matrix)
