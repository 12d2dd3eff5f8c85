"""What a blind-spot method may see, and what follows from its options."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bioreco.errors import UserError
from bioreco.methods.blindspot import BlindSpot
from bioreco.methods.method import Batch, Method
from bioreco.methods.noise2self import Noise2Self
from bioreco.methods.noise2void import Noise2Void
from bioreco.networks.unet import UNet


def network(dims: int = 2, channels: int = 1) -> UNet:
    torch.manual_seed(0)
    return UNet(channels, channels, dims, channels=4, depth=1).double()


def batch(*size: int, samples: int = 2, channels: int = 1, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(samples, channels, *size, generator=generator, dtype=torch.float64)
    held = torch.rand(y.shape, generator=generator) < 0.2
    return {"y": y, "target": ~held, "held": held, "seed": torch.arange(samples) + 11}


def methods(dims: int) -> list[BlindSpot]:
    return [
        Noise2Self(network(dims), grid=4),
        Noise2Self(network(dims), grid=5),
        Noise2Void(network(dims), replacement="uniform"),
        Noise2Void(network(dims), replacement="mean"),
        Noise2Void(network(dims), replacement="median", radius=1),
    ]


METHODS = [
    pytest.param(dims, number, id=f"{dims}D-{method.__class__.__name__}-{number}")
    for dims in (2, 3)
    for number, method in enumerate(methods(dims))
]
each_method = pytest.mark.parametrize(("dims", "number"), METHODS)
SIZE = {2: (16, 16), 3: (4, 16, 16)}


class Spy(nn.Module):
    """A network that keeps what it saw and what it said."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.network(x)
        self.seen.append((x, y))
        return y


def spied(method: BlindSpot, call: str, given: Batch) -> tuple[Tensor, Tensor]:
    inner = method.network
    method.network = Spy(inner)
    found = getattr(method, call)(given)
    if call == "step":
        list(found)
    seen = method.network.seen
    method.network = inner
    assert len(seen) == 1
    return seen[0]


@each_method
def test_in_training_the_network_sees_nothing_of_what_it_predicts(dims, number):
    method = methods(dims)[number]
    given = batch(*SIZE[dims])
    hidden = method.blind_spots(given) & given["target"]
    noise = batch(*SIZE[dims], seed=5)["y"] * 50
    other = given | {"y": torch.where(hidden, noise, given["y"])}
    for one, two in zip(spied(method, "step", given), spied(method, "step", other), strict=True):
        assert torch.equal(one, two)


@each_method
def test_in_validation_the_network_sees_nothing_of_what_it_predicts(dims, number):
    method = methods(dims)[number]
    given = batch(*SIZE[dims])
    noise = batch(*SIZE[dims], seed=5)["y"] * 50
    other = given | {"y": torch.where(given["held"], noise, given["y"])}
    seen, again = spied(method, "validate", given), spied(method, "validate", other)
    assert torch.equal(seen[0], again[0])
    assert not torch.equal(seen[0][given["held"]], given["y"][given["held"]])


@each_method
def test_what_the_network_can_see_is_left_as_measured(dims, number):
    method = methods(dims)[number]
    given = batch(*SIZE[dims])
    hidden = method.blind_spots(given) & given["target"]
    seen, _ = spied(method, "step", given)
    assert torch.equal(seen[~hidden], given["y"][~hidden])
    assert hidden.flatten(1).any(1).all()


@each_method
def test_held_pixels_are_no_part_of_the_training_loss(dims, number):
    method = methods(dims)[number]
    given = batch(*SIZE[dims])
    hidden = method.blind_spots(given)
    assert (hidden & given["held"]).any()
    ((player, losses),) = list(method.step(given))
    assert (player, set(losses)) == ("network", {"mse"})
    _, said = spied(method, "step", given)
    counted = hidden & given["target"]
    by_hand = [((x - y)[m] ** 2).mean() for x, y, m in zip(said, given["y"], counted, strict=True)]
    torch.testing.assert_close(losses["mse"], torch.stack(by_hand).mean().float())


@each_method
def test_a_sample_is_treated_alike_in_any_batch(dims, number):
    method = methods(dims)[number]
    given = batch(*SIZE[dims], samples=3)
    seen, said = spied(method, "step", given)
    for k in range(3):
        alone = {key: value[k : k + 1] for key, value in given.items()}
        saw, spoke = spied(method, "step", alone)
        assert torch.equal(saw, seen[k : k + 1])
        torch.testing.assert_close(spoke, said[k : k + 1])


@each_method
def test_the_loss_reaches_the_network_and_steps_draw_anew(dims, number):
    method = methods(dims)[number]
    given = batch(*SIZE[dims])
    next(iter(method.step(given)))[1]["mse"].backward()
    assert all(p.grad is not None for p in method.network.parameters())
    masks = [method.blind_spots(given | {"seed": given["seed"] + 1000 * k}) for k in range(6)]
    assert any(not torch.equal(masks[0], mask) for mask in masks[1:])
    assert set(method.players()) == {"network"}


@pytest.mark.parametrize("grid", [2, 3, 4, 7])
def test_averaging_over_the_partition_is_j_invariant(grid):
    """f(y) on J does not depend on y on J: Definition 1 of Batson and Royer."""
    method = Noise2Self(network(), grid=grid, inference="partition")
    given = batch(20, 24)
    before = method.reconstruct(given).mean
    for phase in range(grid**2):
        hidden = method.blind_spots(given | {"seed": given["seed"] * 0 + phase})
        noise = batch(20, 24, seed=phase + 1)["y"] * 50
        other = {"y": torch.where(hidden, noise, given["y"])}
        after = method.reconstruct(other).mean
        assert torch.equal(after[hidden], before[hidden])
        assert not torch.equal(after, before)


