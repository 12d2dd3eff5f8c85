"""A command line with configurations of its own and a command that only notes what it was told."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bioreco.cli import listing, main, running

HYDRA = listing.config_dir() / "hydra"
FILES = {
    "train.yaml": """
        # learn something
        defaults:
          - trainer: default
          - network: unet
          - forward: identity
          - data: synthetic
          - method: n2v
          - hydra: default
          - experiment: null
          - _self_
        seed: 0  # the same seed gives the same bytes
        trust: []
        hydra: {help: {header: "usage: bioreco train"}}
        """,
    "denoise.yaml": """
        defaults:
          - train
          - _self_
          - override /data: files
        input: ???
        output: {path: null}
        hydra: {help: {header: "usage: bioreco denoise"}}
        """,
    "evaluate.yaml": """
        defaults:
          - hydra: quiet
          - _self_
        input: null
        reference: null
        run: null
        hydra: {help: {header: "usage: bioreco evaluate"}}
        """,
    "trainer/default.yaml": """
        # how long to train
        steps: 100  # updates
        time_limit: null
        """,
    "network/unet.yaml": "# U-Net\nchannels: 32\n",
    "network/unrolled.yaml": "# unrolled\niterations: 10\n",
    "forward/identity.yaml": "# denoising\n{}\n",
    "forward/mri.yaml": "# magnetic resonance\n{}\n",
    "data/synthetic.yaml": "# simulated\nsize: 64\n",
    "data/files.yaml": "# your own images\npaths: ${oc.select:input,null}\n",
    "data/fmri.yaml": """
        # fMRI
        defaults:
          - _self_
          - override /forward@_global_.forward: mri
        root: ???
        """,
    "method/n2v.yaml": "# Noise2Void\nsuits: {forward: [identity]}\nwindow: 5  # pixels\n",
    "method/n2s.yaml": "# Noise2Self\ngrid: 4\n",
    "method/ssdu.yaml": """
        # SSDU
        defaults:
          - _self_
          - override /network@_global_.network: unrolled
        suits: {forward: [mri]}
        """,
}


@dataclass
class Said:
    """How a command line ended."""

    status: int
    out: str
    err: str


@dataclass
class Recorder:
    """Stands for a command: notes its calls, says a line, then does what a test wants."""

    calls: list[tuple[Any, Any]] = field(default_factory=list)
    then: Callable[[Any], float | None] | None = None

    def __call__(self, config: Any, context: Any) -> float | None:
        self.calls.append((config, context))
        logging.getLogger("bioreco").info("at work")
        return self.then(context) if self.then else None


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        path.write_text("\n".join(line[indent:] for line in lines).rstrip() + "\n")
    return folder


@pytest.fixture
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write(tmp_path_factory.mktemp("configs"), FILES)
    shutil.copytree(HYDRA, folder / "hydra")
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, configs: Path) -> Iterator[Recorder]:
    """Put a recorder in the place of every command, and small configurations beneath."""
    recorder = Recorder()
    module = ModuleType("recorder")
    module.run = recorder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "recorder", module)
    for name, entry in main.COMMANDS.items():
        monkeypatch.setitem(main.COMMANDS, name, entry._replace(run=entry.run and "recorder:run"))
    monkeypatch.setattr(listing, "config_dir", lambda: configs)
    monkeypatch.setattr(running, "config_dir", lambda: configs)
    path = sys.path[:]
    yield recorder
    sys.path[:] = path


@pytest.fixture
def bioreco(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Run command lines in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> Said:
        status = 0
        try:
            main.main(argv)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(bool(end.code))
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return call
