"""The noise of an image in words that a biologist uses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bioreco.metrics.noise import Noise


def sentences(noise: Noise) -> list[str]:
    """Return plain sentences: how much noise, of which kind, shared or not, and what is odd."""
    if noise.constant:
        return [f"All pixels are {number(noise.level)}: there is nothing to denoise."]
    if math.isnan(noise.sigma):
        return ["Too few pixels to judge the noise."]
    return [_amount(noise), _kind(noise), _sharing(noise), *_oddities(noise)]


def number(value: float) -> str:
    """Return a number with three digits that count, without needless zeros or exponents."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "unknown"
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        return f"{value:.3g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _amount(noise: Noise) -> str:
    text = f"Noise: {number(noise.sigma)} grey levels on average (standard deviation)"
    if noise.sigma == 0:
        return "No noise was found."
    ratio = noise.contrast / noise.sigma
    if ratio < 0.3:
        return f"{text}; the image is almost all noise."
    return f"{text}; the structure in the image varies {ratio:.1f} times as much."


def _kind(noise: Noise) -> str:
    read = number(noise.read_noise)
    if not noise.correlation:
        return "The image is too small to see how the noise depends on brightness."
    if noise.gain == 0:
        return f"Dark and bright parts are about equally noisy: read noise of {read} grey levels."
    share = noise.read_noise**2 / max(noise.sigma**2, 1e-30)
    rest = f"no light at about {number(noise.offset)}, where the noise is {read}"
    if noise.shared_axes():
        slope = f"noise variance grows by {number(noise.gain)} per grey level"
    else:
        slope = f"about {number(noise.gain)} grey levels per photon count"
    if share < 0.3:
        kind = "Shot noise dominates"
    elif share < 0.7:
        kind = "Shot noise and read noise are of one size"
    else:
        kind = "Read noise dominates"
    return f"{kind}: {slope}, {rest}."


def _sharing(noise: Noise) -> str:
    axes = noise.shared_axes()
    if not noise.correlation:
        return "Whether neighbouring pixels share noise can't be told from so few pixels."
    if not noise.sure:
        return (
            "Neighbouring pixels are alike, but no flat area shows whether that is noise or "
            "structure: there may be little noise, or the image was smoothed or resampled."
        )
    if not axes:
        return "Neighbouring pixels have independent noise, as n2v and n2s need."
    named = " and ".join(f"{a} ({noise.correlation[a][0]:.2f})" for a in axes)
    return (
        f"Neighbouring pixels along {named} share noise: n2v and n2s can't remove that part; "
        "use method=struct_n2v, or n2n with repeated exposures."
    )


def _oddities(noise: Noise) -> list[str]:
    found = []
    if noise.saturated > 0:
        found.append(f"{_percent(noise.saturated)} of the pixels are saturated.")
    if noise.floor > 0.01:
        found.append(
            f"{_percent(noise.floor)} of the pixels are at the lowest value: the background may "
            "have been cut off."
        )
    if noise.missing > 0:
        found.append(f"{_percent(noise.missing)} of the pixels are not numbers (NaN or infinite).")
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "less than 0.1 %"
