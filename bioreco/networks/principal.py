"""Components of images that stand out of their noise, wherever in the plane they are turned to.

Particles lie in the plane as they please, so that the covariance of their images couples no two
angular frequencies. For each of them the radial profiles are found that vary more between particles
than noise does, as by a principal component analysis of all images in all turns and their mirror
images. What is left out is next to nothing but noise; what is kept is weakened as noise hides it.

References
----------
.. [1] Z. Zhao and A. Singer, "Fourier-Bessel rotational invariant eigenimages", Journal of the
   Optical Society of America A 30, 2013.
.. [2] T. Bhamre, T. Zhang and A. Singer, "Denoising and covariance estimation of single particle
   cryo-EM images", Journal of Structural Biology 195, 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor

_RIDGE = 1e-3  # of the noise at an angular frequency: what no image can hold is left out
_SURE = 1.02  # times what noise alone may reach: more is no noise
_FEW = 0.99  # radii for each number that is averaged: with more, nothing is known


def covariance(unrolled: Tensor, frequencies: int) -> Tensor:
    """Return the mean product of radii at each angular frequency (frequencies, radii, radii).

    Parameters
    ----------
    unrolled
        Images (b, radii, angles).
    frequencies
        How many, from 0 on.

    """
    x = torch.fft.rfft(unrolled.double(), dim=2, norm="ortho")[..., :frequencies]
    found: Tensor = torch.einsum("bim,bjm->mij", x, x.conj()).real / len(unrolled)
    return found  # mirror images have the conjugate, so that their mean is real


def principal(
    measured: Tensor, noise: Tensor, images: int, components: int, whiten: float
) -> Tensor:
    """Return the radial profiles that images are to be seen by.

    Parameters
    ----------
    measured, noise
        Covariances of noisy images and of noise alone (frequencies, radii, radii).
    images
        How many the first was measured on: by chance, noise reaches further in few.
    components
        Profiles at each angular frequency; some are 0 where fewer stand out.
    whiten
        Power of the coordinates' standard deviation that they are divided by.

    Returns
    -------
    Tensor
        (frequencies, components, radii), the strongest first. Coordinates have noise of equal
        variance, weakened by the share of the signal in their variance, and whitened; the sum of
        squares over all is that of the images.

    Notes
    -----
    With noise L L^T and V^T L^-1 measured L^-T V = diag(lambda), coordinates are the rows of
    (1 - 1 / lambda) lambda^(-whiten / 2) V^T L^-1. Were there nothing but noise, measured on as
    many images, the eigenvalues would end at ((1 + sqrt(2 c - c^2)) / (1 - c))^2 (Wachter's law),
    with c the radii over the images, or over twice as many where there is a real and an imaginary
    part. Where nothing stands out, all is shown.

    """
    ridge = _RIDGE * torch.diag_embed(
        noise.diagonal(dim1=1, dim2=2).mean(1, keepdim=True).expand(noise.shape[:2])
    )
    inverse = torch.linalg.inv(torch.linalg.cholesky(noise + ridge))
    ratio, vectors = torch.linalg.eigh(inverse @ (measured + ridge) @ inverse.mT)
    ratio, vectors = ratio.flip(1)[:, :components], vectors.flip(2)[..., :components]
    twice = torch.full_like(ratio[:, :1], 2)  # all but the first stand for a pair of frequencies
    twice[0] = 1
    few = (noise.shape[1] / (images * twice)).clamp(max=_FEW)
    edge = _SURE * ((1 + (2 * few - few**2).sqrt()) / (1 - few)) ** 2
    share = torch.where(ratio > edge, 1 - 1 / ratio, 0)
    share = share if share.any() else torch.ones_like(share)
    share = share * ratio ** (-0.5 * whiten)
    profiles = share[..., None] * (vectors.mT @ inverse)
    kept = torch.einsum("mqi,mij,mqj->mq", profiles, measured, profiles)
    whole = (twice * measured.diagonal(dim1=1, dim2=2)).sum()
    found: Tensor = profiles * (whole / (twice * kept).sum()).sqrt()
    return found
