"""Where a run happens: device, precision, and which of several processes this is."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from bioreco.errors import UserError, nearest

_DTYPES = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def fold(seed: int, *counters: int) -> int:
    """Derive a seed from a seed and counters: every step and every draw has its own."""
    state = np.random.SeedSequence([seed, *counters]).generate_state(1, np.uint64)
    return int(state[0]) & ((1 << 63) - 1)


class Runtime:
    """Device, precision and rank.

    Parameters
    ----------
    device
        "auto" takes a GPU where there is one.
    precision
        "32-true", or mixed precision with "bf16-mixed" or "16-mixed".

    Raises
    ------
    UserError
        If there is no such device, or the device can't do that precision.

    """

    def __init__(self, device: str = "auto", precision: str = "32-true") -> None:
        self.world = int(os.environ.get("WORLD_SIZE") or 1)
        self.rank = int(os.environ.get("RANK") or 0)
        self.device = _device(device, int(os.environ.get("LOCAL_RANK") or 0))
        if precision not in _DTYPES:
            raise UserError(
                f"precision={precision}: choose one of {', '.join(_DTYPES)}."
                + nearest(precision, _DTYPES)
            )
        self.dtype = _DTYPES[precision]
        if self.dtype is torch.float16 and self.device.type == "cpu":
            raise UserError("precision=16-mixed needs a GPU; on a CPU use 32-true")
        torch.backends.cudnn.benchmark = False  # its choice of algorithm differs from run to run
        torch.backends.cudnn.deterministic = True
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        if self.world > 1 and not dist.is_initialized():
            # torch's optimizers load this later, and its functions keep the group of that moment
            # for their default: its threads would outlive `close`, and end the process by a signal
            importlib.import_module("torch.distributed.nn")
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def seed(self, seed: int) -> None:
        """Seed torch's own random numbers: those of the CPU, and of a GPU that is used."""
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(seed)

    def place(self, module: nn.Module) -> None:
        """Put a module on the device, its convolutions with channels last, which run fastest.

        Weights with one channel too: a first layer whose weights don't say so hands its output on
        channels first, to be copied by the next layer.
        """
        module.to(self.device)
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        for parameter in module.parameters():
            if parameter.dim() in formats:
                parameter.data = parameter.data.to(memory_format=formats[parameter.dim()])

    def words(self) -> str:
        """Say where this runs: the device, and the threads of a CPU."""
        threads = torch.get_num_threads()
        where = f"the CPU ({threads} threads)" if self.device.type == "cpu" else str(self.device)
        return f"{where}, {self.world} processes" if self.world > 1 else where

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context in which losses are computed."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their mean over the processes, in one message."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        start = 0
        for gradient in gradients:
            end = start + gradient.numel()
            gradient.copy_(flat[start:end].view_as(gradient))
            start = end

    def agree(self, value: float) -> float:
        """Return the value that the first process has."""
        if self.world == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared.item())

    def share(self, word: str) -> str:
        """Return the word that the first process has."""
        words = [word]
        if self.world > 1:
            dist.broadcast_object_list(words, 0)
        return words[0]

    def average_losses(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean of each loss over the processes."""
        if self.world == 1 or not losses:
            return losses
        flat = torch.stack([losses[key].float() for key in sorted(losses)])
        dist.all_reduce(flat)
        return dict(zip(sorted(losses), flat / self.world, strict=True))

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Give all processes what the first one has."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), 0)

    def close(self) -> None:
        """Leave the group of processes."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()


def _device(name: str, local: int) -> torch.device:
    if name == "auto":
        return torch.device(f"cuda:{local}" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise UserError(f"device={name}: choose auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count()
    index = int(number) if number else local
    if index >= count:
        raise UserError(f"device={name}: this machine has {count} CUDA devices; choose auto or cpu")
    return torch.device(f"cuda:{index}")
