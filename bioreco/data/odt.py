"""Tomograms of cells in refractive index: simulated ones with a missing cone, or the user's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bioreco.data.tomograms.files import is_tomogram
from bioreco.data.tomograms.opening import Given, open_tomogram
from bioreco.data.tomograms.simulated import WIDE, Microscope
from bioreco.data.tomograms.values import Array, Light, Tomogram
from bioreco.errors import UserError

log = logging.getLogger("bioreco")

LEAST_BOX = 16


@dataclass(frozen=True)
class Views:
    """Tomograms as samples: one whole tomogram in each."""

    tomograms: Sequence[Tomogram]
    box: int

    def __len__(self) -> int:
        return len(self.tomograms)

    def __getitem__(self, draw: tuple[int, int]) -> dict[str, Array]:
        return dict(self.tomograms[draw[0]].batch(self.box, WIDE))

    def validation(self) -> Sequence[dict[str, Array]]:
        """Return nothing: there is no loss on a whole tomogram."""
        return []


class ODTData:
    """Tomograms to learn from, and those to reconstruct.

    Parameters
    ----------
    seed
        Decides what is simulated.
    paths
        Files, see `bioreco.data.tomograms.files`; without them, and without `root`, simulated
        cells.
    root
        The folder that relative paths start from; alone: all tomograms in it.
    box
        Voxels along a side of the volumes; None: 64 if simulated, else as in the truth, or as many
        as the images have pixels. The object has to fit in.
    optics
        The microscope, where files don't say. An aperture that nobody says takes all light.
    unwrap
        "auto": where the phase is wrapped; "always" or "never".
    limit
        Of files: leave out views whose light comes from more than so many degrees off the first.
    shrink
        Of files: pixels along y and x that become one.
    tomograms, tests
        Simulated cells to learn from, and others to reconstruct and score.
    microscope
        How simulated cells are looked at.

    Attributes
    ----------
    kind
        "tomograms".
    learnt, tests
        The tomograms to learn from and those to reconstruct: the same, if they are the user's.
    box
        Voxels along a side of the volumes.
    baselines
        Methods that are run beside where there is a truth.

    Raises
    ------
    UserError
        If an option is out of range, or a file can't be used.

    """

    kind = "tomograms"
    baselines = ("rytov", "gerchberg_papoulis", "odt_tv")

    def __init__(
        self,
        *,
        seed: int,
        paths: list[str] | str | None = None,
        root: str | None = None,
        box: int | None = None,
        optics: Light | None = None,
        unwrap: str = "auto",
        limit: float | None = None,
        shrink: int = 1,
        tomograms: int = 16,
        tests: int = 2,
        microscope: Microscope | None = None,
    ) -> None:
        if paths or root:
            given = Given(optics or Light(), unwrap, limit, shrink)
            self.learnt = [open_tomogram(path, given) for path in _files(paths, root)]
            self.tests = self.learnt
            self.simulated = False
            self.box = max(_side(one) for one in self.learnt) if box is None else box
            for one in self.learnt:
                for note in one.notes:
                    log.info("%s: %s.", one.name, note)
        else:
            _only_files(limit, shrink, optics)
            self._simulate(seed, 64 if box is None else box, tomograms, tests, microscope)
        if self.box < LEAST_BOX:
            raise UserError(f"data.box={self.box}: at least {LEAST_BOX} voxels")

    def _simulate(
        self, seed: int, box: int, count: int, tests: int, microscope: Microscope | None
    ) -> None:
        if count < 1 or tests < 1:
            raise UserError(f"data.tomograms={count} data.tests={tests}: at least 1")
        seen = Microscope() if microscope is None else microscope
        made = [seen.tomogram(seed, number, box) for number in range(count + tests)]
        self.learnt, self.tests = made[:count], made[count:]
        self.simulated, self.box = True, box
        log.info(
            "These are simulated cells (seed %d): %d to learn from and %d others to reconstruct,"
            " %d voxels of %g nm along a side, %d views with NA %g in a medium of index %g.",
            *(seed, count, tests, box, seen.pixel_size, seen.views, seen.na, seen.medium),
        )

    def training(self) -> Views:
        """Return the tomograms to learn from."""
        return Views(self.learnt, self.box)

    def reconstructed(self) -> Views:
        """Return those to reconstruct."""
        return Views(self.tests, self.box)


def _files(paths: list[str] | str | None, root: str | None) -> list[Path]:
    """Return the files that are meant."""
    named = [paths] if isinstance(paths, str) else list(paths or [])
    folder = Path(root or "").expanduser()
    if root is not None and not folder.is_dir():
        raise UserError(f"data.root={root}: there is no such folder")
    if named:
        return [folder / Path(name).expanduser() for name in named]
    found = sorted(path for path in folder.rglob("*") if is_tomogram(path))
    if not found:
        raise UserError(f"data.root={root}: no tomogram is in it; say data.paths")
    return found


def _side(one: Tomogram) -> int:
    """Return the voxels along a side of the truth, or the pixels of the images."""
    sides: tuple[int, ...] = one.fields.shape[1:] if one.truth is None else one.truth.index.shape
    return max(sides)


def _only_files(limit: float | None, shrink: int, optics: Light | None) -> None:
    """Refuse options of files for what is simulated."""
    given = {"limit": limit is not None, "shrink": shrink != 1}
    given["optics"] = optics is not None and any(value is not None for value in optics.values)
    for key, told in given.items():
        if told:
            raise UserError(f"data.{key} is of files; simulated cells take data.microscope")
