"""Building from a configuration: names and types are those of the constructor, or it is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from bioreco.build import ConfigError, build, check_suits
from bioreco.errors import UserError


@dataclass
class Part:
    size: int = 3


@dataclass
class Whole:
    network: Any
    window: int = 5
    ratio: float = 0.02
    fill: Literal["median", "mean"] = "median"
    name: str | None = None
    strides: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.5, 0.9)
    paths: Sequence[Path] = ()
    weights: Mapping[str, float] | None = None
    part: Part | None = None
    call: Callable[[int], int] | None = None
    flag: bool = False


def anything(**options: Any) -> dict[str, Any]:
    return options


@pytest.fixture(autouse=True)
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("lab")
    for item in (Part, Whole, anything):
        monkeypatch.setattr(item, "__module__", "lab")
        setattr(module, item.__name__, item)
    module.sys = sys  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lab", module)
    monkeypatch.setitem(sys.modules, "test_build", sys.modules[__name__])


def make(target: str = "lab.Whole", **options: Any) -> Any:
    node = OmegaConf.create({"_target_": target, **options})
    given = {"network": "a network"} if target == "lab.Whole" else {}
    return build(node, "method", trusted=["lab"], **given)


def test_what_is_configured_and_what_is_given_come_together():
    made = make(window=7, part={"_target_": "lab.Part", "size": 4})
    assert (made.network, made.window, made.part.size) == ("a network", 7, 4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ratio": 1}, 1.0),
        ({"window": 1e3}, 1000),
        ({"strides": [1, 2, 3]}, (1, 2, 3)),
        ({"pair": [0, 1]}, (0.0, 1.0)),
        ({"paths": ["a", "b"]}, [Path("a"), Path("b")]),
        ({"weights": {"a": 1}}, {"a": 1.0}),
        ({"weights": None}, None),
        ({"name": "x"}, "x"),
        ({"fill": "mean"}, "mean"),
        ({"flag": True}, True),
        ({"call": "left to the constructor"}, "left to the constructor"),
    ],
)
def test_values_become_what_the_constructor_asks_for(options, expected):
    value = getattr(make(**options), next(iter(options)))
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"window": 2.5}, "method.window=2.5 is not a whole number."),
        ({"window": "five"}, "method.window='five' is not a whole number."),
        ({"window": True}, "method.window=True is not a whole number."),
        ({"ratio": "x"}, "method.ratio='x' is not a number."),
        ({"flag": 1}, "method.flag=1 is not true or false."),
        ({"name": 3}, "method.name=3 is not a text or null."),
        ({"fill": "medan"}, "method.fill=medan is not one of median, mean. Did you mean 'median'?"),
        ({"strides": 3}, "method.strides=3 is not a list [a,b,...]."),
        ({"strides": [1, "b"]}, "method.strides[1]='b' is not a whole number."),
        ({"pair": [1]}, "method.pair=[1] is not a list of 2."),
        ({"weights": {"a": "b"}}, "method.weights.a='b' is not a number."),
        ({"weights": [1]}, "method.weights=[1] is not a mapping {a: b, ...}."),
        ({"windw": 3}, "method.windw: Whole takes no 'windw'. Did you mean 'window'?\n"
                       "It takes: network, window, ratio, fill, name, strides, pair, paths, "
                       "weights, part, call, flag."),
        ({"part": {"_target_": "lab.Part", "size": "x"}},
         "method.part.size='x' is not a whole number."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(options, error):
    with pytest.raises(ConfigError) as told:
        make(**options)
    assert str(told.value) == error


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("os.system", "method._target_: 'os.system' is not of bioreco or torch.optim or lab. "
                      "If you trust its code, add trust=[os]"),
        ("labs.Whole", "method._target_: 'labs.Whole' is not of"),
        ("lab.Whol", "method._target_: 'lab' has no 'Whol'. Did you mean 'Whole'?"),
        ("lab.sys.exit", "method._target_: 'lab.sys.exit' names no class or function of bioreco"),
        ("bioreco.errors", "method._target_: 'bioreco.errors' names no class or function of"),
        ("bioreco.nowhere.X", "method._target_: 'bioreco' has no 'nowhere'."),
    ],
)  # fmt: skip
def test_targets_that_can_not_or_must_not_be_run(target, error):
    with pytest.raises(ConfigError) as told:
        make(target)
    assert str(told.value).startswith(error)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import nothing_here", "'broken' can't be imported: No module named 'nothing_here'"),
        ("1 / 0", "'broken' can't be imported: ZeroDivisionError: division by zero"),
        ("def f(:", "'broken' can't be imported: SyntaxError"),
    ],
)
def test_an_import_that_fails_is_told_in_a_line(tmp_path, monkeypatch, code, error):
    (tmp_path / "broken.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as told:
        build({"_target_": "broken.Mine"}, "method", trusted=["broken"])
    assert str(told.value).startswith(f"method._target_: {error}")
    assert "\n" not in str(told.value)


def test_a_module_that_is_nowhere_is_told_with_where_it_would_be_found():
    with pytest.raises(ConfigError, match="beside your configurations"):
        build({"_target_": "mylab.Mine"}, "method", trusted=["mylab"])


def test_what_is_needed_and_not_there_is_told():
    with pytest.raises(ConfigError, match=r"method: Whole needs network\."):
        build({"_target_": "lab.Whole"}, "method", trusted=["lab"])
    with pytest.raises(ConfigError, match="nothing to build"):
        build({"window": 3}, "method")
    with pytest.raises(ConfigError, match="Interpolation key 'no' not found"):
        build(OmegaConf.create({"_target_": "lab.Part", "size": "${no}"}), "x", trusted=["lab"])


def test_a_partial_leaves_the_rest_open():
    node = {"_target_": "lab.Whole", "_partial_": True, "window": 3}
    assert build(node, "method", trusted=["lab"])(network="later").window == 3


def test_open_ended_functions_take_anything():
    assert make("lab.anything", a=1, b=[{"_target_": "lab.Part"}]) == {"a": 1, "b": [Part(3)]}


def test_an_optimiser_of_torch_is_trusted():
    made = build({"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3}, "optim")
    assert made.keywords == {"lr": 1e-3}


def test_errors_of_a_constructor_pass_through():
    def refuse() -> None:
        raise UserError("window must be odd")

    refuse.__module__, refuse.__qualname__ = "lab", "refuse"
    sys.modules["lab"].refuse = refuse  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="window must be odd"):
        make("lab.refuse")


def test_suits_are_checked_and_removed():
    config = OmegaConf.create(
        {"method": {"suits": {"forward": ["mri", "sms_mri"]}, "a": 1}, "forward": None, "seed": 0}
    )
    OmegaConf.set_struct(config, True)
    check_suits(config.copy(), {"method": "ssdu", "forward": "mri"})
    with pytest.raises(ConfigError) as told:
        check_suits(config, {"method": "ssdu", "forward": "identity"})
    assert str(told.value) == (
        "method=ssdu does not go with forward=identity. It goes with: forward=mri, forward=sms_mri."
    )
    assert "suits" not in config.method
