"""Halve an image along y and x without aliasing: the pooling of N2V2.

Plain max-pooling by two takes every second pixel of what it found and folds fine patterns into
coarse ones, which comes back as a checkerboard. A blur between the two leaves less to fold.

References
----------
.. [1] R. Zhang, "Making convolutional networks shift-invariant again", ICML 2019.
.. [2] E. Hoeck et al., "N2V2: fixing Noise2Void checkerboard artifacts with modified sampling
   strategies and a tweaked network architecture", ECCV Workshops 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BINOMIAL = (0.25, 0.5, 0.25)


class BlurPool(nn.Module):
    """Maximum of 2 x 2 pixels at every position, binomial blur, every second pixel.

    Parameters
    ----------
    dims
        2 for (b, c, y, x), 3 for (b, c, z, y, x), which is pooled slice by slice.

    Notes
    -----
    Output pixel p is made of the input pixels 2p - 1 to 2p + 2, symmetric about the middle of its
    cell. The blur is fixed: it is a buffer and never trained.

    """

    kernel: Tensor

    def __init__(self, dims: int) -> None:
        super().__init__()
        line = torch.tensor(BINOMIAL)
        kernel = line[:, None] * line[None, :]
        self.register_buffer("kernel", kernel.view(*[1] * dims, 3, 3), persistent=False)
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, [z,] y, x) to (b, c, [z,] y / 2, x / 2)."""
        c = x.shape[1]
        kernel = self.kernel.expand(c, *self.kernel.shape[1:])
        if self.dims == 2:
            x = functional.max_pool2d(x, 2, stride=1, padding=1)
            return functional.conv2d(x, kernel, stride=2, groups=c)
        x = functional.max_pool3d(x, (1, 2, 2), stride=1, padding=(0, 1, 1))
        return functional.conv3d(x, kernel, stride=(1, 2, 2), groups=c)
