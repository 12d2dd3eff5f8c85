"""The noise of an image in words that a biologist uses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

LITTLE = 40  # times the noise that the structure varies, where denoising is hardly needed

if TYPE_CHECKING:
    from bioreco.metrics.noise import Noise


def sentences(noise: Noise) -> list[str]:
    """Return plain sentences: how much noise, of which kind, shared or not, and what is odd."""
    if noise.constant:
        return [f"All pixels are {number(noise.level)}: there is nothing to denoise."]
    if math.isnan(noise.sigma):
        return ["Too few pixels to judge the noise."]
    if noise.sigma == 0 or noise.contrast > LITTLE * noise.sigma:
        return [_hardly(noise), *_oddities(noise)]
    kind = [_kind(noise)] if noise.sure else []
    return [_amount(noise), *kind, _sharing(noise), *_oddities(noise)]


def number(value: float) -> str:
    """Return a number with three digits that count, without needless zeros or exponents."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "unknown"
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        return f"{value:.3g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _hardly(noise: Noise) -> str:
    if noise.sigma == 0:
        return "No noise was found."
    return (
        f"Hardly any noise: {number(noise.sigma)} grey levels on average, while the structure "
        f"varies {noise.contrast / noise.sigma:.0f} times as much. Denoising will change little."
    )


def _amount(noise: Noise) -> str:
    text = f"Noise: {number(noise.sigma)} grey levels on average (standard deviation)"
    ratio = noise.contrast / noise.sigma
    if ratio < 0.3:
        return f"{text}; the image is almost all noise."
    return f"{text}; the structure in the image varies {ratio:.1f} times as much."


def _kind(noise: Noise) -> str:
    if not noise.correlation:
        return "The image is too small to see how the noise depends on brightness."
    if noise.gain == 0:
        return "Dark and bright parts are about equally noisy."
    share = (noise.read_noise / noise.sigma) ** 2
    dark = f"no light at about {number(noise.offset)}"
    if share > 0.003:
        dark += f", where the noise is {number(noise.read_noise)}"
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
    return f"{kind}: {slope}, {dark}."


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
    *first, last = [f"{a} ({noise.correlation[a][0]:.2f})" for a in axes]
    named = f"{', '.join(first)} and {last}" if first else last
    return (
        f"Neighbouring pixels along {named} share noise: n2v and n2s can't remove that part; "
        "say method=struct_n2v, which hides such neighbours too, or use repeated exposures (n2n)."
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
