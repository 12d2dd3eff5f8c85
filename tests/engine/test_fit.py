"""Training stops and goes on bit for bit, and says what is wrong."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from bioreco.cli.assembly import Shape, assemble
from bioreco.cli.listing import config_dir
from bioreco.data.patches import Patches
from bioreco.engine import checkpoint
from bioreco.engine.fit import fit
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime, fold
from bioreco.engine.sampler import AHEAD
from bioreco.errors import UserError
from bioreco.methods.method import Estimate, Facts, Method
from bioreco.metrics.noise import Noise

METHODS = sorted(
    path.stem
    for path in (config_dir() / "method").glob("*.yaml")
    if "optim:" in (text := path.read_text(encoding="utf-8"))  # the others train nothing
    and "suits: {forward: [identity]}" in text  # others learn from something else than patches
)
SHORT = {
    "steps": 20, "batch_size": 2, "checkpoint_every": 11, "validate_every": 8, "log_every": 3,
    "device": "cpu",
}  # fmt: skip


class Stopped(Patches):
    """Patches that are interrupted when a certain step, a multiple of AHEAD, asks for them."""

    def __init__(self, *given: Any, step: int | None = None, **more: Any) -> None:
        super().__init__(*given, **more)
        self.forbidden = None if step is None else fold(SEED, 2, step * SHORT["batch_size"])

    def __getitem__(self, draw):
        if draw[1] == self.forbidden:
            raise KeyboardInterrupt
        return super().__getitem__(draw)


SEED = 3
STOP = 2 * AHEAD


def samples(dims: int = 2, step: int | None = None) -> Stopped:
    size, patch = ((40, 40), (16, 16)) if dims == 2 else ((6, 24, 24), (4, 16, 16))
    rng = np.random.default_rng(0)
    blocks, pair, x, sharp = (
        [rng.normal(size=(1, *size)).astype(np.float32) for _ in range(3)] for _ in range(4)
    )
    beside, apart = {"pair": pair, "x": x}, {"sharp": sharp}
    return Stopped(blocks, patch, "turn", step=step, beside=beside, apart=apart)


def configured(name: str, dims: int = 2, *more: str):
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = compose(
            "train",
            [f"method={name}", "network.channels=2", "network.depth=1", f"seed={SEED}", *more],
        )
    return assemble(config, Shape(1, dims, False, "turn", spacing=(200.0, 65.0, 65.0)[3 - dims :]))


def run(made, folder: Path, data: Patches, **options: Any):
    method, factories = made
    method.prepare(facts(data))
    fitted = fit(
        method, data, factories, options=Options(**SHORT | options), runtime=Runtime("cpu"),
        folder=folder, seed=SEED, extras={"config": {}}, floor=0.5,
    )  # fmt: skip
    return method, fitted


def facts(data: Patches) -> Facts:
    scales = [(torch.from_numpy(shift), torch.from_numpy(unit)) for shift, unit in data.scales]
    noise = Noise(gain=0.0, offset=0.0, read_noise=0.7, sigma=0.7)
    images = [torch.from_numpy(block) for block in data.blocks]
    return Facts(images, scales, [[noise] for _ in images], 1, len(data.patch), data.patch)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    for row in found:
        assert float(row.pop("seconds")) >= 0
    return found


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, Tensor):
        return torch.equal(one, two)
    return one == two


CASES = [
    *[pytest.param(name, 2, {}, id=name) for name in METHODS],
    pytest.param("n2v", 3, {}, id="n2v-3D"),
    pytest.param("n2v", 2, {"checkpoint_every": 7}, id="saved at 14, stopped at 16"),
    pytest.param("ot_cyclegan", 2, {}, id="ot_cyclegan"),
    pytest.param("ot_cyclegan", 3, {}, id="ot_cyclegan-3D"),
    pytest.param("n2s", 2, {"ema": 0.0, "schedule": "constant", "clip": None}, id="n2s-plain"),
    pytest.param("n2v", 2, {"precision": "bf16-mixed"}, id="n2v-bf16"),
]


@pytest.mark.parametrize(("name", "dims", "options"), CASES)
def test_stopped_and_resumed_is_straight_bit_for_bit(tmp_path, name, dims, options):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    workers = {"workers": 2} if name == "n2s" else {}
    method, fitted = run(configured(name, dims), straight, samples(dims), **options)
    with pytest.raises(KeyboardInterrupt):
        run(configured(name, dims), stopped, samples(dims, step=STOP), **options)
    saved = checkpoint.load(stopped / "checkpoints" / "last.pt")["step"]
    every = options.get("checkpoint_every", SHORT["checkpoint_every"])
    assert saved == STOP // every * every
    resumed, again = run(configured(name, dims), stopped, samples(dims), **options, **workers)
    assert same(dict(method.state_dict()), dict(resumed.state_dict()))
    assert again.validation == fitted.validation
    assert rows(straight) == rows(stopped)
    assert [int(row["step"]) for row in rows(straight)] == [3, 6, 8, 9, 12, 15, 16, 18, 20]
    for file in ("last.pt", "best.pt"):
        one, two = (checkpoint.load(f / "checkpoints" / file) for f in (straight, stopped))
        assert one.pop("seconds") > 0
        assert two.pop("seconds") > 0
        assert same(one, two)


@pytest.mark.parametrize("forward", ["learnable_psf", "network"])
def test_a_learnt_forward_model_is_resumed_bit_for_bit(tmp_path, forward):
    def made():
        return configured("ot_cyclegan", 2, f"forward={forward}", "method.pool=3")

    straight, _ = run(made(), tmp_path / "straight", samples())
    with pytest.raises(KeyboardInterrupt):
        run(made(), tmp_path / "stopped", samples(step=STOP))
    resumed, _ = run(made(), tmp_path / "stopped", samples())
    assert same(dict(straight.state_dict()), dict(resumed.state_dict()))
    assert rows(tmp_path / "straight") == rows(tmp_path / "stopped")


def test_worker_processes_change_nothing(tmp_path):
    found = [run(configured("n2v"), tmp_path / str(w), samples(), workers=w)[0] for w in (0, 2)]
    assert same(*[dict(method.state_dict()) for method in found])
    assert rows(tmp_path / "0") == rows(tmp_path / "2")


def test_the_seed_decides(tmp_path):
    one = run(configured("n2v"), tmp_path / "1", samples(), steps=3)[0]
    with_other_weights = configured("n2v", 2, "seed=4")
    assert not same(dict(one.state_dict()), dict(with_other_weights[0].state_dict()))
    again = run(configured("n2v"), tmp_path / "2", samples(), steps=3)[0]
    assert same(dict(one.state_dict()), dict(again.state_dict()))


def test_a_finished_run_resumed_stays_as_it_is(tmp_path):
    one, _ = run(configured("n2v"), tmp_path, samples(), steps=5)
    before = rows(tmp_path)
    two, fitted = run(configured("n2v"), tmp_path, samples(), steps=5)
    assert fitted.step == 5
    assert same(dict(one.state_dict()), dict(two.state_dict()))
    assert rows(tmp_path) == before


def test_more_steps_than_planned_go_on_from_the_last(tmp_path):
    run(configured("n2v"), tmp_path, samples(), steps=5)
    _, fitted = run(configured("n2v"), tmp_path, samples(), steps=9)
    assert fitted.step == 9
    assert [int(row["step"]) for row in rows(tmp_path)] == [3, 5, 6, 8, 9]


def test_a_checkpoint_of_another_network_is_told(tmp_path):
    run(configured("n2v"), tmp_path, samples(), steps=2)
    other = configured("n2v", 2, "network.channels=3")
    with pytest.raises(UserError) as said:
        run(other, tmp_path, samples(), steps=4)
    assert str(said.value) == (
        f"{tmp_path}/checkpoints/last.pt doesn't fit the method or the network of this"
        " configuration"
    )


# --- methods of our own, to see what the engine does


class Affine(Method):
    """Two players: `a` is drawn to 1, `b` to 2, twice in each step."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.factor = factor
        self.rates: list[float] = []
        self.modes: list[bool] = []

    def players(self):
        return {"first": [self.a], "second": [self.b]}

    def step(self, batch):
        self.modes.append(self.training)
        yield "first", {"near": (self.a - 1) ** 2 * self.factor, "coupled": self.b * self.a}
        for _ in range(2):
            yield "second", {"far": (self.b - 2) ** 2 * self.factor}

    def reconstruct(self, batch):
        return Estimate(batch["y"] * 0)

    def validate(self, batch):
        self.modes.append(self.training)
        return {"a": self.a.detach()}


