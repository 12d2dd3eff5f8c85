"""The XML header of ISMRMRD, which fastMRI files carry too."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from bioreco.errors import UserError

Element = ElementTree.Element


@dataclass(frozen=True)
class Space:
    """One encoding of a header; what the header doesn't say is None.

    Attributes
    ----------
    encoded, image
        Samples along x (readout), y and z of k-space and of the image.
    encoded_view, view
        The same in millimetres.
    centre, last
        Number of the central and of the last line along y.
    bands
        Slices excited together.
    distances
        Millimetres between these.
    calibration
        Number of the encoding that holds the single-band lines.

    """

    encoded: tuple[int, int, int]
    image: tuple[int, int, int]
    encoded_view: tuple[float, float, float] | None
    view: tuple[float, float, float] | None
    centre: int | None
    last: int | None
    trajectory: str
    bands: int
    distances: tuple[float, ...]
    calibration: int | None

    @property
    def oversampling(self) -> float:
        """How many times finer than the image the readout is sampled."""
        if self.encoded_view and self.view and self.view[0] > 0:
            return self.encoded_view[0] / self.view[0]
        return self.encoded[0] / self.image[0] if self.image[0] else 1.0

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Millimetres of a pixel along x, y and z."""
        if self.view is None or 0 in self.image:
            return None
        x, y, z = (view / count for view, count in zip(self.view, self.image, strict=True))
        return x, y, z


@dataclass(frozen=True)
class Header:
    """What a header says: its encodings, and the repetition time in seconds."""

    spaces: tuple[Space, ...]
    repetition_time: float | None


def read_header(text: str | bytes, name: str) -> Header:
    """Read a header.

    Raises
    ------
    UserError
        If it is damaged, or has no encoding.

    """
    try:
        root = ElementTree.fromstring(text)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        spaces = tuple(_space(encoding) for encoding in root.iter("encoding"))
        time = root.find(".//sequenceParameters/TR")
        seconds = float(time.text or "nan") / 1000 if time is not None else None
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{name}: its ISMRMRD header can't be read ({error}).") from error
    if not spaces:
        raise UserError(f"{name}: its ISMRMRD header describes no encoding.")
    return Header(spaces, seconds)


def _space(encoding: Element) -> Space:
    said = encoding.findtext("./encodingLimits/kspace_encoding_step_1/center")
    last = encoding.findtext("./encodingLimits/kspace_encoding_step_1/maximum")
    within = encoding.findtext(".//multiband/calibration_encoding")
    return Space(
        encoded=_counts(encoding, "encodedSpace"),
        image=_counts(encoding, "reconSpace"),
        encoded_view=_view(encoding, "encodedSpace"),
        view=_view(encoding, "reconSpace"),
        centre=int(said) if said else None,
        last=int(last) if last else None,
        trajectory=(encoding.findtext("trajectory") or "cartesian").lower(),
        bands=int(encoding.findtext(".//multiband/multiband_factor") or 1),
        distances=tuple(float(gap.text or 0) for gap in encoding.findall(".//multiband//dZ")),
        calibration=int(within) if within else None,
    )


def _counts(encoding: Element, which: str) -> tuple[int, int, int]:
    x, y, z = (int(encoding.findtext(f"./{which}/matrixSize/{axis}") or 0) for axis in "xyz")
    return x, y, z


def _view(encoding: Element, which: str) -> tuple[float, float, float] | None:
    said = [encoding.findtext(f"./{which}/fieldOfView_mm/{axis}") for axis in "xyz"]
    if None in said:
        return None
    x, y, z = (float(value or 0) for value in said)
    return x, y, z
