"""Names of units as files spell them, and as bioreco does."""

from __future__ import annotations

_SPELLINGS = {
    "um": ("um", "micron", "microns", "micrometer", "micrometre", "micrometers", "micrometres"),
    "nm": ("nm", "nanometer", "nanometre", "nanometers", "nanometres"),
    "mm": ("mm", "millimeter", "millimetre", "millimeters", "millimetres"),
    "cm": ("cm", "centimeter", "centimetre"),
    "m": ("m", "meter", "metre", "meters", "metres"),
    "pm": ("pm", "picometer", "picometre"),
    "angstrom": ("angstrom", "angstroms", "a", "å"),
    "inch": ("inch", "inches", "in"),
    "s": ("s", "sec", "second", "seconds"),
    "ms": ("ms", "msec", "millisecond", "milliseconds"),
    "us": ("us", "usec", "microsecond", "microseconds"),
    "min": ("min", "minute", "minutes"),
    "h": ("h", "hr", "hour", "hours"),
}
_PLAIN = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_METRES = {
    "pm": 1e-12,
    "angstrom": 1e-10,
    "nm": 1e-9,
    "um": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "inch": 0.0254,
    "m": 1.0,
}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_WORDS = {
    "um": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "pm": "picometer",
    "s": "second",
    "ms": "millisecond",
    "us": "microsecond",
    "min": "minute",
    "h": "hour",
}


def plain_unit(text: object) -> str:
    """Return bioreco's name of a unit; a spelling it doesn't know stays as it is.

    >>> plain_unit("µm"), plain_unit("micron"), plain_unit("Å"), plain_unit("furlong")
    ('um', 'um', 'angstrom', 'furlong')
    """
    word = str(text).strip().replace("\\u00b5", "u").replace("\\u00B5", "u")
    word = word.replace("\u00b5", "u").replace("\u03bc", "u").replace("\\u00c5", "\u00c5")
    if word.lower() in {"", "pixel", "pixels", "voxel", "reference frame", "unknown", "none"}:
        return ""
    return _PLAIN.get(word.lower(), word)


def unit_word(unit: str) -> str:
    """Return a unit written out: ``um`` is ``micrometer``."""
    return _WORDS.get(unit, unit)


def convert(value: float, unit: str, wanted: str) -> float | None:
    """Return a length or duration in another unit, or None where that makes no sense.

    >>> convert(0.2, "um", "angstrom")
    2000.0
    """
    for scale in (_METRES, _SECONDS):
        if unit in scale and wanted in scale:
            return value if unit == wanted else float(f"{value * scale[unit] / scale[wanted]:.12g}")
    return None
