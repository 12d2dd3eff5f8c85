"""A pool of past images, shown to a critic instead of the newest half of the time.

A critic that sees only the newest images forgets what it was shown before (Shrivastava et al.,
CVPR 2017). The pool is a part of the state, so that training resumes bit for bit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """At most `size` images; 0 hands on the newest.

    Parameters
    ----------
    size
        Images that are kept.

    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.kept = torch.empty(0)

    @torch.no_grad()
    def swap(self, images: Tensor) -> Tensor:
        """Return images (b, ...), about half of them from the past, and keep the others."""
        if self.size == 0:
            return images
        shown = []
        for image in images.detach():
            if len(self.kept) < self.size:
                kept = self.kept.to(image) if len(self.kept) else image[None][:0]
                self.kept = torch.cat([kept, image[None]])
                shown.append(image)
            elif float(torch.rand(())) < 0.5:
                k = int(torch.randint(self.size, ()))
                shown.append(self.kept[k].clone())
                self.kept[k] = image
            else:
                shown.append(image)
        return torch.stack(shown)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the images."""
        return {"kept": self.kept}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take them over."""
        self.kept = state["kept"]
