"""Draw several runs on the same simulated scan beside each other and beside its truth.

    python scripts/fmri_picture.py PICTURE RUN [RUN ...]

Columns: sense and split_slice_grappa of the first run that has them, the method of each run, the
truth; rows: image, error, tSNR, phase at the task's frequency, response.
"""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import OmegaConf

from bioreco.build import build
from bioreco.cli.runs import read_run
from bioreco.cli.scanning.applying import target
from bioreco.cli.scanning.showing import draw
from bioreco.data.scans import Scans

BESIDE = ("sense", "split_slice_grappa")


def main(picture: Path, folders: list[Path]) -> None:
    """Draw the picture of the scan that all runs learnt from."""
    runs = [read_run(folder) for folder in folders]
    node = OmegaConf.create(runs[0].config)
    data: Scans = build(node.data, "data", seed=int(node.seed))
    scan = data.acquisitions[0]
    found, scores = {}, {}
    for name in BESIDE:
        for run in runs:
            if name in run.baselines and name not in found:
                found[name] = run.folder / "baselines" / name
                scores[name] = run.scores(name)
    for run in runs:
        name = str(run.metrics["method"])
        found[name], scores[name] = run.folder / "results", run.scores("test")
    draw(scan, {name: target(at, scan.name) for name, at in found.items()}, scores, picture)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit("usage: fmri_picture.py PICTURE RUN [RUN ...]")
    main(Path(sys.argv[1]), [Path(given) for given in sys.argv[2:]])
