"""Kernels of parallel imaging, learnt from calibration lines and put to use as unmixing images.

GRAPPA fills the lines that in-plane acceleration left out; slice-GRAPPA tells apart slices that
were excited together (Setsompop et al., MRM 67, 2012), and split slice-GRAPPA does so while
letting nothing through from the other slices (Cauley et al., MRM 72, 2014). One factored Gram
matrix serves all slices. Both are linear and slide over k-space: together with the coil maps they
come down to one image for each slice and coil, x_s = sum_c U_{s,c} shift_{-D_s}(F^H y_c).
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.operators.fourier import fft2, ifft2
from bioreco.operators.interpolation import Stencil, weights
from bioreco.operators.sms import phases, shifted

KEPT = 16  # unmixing images that are remembered: groups of slices in a frame, as a rule


@dataclass(frozen=True)
class Lattice:
    """Lines that are measured regularly.

    Attributes
    ----------
    acceleration
        R: every R-th line.
    lines
        Those of the lattice (ky,) bool.
    extra
        Other lines that were measured too, in the middle (ky,) bool.

    """

    acceleration: int
    lines: Tensor
    extra: Tensor

    @classmethod
    def of(cls, mask: Tensor, method: str) -> Lattice:
        """Find the lattice of a mask (ky, kx).

        Raises
        ------
        UserError
            If there is none.

        """
        taken = mask.any(-1)
        rows = torch.nonzero(taken).flatten().tolist()
        whole = bool((mask == taken[:, None]).all())
        gaps = [b - a for a, b in itertools.pairwise(rows)]
        step = max(gaps, default=0)
        lattice = torch.zeros_like(taken)
        if step:
            first = rows[gaps.index(step)]
            lattice[first % step :: step] = True
            lattice[: rows[0]] = False
            lattice[rows[-1] + 1 :] = False
        extra = torch.nonzero(taken & ~lattice).flatten().tolist()
        middle = not extra or bool(taken[extra[0] : extra[-1] + 1].all())
        if not whole or not step or not middle or bool((lattice & ~taken).any()):
            raise UserError(
                f"method={method} needs regular undersampling, every R-th line along ky; this mask"
                " isn't: choose a method that takes any mask, such as sense or l1_wavelet"
            )
        return cls(step, lattice, taken & ~lattice)


@dataclass(frozen=True)
class Kernels:
    """How kernels are made.

    Attributes
    ----------
    method
        Name, for messages.
    lines, columns
        Sources of a slice kernel along ky (in steps of R) and kx, odd; of an in-plane kernel one
        line less.
    regularisation
        Share of the mean eigenvalue that is added to the Gram matrix.
    split
        Whether slices are kept out of each other (split slice-GRAPPA), or only their sum is
        told apart.

    """

    method: str
    lines: int
    columns: int
    regularisation: float
    split: bool = True

    def unmixing(self, calibration: Tensor, maps: Tensor, caipi: Tensor, step: int) -> Tensor:
        """Return U (S, C, y, x) of one problem.

        Parameters
        ----------
        calibration
            Central lines of each slice alone, not shifted, (S, C, lines, kx).
        maps
            (S, C, y, x).
        caipi
            D_s in pixels (S,).
        step
            R.

        """
        self._check(calibration, step)
        combined = torch.conj_physical(maps)
        if step > 1:
            combined = torch.stack(
                [self._filled(one, c, step) for one, c in zip(calibration, combined, strict=True)]
            )
        if len(maps) == 1:
            return combined
        return self._separated(calibration, combined, caipi, step)

    def _check(self, calibration: Tensor, step: int) -> None:
        bands, lines = len(calibration), calibration.shape[-2]
        columns = calibration.shape[-1]
        reach = (self.lines - 1) * step + 1 if bands > 1 else (self.lines - 2) * step + 1
        if (bands > 1 or step > 1) and (lines < reach or columns < self.columns):
            raise UserError(
                f"method={self.method}: {lines} calibration lines are too few for a kernel of"
                f" {self.lines} lines at acceleration {step}, which needs {reach}: acquire more,"
                " or lower method.lines"
            )

    def _columns(self) -> tuple[int, ...]:
        return tuple(range(-(self.columns // 2), self.columns // 2 + 1))

    def _filled(self, k: Tensor, combined: Tensor, step: int) -> Tensor:
        """Fold the filling of left-out lines (S apart) into the combination of coils (C, y, x)."""
        found = combined.clone()
        near = self.lines - 1
        for missing in range(1, step):
            first = -missing - (near // 2 - 1) * step
            lines = tuple(first + step * i for i in range(near))
            stencil = Stencil(lines, self._columns())
            B, T = stencil.sources(k)
            kernel = weights(B.mH @ B, B.mH @ T, regularisation=self.regularisation)
            found = found + _through(stencil, kernel, combined)
        return found

    def _separated(self, k: Tensor, combined: Tensor, caipi: Tensor, step: int) -> Tensor:
        """Fold the separation of slices into what follows it (S, C, y, x)."""
        half = self.lines // 2
        stencil = Stencil(tuple(step * i for i in range(-half, half + 1)), self._columns())
        lines = combined.shape[-2]
        turned = phases(caipi[None], lines)[0].to(k)  # (S, 1, ky, 1)
        first = lines // 2 - k.shape[-2] // 2
        k = k * turned[..., first : first + k.shape[-2], :]
        B, T = stencil.sources(k)
        if self.split:
            matrix = sum((one.mH @ one for one in B[1:]), B[0].mH @ B[0])
            right = B.mH @ T
        else:
            mixed = B.sum(0)
            matrix, right = mixed.mH @ mixed, mixed.mH @ T
        kernels = weights(matrix, right.movedim(0, 1), regularisation=self.regularisation)
        back = _unturned(stencil, caipi, lines, len(kernels)).to(k)
        each = zip(kernels.unbind(1), back, combined, strict=True)
        return torch.stack([_through(stencil, w * b[:, None], c) for w, b, c in each])


def _unturned(stencil: Stencil, caipi: Tensor, lines: int, sources: int) -> Tensor:
    """Return the phases (S, sources) that make a kernel one of k-space without a slice's shift."""
    offsets = torch.tensor(stencil.lines, dtype=torch.float64)
    cycles = -offsets * caipi.double().cpu()[:, None] / lines
    ramp = torch.polar(torch.ones_like(cycles), 2 * torch.pi * cycles)
    each = ramp[:, :, None].expand(-1, -1, len(stencil.columns)).flatten(1)
    return each.repeat(1, sources // each.shape[1])


def _through(stencil: Stencil, kernel: Tensor, after: Tensor) -> Tensor:
    """Return sum_j after_j K_{j,c} (C, y, x): the weights of what a kernel sees."""
    found = torch.zeros_like(after)
    size = (after.shape[-2], after.shape[-1])
    for output, weight in zip(kernel.unbind(1), after, strict=True):
        found += stencil.images(output, size) * weight
    return found


class Unmixing:
    """Unmixing images, made once for calibration lines that come again."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self._known: dict[bytes, Tensor] = {}

    def __call__(self, y: Tensor, mask: Tensor, maps: Tensor, caipi: Tensor, k: Tensor) -> Tensor:
        """Return x (b, S, y, x) of k-space (b, C, ky, kx)."""
        found = []
        for n in range(len(y)):
            lattice = Lattice.of(mask[n, 0], self.kernels.method)
            found.append(self._one(y[n], lattice, maps[n], caipi[n], k[n]))
        return torch.stack(found)

    def _one(
        self, y: Tensor, lattice: Lattice, maps: Tensor, caipi: Tensor, calibration: Tensor
    ) -> Tensor:
        U = self._images(calibration, maps, caipi, lattice.acceleration)
        if len(maps) > 1 and bool(lattice.extra.any()):
            raise UserError(
                f"method={self.kernels.method}: {int(lattice.extra.sum())} lines beside the regular"
                " ones were measured with all slices at once; it takes regular lines alone"
            )
        seen = ifft2(y * lattice.lines[:, None])
        bands = shifted(seen.expand(len(maps), -1, -1, -1)[None], -caipi[None])[0]
        x = (U * bands).sum(1)
        if bool(lattice.extra.any()):
            rest = (y - fft2(maps[0] * x)) * lattice.extra[:, None]
            x = x + (torch.conj_physical(maps) * ifft2(rest)).sum(1)
        return x

    def _images(self, k: Tensor, maps: Tensor, caipi: Tensor, step: int) -> Tensor:
        parts = (k, maps, caipi, torch.tensor(step))
        digest = hashlib.blake2b(digest_size=16)
        for part in parts:
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        key = digest.digest()
        if key not in self._known:
            while len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self.kernels.unmixing(k, maps, caipi, step)
        return self._known[key]
