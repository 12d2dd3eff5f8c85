"""Laws for every configuration file, whichever are there: they compose, and they fit the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from bioreco.build import find
from bioreco.cli import folders  # noqa: F401  registers the resolver that folders are named by
from bioreco.cli.listing import config_dir, describe, groups
from bioreco.cli.main import COMMANDS
from bioreco.hints import fit

OPTIONS = [
    (group, option, path)
    for group, options in groups([config_dir()]).items()
    for option, path in options.items()
]
PRIMARIES = [path.stem for path in sorted(config_dir().glob("*.yaml"))]
ASIDE = {"_target_", "_partial_", "suits", "optim"}  # read by the program, not by the constructor
each_option = pytest.mark.parametrize(
    ("group", "option", "path"), OPTIONS, ids=[f"{group}={option}" for group, option, _ in OPTIONS]
)


@pytest.fixture(autouse=True)
def hydra() -> Iterator[None]:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        yield


def nodes(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find everything that is built, however deep."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield path, node
        for key, value in node.items():
            yield from nodes(value, f"{path}.{key}")


def own_nodes(group: str, option: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    config = compose("train", [f"{group}={option}"])
    plain = OmegaConf.to_container(config[group]) if group in config else {}
    for path, node in nodes(plain, group):
        if str(node["_target_"]).startswith("bioreco."):
            yield path, node


def test_every_command_has_a_primary_configuration():
    commands = {name for name, command in COMMANDS.items() if command.run}
    assert commands <= set(PRIMARIES)


@pytest.mark.parametrize("primary", PRIMARIES)
def test_a_primary_composes(primary):
    config = compose(primary, return_hydra_config=True)
    assert config.hydra.help.header.startswith(f"usage: bioreco {primary}")


@each_option
def test_an_option_composes_and_says_what_it_is(group, option, path):
    assert isinstance(compose("train", [f"{group}={option}"]), DictConfig)
    assert 0 < len(describe(path)) <= 100


@each_option
def test_an_option_lists_what_its_constructor_takes(group, option, path):
    for place, node in own_nodes(group, option):
        parameters = inspect.signature(find(node["_target_"], place)).parameters
        assert set(node) - ASIDE <= set(parameters), place
        left_out = [
            name
            for name, parameter in parameters.items()
            if name not in node and parameter.default is not parameter.empty
        ]
        assert left_out == [], f"{place} does not show {left_out}"


@each_option
def test_an_option_shows_the_defaults_of_its_constructor(group, option, path):
    """One option of each class does; others of that class are variants, made to differ."""
    found = list(own_nodes(group, option))
    targets = {node["_target_"] for place, node in found if place == group}
    siblings = [name for kind, name, _ in OPTIONS if kind == group and name != option]
    for name in siblings:
        for place, node in own_nodes(group, name):
            if place == group and node["_target_"] in targets and not differences(place, node):
                return
    assert [line for place, node in found for line in differences(place, node)] == []


def differences(place: str, node: Mapping[str, Any]) -> list[str]:
    """Compare the values of a node with the defaults of its constructor."""
    call = find(node["_target_"], place)
    hints = get_type_hints(call.__init__ if inspect.isclass(call) else call)
    found = []
    for name, parameter in inspect.signature(call).parameters.items():
        value = node.get(name, "???")
        if parameter.default is parameter.empty or _is_open(value):
            continue
        if fit(value, hints.get(name, Any), name) != parameter.default:
            found.append(f"{place}.{name}={value}, but the default is {parameter.default}")
    return found


def _is_open(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, str) and ("${" in value or value == "???")
    )


def choices(path: Any) -> Iterator[tuple[str, str]]:
    """Find the words that a file offers for its keys: `key: value  # that | this (why) | other`."""
    for line in path.read_text().splitlines():
        key, _, told = line.partition(": ")
        if "#" not in told or "|" not in told or not key.isidentifier():
            continue
        first, *others = re.sub(r"\(.*?\)", "", told.partition("#")[2]).split("|")
        for word in (first.split()[-1], *(other.split()[0] for other in others)):
            yield key, word.rstrip(";,.")


@each_option
def test_every_word_that_a_comment_offers_can_be_said_on_the_command_line(group, option, path):
    for key, word in choices(path):
        config = compose("train", [f"{group}={option}", f"{group}.{key}={word}"])
        hints = get_type_hints(find(config[group]._target_, group).__init__)
        fit(config[group][key], hints[key], f"{group}.{key}")


def test_comments_do_offer_words():
    found = dict(pair for _, _, path in OPTIONS for pair in choices(path))
    assert {"augment", "dims", "norm", "precision", "replacement", "inference"} <= found.keys()


@pytest.mark.parametrize("option", list(groups([config_dir()])["experiment"]))
def test_an_experiment_settles_what_it_says(option):
    """Its package must stand in its first line, or its values go nowhere."""
    said = OmegaConf.load(config_dir() / "experiment" / f"{option}.yaml")
    config = compose("train", [f"experiment={option}"], return_hydra_config=True)
    for key in set(said) - {"defaults"}:
        assert OmegaConf.masked_copy(said, key) == OmegaConf.create(
            {key: within(config[key], said[key])}
        )


def within(node: Any, like: Any) -> Any:
    """Return the part of a node that another one speaks of."""
    if isinstance(like, DictConfig):
        return {key: within(node[key], like[key]) for key in like}
    return node
