"""How a simulated functional scan is measured."""

from __future__ import annotations

from dataclasses import dataclass

from bioreco.errors import UserError

SMALLEST = 16  # pixels along y and x
COUNTS = (
    "multiband", "acceleration", "caipi", "frames", "groups", "coils", "calibration_lines",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Options of a simulated scan; see `simulate`.

    Parameters
    ----------
    multiband
        Slices excited together.
    acceleration
        R: every R-th line along ky is acquired.
    caipi
        Neighbouring bands are shifted by 1 / caipi of the reduced field of view; 1: not at all.
    frames
        Repetitions.
    groups
        Groups of slices; there are multiband x groups slices.
    size
        Pixels along y and x.
    coils
        Loops of the array.
    snr
        Mean brightness of the brain over the standard deviation of the thermal noise (complex) of
        an image without acceleration.
    jitter
        Whether the acquired lines start elsewhere in each frame and group.
    repetition_time
        Seconds between frames.
    physiology
        lambda: standard deviation of breathing and pressure, relative to the signal; drift and
        slow noise are as large.
    motion
        Standard deviation of the motion along y and x, in pixels.
    correlation
        Of the noise of neighbouring coils; 0: it is white, as after prewhitening.
    calibration_lines
        Central lines of the calibration scan, one band at a time.
    anatomy
        NIfTI file of a T1-weighted brain without its skull, in place of a drawn one.

    Raises
    ------
    UserError
        If an option is out of range.

    """

    multiband: int = 5
    acceleration: int = 2
    caipi: int = 3
    frames: int = 120
    groups: int = 4
    size: int = 64
    coils: int = 16
    snr: float = 40.0
    jitter: bool = False
    repetition_time: float = 1.5
    physiology: float = 0.009
    motion: float = 0.01
    correlation: float = 0.0
    calibration_lines: int = 24
    anatomy: str | None = None

    def __post_init__(self) -> None:
        for names, least, told in (
            (COUNTS, 1, "at least 1"),
            (("size",), SMALLEST, f"at least {SMALLEST} pixels"),
            (("snr", "repetition_time"), 1e-6, "above 0"),
            (("physiology", "motion", "correlation"), 0, "not negative"),
        ):
            for name in names:
                if not getattr(self, name) >= least:
                    raise UserError(f"data.{name}={getattr(self, name)}: {told}")
        if self.correlation >= 1:
            raise UserError(f"data.correlation={self.correlation}: below 1")
        if self.acceleration > self.size // 4:
            raise UserError(
                f"data.acceleration={self.acceleration}: at most a quarter of data.size={self.size}"
            )
