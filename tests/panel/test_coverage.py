"""The picture of the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.coverage import BY_BUCKET, BY_NIGHT
from pipeline.panel.coverage import draw


@pytest.mark.slow
def test_the_picture_of_the_labels_is_the_same_bytes_and_shows_a_broken_feed(tmp_path):
    def rates(recovered: float) -> dict[str, pd.DataFrame]:
        rate = pd.DataFrame({"recovered_rate": [0.3, recovered], "defaulted_rate": [0.1, np.nan]})
        nights = pd.Series(pd.to_datetime(["2026-01-01", "2026-02-01"])).rename("as_of")
        return {BY_NIGHT: rate.assign(as_of=nights), BY_BUCKET: rate.assign(bucket=["0", "1-29"])}

    seen = pd.DataFrame(
        {"month": ["2026-01", "2026-02"], "label": "recovered", "reason": "labelled", "accounts": 5, "share": 1.0}
    )
    broken = pd.concat([seen.assign(share=[1.0, 0.4]), seen.tail(1).assign(reason="immature", share=0.6)])
    curve = pd.DataFrame({"currency": "EUR", "days": [1, 30], "accounts_share": [0.1, 1.0], "money_share": [0.1, 1.0]})
    pictures = []
    shown = (
        (0.3, seen, curve),
        (0.3, seen, curve),
        (0.3, broken, curve),
        (0.3, seen, curve.iloc[:0]),
        (0.6, seen, curve),
    )
    for number, (recovered, coverage, points) in enumerate(shown):
        draw(rates(recovered), coverage, points, tmp_path / f"{number}.png")
        pictures.append((tmp_path / f"{number}.png").read_bytes())
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 4
    assert all(
        picture.startswith(b"\x89PNG") and np.frombuffer(picture, np.uint8).size > 10_000 for picture in pictures
    )


def test_an_interrupted_picture_leaves_the_older_one_whole(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def interrupted(figure, place, **asked):
        Path(place).write_bytes(b"half")
        raise KeyboardInterrupt("by the user")

    rates = pd.DataFrame(
        {"recovered_rate": [0.3], "defaulted_rate": [0.1], "bucket": ["0"], "as_of": pd.to_datetime(["2026-01-01"])}
    )
    seen = pd.DataFrame({"month": ["2026-01"], "label": "recovered", "reason": "labelled", "accounts": 5, "share": 1.0})
    curve = pd.DataFrame({"currency": ["EUR"], "days": [1], "accounts_share": [0.1], "money_share": [0.1]})
    place = tmp_path / "panel.png"
    place.write_bytes(b"older")
    monkeypatch.setattr(Figure, "savefig", interrupted)
    with pytest.raises(KeyboardInterrupt, match="by the user"):
        draw({BY_NIGHT: rates, BY_BUCKET: rates}, seen, curve, place)
    assert [found.name for found in tmp_path.iterdir()] == ["panel.png"]
    assert place.read_bytes() == b"older"
