"""The script that measures the memory of drawing from a large stack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark_particles.py"


def test_it_prints_what_it_measured(tmp_path):
    line = [sys.executable, str(SCRIPT), str(tmp_path), "--gigabytes", "0.03", "--batches", "2"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["particles"] == 114
    assert 50 < told["peak_memory_mb"] < 1500
