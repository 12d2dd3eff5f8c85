"""Kernels that predict a sample of k-space from its neighbours in all coils.

Coil maps are smooth, so that near samples of the coils depend on each other linearly. The weights
are learnt where k-space was measured completely (GRAPPA; Griswold et al., MRM 47, 2002). A kernel
slid over k-space is a product of images (Breuer et al., MRM 62, 2009), by which it is applied.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bioreco.operators.fourier import frequencies, turn


@dataclass(frozen=True)
class Stencil:
    """Where the sources of a kernel lie, seen from the sample that is predicted.

    Attributes
    ----------
    lines, columns
        Offsets along ky and kx.

    """

    lines: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def span(self) -> tuple[range, range]:
        """Offsets from the first to the last along ky and kx, 0 among them."""
        low = min(*self.lines, 0), min(*self.columns, 0)
        high = max(*self.lines, 0), max(*self.columns, 0)
        return range(low[0], high[0] + 1), range(low[1], high[1] + 1)

    def sources(self, k: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the kernel sees of calibration lines, and the samples that it predicts.

        Parameters
        ----------
        k
            Calibration lines (..., C, lines, kx).

        Returns
        -------
        tuple of Tensor
            Sources (..., n, C lines columns) and samples (..., n, C), wherever the kernel fits in.

        """
        lines, columns = self.span
        height, width = k.shape[-2] - len(lines) + 1, k.shape[-1] - len(columns) + 1

        def seen(line: int, column: int) -> Tensor:
            y, x = line - lines.start, column - columns.start
            return k[..., y : y + height, x : x + width].flatten(-2)

        found = [seen(line, column) for line in self.lines for column in self.columns]
        sources = torch.stack(found, -2).flatten(-3, -2).transpose(-1, -2)
        return sources, seen(0, 0).transpose(-1, -2)

    def images(self, kernel: Tensor, size: tuple[int, int]) -> Tensor:
        """Return what coil images are multiplied by when a kernel slides over their k-space.

        Parameters
        ----------
        kernel
            (C lines columns, ...).
        size
            Pixels along y and x.

        Returns
        -------
        Tensor
            (C, ..., y, x).

        """
        ramps = [
            turn(-torch.outer(torch.tensor(offsets, dtype=torch.float64), frequencies(n)) / n)
            for offsets, n in zip((self.lines, self.columns), size, strict=True)
        ]
        y, x = (ramp.to(kernel) for ramp in ramps)
        each = kernel.view(-1, len(self.lines), len(self.columns), *kernel.shape[1:])
        return torch.einsum("cij...,iy,jx->c...yx", each, y, x)


def weights(matrix: Tensor, right: Tensor, *, regularisation: float) -> Tensor:
    """Return (B^H B + l I)^-1 B^H T, with l = `regularisation` ||B^H B||_F / m.

    Parameters
    ----------
    matrix
        B^H B (m, m), factored once for all right sides.
    right
        B^H T (m, ...).
    regularisation
        Relative, > 0.

    """
    size = torch.linalg.matrix_norm(matrix).real
    level = regularisation * size / len(matrix) + torch.finfo(size.dtype).tiny
    eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    factor = torch.linalg.cholesky(matrix + level * eye)
    found = torch.cholesky_solve(right.flatten(1), factor)
    return found.view(right.shape)
