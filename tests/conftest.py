"""One thread for each test process, so that tests run side by side take their share only."""

import os
import sys

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    torch = sys.modules.get("torch")  # not imported here: most tests do without
    if torch is not None:
        torch.set_num_threads(1)
