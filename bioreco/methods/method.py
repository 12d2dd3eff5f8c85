"""What a method is: what it trains, what each update minimises, how it reconstructs.

`step` is a generator. The method says what is minimised and for whom; the engine alone knows
optimisers, precision, ranks and checkpoints. Two rules: no context manager stays open over a
`yield`, and a graph isn't used again after yielding the player it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from bioreco.metrics.noise import Noise

Batch = Mapping[str, Tensor]
Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Estimate:
    """What a method makes of a measurement: the image, and where it has one its uncertainty.

    Attributes
    ----------
    mean
        The reconstruction (b, c, [z,] y, x).
    std
        Standard deviation per pixel, of the same shape, or None.

    """

    mean: Tensor
    std: Tensor | None = None


@dataclass(frozen=True)
class Facts:
    """What is known of the measurements before training starts.

    Attributes
    ----------
    images
        What is learnt from, (c, [z,] y, x) each on the network's scale; broken pixels are 0.
    scales
        For each of them the (shift, unit) of its channels: measured was y * unit + shift.
    noise
        The noise estimated in each image of the user's, channel by channel, in its grey levels.
    channels
        Channels that the network sees at once.
    dims
        Spatial axes.
    patch
        Size of a training patch, ([z,] y, x); nothing if unknown.
    batch
        Measurements as in a batch of training, for methods that look at more than images: some
        hundred particles with their CTFs. Empty where there are none.
    frames
        Repetitions of the measurement that are to be compared with each other; 1: none.
    validation
        Further measurements with their truth, (c, [z,] y, x) each in grey levels: what an option
        may be settled on.
    sharp
        The sharp domain, for methods that want it: images of something else, as `images` are.

    """

    images: Sequence[Tensor] = ()
    scales: Sequence[tuple[Tensor, Tensor]] = ()
    noise: Sequence[Sequence[Noise]] = field(default=())
    channels: int = 1
    dims: int = 2
    patch: tuple[int, ...] = ()
    batch: Batch = field(default_factory=dict)
    frames: int = 1
    validation: Sequence[tuple[Tensor, Tensor]] = ()
    sharp: Sequence[Tensor] = ()


class Method(nn.Module):
    """A way to learn a reconstruction from measurements alone.

    Attributes
    ----------
    wants
        What it learns from beside the measurements: "pair", a second measurement of the same, or
        "x", the clean image. Batches hold it under that name. "sharp" are images of something else
        without the blur, on the same scale: patches of them are drawn independently of `y`.
    uncertain
        Whether its estimates have a standard deviation.
    posterior
        Whether it knows many reconstructions, which `sample` draws.
    blends
        Whether the measurement is blended in where its result lacks more than noise.
    outputs
        The option that says how many channels its network puts out for each that it sees; "": one.
    makes
        What a run of it leaves: "reconstructions" of the measurements, or a volume of all of them;
        "poses", where each particle lies; "conformations", volumes of a particle that moves;
        "samples", images of a generator.
    averaged
        Whether averaging over turns of the image may improve its estimates.
    denoises
        Whether its estimate is what was measured, less the noise. A deconvolution's isn't, and
        can't be scored by predicting the measurement.
    footprint
        Bytes it needs for each pixel of a frame that can't be cut.
    real
        Whether its networks see complex images as real ones with twice the channels.

    Notes
    -----
    A batch is a mapping of tensors. `y`, the measurements (b, c, [z,] y, x) on the network's scale;
    `shift` and `unit` (b, c): what was measured is y * unit + shift; `seed` (b,), one for each
    sample, to draw from (see `draws`). In training and validation: `target` and `held`, masks of
    the pixels that may be trained on and of those kept for validation. In training: `progress`,
    the share of the training done. In reconstruction: `start` (b, dims), the position of the first
    pixel in the frame, a multiple of `stride`, so that neighbouring tiles can draw alike.

    """

    wants: tuple[str, ...] = ()
    uncertain: bool = False
    posterior: bool = False
    blends: bool = False
    outputs: str = ""
    makes: str = "reconstructions"
    averaged: bool = True
    denoises: bool = True
    footprint: int = 64
    real: bool = False

    def check(self, patch: Sequence[int]) -> None:
        """Refuse patches ([z,] y, x) that can't be learnt from, before any work is done."""

    def prepare(self, facts: Facts) -> None:
        """Look at the measurements before training; what is learnt here belongs in the state.

        Buffers whose shape depends on the data go through `get_extra_state`, since a run is
        restored without looking at its data again.
        """

    def players(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Return what is trained, by name; each has an optimiser of its own.

        A player may have no parameters; then it is no part of `step`.
        """
        raise NotImplementedError

    def step(self, batch: Batch) -> Iterator[tuple[str, Losses]]:
        """Yield (player, losses) once for each update; their sum is minimised over that player."""
        raise NotImplementedError

    def reconstruct(self, batch: Batch) -> Estimate:
        """Return the reconstruction of the measurements batch["y"]."""
        raise NotImplementedError

    def look(self, batch: Batch) -> Tensor:
        """Return what the measurements look like as an image, to be shown beside the result."""
        return batch["y"]

    def sample(self, batch: Batch, number: int) -> Tensor:
        """Return one possible reconstruction, the `number`-th, of a method with a `posterior`."""
        raise NotImplementedError

    def validate(self, batch: Batch) -> Losses:
        """Return losses that are not trained on; the default is those of a step."""
        return {
            f"{who}/{key}": loss for who, all_ in self.step(batch) for key, loss in all_.items()
        }

    def spectra(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return powers at equal steps from the frequency 0 to Nyquist, which validation draws.

        The default is none; methods whose simulated images should be like the measured ones say
        those of both.
        """
        del batch
        return {}

    @property
    def augment(self) -> str:
        """How patches may be turned at most: "turn", "mirror" or "none"; see `Patches`."""
        return "turn"

    @property
    def halo(self) -> tuple[int, ...] | None:
        """Pixels around an output pixel that can change it, per spatial axis; None: all can."""
        return None

    @property
    def stride(self) -> tuple[int, ...] | None:
        """Shifts by a multiple of this shift the reconstruction by as much; None: by nothing."""
        return None
