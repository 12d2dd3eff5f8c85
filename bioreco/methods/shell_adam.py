"""An optimiser for volumes that takes steps of one relative size at every resolution.

Adam scales its step voxel by voxel. The gradient of a critic is strongest in coarse detail, so
that all voxels follow it together, and what is left for fine detail is noise. Here the gradient is
scaled shell by shell in frequency instead:

    V^(k) <- V^(k) - lr A(|k|) m^(k) / sqrt(v(|k|)),

with m the running mean of the gradient, v the running mean of its power in a shell, and A the root
mean square of V^ in that shell. A step changes each shell by the share `lr` of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_LEAST = 1e-3  # a shell is taken to have at least this share of the strongest one's amplitude


class ShellAdam(torch.optim.Optimizer):
    """Adam with one scale for each shell of frequencies; plain Adam for what is no volume.

    Parameters
    ----------
    params
        Volumes (z, y, x) of equal sides, and others.
    lr
        Change of a shell in one step, as a share of its amplitude; of others the step itself.
    betas
        Shares of the running means that are kept: of the gradient, and of its power.
    eps
        Power below which there is no step.

    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.05,
        betas: tuple[float, float] = (0.5, 0.9),
        eps: float = 1e-24,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        volume = parameter.dim() == 3
        shell = _shells(parameter) if volume else None
        power = slope**2 if shell is None else _mean_power(torch.fft.fftn(slope), shell)
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["power"] = torch.zeros_like(slope), torch.zeros_like(power)
        state["step"] += 1
        keep, remember = group["betas"]
        mean = state["mean"].lerp_(slope, 1 - keep) / (1 - keep ** float(state["step"]))
        seen = state["power"].lerp_(power, 1 - remember) / (1 - remember ** float(state["step"]))
        scale = (seen + group["eps"]).rsqrt()
        if shell is None:
            parameter.sub_(group["lr"] * scale * mean)
            return
        own = _mean_power(torch.fft.fftn(parameter), shell).sqrt()
        scale = scale * own.clamp(min=_LEAST * float(own.max()))
        change = torch.fft.ifftn(torch.fft.fftn(mean) * scale[shell].view(parameter.shape))
        parameter.sub_(group["lr"] * change.real)


def _shells(volume: Tensor) -> Tensor:
    """Return the number of the shell of each frequency (z * y * x,)."""
    along = [torch.fft.fftfreq(n, 1 / n, device=volume.device) for n in volume.shape]
    z, y, x = along[0][:, None, None], along[1][:, None], along[2]
    shell: Tensor = (z**2 + y**2 + x**2).sqrt().round().long().flatten()
    return shell


def _mean_power(spectrum: Tensor, shell: Tensor) -> Tensor:
    """Return the mean power in each shell."""
    power = (spectrum.real**2 + spectrum.imag**2).flatten()
    number = int(shell.max()) + 1
    total = torch.zeros(number).to(power).index_add(0, shell, power)
    return total / torch.bincount(shell, minlength=number)
