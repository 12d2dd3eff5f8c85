"""Least squares solved exactly, column by column, where whole lines of k-space were measured.

A readout that is fully sampled leaves the columns of the image independent of each other. For each
of them H^H H + mu I is a matrix over the lines y of all bands, small enough to be factorised once
and used for every frame: SENSE as it was first written (Pruessmann et al., MRM 42, 1999), with any
CAIPI shifts and any choice of lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROOM = 1 << 30  # bytes of factors that are worth keeping
PIVOT = 1e-5  # least squared pivot of voxels that the coils tell apart, of H^H H + mu I <= S + mu


@dataclass(frozen=True, eq=False)
class Columns:
    """The factorised normal equations of each column.

    Attributes
    ----------
    factor
        Cholesky factors (b, x, S y, S y), complex.

    """

    factor: Tensor

    @classmethod
    def of(cls, gram: Tensor, mu: float) -> Columns | None:
        """Factorise in double precision; None where least squares isn't unique.

        Parameters
        ----------
        gram
            H^H H of each column (b, x, S y, S y); rows of zeros are voxels that no coil sees.
        mu
            At least 0.

        """
        wide = gram.to(torch.complex128)
        seen = (wide.diagonal(dim1=-2, dim2=-1).real > 0).double()
        wide = wide + torch.diag_embed(mu * seen + (1 - seen))
        factor, failed = torch.linalg.cholesky_ex(wide)
        pivots = factor.diagonal(dim1=-2, dim2=-1).real ** 2
        if bool(failed.any()) or bool((pivots < PIVOT).any()):
            return None
        return cls(factor.to(gram.dtype))

    def solve(self, b: Tensor) -> Tensor:
        """Return (H^H H + mu I)^-1 b of images (n, S, y, x); n frames, or as many as samples."""
        alike = len(self.factor) == 1
        columns = b.flatten(1, 2).permute(2, 1, 0)[None] if alike else _apart(b)
        x = torch.cholesky_solve(columns, self.factor)
        x = x[0].permute(2, 1, 0) if alike else x[..., 0].transpose(1, 2)
        return x.reshape(b.shape)


def gram(maps: Tensor, phase: Tensor, weight: Tensor) -> Tensor:
    """Return H^H H of each column.

    Parameters
    ----------
    maps
        (b, S, C, y, x) complex.
    phase
        Of the shift of each band at each ky, not centred (b, S, 1, ky, 1) complex.
    weight
        Of each line, not centred, over their number (b, 1, ky, 1).

    Returns
    -------
    Tensor
        (b, x, S y, S y): sum_c conj(C_sc(y)) C_tc(v) K_st(y - v), with K_st the transform of the
        measured lines and of the difference of the two shifts.

    """
    lines = maps.shape[-2]
    turns = phase[:, :, 0, :, 0]
    both = turns.conj()[:, :, None] * turns[:, None] * weight[:, :, None, :, 0]
    spread = torch.fft.ifft(both, dim=-1, norm="forward")
    y = torch.arange(lines, device=maps.device)
    kernel = spread[..., (y[:, None] - y) % lines]  # (b, S, S, y, y)
    kernel = kernel.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    rows = maps.permute(0, 4, 1, 3, 2).flatten(2, 3)  # (b, x, S y, C)
    found: Tensor = torch.matmul(rows.conj(), rows.mT) * kernel[:, None].to(maps.dtype)
    return found


def fits(maps: Tensor) -> bool:
    """Return whether the factors of problems with these maps (b, S, C, y, x) are worth keeping."""
    samples, bands, _, lines, columns = maps.shape
    return samples * columns * (bands * lines) ** 2 * maps.element_size() <= ROOM


def _apart(b: Tensor) -> Tensor:
    """Return images (b, S, y, x) as right sides (b, x, S y, 1)."""
    return b.flatten(1, 2).transpose(1, 2)[..., None]
