"""metrics.json: what a run was, what it cost and what it reached."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bioreco import __version__

Values = dict[str, Any]


def write(folder: Path, values: Mapping[str, Any]) -> None:
    """Write metrics.json, whole or not at all; numbers that are not finite are left out."""
    path = folder / "metrics.json"
    temporary = path.with_name(".metrics.json.tmp")
    text = json.dumps({"schema": 1, "version": __version__, **_finite(values)}, indent=2)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def _finite(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {k: _finite(v) for k, v in values.items() if not _absent(v)}
    if isinstance(values, list | tuple):
        return [_finite(v) for v in values]
    return values


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value - value != 0)


def machine(device: torch.device, parameters: int) -> Values:
    """Return what the run took of the machine."""
    usage: Values = {
        "device": str(device),
        "threads": torch.get_num_threads(),
        "peak_memory_mb": peak_memory(),
        "parameters": parameters,
    }
    if device.type == "cuda":
        usage["device_name"] = torch.cuda.get_device_name(device)
        usage["peak_device_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
    return usage


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in MB.

    Linux keeps it in /proc; the portable figure also counts what the parent process had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**10)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
