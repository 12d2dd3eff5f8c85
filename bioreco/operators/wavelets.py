"""Wavelets: few of their coefficients make up an image, all of them make up noise.

Daubechies' orthonormal wavelets (1988), undecimated and periodic: shrinking their coefficients is
shrinking those of the orthonormal transform for every shift of the image, averaged (cycle
spinning; Coifman and Donoho, 1995). Any size will do, and nothing depends on the border.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioreco.errors import UserError, nearest

FAMILIES = ("haar", "db2", "db3", "db4", "db6", "db8")


def daubechies(moments: int) -> NDArray[np.float64]:
    """Return the scaling filter with as many vanishing moments, (2 moments,); its sum is sqrt(2).

    The spectral factor of minimum phase of sum_k binom(N - 1 + k, k) y^k (Daubechies, 1988).
    """
    rest = [math.comb(moments - 1 + k, k) for k in range(moments)]
    factor = np.poly1d([1.0])
    for root in np.roots(rest[::-1]):
        z = 1 - 2 * root + 2 * np.sqrt(root * (root - 1) + 0j)
        z = z if abs(z) < 1 else 1 / z
        factor = factor * np.poly1d([1.0, -z])
    for _ in range(moments):
        factor = factor * np.poly1d([1.0, 1.0])
    taps: NDArray[np.float64] = np.asarray(factor.coeffs.real[::-1], dtype=np.float64)
    taps *= math.sqrt(2) / taps.sum()
    return taps


def shrink(x: Tensor, threshold: Tensor | float, *, family: str = "db4", levels: int = 3) -> Tensor:
    """Lower the magnitude of wavelet coefficients by a threshold, those of the coarse mean aside.

    Parameters
    ----------
    x
        Images (..., y, x), real or complex.
    threshold
        To be broadcast to (..., 1, 1), in the units of x.
    family
        "haar", "db2", "db3", "db4", "db6" or "db8".
    levels
        Scales.

    """
    coefficients = decompose(x, family=family, levels=levels)
    details = soft(coefficients[1:], threshold)
    return compose(torch.cat([coefficients[:1], details]), x, family=family, levels=levels)


def soft(x: Tensor, threshold: Tensor | float) -> Tensor:
    """Lower magnitudes by a threshold, down to 0: the proximal operator of the sum of them."""
    size = x.abs()
    return x * ((size - threshold).clamp(min=0) / size.clamp(min=torch.finfo(size.dtype).tiny))


def decompose(x: Tensor, *, family: str = "db4", levels: int = 3) -> Tensor:
    """Return the coarse mean and the details (1 + 3 levels, ..., y, x) of images (..., y, x).

    Coefficients are on the scale of an orthonormal transform: white noise keeps its level. Since
    there are more of them, those of level j carry a weight 4^-j when images are composed.
    """
    bank, _ = _bank(family, levels, x.shape[-2], x.shape[-1])
    bank = bank.to(x.device)
    found: Tensor = torch.fft.ifft2(torch.fft.fft2(x) * _over(bank, x))
    return found if x.is_complex() else found.real


def compose(coefficients: Tensor, like: Tensor, *, family: str = "db4", levels: int = 3) -> Tensor:
    """Return the images of coefficients, the inverse of `decompose`."""
    bank, share = _bank(family, levels, like.shape[-2], like.shape[-1])
    back = (bank.conj() * share[:, None, None]).to(like.device)
    found: Tensor = torch.fft.ifft2((torch.fft.fft2(coefficients) * _over(back, like)).sum(0))
    return found if like.is_complex() else found.real


def _over(bank: Tensor, x: Tensor) -> Tensor:
    """Return the bank (filters, 1..., y, x), to be broadcast over images like x."""
    dtype = x.dtype if x.is_complex() else (x + 0j).dtype
    return bank.to(dtype).view(len(bank), *[1] * (x.ndim - 2), *bank.shape[-2:])


@lru_cache(maxsize=16)
def _bank(family: str, levels: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return the filters' frequency responses (filters, y, x), and the weight of each."""
    if family not in FAMILIES:
        raise UserError(
            f"wavelet={family}: choose among {', '.join(FAMILIES)}.{nearest(family, FAMILIES)}"
        )
    taps = daubechies(1 if family == "haar" else int(family[2:]))
    down = [_responses(taps, levels, n) for n in (height, width)]
    coarse = down[0][-1][0][:, None] * down[1][-1][0][None]
    bank, share = [coarse], [0.25**levels]
    for level in range(levels):
        (low_y, high_y), (low_x, high_x) = down[0][level], down[1][level]
        for y, x in ((low_y, high_x), (high_y, low_x), (high_y, high_x)):
            bank.append(y[:, None] * x[None])
            share.append(0.25 ** (level + 1))
    return torch.from_numpy(np.stack(bank)), torch.tensor(share, dtype=torch.float64)


def _responses(
    taps: NDArray[np.float64], levels: int, n: int
) -> list[tuple[NDArray[np.complex128], NDArray[np.complex128]]]:
    """Return (low, high) responses of each level along an axis of n pixels, unevenly spread."""
    high = taps[::-1] * (-1.0) ** np.arange(len(taps))
    turns = np.arange(n) / n
    found, before = [], np.ones(n, dtype=np.complex128)
    for level in range(levels):
        at = np.exp(-2j * np.pi * np.outer(turns * 2**level, np.arange(len(taps))))
        found.append((before * (at @ taps), before * (at @ high)))
        before = found[-1][0]
    return found
