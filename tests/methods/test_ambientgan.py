"""AmbientGAN: how images are measured again, the two updates, and the case of k-space."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.ambientgan import AmbientGAN
from bioreco.methods.ambientgan_mri import AmbientMRI
from bioreco.methods.method import Facts
from bioreco.metrics.noise import estimate_noise
from bioreco.networks.critic import Critic
from bioreco.networks.generator import Generator
from bioreco.operators.blur import Blur
from bioreco.operators.identity import Identity
from bioreco.operators.lines import RandomLines
from bioreco.operators.models import MRI

BOX = 16


def blur() -> Blur:
    return Blur(2, None, None, psf="gaussian", sigma=1.2, boundary="zero")


def method(model: object = None, **options: object) -> AmbientGAN:
    torch.manual_seed(0)
    critic = partial(Critic, channels=4, blocks=2, hidden=8)
    make = partial(Generator, channels=4)
    return AmbientGAN(model or blur(), make, critic, BOX, 1, **options)  # type: ignore[arg-type]


def particles(count: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    y = 3 + 2 * torch.randn(count, 1, BOX, BOX, generator=generator)
    return {"y": y, "seed": torch.arange(count), "progress": torch.tensor(0.5)}


def updates(made: nn.Module, batch: dict[str, Tensor], rate: float = 0.01) -> list[tuple]:
    players = {name: list(p) for name, p in made.players().items()}
    told = []
    for who, losses in made.step(batch):
        total = torch.stack(list(losses.values())).sum()
        slopes = torch.autograd.grad(total, players[who], allow_unused=True)
        with torch.no_grad():
            for parameter, slope in zip(players[who], slopes, strict=True):
                if slope is not None:
                    parameter.sub_(rate * slope.sign())
        told.append((who, {key: float(loss.detach()) for key, loss in losses.items()}))
    return told


def test_images_are_blurred_and_noisy_before_the_critic():
    made, batch = method(), particles(64)
    made.prepare(Facts(batch=batch))
    x = torch.zeros(64, 1, BOX, BOX)
    x[..., 8, 8] = 50.0
    torch.manual_seed(0)
    found = made.measured(x, batch)
    noise = found - blur().operator()(x)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)  # that of particles
    torch.testing.assert_close(method(noise="none").measured(x, batch), blur().operator()(x))
    torch.testing.assert_close(method(Identity(), noise="none").measured(x, batch), x)


def test_lines_are_seen_in_directions_of_their_own_and_noisy():
    made = method(RandomLines())
    lines = {"y": 8 + 2 * torch.randn(64, 1, 1, BOX)}
    made.prepare(Facts(batch=lines))
    assert float(made._scale[0]) == pytest.approx(8 / math.sqrt(BOX), rel=0.1)
    x = torch.zeros(64, 1, BOX, BOX)
    x[..., BOX // 2 - 1 : BOX // 2 + 2, BOX // 2 + 3] = 10.0
    quiet = method(RandomLines(), noise="none").measured(x, lines)
    assert quiet.shape == (64, 1, 1, BOX)
    assert float(quiet.std(0).max()) > 1  # no two directions are the same
    torch.manual_seed(0)
    noisy = made.measured(x, lines)
    torch.manual_seed(0)
    clean = RandomLines().draw(x)(x)
    assert float((noisy - clean).std()) == pytest.approx(1, abs=0.1)
    with pytest.raises(UserError, match="these measurements are images"):
        made.prepare(Facts(batch=particles()))
    assert made.spectra(lines) == {}
    drawn = made.generate(3, 0)
    assert drawn.shape == (3, 1, BOX, BOX)
    assert torch.equal(drawn, made.generate(3, 0))


def test_other_images_have_the_noise_of_their_camera():
    """Photon noise grows with the signal, in grey levels."""
    rng = np.random.default_rng(0)
    level = np.linspace(100, 2000, 128)[:, None] + np.zeros((128, 128))
    grey = 4.0 * rng.poisson(level / 4.0) + rng.normal(0, 3, level.shape)
    unit, shift = torch.tensor([500.0]), torch.tensor([1000.0])
    image = torch.from_numpy((grey - 1000) / 500).float()[None]
    made = method(Identity())
    noise = replace(estimate_noise(grey), gain=4.0, offset=0.0, read_noise=3.0)
    made.prepare(Facts(images=[image], scales=[(shift, unit)], noise=[[noise]]))
    batch = {"y": image[None, :, :BOX, :BOX], "unit": unit[None], "shift": shift[None]}
    for signal in (200.0, 1800.0):
        x = torch.full((1, 1, 128, 128), (signal - 1000) / 500)
        found = float((made.measured(x, batch) - x).std()) * 500
        assert found == pytest.approx(math.sqrt(4 * signal + 9), rel=0.15)


def test_the_gain_of_blurred_images_is_found_where_they_are_dark_almost_everywhere():
    """Beads in the dark: without the blur's help all that grows with the signal is structure."""
    rng = np.random.default_rng(0)
    H = Blur(2, None, None, psf="gaussian", sigma=2.0)
    images = []
    for _ in range(4):
        x = torch.zeros(1, 1, 128, 128)
        x[0, 0, rng.integers(0, 128, 40), rng.integers(0, 128, 40)] = 4000.0
        level = 20 + H.operator()(x)[0].numpy()
        images.append(torch.from_numpy(2.0 * rng.poisson(level) + rng.normal(0, 3, level.shape)))
    scales = [(torch.zeros(1), torch.ones(1))] * 4
    noise = [[estimate_noise(image[0].numpy())] for image in images]
    made = method(H)
    made.prepare(Facts(images=[x.float() for x in images], scales=scales, noise=noise))
    assert made.passage.camera.gain == pytest.approx(2.0, rel=0.1)