class Sgd(torch.optim.SGD):
    """Plain gradient descent that notes the rates it was given."""

    rates: ClassVar[list[float]] = []

    def step(self, closure=None):
        self.rates.append(self.param_groups[0]["lr"])
        return super().step(closure)


SGD = partial(Sgd, lr=0.1)
BOTH: dict[str, Callable[..., torch.optim.Optimizer]] = {"first": SGD, "second": SGD}
PLAIN = {"schedule": "constant", "clip": None, "ema": 0.0}


def test_each_player_is_updated_by_its_own_losses_only(tmp_path):
    method, fitted = run((Affine(), BOTH), tmp_path, samples(), steps=1, **PLAIN)
    assert method.a.item() == pytest.approx(0.2)  # the coupled term has no gradient: b was 0
    assert method.b.item() == pytest.approx(0.4 + 0.1 * 2 * 1.6)
    row = rows(tmp_path)[0]
    assert float(row["train/first/near"]) == 1
    assert float(row["train/second/far"]) == pytest.approx((4 + 1.6**2) / 2)  # the mean of both
    assert fitted.validation == pytest.approx(0.2)


def test_numbers_that_a_method_draws_itself_are_those_of_the_step(tmp_path):
    class Dice(Affine):
        def step(self, batch):
            yield "first", {"near": (self.a - torch.rand(())) ** 2}
            yield "second", {"far": (self.b - torch.randn(())) ** 2}

        def validate(self, batch):
            return {"a": torch.rand(())}

    straight, fitted = run((Dice(), BOTH), tmp_path / "straight", samples())
    torch.manual_seed(99)
    with pytest.raises(KeyboardInterrupt):
        run((Dice(), BOTH), tmp_path / "stopped", samples(step=STOP))
    torch.rand(5)
    resumed, again = run((Dice(), BOTH), tmp_path / "stopped", samples())
    assert same(dict(straight.state_dict()), dict(resumed.state_dict()))
    assert again.validation == fitted.validation
    assert rows(tmp_path / "straight") == rows(tmp_path / "stopped")


