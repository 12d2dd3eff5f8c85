"""A critic for images that may be turned any way: turning one changes nothing but its beginning.

Particles lie in the plane as they please, so that how likely an image is doesn't depend on its
angle. Unrolled about the centre, an image is turned by rolling its angles, which circular
convolutions follow; the mean over all angles then forgets the angle. What is left to be learnt is
which views there are, two angles instead of three.

Most of what an unrolled image holds is noise. The components that stand out of it, see
`bioreco.networks.principal`, are fewer numbers and easier to tell apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from bioreco.errors import UserError
from bioreco.networks.principal import covariance, principal

_KEPT = 8  # sizes whose matrices are kept
_AT_ONCE = 2**24  # numbers
_HALF = 0.5
_NOWHERE = 1e-9  # away from a pixel


class PolarCritic(nn.Module):
    """Circular convolutions over the angles of an image, with radial components as channels.

    Parameters
    ----------
    components
        Radial profiles at each angular frequency that `settle` chooses to see images by; 0: none
        are chosen, and all radii are seen.
    whiten
        Power of the components' standard deviation that they are divided by: 0 leaves them, 1 makes
        all equally strong.
    radii, angles
        Samples along the radius and around, whatever the size of the images. Half as many angular
        frequencies are seen.
    channels
        Features of the convolutions but the last, which has twice as many.
    kernel
        Angles that the first convolution spans, odd; further ones span half as many.
    blocks
        Convolutions, each of which halves the number of angles.
    leak
        Slope of the activations below 0.
    mirror
        Mirror images at random while training: what is seen from behind is the mirror image of what
        is seen from the front, and a critic that is shown both learns fewer images by heart.
    spectral
        Divide each weight by its largest singular value (Miyato et al., ICLR 2018), instead of a
        penalty on the gradient.
    hidden
        Units of the dense layer.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        *,
        components: int = 16,
        whiten: float = 0.25,
        radii: int = 24,
        angles: int = 64,
        channels: int = 64,
        kernel: int = 31,
        blocks: int = 2,
        leak: float = 0.1,
        mirror: bool = True,
        spectral: bool = False,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        if min(radii, channels, hidden, blocks) < 1 or kernel < 3 or kernel % 2 == 0:
            raise UserError(
                f"method.critic.radii={radii} channels={channels} hidden={hidden} blocks={blocks}"
                f" kernel={kernel}: at least 1, and an odd kernel of at least 3"
            )
        if not 0 <= components <= radii or not 0 <= whiten <= 1:
            raise UserError(
                f"method.critic.components={components} whiten={whiten}: at least 0, at most"
                f" radii = {radii}; and 0 to 1"
            )
        if angles % 2**blocks or angles < kernel * 2 ** (blocks - 1):
            raise UserError(
                f"method.critic.angles={angles}: a multiple of 2^blocks = {2**blocks}, and at least"
                f" kernel * 2^(blocks - 1) = {kernel * 2 ** (blocks - 1)}"
            )
        if not 0 <= leak < 1:
            raise UserError(f"method.critic.leak={leak}: at least 0, below 1")
        wrap = parametrizations.spectral_norm if spectral else (lambda layer: layer)
        seen = components or radii
        width = [seen, *[channels] * (blocks - 1), 2 * channels]
        spans = [kernel, *[kernel // 4 * 2 + 1] * (blocks - 1)]
        self.convolutions = nn.ModuleList(
            wrap(nn.Conv1d(a, b, span, 2, span // 2, padding_mode="circular"))
            for (a, b), span in zip(itertools.pairwise(width), spans, strict=True)
        )
        self.dense = wrap(nn.Linear(width[-1], hidden))
        self.out = wrap(nn.Linear(hidden, 1))
        self.components, self.whiten, self.mirror = components, whiten, mirror
        self.radii, self.angles, self.leak = radii, angles, leak
        self.register_buffer("profiles", torch.eye(radii)[:seen].repeat(angles // 2 + 1, 1, 1))
        self.profiles: Tensor  # what images are seen by, at each angular frequency
        self._matrices: dict[tuple[int, int, int], Tensor] = {}

    @torch.no_grad()
    def settle(self, images: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Choose the components that stand out of noise.

        Parameters
        ----------
        images
            Measured images and as many of noise alone, all (b, 1, y, x), in portions.

        """
        if not self.components:
            return
        measured = noise = torch.zeros(())
        count = 0
        for some, empty in images:
            measured = measured + len(some) * self._covariance(some)
            noise = noise + len(some) * self._covariance(empty)
            count += len(some)
        found = principal(measured / count, noise / count, count, self.components, self.whiten)
        self.profiles.copy_(found)

    def look(self, images: Tensor) -> Tensor:
        """Unroll images (b, 1, y, x) with square sides about the pixel N // 2.

        Returns
        -------
        Tensor
            (b, components or radii, angles), scaled so that the sum of squares is that over the
            disc: in the mean over particles where components are chosen.

        """
        size, made_of = images.shape[-1], (self.profiles.data_ptr(), self.profiles._version)
        if (size, *made_of) not in self._matrices:
            self._matrices = {key: m for key, m in self._matrices.items() if key[1:] == made_of}
            self._matrices[size, *made_of] = self._matrix(size)
        matrix = self._matrices[size, *made_of].to(images)
        return (images.flatten(1) @ matrix).view(len(images), -1, self.angles)

    def forward(self, x: Tensor) -> Tensor:
        """Map unrolled images (b, radii, angles) to (b, 1)."""
        if self.mirror and self.training:
            behind = torch.rand(len(x), 1, 1, device=x.device) < _HALF
            x = torch.where(behind, x.flip(2), x)
        for convolution in self.convolutions:
            x = functional.leaky_relu(convolution(x), self.leak)
        x = functional.leaky_relu(self.dense(x.mean(2)), self.leak)
        found: Tensor = self.out(x)
        return found

    def _covariance(self, images: Tensor) -> Tensor:
        """Return that of images (b, 1, y, x); see `principal.covariance`."""
        size, angles = images.shape[-1], 2 * self.angles
        along_y, along_x = (m.to(images) for m in _places(size, self.radii, angles))
        unrolled = [
            ((some[:, 0] @ along_x.T) * along_y.T).sum(1)
            for some in torch.split(images, max(1, _AT_ONCE // along_y.numel()))
        ]
        return covariance(torch.cat(unrolled).view(-1, self.radii, angles), self.angles // 2 + 1)

    @torch.no_grad()
    def _matrix(self, size: int) -> Tensor:
        """Return the matrix (size * size, channels * angles) of `look`.

        Images are unrolled at twice the angles, so that their finest detail disturbs none.
        """
        profiles = self.profiles.cpu()
        along_y, along_x = _places(size, self.radii, 2 * self.angles)
        found = torch.empty(size, size, profiles.shape[1] * self.angles)
        for row, weights in zip(found, along_y.T, strict=True):
            unrolled = (weights * along_x.T).view(size, self.radii, 2 * self.angles)
            spectrum = torch.fft.rfft(unrolled, dim=2, norm="ortho")[..., : self.angles // 2 + 1]
            seen = torch.einsum("mqr,xrm->xqm", profiles.to(spectrum.dtype), spectrum)
            row.copy_(torch.fft.irfft(seen, n=self.angles, dim=2, norm="ortho").flatten(1))
        return found.flatten(0, 1).to(self.profiles.device)


@lru_cache(_KEPT)
def unrolling(size: int, radii: int, angles: int) -> Tensor:
    """Return the matrix (size * size, radii * angles) of trigonometric interpolation."""
    along_y, along_x = _places(size, radii, angles)
    return (along_y[:, :, None] * along_x[:, None, :]).flatten(1).T.contiguous()


@lru_cache(_KEPT)
def _places(size: int, radii: int, angles: int) -> tuple[Tensor, Tensor]:
    """Return what rows and columns of pixels count at the places of an unrolled image (p, size).

    The first are weighed by the square root of the area that a place stands for.
    """
    with torch.inference_mode(mode=False):
        radius = (torch.arange(radii, dtype=torch.float64) + 0.5) / radii * (size / 2)
        angle = 2 * math.pi * torch.arange(angles, dtype=torch.float64) / angles
        along_y, along_x = (
            _between((radius[:, None] * turned).flatten(), size)
            for turned in (angle.sin(), angle.cos())
        )
        area = radius * (size / 2 / radii) * (2 * math.pi / angles)
        weight = area.sqrt().repeat_interleave(angles)
        return (weight[:, None] * along_y).float(), along_x.float()


def _between(place: Tensor, size: int) -> Tensor:
    """Return what each pixel counts at places (p,) away from the centre, periodically (p, size)."""
    pixel = torch.arange(size, dtype=torch.float64) - size // 2
    half = math.pi * (place[:, None] - pixel) / size
    waves = 2 * ((size - 1) // 2) + 1
    total = torch.sin(waves * half) / torch.sin(half)  # of as many cosines (Dirichlet)
    return torch.where(half.sin().abs() < _NOWHERE, waves, total) / size
