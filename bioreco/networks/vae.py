"""A convolutional variational autoencoder for 2D images and 3D stacks that knows how far it looks.

The encoder turns a measurement into a distribution over codes z, one for each cell of a coarse
grid; the decoder turns codes into a signal, Eqs. (19) and (20) of the review. With more `levels`
there are codes on finer grids too, each with a prior that depends on the coarser ones (ladder
VAE: Sonderby et al., NeurIPS 2016; for denoising Prakash et al., ICLR 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bioreco.errors import UserError

Noise = Callable[[int, Tensor], Tensor]  # (level, like) -> numbers of a standard normal

_CONVOLUTION = {2: nn.Conv2d, 3: nn.Conv3d}
_MAX_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}
_SCALE = {2: (2.0, 2.0), 3: (1.0, 2.0, 2.0)}
_WINDOW = {2: (2, 2), 3: (1, 2, 2)}
_LOG_VARIANCE = 10.0  # codes are neither surer nor less sure than exp(-+10)


class VAE(nn.Module):
    """Encoder and decoder around one or more grids of codes.

    Parameters
    ----------
    inputs, outputs
        Channels that go in and come out.
    dims
        2 for (b, c, y, x), 3 for (b, c, z, y, x).
    channels
        Features at full resolution; doubled at each level.
    depth
        Number of poolings by two; y and x must be multiples of 2**depth. Stacks are pooled along
        y and x only.
    latent
        Codes for each cell of a grid.
    levels
        Grids of codes, the coarsest (one cell for 2**depth pixels) first. One is the network of
        DivNoising, more are that of HDN.

    Attributes
    ----------
    halo
        Pixels around an output pixel, per spatial axis, that can change it.
    stride
        Shifts by a multiple of this, per spatial axis, shift the output by as much.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dims: int,
        *,
        channels: int = 16,
        depth: int = 2,
        latent: int = 16,
        levels: int = 2,
    ) -> None:
        super().__init__()
        if dims not in _CONVOLUTION:
            raise UserError(f"network.dims={dims}: images have 2 or 3 spatial axes")
        if channels < 1 or latent < 1 or not 0 <= depth <= 6:
            raise UserError(
                f"network.channels={channels} network.latent={latent} network.depth={depth}:"
                " channels and latent are at least 1, depth is 0 to 6"
            )
        if not 1 <= levels <= depth + 1:
            raise UserError(f"network.levels={levels}: 1 to network.depth + 1 = {depth + 1}")
        self.dims, self.depth, self.levels = dims, depth, levels
        width = [channels * 2**level for level in range(depth + 1)]
        before = [inputs, *width[:-1]]
        convolution = _CONVOLUTION[dims]
        self.encoder = nn.ModuleList(
            nn.Sequential(_layer(a, b, dims), _layer(b, b, dims))
            for a, b in zip(before, width, strict=True)
        )
        wide = width[::-1]
        self.expand = nn.ModuleList(
            _layer(a, b, dims) for a, b in zip([wide[0], *wide[:-1]], wide, strict=True)
        )
        self.refine = nn.ModuleList(_layer(b, b, dims) for b in wide)
        self.posterior = nn.ModuleList(
            nn.Sequential(
                _layer(2 * w, w, dims) if k else nn.Identity(), convolution(w, 2 * latent, 1)
            )
            for k, w in enumerate(wide[:levels])
        )
        self.prior = nn.ModuleList(convolution(w, 2 * latent, 1) for w in wide[1:levels])
        self.read = nn.ModuleList(convolution(latent, w, 1) for w in wide[:levels])
        self.head = convolution(channels, outputs, 1)
        reach = [3 if k < levels else 2 for k in range(1, depth + 1)]
        in_plane = _reach(reach)
        self.halo: tuple[int, ...] = (in_plane, in_plane)
        self.stride: tuple[int, ...] = (2**depth, 2**depth)
        if dims == 3:
            self.halo, self.stride = (4 + 2 * depth + sum(reach), *self.halo), (1, *self.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inputs, [z,] y, x) to (b, outputs, [z,] y, x) by the most likely codes."""
        return self.decode(self.encode(x), lambda _, like: torch.zeros_like(like))[0]

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return what the decoder needs to know of a measurement, the coarsest grid first."""
        features: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(_MAX_POOL[self.dims](x, _WINDOW[self.dims]) if level else x)
            features.append(x)
        return features[::-1][: self.levels]

    def decode(self, features: Sequence[Tensor], noise: Noise) -> tuple[Tensor, list[Tensor]]:
        """Draw codes, and decode them.

        Parameters
        ----------
        features
            What `encode` returned.
        noise
            Called with the number of the grid and a tensor to be alike.

        Returns
        -------
        signal : Tensor
            (b, outputs, [z,] y, x).
        divergences : list of Tensor
            Kullback-Leibler divergence of the posterior from the prior, in nats for each sample
            (b,), grid by grid.

        """
        x: Tensor | None = None
        divergences: list[Tensor] = []
        for k in range(self.depth + 1):
            if x is not None:
                x = self.expand[k](functional.interpolate(x, scale_factor=_SCALE[self.dims]))
            if k < self.levels:
                seen = features[k] if x is None else torch.cat([x, features[k]], 1)
                posterior = _gaussian(self.posterior[k](seen))
                prior = None if x is None else _gaussian(self.prior[k - 1](x))
                divergences.append(_divergence(posterior, prior))
                mean, log_variance = posterior
                z = mean + torch.exp(0.5 * log_variance) * noise(k, mean)
                read = self.read[k](z)
                x = self.expand[k](read) if x is None else x + read
            x = self.refine[k](x)
        assert x is not None
        out: Tensor = self.head(x)
        return out, divergences


def _gaussian(values: Tensor) -> tuple[Tensor, Tensor]:
    """Split the output of an encoder into mean and logarithm of the variance."""
    exact = torch.promote_types(values.dtype, torch.float32)
    mean, log_variance = values.to(exact).chunk(2, 1)
    return mean, log_variance.clamp(-_LOG_VARIANCE, _LOG_VARIANCE)


def _divergence(q: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor] | None) -> Tensor:
    """Return the divergence of one normal distribution from another, or from the standard one."""
    mean, log_variance = q
    if p is None:
        kl = mean**2 + log_variance.exp() - log_variance - 1
    else:
        gap = log_variance - p[1]
        kl = (mean - p[0]) ** 2 * torch.exp(-p[1]) + gap.exp() - gap - 1
    return 0.5 * kl.flatten(1).sum(1)


def _layer(before: int, after: int, dims: int) -> nn.Sequential:
    """Return a 3-wide convolution followed by a ReLU."""
    convolution = _CONVOLUTION[dims](before, after, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.ReLU(inplace=True))


def _reach(decoder: Sequence[int]) -> int:
    """Return how far from an output pixel the input can be that changes it, along y or x.

    Walks back from the output: a decoder's block reaches 2 or 3 pixels further at its own
    resolution (given for each but the coarsest), an encoder's 2, nearest up-sampling reads pixel
    p // 2, pooling reads pixels 2p and 2p + 1. The position of the pixel within the coarsest cell
    matters, so the worst one counts.
    """
    reach = 0
    for position in range(2 ** len(decoder)):
        low = high = position
        for step in reversed(decoder):
            low, high = (low - step) // 2, (high + step) // 2
        low, high = low - 4, high + 4
        for _ in decoder:
            low, high = 2 * low - 2, 2 * high + 1 + 2
        reach = max(reach, position - low, high - position)
    return reach