@pytest.mark.parametrize("grid", [4, 5])
def test_averaging_over_the_partition_is_j_invariant_in_stacks(grid):
    method = Noise2Self(network(3), grid=grid, inference="partition")
    given = batch(3, 16, 16)
    before = method.reconstruct(given).mean
    for phase in (0, 3, 7, 15):
        hidden = method.blind_spots(given | {"seed": given["seed"] * 0 + phase})
        other = {"y": torch.where(hidden, given["y"] + 30, given["y"])}
        assert torch.equal(method.reconstruct(other).mean[hidden], before[hidden])


def test_one_pass_over_the_whole_image_is_not_j_invariant():
    method = Noise2Self(network())
    given = batch(16, 16)
    hidden = method.blind_spots(given)
    other = {"y": torch.where(hidden, given["y"] + 30, given["y"])}
    before, after = (method.reconstruct(v).mean for v in (given, other))
    assert not torch.equal(before[hidden], after[hidden])
    assert torch.equal(before, method.network(given["y"]))


def test_both_inferences_agree_where_there_is_nothing_to_hide():
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.full_like(x, 3.0)

    given = batch(8, 8)
    for inference in ("full", "partition"):
        mean = Noise2Self(Mean(), inference=inference).reconstruct(given).mean
        assert torch.equal(mean, torch.full_like(given["y"], 3.0))


def test_halo_and_stride_grow_with_the_partition():
    flat, deep = network(), network(3)
    assert Noise2Self(flat).halo == flat.halo
    assert Noise2Self(flat).stride == flat.stride == (2, 2)
    partition = Noise2Self(flat, grid=5, inference="partition")
    assert partition.halo == tuple(h + 1 for h in flat.halo)
    assert partition.stride == (10, 10)
    assert Noise2Self(deep, grid=4, inference="partition").stride == (2, 4, 4)
    assert Noise2Void(flat).halo == flat.halo
    assert Noise2Void(nn.Identity()).halo is None
    assert Noise2Void(nn.Identity()).stride is None
    assert Method().halo is None
    assert Method().stride is None


def loss_of(method: Method, given: Batch) -> float:
    ((_, losses),) = method.step(given)
    return losses["mse"].item()


BASE = {"density": 0.06, "replacement": "uniform", "radius": 2, "joint": False}


@pytest.mark.parametrize(
    "option",
    [{"density": 0.2}, {"replacement": "mean"}, {"replacement": "median"}, {"radius": 1},
     {"joint": True}],
    ids=str,
)  # fmt: skip
def test_each_option_of_noise2void_changes_what_is_learnt(option):
    given = batch(32, 32, channels=2)

    def loss(**options: object) -> float:
        method = Noise2Void(network(channels=2), **options)
        return loss_of(method, given)

    assert loss(**BASE) == loss(**BASE)
    assert loss(**BASE | option) != loss(**BASE)


def test_each_option_of_noise2self_changes_what_it_does():
    given = batch(32, 32)
    losses = [loss_of(Noise2Self(network(), grid=g), given) for g in (3, 4)]
    assert losses[0] != losses[1]
    full, partition = (
        Noise2Self(network(), inference=i).reconstruct(given).mean for i in ("full", "partition")
    )
    assert not torch.equal(full, partition)


def test_noise2self_draws_every_set_of_the_partition():
    method = Noise2Self(network(), grid=3)
    given = {"y": torch.zeros(600, 1, 3, 3), "seed": torch.arange(600)}
    share = method.blind_spots(given).double().mean(0)[0]
    assert float(share.min()) > 0.5 / 9
    assert float(share.max()) < 1.6 / 9


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda: Noise2Void(network(), density=0),
            "method.density=0: a fraction above 0, at most 0.5",
        ),
        (
            lambda: Noise2Void(network(), density=0.6),
            "method.density=0.6: a fraction above 0, at most 0.5",
        ),
        (
            lambda: Noise2Void(network(), replacement="medain"),
            "method.replacement=medain: choose one of uniform, mean, median."
            " Did you mean 'median'?",
        ),
        (lambda: Noise2Void(network(), radius=0), "method.radius=0: at least 1 pixel"),
        (lambda: Noise2Self(network(), grid=1), "method.grid=1: 2 to 16 pixels"),
        (lambda: Noise2Self(network(), grid=17), "method.grid=17: 2 to 16 pixels"),
        (
            lambda: Noise2Self(network(3), grid=3),
            "method.grid=3: stacks need a grid of at least 4 pixels",
        ),
        (
            lambda: Noise2Self(network(), inference="ful"),
            "method.inference=ful: choose one of full, partition. Did you mean 'full'?",
        ),
    ],
)
def test_wrong_options_are_told(build, text):
    with pytest.raises(UserError) as said:
        build()
    assert str(said.value) == text


def test_a_method_says_what_it_lacks():
    method = Method()
    given = batch(4, 4)
    for call in (
        method.players,
        lambda: next(iter(method.step(given))),
        lambda: method.reconstruct(given),
        lambda: BlindSpot(nn.Identity()).blind_spots(given),
        lambda: BlindSpot(nn.Identity()).fill(given, given["held"]),
    ):
        with pytest.raises(NotImplementedError):
            call()


def test_a_method_validates_by_its_steps_unless_it_says_otherwise():
    class Two(Method):
        def step(self, batch):
            yield "a", {"x": batch["y"].mean()}
            yield "b", {"x": batch["y"].sum(), "z": batch["y"].max()}

    assert set(Two().validate(batch(4, 4))) == {"a/x", "b/x", "b/z"}
