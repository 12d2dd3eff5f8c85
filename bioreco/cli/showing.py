"""What a run says of its results: scores against references, and the picture to look at first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioreco.cli import outputs
from bioreco.data.formats import open_image
from bioreco.data.frames import Frames
from bioreco.engine.pictures import DEVIATION, central_slices, preview
from bioreco.metrics.coverage import CONVENTIONS as COVERAGE
from bioreco.metrics.fidelity import CONVENTIONS, scores

log = logging.getLogger("bioreco")

Array = NDArray[np.float32]


TRANSDUCTIVE = (
    "the method learnt from the very references it is scored against; for a fair score apply the"
    " run to other images (bioreco infer) and evaluate those"
)
SHOWN = 2048  # pixels along y and x of a frame that a picture shows at most


def compare(
    noisy: Sequence[Frames],
    found: Sequence[Frames],
    references: Sequence[Frames | None],
    std: Sequence[Frames] = (),
    *,
    wants: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what metrics.json says of results whose truth is known; nothing where none is.

    `wants` is what the method learnt from beside the measurements.
    """
    test = score(found, references)
    if not test:
        return {}
    sure = outputs.score(found, std, references)
    conventions = {key: CONVENTIONS[key] for key in test if key in CONVENTIONS}
    conventions |= {k: text for k, text in COVERAGE.items() if any(s.startswith(k) for s in sure)}
    if "x" in wants:
        log.warning("These scores are transductive: %s.", TRANSDUCTIVE)
        conventions["test"] = f"transductive: {TRANSDUCTIVE}"
    return {
        "test": test | sure,
        "baselines": {"input": score(noisy, references)},
        "conventions": conventions,
    }


def score(images: Sequence[Frames], references: Sequence[Frames | None]) -> dict[str, float]:
    """Return the mean scores over all images, frames and channels that have a reference."""
    found: list[dict[str, float]] = []
    for image, clean in zip(images, references, strict=True):
        if clean is None:
            continue
        for k in range(len(image)):
            truth = clean.read(k)
            if clean.image.dtype == np.uint8:
                truth = truth.astype(np.uint8)
            found += [scores(x, t) for x, t in zip(image.read(k), truth, strict=True)]
    keys = [key for key in (found[0] if found else {}) if all(key in one for one in found)]
    return {key: float(np.mean([one[key] for one in found])) for key in keys}


def opened(paths: Sequence[Path], like: Sequence[Frames]) -> list[Frames]:
    """Open results again, seen as the images they were made from; none where there are none."""
    return [
        Frames(open_image(path, axes=source.image.axes), source.dims)
        for path, source in zip(paths, like if paths else (), strict=True)
    ]


def show(
    path: Path,
    noisy: Frames,
    result: Frames,
    clean: Frames | None,
    *,
    title: str,
    std: Sequence[Frames] = (),
) -> None:
    """Draw preview.png: input, result, difference, and deviation and reference if there are."""
    panels = [("input", _plane(noisy)), ("result", _plane(result))]
    with np.errstate(invalid="ignore"):  # infinite pixels stay what they are
        panels.append(("difference", panels[0][1] - panels[1][1]))
    panels += [(DEVIATION, _plane(one)) for one in std[:1]]
    if clean is not None:
        panels.append(("reference", _plane(clean)))
    preview(path, panels, title=title)
    log.info("Picture: %s", path)


def _plane(frames: Frames) -> NDArray[Any]:
    """Return the middle of the first frame as something to draw."""
    region = [slice(0, n) for n in frames.shape[:-2]] + [
        slice(max(0, (n - SHOWN) // 2), min(n, (n + SHOWN) // 2)) for n in frames.shape[-2:]
    ]
    values = frames.read(0, region).astype(np.float64)
    if frames.dims == 3:
        spacing = frames.image.spacing
        stretch = spacing.get("Z", 1.0) / spacing.get("Y", 1.0) if spacing.get("Y") else 1.0
        return central_slices(values[0], stretch=min(max(stretch, 0.2), 5.0))
    if frames.image.size("S") == 3 and frames.image.size("C") == 1:
        return np.moveaxis(values, 0, -1)
    plane: NDArray[Any] = values[0]
    return plane
