"""Kernels that predict a sample of k-space from its neighbours in all coils.

Coil maps are smooth, so that near samples of the coils depend on each other linearly. The weights
are learnt where k-space was measured completely (GRAPPA; Griswold et al., MRM 47, 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


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
    def points(self) -> int:
        """Sources for each coil."""
        return len(self.lines) * len(self.columns)

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
            Sources (..., n, C points) and samples (..., n, C), wherever the kernel fits in.

        """
        lines, columns = self.span
        height, width = k.shape[-2] - len(lines) + 1, k.shape[-1] - len(columns) + 1

        def seen(line: int, column: int) -> Tensor:
            y, x = line - lines.start, column - columns.start
            return k[..., y : y + height, x : x + width].flatten(-2)

        found = [seen(line, column) for line in self.lines for column in self.columns]
        sources = torch.stack(found, -2).flatten(-3, -2).transpose(-1, -2)
        return sources, seen(0, 0).transpose(-1, -2)

    def apply(self, k: Tensor, weights: Tensor) -> Tensor:
        """Predict every sample of k-space, which is taken to go on periodically.

        Parameters
        ----------
        k
            (b, C, ky, kx).
        weights
            (..., C points, outputs), of which the leading axes are kept.

        Returns
        -------
        Tensor
            (b, ..., outputs, ky, kx).

        """
        found = torch.zeros(())
        coils = k.shape[1]
        each = weights.unflatten(-2, (coils, self.points)).movedim(-2, 0)
        places = [(line, column) for line in self.lines for column in self.columns]
        flat = k.flatten(2)
        for (line, column), weight in zip(places, each, strict=True):
            near = k.roll((-line, -column), (-2, -1)).flatten(2) if line or column else flat
            outputs = weight.movedim(-1, -2).reshape(-1, coils)
            found = found + outputs @ near
        return found.unflatten(1, (*weights.shape[:-2], weights.shape[-1])).unflatten(
            -1, k.shape[-2:]
        )


def gram(sources: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Return B^H B and B^H T of sources (..., n, m) and samples (..., n, outputs)."""
    return sources.mH @ sources, sources.mH @ samples


def weights(matrix: Tensor, right: Tensor, *, regularisation: float) -> Tensor:
    """Return (B^H B + l I)^-1 B^H T, where l is `regularisation` times the mean of the diagonal.

    Parameters
    ----------
    matrix
        B^H B (m, m), factored once for all right sides.
    right
        B^H T (..., m, outputs).
    regularisation
        Relative, > 0.

    """
    diagonal = matrix.diagonal(dim1=-2, dim2=-1).real.mean()
    tiny = torch.finfo(diagonal.dtype).tiny
    eye = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    factor = torch.linalg.cholesky(matrix + (regularisation * diagonal + tiny) * eye)
    joined = right.movedim(-2, 0).flatten(1)
    found = torch.cholesky_solve(joined, factor)
    shape: Sequence[int] = (len(matrix), *right.shape[:-2], right.shape[-1])
    return found.view(*shape).movedim(0, -2)
