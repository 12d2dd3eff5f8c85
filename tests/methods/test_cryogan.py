"""cryoGAN: what is drawn, what is known of a volume, what the critic sees, and a step."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bioreco.errors import UserError
from bioreco.methods import spectra
from bioreco.methods.adversarial import Adversarial
from bioreco.methods.coarser import coarser, coarser_batch, coarser_volume
from bioreco.methods.cryogan import CryoGAN
from bioreco.methods.density import Density, Knowledge
from bioreco.methods.imaging import Imaging
from bioreco.methods.method import Batch, Facts
from bioreco.methods.view import View, finest_shown
from bioreco.networks.critic import Critic
from bioreco.operators.cryoem import CryoEM
from bioreco.operators.ctf import contrast_transfer
from bioreco.operators.resample import rotate
from bioreco.operators.rotations import random_rotations
from bioreco.operators.symmetry import symmetry_group

BOX, PIXEL = 16, 5.0


def optics(number: int) -> Tensor:
    rows = torch.tensor([[15000.0, 14000.0, 0.3, 300.0, 2.7, 0.1, 0.0, 0.0, PIXEL]])
    ctf = rows.repeat(number, 1)
    ctf[:, :2] += 50 * torch.arange(number)[:, None]
    return ctf


def particles(number: int = 16, size: int = BOX) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    y, background = torch.randn(2, number, 1, size, size, generator=generator)
    y[..., size // 2 - 2 : size // 2 + 2, size // 2 - 2 : size // 2 + 2] += 3
    return {
        "y": y,
        "ctf": optics(number),
        "seed": torch.arange(number),
        "progress": torch.tensor(0.5),
        "background": background,
        "pose": random_rotations(number, generator),
    }


def method(**options: object) -> CryoGAN:
    torch.manual_seed(0)
    critic = Critic(channels=4, blocks=2, hidden=8)
    return CryoGAN(CryoEM(), critic, BOX, PIXEL, **options)  # type: ignore[arg-type]


def updates(made: CryoGAN, batch: Batch, rate: float = 0.01) -> list[tuple[str, dict[str, float]]]:
    """Make one step as the engine does."""
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


# What is drawn


def test_poses_prefer_no_direction():
    torch.manual_seed(0)
    seen = Imaging().draw_poses({"ctf": optics(4000)})
    np.testing.assert_allclose(seen.mean(0), np.zeros((3, 3)), atol=0.04)
    np.testing.assert_allclose((seen[:, 2] ** 2).mean(0), np.full(3, 1 / 3), atol=0.02)


def test_poses_can_be_those_of_the_data_in_another_order():
    batch = particles()
    torch.manual_seed(0)
    seen = Imaging(poses="data").draw_poses(batch)
    assert not torch.equal(seen, batch["pose"])
    torch.testing.assert_close(seen.sum(0), batch["pose"].sum(0))


def test_shifts_are_even_up_to_the_largest():
    torch.manual_seed(0)
    seen = Imaging(shifts=12.0).draw_shifts({"ctf": optics(4000)})
    assert 11.9 < float(seen.abs().max()) <= 12
    assert float(seen.std()) == pytest.approx(12 / math.sqrt(3), rel=0.03)


def test_noise_is_white_or_has_the_spectrum_of_the_background_or_is_the_background():
    torch.manual_seed(0)
    batch, like = particles(256), torch.zeros(256, 1, BOX, BOX)
    rings = torch.linspace(3, 0.2, BOX // 2 + 1)
    white = Imaging().draw_noise(batch, rings, like)
    assert float(white.var()) == pytest.approx(1, abs=0.02)
    coloured = Imaging(noise="coloured").draw_noise(batch, rings, like)
    found = spectra.by_radius(spectra.power(coloured), BOX)
    np.testing.assert_allclose(found[1:8], rings[1:8], rtol=0.12)
    assert Imaging(noise="patches").draw_noise(batch, rings, like) is batch["background"]


def test_images_have_the_gain_that_normalising_leaves():
    torch.manual_seed(0)
    noise = torch.randn(2000, 1, 24, 24)
    at = torch.arange(24) - 12
    corners = at[:, None] ** 2 + at**2 > 12**2
    left = 1 / noise[..., corners].std(-1)
    found = Imaging().draw_gain(noise, 24)
    assert found.shape == (2000, 1, 1, 1)
    assert float(found.std()) == pytest.approx(float(left.std()), rel=0.1)
    assert float(Imaging(gain=0.2).draw_gain(noise, 24).std()) == pytest.approx(0.2, rel=0.1)


def test_what_must_be_known_of_particles_follows_from_what_is_drawn():
    assert Imaging().wants == ()
    assert set(Imaging("data", noise="patches").wants) == {"background", "pose"}
    assert method(imaging=Imaging(noise="coloured")).wants == ("background",)


# What is known of the volume


def some(known: Knowledge) -> Density:
    made = Density(BOX, known)
    torch.manual_seed(1)
    made.values.data.copy_(torch.randn(BOX, BOX, BOX))
    return made


def test_the_volume_is_not_negative_after_it_was_restrained():
    for positive in (True, False):
        made = some(Knowledge(positive=positive))
        made.restrain()
        assert bool((made() < 0).any()) != positive


def test_there_is_nothing_outside_the_mask():
    made = some(Knowledge(mask=0.6))
    made.restrain()
    along = torch.arange(BOX) - BOX // 2
    far = (along[:, None, None] ** 2 + along[:, None] ** 2 + along**2).sqrt() > 0.6 * BOX / 2
    assert float(made().detach()[far].abs().max()) == 0
    assert float(made().detach()[~far].abs().max()) > 0


@pytest.mark.parametrize("name", ["C2", "C4", "D2"])
def test_a_symmetric_volume_is_the_same_after_its_turns(name):
    made = some(Knowledge(symmetry=name, mask=0.8))
    volume = made().detach()
    for turn in symmetry_group(name).float():
        torch.testing.assert_close(rotate(volume, turn[None])[0], volume, atol=1e-4, rtol=1e-4)
    assert float(volume.std()) > 0


def test_a_smooth_volume_has_no_fine_detail():
    fine = []
    for smooth in (0.0, 1.5):
        spectrum = torch.fft.fftn(some(Knowledge(smooth=smooth))().detach()).abs()
        fine.append(float(spectrum[BOX // 2, 0, 0] / spectrum[1, 0, 0]))
    assert fine[1] < 1e-3 * fine[0]


def test_the_start_has_the_power_of_the_particles():
    """Projections of the started volume are as strong as the spectrum that it was started from."""
    k = torch.arange(BOX // 2 + 1)
    rings = 50 * torch.exp(-((k / 2.0) ** 2))
    for initial in ("noise", "blob"):
        torch.manual_seed(0)
        made = Density(BOX, Knowledge(initial=initial))
        made.start(rings, 0.5)
        seen = CryoEM(ctf=False).simulate(made().detach(), random_rotations(64), optics(64), None)
        found = spectra.by_radius(spectra.power(seen - seen.mean()), BOX)
        assert 0.2 < float(found[1:4].sum() / rings[1:4].sum()) < 5
        assert 0.1 < float(made.values.detach().max()) < 10


# What the critic sees


def test_a_view_makes_particles_as_strong_as_one():
    torch.manual_seed(0)
    amplitude = 5 / (1 + 8 * spectra.frequency(24, torch.zeros(1)))
    images = spectra.apply(torch.randn(256, 1, 24, 24), amplitude)
    rings = spectra.by_radius(spectra.power(images), 24)
    for whiten in (0.0, 0.5, 1.0):
        view = View(whiten=whiten, lowpass=(0.3, 0.6), anneal=0.6)
        seen = spectra.apply(images, view.transfer(0.2, rings, 24, 24))
        assert float(seen.square().mean()) == pytest.approx(1, rel=0.03)


def test_a_view_forgets_the_mean_of_the_background():
    images, ctf = torch.randn(3, 1, 24, 24), optics(3)
    one, other = (View().corrected(images + mean, ctf, 0.0) for mean in (0.0, 5.0))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert float((View().corrected(images, ctf, 10.0) - one).abs().max()) > 0.1
    torch.testing.assert_close(View(centre=False).corrected(images, ctf, 10.0), one)


def test_a_white_view_makes_frequencies_equally_strong():
    rings = torch.linspace(9, 1, 13)
    passed = [
        view.transfer(1.0, rings, 24, 24)[1:12, 0].square() * rings[1:12]
        for view in (View(whiten=w, lowpass=(1.0, 1.0)) for w in (0.0, 1.0))
    ]
    np.testing.assert_allclose(passed[1] / passed[1][0], np.ones(11), rtol=1e-4)
    assert float(passed[0][10] / passed[0][0]) < 0.25


def test_the_cut_off_grows_with_training():
    rings = torch.ones(13)
    view = View(lowpass=(0.25, 1.0), anneal=0.5, whiten=0.0)
    share = [
        (lambda t: float(t[8, 0] / t[1, 0]) ** 2)(view.transfer(p, rings, 24, 24))
        for p in (0.0, 0.25, 0.49, 0.5, 1.0)
    ]
    assert share == sorted(share)
    assert share[0] < 0.05
    assert share[-1] == share[-2] == pytest.approx(1)


@pytest.mark.parametrize(("strength", "wanted"), [(20.0, 0.9), (1.0, 7 / 16), (0.0, 0.9)])
def test_the_cut_off_ends_where_particles_fade_in_the_noise(strength, wanted):
    """A signal that falls tenfold within four frequencies is a fiftieth of the noise before 8."""
    at = torch.arange(17.0)
    noise = 2.0 * torch.ones(17)
    signal = strength * 2.0 * 10.0 ** (-(at - 1) / 4) if strength < 2 else strength * noise
    found = finest_shown(noise + signal, noise)
    if strength:
        assert found == pytest.approx(wanted, abs=0.5 / 16)
    else:
        assert found <= 1 / 16
    settled = View(lowpass=(0.12, None)).until(found)
    assert settled.cut(1.0) == max(found, 0.12)
    assert View(lowpass=(0.2, 0.6)).until(found).cut(1.0) == 0.6


def test_the_view_of_a_method_is_settled_by_its_particles_and_restored():
    made = method()
    batch = particles(256)
    made.prepare(Facts(batch=batch))
    end = made.view.cut(1.0)
    assert 0.12 < end < 0.9
    other = method()
    other.load_state_dict(made.state_dict())
    assert other.view == made.view


def test_the_view_corrects_the_ctf():
    ctf = optics(2)
    ctf[:, 1] = ctf[:, 0]  # astigmatism has no half plane that is exact at Nyquist
    transfer = contrast_transfer(ctf, 24)[:, None]
    torch.manual_seed(0)
    clean = torch.randn(2, 1, 24, 24)
    images = spectra.apply(clean, transfer)
    for kind, wanted in (("none", transfer), ("flip", transfer.abs()), ("multiply", transfer**2)):
        found = View(ctf=kind).corrected(images, ctf, 0.0)
        wanted = spectra.apply(clean, wanted)
        gap = (found - wanted).mean((2, 3), keepdim=True)  # the mean of the corners, changed alike
        assert float((found - wanted - gap).abs().max()) < 1e-4


def test_phases_are_left_alone_where_images_are_taken_to_have_no_ctf():
    batch = particles()
    for ctf, wanted in ((True, "flip"), (False, "none")):
        torch.manual_seed(0)
        made = CryoGAN(CryoEM(ctf=ctf), Critic(channels=4, blocks=2, hidden=8), BOX, PIXEL)
        found = made.view.corrected(batch["y"], batch["ctf"], 0.0)
        right = View(ctf=wanted).corrected(batch["y"], batch["ctf"], 0.0)
        torch.testing.assert_close(found, right)


def test_images_have_as_few_pixels_as_the_filter_allows():
    view = View(lowpass=(0.25, 1.0), anneal=0.5)
    assert [view.pixels(p, 48) for p in (0.0, 0.2, 0.3, 0.5, 1.0)] == [20, 44, 48, 48, 48]
    assert view.pixels(0.0, 16) == 16
    assert View(lowpass=(1.0, 1.0)).pixels(0.0, 48) == 48


@pytest.mark.parametrize("n", [24, 25])
def test_a_coarser_grid_keeps_coarse_detail_and_the_variance_of_noise(n):
    torch.manual_seed(0)
    assert float(coarser(torch.randn(200, 1, n, n), 16).var()) == pytest.approx(0.88, abs=0.02)
    along = torch.arange(n) - n // 2
    fewer = (torch.arange(16) - 8) * n / 16
    wide = torch.exp(-((along / 4) ** 2) / 2)
    narrow = torch.exp(-((fewer / 4) ** 2) / 2)
    found = coarser(wide[:, None] * wide, 16) * 16 / n
    torch.testing.assert_close(found, narrow[:, None] * narrow, atol=4e-3, rtol=1e-3)


def test_projections_of_a_coarser_volume_are_the_coarser_projections():
    torch.manual_seed(0)
    n = 24
    along = (torch.arange(n) - n // 2) ** 2
    ball = torch.exp(-(along[:, None, None] + along[:, None] + along) / 30)
    volume = torch.stack([ball.roll(k, 2) for k in (-3, 0, 4)]).sum(0)
    poses, shifts = random_rotations(5), 10 * torch.rand(5, 2)
    batch = {"y": torch.zeros(5, 1, n, n), "ctf": optics(5)}
    fine = CryoEM().simulate(volume, poses, batch["ctf"], shifts)
    small = coarser_batch(batch, 16)
    found = CryoEM().simulate(coarser_volume(volume, 16), poses, small["ctf"], shifts)
    wanted = coarser(fine, 16)
    assert float((found - wanted).norm() / wanted.norm()) < 0.03
    assert coarser_batch(batch, 24) is batch


# The method


def test_a_step_updates_the_critic_some_times_and_then_the_volume():
    made = method(critic_steps=2)
    told = updates(made, particles())
    assert [who for who, _ in told] == ["critic", "critic", "volume"]
    assert {"critic", "penalty", "distance", "gradient"} <= told[0][1].keys()
    assert {"adversarial", "power_low", "power_middle", "power_high", "mean"} <= told[2][1].keys()
    assert all(math.isfinite(value) for _, losses in told for value in losses.values())


def test_the_critic_leaves_the_volume_alone_and_the_other_way_round():
    made, batch = method(critic_steps=1), particles()
    made.prepare(Facts(batch=batch))
    for _, losses in [next(iter(made.step(batch)))]:
        total = torch.stack(list(losses.values())).sum()
        slopes = torch.autograd.grad(total, [*made.density.parameters()], allow_unused=True)
        assert slopes == (None,)


def test_the_volume_starts_from_facts_or_else_from_the_first_batch():
    batch = particles()
    told, looked = method(), method()
    torch.manual_seed(5)
    told.prepare(Facts(batch=batch))
    torch.manual_seed(5)
    next(iter(looked.step(batch)))
    torch.testing.assert_close(told.volume_now(), looked.volume_now())
    assert float(told.volume_now().abs().max()) > 0
    before = told.volume_now().clone()
    next(iter(told.step(batch)))
    torch.testing.assert_close(told.volume_now(), before)


def test_only_the_scales_that_are_asked_for_are_learnt():
    for learn in ((), ("noise",), ("signal", "noise")):
        made = method(learn=learn, critic_steps=1)
        updates(made, particles(), rate=0.1)
        moved = {n for n, s in zip(("signal", "noise"), made._scaled(), strict=True) if s != 1}
        assert moved == set(learn)


def test_a_restored_method_has_the_same_volume():
    made, batch = method(), particles()
    updates(made, batch)
    other = method()
    other.load_state_dict(made.state_dict())
    torch.testing.assert_close(other.volume_now(), made.volume_now())
    torch.manual_seed(7)
    one = updates(made, batch)
    torch.manual_seed(7)
    assert updates(other, batch) == one


def test_the_volume_is_what_is_reconstructed():
    made, batch = method(), particles()
    made.prepare(Facts(batch=batch))
    found = made.reconstruct(batch).mean
    assert found.shape == (1, 1, BOX, BOX, BOX)
    torch.testing.assert_close(found[0, 0], made.volume_now())


def test_validation_tells_the_distance_and_takes_no_gradient():
    made, batch = method(), particles()
    assert made.validate(batch) == {}
    made.prepare(Facts(batch=batch))
    with torch.no_grad():
        assert set(made.validate(batch)) == {"distance"}


def test_every_distance_trains_the_volume():
    for distance in ("least_squares", "gan", "hellinger"):
        made = method(adversarial=Adversarial(distance), critic_steps=1)
        batch = particles()
        made.prepare(Facts(batch=batch))
        before = made.volume_now().clone()
        updates(made, batch)
        assert not torch.equal(made.volume_now(), before)


# What is refused


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: method(critic_steps=0), "critic_steps=0"),
        (lambda: method(projections=0), "projections=0"),
        (lambda: method(learn=("signl",)), "Did you mean 'signal'"),
        (lambda: Imaging(poses="unform"), "Did you mean 'uniform'"),
        (lambda: Imaging(noise="patch"), "Did you mean 'patches'"),
        (lambda: Imaging(shifts=-1.0), "not negative"),
        (lambda: Imaging(gain=1.0), "below 1, or null"),
        (lambda: Knowledge(mask=1.5), "at most 1"),
        (lambda: Knowledge(smooth=-1.0), "not negative"),
        (lambda: Knowledge(symmetry="X3"), "symmetry=X3"),
        (lambda: Knowledge(initial="ball"), "noise, blob"),
        (lambda: View(lowpass=(0.5, 0.2)), "the coarser first"),
        (lambda: View(whiten=2.0), "0 to 1"),
        (lambda: View(ctf="flipped"), "Did you mean 'flip'"),
    ],
)
def test_a_wrong_option_is_told(make, told):
    with pytest.raises(UserError, match=told):
        make()


def test_a_batch_that_the_critic_cannot_share_is_refused():
    with pytest.raises(UserError, match=r"batch_size=16: a multiple of method\.critic_steps=3"):
        updates(method(critic_steps=3), particles())


def test_particles_of_another_size_are_refused():
    with pytest.raises(UserError, match="20 x 20 pixels, but a volume of 16"):
        updates(method(), particles(size=20))
    batch = particles()
    batch["ctf"][3, 8] = 4.0
    with pytest.raises(UserError, match="4 to 5 Angstrom"):
        updates(method(), batch)


def test_a_critic_that_runs_away_stops_the_run():
    made = method()
    for parameter in made.critic.parameters():
        parameter.data.mul_(100)
    with pytest.raises(UserError, match="diverged: the critic's slope"):
        updates(made, particles())


def test_the_spectra_of_particles_and_projections_are_told_once_training_began():
    made = method()
    assert made.spectra(particles()) == {}
    updates(made, particles())
    told = made.spectra(particles())
    assert set(told) == {"particles", "simulated"}
    assert all(len(rings) == BOX // 2 + 1 and bool((rings > 0).all()) for rings in told.values())


def test_what_the_mask_hides_fades():
    density = Density(24, Knowledge())
    with torch.no_grad():
        density.values.fill_(1.0)
    for _ in range(20):
        density.restrain()
    values = density.values.detach()
    assert bool((values[density.mask == 1] == 1).all())
    assert float(values[density.mask < 0.5].max()) < 1e-6