def test_images_start_on_the_scale_of_the_signal():
    made, batch = method(), particles(64)
    made.prepare(Facts(batch=batch))
    assert made._scale.tolist() == pytest.approx([3.0, math.sqrt(3)], rel=0.03)


def test_a_step_updates_the_critic_some_times_and_then_the_generator():
    made, batch = method(critic_steps=2), particles()
    made.prepare(Facts(batch=batch))
    critic = [p.detach().clone() for p in made.critic.parameters()]
    told = updates(made, batch)
    assert [who for who, _ in told] == ["critic", "critic", "generator"]
    assert {"critic", "penalty", "distance", "gradient"} <= told[0][1].keys()
    assert all(math.isfinite(value) for _, losses in told for value in losses.values())
    moved = [not torch.equal(a, b) for a, b in zip(critic, made.critic.parameters(), strict=True)]
    assert any(moved)


def test_every_distance_trains_the_generator():
    for distance in ("least_squares", "gan"):
        made, batch = method(adversarial=Adversarial(distance)), particles()
        made.prepare(Facts(batch=batch))
        before = made.generate(2, 0)
        updates(made, batch)
        assert not torch.equal(made.generate(2, 0), before)


def test_what_is_drawn_follows_from_the_seed():
    made = method(latent=3)
    torch.testing.assert_close(made.generate(4, 5)[:2], made.generate(2, 5))
    assert not torch.allclose(made.generate(2, 5), made.generate(2, 6))
    assert made.generate(2, 5).shape == (2, 1, BOX, BOX)
    other = method(latent=3)
    other.load_state_dict(made.state_dict())
    torch.testing.assert_close(other.generate(2, 5), made.generate(2, 5))


def test_wiener_estimates_are_ever_sharper():
    made, batch = method(noise="none"), particles()
    made.prepare(Facts(batch=batch))
    x = torch.zeros(1, 1, BOX, BOX)
    x[..., 8, 8] = 10.0
    y = made.measured(x, batch)
    peaks = [float(found.max()) for found in made.deblurred(y)]
    assert peaks[1:] == sorted(peaks[1:])
    assert float(y.max()) < peaks[-1] < 10


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: method(critic_steps=0), "critic_steps=0"),
        (lambda: method(latent=0), "latent=0"),
        (lambda: AmbientGAN(blur(), Generator, Critic, BOX, 3), "one channel; these have 3"),
        (lambda: method().check((BOX, 12)), "16 x 12 pixels"),
        (lambda: method().check((4, BOX, BOX)), r"data\.dims=2"),
        (lambda: kspace(consistency=-1.0), "consistency=-1"),
    ],
)
def test_a_wrong_option_is_told(make, told):
    with pytest.raises(UserError, match=told):
        make()


# k-space


class Filled(nn.Module):
    """The zero-filled image, times a number that can be learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, H, y: Tensor, support: Tensor) -> Tensor:
        return self.gain * H.adjoint(y)


def kspace(**options: object) -> AmbientMRI:
    torch.manual_seed(0)
    critic = partial(Critic, channels=4, blocks=2, hidden=8)
    return AmbientMRI(Filled(), MRI(), critic, 1, **options)  # type: ignore[arg-type]


def slices(*, alike: bool = False) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(2, 1, 3, BOX, BOX, dtype=torch.complex64, generator=generator)
    mask = torch.rand(2, 1, BOX, 1, generator=generator) < 0.5
    mask = mask[:1].repeat(2, 1, 1, 1) if alike else mask
    mask = mask.expand(2, 1, BOX, BOX).clone()
    batch = {"mask": mask, "maps": maps, "caipi": torch.zeros(2, 1)}
    x = torch.randn(2, 1, BOX, BOX, dtype=torch.complex64, generator=generator)
    return {**batch, "y": MRI().operator(batch)(x), "seed": torch.arange(2)}


def test_slices_are_measured_again_at_the_points_of_another():
    made, batch = kspace(), slices()
    x = torch.randn(2, 1, BOX, BOX, dtype=torch.complex64)
    found = made._others(batch)(x)
    wanted = MRI().operator({**batch, "mask": batch["mask"].flip(0)})(x)
    torch.testing.assert_close(found, wanted)


def test_a_step_of_kspace_updates_critic_and_network():
    made = kspace()
    told = updates(made, slices())
    assert [who for who, _ in told] == ["critic", "network"]
    assert told[1][1].keys() == {"adversarial", "consistency"}
    assert made.network.gain.item() != 1
    assert updates(kspace(consistency=0.0), slices())[1][1].keys() == {"adversarial"}
    assert all(math.isfinite(value) for _, losses in told for value in losses.values())


def test_slices_measured_at_the_same_points_are_refused():
    with pytest.raises(UserError, match=r"data\.jitter=true"):
        updates(kspace(), slices(alike=True))


def test_the_spectra_of_measured_and_simulated_images_are_told():
    made = method()
    given = particles(4)
    white = given | {"y": torch.randn(4, 1, BOX, BOX, generator=torch.Generator().manual_seed(3))}
    told = made.spectra(white)
    assert set(told) == {"measured", "simulated"}
    assert {len(rings) for rings in told.values()} == {BOX // 2 + 1}
    assert float(told["measured"][1:].mean()) == pytest.approx(1, abs=0.2)