def test_validation_sees_the_average_in_evaluation_mode(tmp_path):
    method, fitted = run(
        (Affine(), BOTH), tmp_path, samples(), steps=4, schedule="constant", clip=None, ema=0.9
    )
    assert method.modes[:4] == [True] * 4
    assert method.modes[4:] == [False] * (len(method.modes) - 4)
    assert not method.training
    assert fitted.validation == pytest.approx(method.a.item())
    last = checkpoint.load(tmp_path / "checkpoints" / "last.pt")
    best = checkpoint.load(tmp_path / "checkpoints" / "best.pt")
    assert best["method"]["a"].item() == method.a.item() == last["average"]["a"].item()
    assert last["method"]["a"].item() != method.a.item()
    assert (
        fitted.selection
        == best["selection"]
        == (
            "average of the weights (decay 0.9) after the last step; no validation loss picked them"
        )
    )


def test_without_an_average_the_last_weights_are_reported(tmp_path):
    method, fitted = run((Affine(), BOTH), tmp_path, samples(), steps=3, **PLAIN)
    last = checkpoint.load(tmp_path / "checkpoints" / "last.pt")
    assert method.a.item() == last["method"]["a"].item()
    assert fitted.selection == "weights after the last step; no validation loss picked them"


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_rate_follows_its_schedule(tmp_path, schedule):
    Sgd.rates = []
    only = {"first": SGD, "second": partial(torch.optim.SGD, lr=0.1)}
    run((Affine(), only), tmp_path, samples(), steps=8, schedule=schedule)
    expected = [
        0.1 * (0.5 * (1 + math.cos(math.pi * t / 8)) if schedule == "cosine" else 1)
        for t in range(8)
    ]
    assert Sgd.rates == pytest.approx(expected)


