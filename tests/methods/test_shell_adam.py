"""Steps are a share of each shell; what was slow in coarse detail isn't slower in fine detail."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from bioreco.methods.shell_adam import ShellAdam, _mean_power, _shells

SIDE = 12


def strength(volume: Tensor) -> Tensor:
    """Return the root mean square of each shell up to Nyquist."""
    values = volume.detach()
    return _mean_power(torch.fft.fftn(values), _shells(values)).sqrt()[: SIDE // 2 + 1]


def coloured(seed: int) -> Tensor:
    """Return a volume whose shells fall off by three orders of magnitude."""
    generator = torch.Generator().manual_seed(seed)
    white = torch.fft.fftn(torch.randn(SIDE, SIDE, SIDE, generator=generator))
    k = _shells(torch.zeros(SIDE, SIDE, SIDE)).view(SIDE, SIDE, SIDE)
    return torch.fft.ifftn(white * 10 ** (-k / 3)).real


def test_a_first_step_changes_each_shell_by_the_share_that_was_asked_for():
    volume = nn.Parameter(coloured(0))
    before = volume.detach().clone()
    optimizer = ShellAdam([volume], lr=0.02)
    volume.grad = coloured(1) * 1e4
    optimizer.step()
    np.testing.assert_allclose(strength(volume - before), 0.02 * strength(before), rtol=1e-2)


def test_a_step_goes_downhill_in_every_shell():
    volume = nn.Parameter(coloured(0))
    before, slope = volume.detach().clone(), coloured(1)
    volume.grad = slope
    ShellAdam([volume], lr=0.02).step()
    change, along = (torch.fft.fftn(v) for v in (volume.detach() - before, slope))
    cosine = (change * along.conj()).real.flatten()
    shell = _shells(before)
    total = torch.zeros(int(shell.max()) + 1).index_add(0, shell, cosine)[: SIDE // 2 + 1]
    assert (total < 0).all()


def test_fine_detail_is_reached_where_adam_is_lost_in_the_noise():
    """A quadratic loss whose slopes differ by 10^4 between shells, with noise in the slopes."""
    aim = coloured(3)
    k = _shells(aim).view(aim.shape)
    weight = 10 ** (-k * (2 / 3))
    left = {}
    for name in ("shell", "adam"):
        torch.manual_seed(0)
        volume = nn.Parameter(coloured(4))
        made = {"shell": ShellAdam, "adam": torch.optim.Adam}[name]
        optimizer = made([volume], lr=0.05, betas=(0.5, 0.9))
        for step in range(300):
            for group in optimizer.param_groups:
                group["lr"] = 0.05 * (1 - step / 300)
            spectrum = torch.fft.fftn(volume.detach() - aim) * weight
            slope = torch.fft.ifftn(spectrum).real
            volume.grad = (
                slope
                + 0.1
                * slope.std()
                * torch.fft.ifftn(torch.fft.fftn(torch.randn_like(slope)) * weight).real
                / 10
            )
            optimizer.step()
        left[name] = strength(volume.detach() - aim) / strength(aim)
    assert float(left["shell"][4:].mean()) < 0.5 * float(left["adam"][4:].mean())


def test_what_is_no_volume_is_updated_as_by_adam_without_a_bias():
    one, other = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    ours = ShellAdam([one], lr=0.1, betas=(0.5, 0.9))
    theirs = torch.optim.Adam([other], lr=0.1, betas=(0.5, 0.9))
    for step in range(5):
        for parameter, optimizer in ((one, ours), (other, theirs)):
            parameter.grad = torch.tensor([0.3, 40.0]) * (step + 1) ** 0.5
            optimizer.step()
    torch.testing.assert_close(one, other)


def test_a_restored_optimizer_goes_on_bit_for_bit():
    volume = nn.Parameter(coloured(0))
    optimizer = ShellAdam([volume], lr=0.02)
    for seed in range(3):
        volume.grad = coloured(seed)
        optimizer.step()
    again = nn.Parameter(volume.detach().clone())
    restored = ShellAdam([again], lr=0.02)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for seed in range(3):
        for parameter, each in ((volume, optimizer), (again, restored)):
            parameter.grad = coloured(9 + seed)
            each.step()
    assert torch.equal(volume, again)


def test_an_empty_volume_stays_finite():
    volume = nn.Parameter(torch.zeros(SIDE, SIDE, SIDE))
    volume.grad = coloured(0)
    ShellAdam([volume]).step()
    assert bool(volume.isfinite().all())
