"""The state of a run and what one step does to it: weights, their average, optimisers, time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bioreco.engine import checkpoint
from bioreco.engine.average import Average
from bioreco.engine.journal import Journal
from bioreco.engine.options import Options
from bioreco.engine.runtime import Runtime
from bioreco.engine.sampler import Samples
from bioreco.engine.selection import Judge, Selection
from bioreco.engine.validation import validate
from bioreco.errors import UserError
from bioreco.methods.method import Method

Factory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True)
class Fitted:
    """What training leaves: the weights are in the method, averaged.

    Attributes
    ----------
    step
        Steps made.
    seconds
        Time they took, over all sessions of the run.
    selection
        What chose the reported weights.
    validation
        The loss on pixels that were never trained on, after the last step; None if there is none.

    """

    step: int
    seconds: float
    selection: str
    validation: float | None


class Training:
    """The state of a run: weights, their average, optimisers, step and time."""

    def __init__(
        self,
        method: Method,
        factories: Mapping[str, Factory],
        options: Options,
        runtime: Runtime,
        folder: Path,
        extras: Mapping[str, Any],
        judge: Judge | None = None,
    ) -> None:
        runtime.place(method)
        method.train()
        runtime.broadcast([*method.parameters(), *method.buffers()])
        self.method, self.options, self.runtime = method, options, runtime
        self.folder, self.extras = folder / "checkpoints", extras
        self.players = {name: list(p) for name, p in method.players().items()}
        if set(self.players) != set(factories):
            raise UserError(
                f"the method trains {', '.join(sorted(self.players))}, but method.optim"
                f" configures {', '.join(sorted(factories)) or 'nothing'}"
            )
        self.players = {name: parameters for name, parameters in self.players.items() if parameters}
        self.optimizers = {name: factories[name](p) for name, p in self.players.items()}
        self.rates = {
            name: [group["lr"] for group in optimizer.param_groups]
            for name, optimizer in self.optimizers.items()
        }
        self.average = Average(method, options.ema)
        chooses = judge is not None or options.select == "validation"
        self.choice = Selection(judge) if chooses else None
        self.step = 0
        self.sums: dict[str, Tensor] = {}
        self.counted: dict[str, int] = {}
        self.validation: float | None = None
        self._began = time.monotonic()

    def restore(self) -> None:
        """Take over the last checkpoint, if there is one."""
        path = self.folder / "last.pt"
        if not path.exists():
            return
        state = checkpoint.load(path, self.runtime.device)
        try:
            self.method.load_state_dict(state["method"])
            self.average.load(state["average"])
            for name, optimizer in self.optimizers.items():
                groups = optimizer.state_dict()["param_groups"]
                state_of = state["optimizers"][name]["state"]
                optimizer.load_state_dict({"state": state_of, "param_groups": groups})
        except (RuntimeError, KeyError) as error:
            raise UserError(
                f"{path} doesn't fit the method or the network of this configuration"
            ) from error
        self.runtime.scaler.load_state_dict(state["scaler"])
        if self.choice is not None and "choice" in state:
            self.choice.load(state["choice"])
        self.step, self.sums, self.counted = state["step"], state["sums"], state["counted"]
        self._began = time.monotonic() - state["seconds"]

    def clock(self) -> float:
        """Return the seconds of training so far, the same in all processes where it matters."""
        seconds = time.monotonic() - self._began
        return self.runtime.agree(seconds) if self.options.time_limit else seconds

    def update(self, batch: Mapping[str, Tensor], rate: float) -> None:
        """Make one step: every update that the method asks for."""
        updates = self.method.step(batch)
        while True:
            with self.runtime.autocast():
                player, losses = next(updates, ("", {}))
            if not player:
                break
            self._minimise(player, losses, rate)
        self.runtime.scaler.update()
        self.average.update(self.step)
        self.step += 1

    def _minimise(self, player: str, losses: Mapping[str, Tensor], rate: float) -> None:
        optimizer, parameters = self.optimizers[player], self.players[player]
        scaler = self.runtime.scaler
        for parameter in parameters:
            parameter.grad = None
        total = reduce(torch.add, losses.values())
        torch.autograd.backward(scaler.scale(total), inputs=parameters)
        self.runtime.average(parameters)
        scaler.unscale_(optimizer)
        if self.options.clip is not None:
            _clip(parameters, self.options.clip)
        for group, base in zip(optimizer.param_groups, self.rates[player], strict=True):
            group["lr"] = base * rate
        scaler.step(optimizer)
        for key, loss in losses.items():
            name = f"train/{player}/{key}"
            before = self.sums.get(name)
            self.sums[name] = loss.detach() if before is None else before + loss.detach()
            self.counted[name] = self.counted.get(name, 0) + 1

    def record(self, log: Journal, samples: Samples, floor: float | None, *, last: bool) -> None:
        """Write numbers, validate and save, each when it is due."""
        options, step = self.options, self.step
        due = last or step % options.validate_every == 0
        if due or step % options.log_every == 0:
            means = {key: total / self.counted[key] for key, total in self.sums.items()}
            values = {k: float(v) for k, v in self.runtime.average_losses(means).items()}
            self.sums, self.counted = {}, {}
            if not all(torch.isfinite(torch.tensor(list(values.values())))):
                raise self._diverged()
            if due and self.runtime.first:
                with self.average.applied():
                    found = validate(self.method, samples, self.runtime, log, step, floor)
                    self.validation = next(iter(found.values()), None)
                    self._choose(found)
                values |= found
            log.row(step, self._seconds(), values)
        if step % options.checkpoint_every == 0:
            self.save()

    def _choose(self, found: dict[str, float]) -> None:
        """Keep the weights if they are the best so far; note what a judge says of them."""
        if self.choice is None:
            return
        loss = math.nan if self.validation is None else self.validation
        error = self.choice.look(self.method, self.step, loss)
        if self.choice.judge is not None:
            found["val/heldout"] = error

    def exhausted(self) -> bool:
        """Return whether the error has had no new low for so long that training should stop."""
        patience = self.options.patience
        if patience is None or self.choice is None:
            return False
        return self.runtime.agree(float(self.choice.stale)) >= patience

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _diverged(self) -> UserError:
        return UserError(
            f"training diverged: a loss is no longer a number at step {self.step}. Lower the"
            " learning rate (method.optim.*.lr) and `resume` from the last checkpoint."
        )

    def save(self) -> None:
        """Write the last checkpoint, and the weights as they would be reported now."""
        if not all(bool(p.isfinite().all()) for p in self.method.parameters()):
            raise self._diverged()
        if not self.runtime.first:
            return
        common = {"step": self.step, "seconds": self._seconds(), **self.extras}
        state = {
            "method": self.method.state_dict(),
            "average": self.average.state(),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "scaler": self.runtime.scaler.state_dict(),
            "sums": self.sums,
            "counted": self.counted,
        }
        if self.choice is not None:
            state["choice"] = self.choice.state()
        checkpoint.save(self.folder / "last.pt", common | state)
        with self.average.applied():
            reported: dict[str, Any] = {
                "method": self.method.state_dict(),
                "selection": self.selection(),
            }
            if self.choice is not None and self.choice.step is not None:
                reported |= {"method": self.choice.weights, "step": self.choice.step}
            checkpoint.save(self.folder / "best.pt", common | reported)

    def selection(self) -> str:
        """Say what chose the reported weights."""
        if not self.players:
            return "nothing is trained"
        ema = self.options.ema
        which = f"average of the weights (decay {ema:g})" if ema else "weights"
        if self.choice is not None and self.choice.step is not None:
            return f"{which} {self.choice.words()}"
        return f"{which} after the last step; no validation loss picked them"

    def finish(self) -> Fitted:
        """Leave the reported weights in the method."""
        self.average.hand_over()
        if self.choice is not None and self.choice.step is not None:
            self.method.load_state_dict(self.choice.weights)
        self.method.eval()
        return Fitted(self.step, self._seconds(), self.selection(), self.validation)


def _clip(parameters: Iterable[nn.Parameter], largest: float) -> None:
    """Shorten the gradient to the largest norm: nn.utils.clip_grad_norm_ in fewer calls."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (largest / (norm + 1e-6)).clamp(max=1.0))