def test_gradients_are_clipped(tmp_path):
    method, _ = run((Affine(1000.0), BOTH), tmp_path, samples(), steps=1, **PLAIN | {"clip": 1.0})
    assert method.a.item() == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(
    ("factories", "text"),
    [
        ({}, "the method trains first, second, but method.optim configures nothing"),
        (
            {"network": SGD},
            "the method trains first, second, but method.optim configures network",
        ),
    ],
)
def test_players_without_an_optimiser_are_told(tmp_path, factories, text):
    with pytest.raises(UserError) as said:
        run((Affine(), factories), tmp_path, samples())
    assert str(said.value) == text


def test_a_diverged_run_is_told_and_keeps_its_last_good_weights(tmp_path):
    class Breaks(Affine):
        def step(self, batch):
            factor = math.nan if len(self.modes) == 4 else 1.0
            self.modes.append(True)
            yield "first", {"near": (self.a - 1) ** 2 * factor}
            yield "second", {"far": (self.b - 2) ** 2}

    with pytest.raises(UserError) as said:
        run((Breaks(), BOTH), tmp_path, samples(), checkpoint_every=1, log_every=1)
    assert str(said.value) == (
        "training diverged: a loss is no longer a number at step 5. Lower the learning rate"
        " (method.optim.*.lr) and `resume` from the last checkpoint."
    )
    assert checkpoint.load(tmp_path / "checkpoints" / "last.pt")["step"] == 4


def test_a_diverged_run_keeps_good_weights_whatever_the_cadence(tmp_path):
    class Breaks(Affine):
        def step(self, batch):
            factor = math.nan if len(self.modes) == 4 else 1.0
            self.modes.append(True)
            yield "first", {"near": (self.a - 1) ** 2 * factor}
            yield "second", {"far": (self.b - 2) ** 2}

    with pytest.raises(UserError, match="diverged"):
        run((Breaks(), BOTH), tmp_path, samples(), checkpoint_every=2, log_every=20)
    assert checkpoint.load(tmp_path / "checkpoints" / "last.pt")["method"]["a"].isfinite()


def test_time_ends_training_and_times_the_schedule(tmp_path):
    class Slow(Affine):
        def step(self, batch):
            time.sleep(0.02)
            yield from super().step(batch)

    Sgd.rates = []
    only = {"first": SGD, "second": partial(torch.optim.SGD, lr=0.1)}
    began = time.monotonic()
    _, fitted = run((Slow(), only), tmp_path, samples(), steps=10**6, time_limit=1.0)
    assert 0.9 < time.monotonic() - began < 20
    assert 2 <= fitted.step <= 50
    assert fitted.seconds >= 1
    assert Sgd.rates == sorted(Sgd.rates, reverse=True)
    assert Sgd.rates[-1] < 0.5 * Sgd.rates[0]
    assert int(rows(tmp_path)[-1]["step"]) == fitted.step
    _, again = run((Slow(), only), tmp_path, samples(), steps=10**6, time_limit=1.0)
    assert again.step == fitted.step  # its time is over


def test_no_steps_leave_the_first_weights_and_a_checkpoint(tmp_path):
    method, fitted = run((Affine(), BOTH), tmp_path, samples(), steps=0)
    assert (fitted.step, fitted.validation, method.a.item()) == (0, None, 0)
    assert (tmp_path / "checkpoints" / "best.pt").exists()
    assert checkpoint.load(tmp_path / "checkpoints" / "last.pt")["step"] == 0


def test_the_excess_over_the_noise_is_told(tmp_path):
    run(configured("n2v"), tmp_path, samples(), steps=2)
    row = rows(tmp_path)[-1]
    assert float(row["val/noise_floor"]) == 0.5
    assert float(row["val/excess"]) == pytest.approx(float(row["val/mse"]) - 0.5, abs=1e-6)
