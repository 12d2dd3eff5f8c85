"""OME-XML: the description of an OME-TIFF, kept from the source and fitted to the result."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np

from bioreco.data.image import Image
from bioreco.errors import UserError

_SPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_TYPES = {"f4": "float", "f8": "double"}
_SYMBOLS = {"um": "µm", "angstrom": "Å", "inch": "in."}


def ome_xml(like: Image, dtype: np.dtype[Any], source: str | None, *, note: str) -> str:
    """Return the OME-XML of one image written plane after plane into one file.

    Parameters
    ----------
    like
        The image whose axes, spacing and channel names the result has.
    source
        The OME-XML of the file it came from; everything in it that still holds is kept.
    """
    if "I" in like.axes:
        raise UserError(
            f"{like.name}: OME-TIFF has no axis for independent images; say data.axes=ZYX or TYX,"
            " or write an ordinary .tif."
        )
    root, pixels = _parsed(source)
    if pixels is None:
        root, pixels = _fresh(like)
    space = pixels.tag[: pixels.tag.index("}") + 1]
    samples = like.size("S")
    for image in root.findall(f"{space}Image")[1:]:
        root.remove(image)
    for child in list(pixels):
        if child.tag.removeprefix(space) in {"TiffData", "BinData", "MetadataOnly"}:
            pixels.remove(child)
    _fit_channels(pixels, space, like, samples)
    _fit_sizes(pixels, like, dtype, samples)
    planes = int(np.prod([like.size(axis) for axis in "TZC"]))
    data = ElementTree.Element(f"{space}TiffData", {"IFD": "0", "PlaneCount": str(planes)})
    pixels.insert(len(pixels.findall(f"{space}Channel")), data)
    root.set("UUID", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, like.name + note)}")
    root.set("Creator", note or "bioreco")
    ElementTree.register_namespace("", space.strip("{}"))
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'


def _parsed(source: str | None) -> tuple[ElementTree.Element, ElementTree.Element | None]:
    empty = ElementTree.Element("none")
    if not source:
        return empty, None
    try:
        root = ElementTree.fromstring(source)
    except ElementTree.ParseError:
        return empty, None
    return root, root.find("./{*}Image/{*}Pixels")


def _fresh(like: Image) -> tuple[ElementTree.Element, ElementTree.Element]:
    root = ElementTree.Element(f"{{{_SPACE}}}OME")
    name = like.path.name
    image = ElementTree.SubElement(root, f"{{{_SPACE}}}Image", {"ID": "Image:0", "Name": name})
    pixels = ElementTree.SubElement(image, f"{{{_SPACE}}}Pixels", {"ID": "Pixels:0"})
    return root, pixels


def _fit_channels(pixels: ElementTree.Element, space: str, like: Image, samples: int) -> None:
    """Give every channel an element, with its name where there is one."""
    there = pixels.findall(f"{space}Channel")
    for extra in there[like.size("C") :]:
        pixels.remove(extra)
    for number in range(like.size("C")):
        if number < len(there):
            channel = there[number]
        else:
            channel = ElementTree.Element(f"{space}Channel", {"ID": f"Channel:0:{number}"})
            pixels.insert(number, channel)
        channel.set("SamplesPerPixel", str(samples))
        if number < len(like.channels) and like.channels[number]:
            channel.set("Name", like.channels[number])


def _fit_sizes(
    pixels: ElementTree.Element, like: Image, dtype: np.dtype[Any], samples: int
) -> None:
    """Set sizes, order, type and sample distances."""
    planes = [axis for axis in like.axes if axis in "TZC"]
    order = [*reversed(planes), *(axis for axis in "CZT" if axis not in planes)]
    pixels.set("DimensionOrder", "XY" + "".join(order))
    for axis in "TZCYX":
        size = like.size(axis) * (samples if axis == "C" else 1)
        pixels.set(f"Size{axis}", str(size))
    code = f"{dtype.kind}{dtype.itemsize}"
    bits = 8 * dtype.itemsize
    pixels.set("Type", _TYPES.get(code) or f"{'u' if dtype.kind == 'u' else ''}int{bits}")
    pixels.set("BigEndian", "false")
    for stale in ("SignificantBits", "Interleaved"):
        pixels.attrib.pop(stale, None)
    for axis, step in like.spacing.items():
        unit = like.units.get(axis, "")
        name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
        if axis in "TZYX" and unit:
            pixels.set(name, repr(float(step)))
            pixels.set(f"{name}Unit", _SYMBOLS.get(unit, unit))
