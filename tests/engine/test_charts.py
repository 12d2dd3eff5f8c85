from __future__ import annotations

import numpy as np

from bioreco.engine.charts import Bar, leaderboard
from bioreco.engine.pictures import preview


def test_leaderboard_draws_bars_and_previews(tmp_path):
    image = np.random.default_rng(0).normal(size=(40, 60))
    preview(tmp_path / "a.png", [("input", image), ("result", image)], title="a")
    bars = [Bar("method=n2v" * 9, [30.1, 30.3]), Bar("(input)", [24.0], baseline=True)]
    shown = [(f"entry {n}", tmp_path / "a.png") for n in range(3)]
    for name, chosen, pictures in (
        ("both.png", bars, shown),
        ("bars.png", bars, []),
        ("pictures.png", [], shown[:1]),
        ("many.png", [Bar(str(n), [float(n)]) for n in range(60)], []),
    ):
        leaderboard(tmp_path / name, chosen, pictures)
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    assert not list(tmp_path.glob(".*"))
