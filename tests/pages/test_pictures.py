"""The pictures of docs: drawn by benchmarks.pictures from a published list, small, and shown where the docs speak of
them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageStat

from benchmarks.pictures import MOST_BYTES, PICTURES, draw
from tests.worlds.afterwards import NIGHT

DOCS = Path(__file__).parents[2] / "docs"


def test_a_list_is_drawn_for_each_of_its_readers(browser, two_nights, tmp_path):
    nights = two_nights.out / str(NIGHT), two_nights.french / str(NIGHT)
    places = draw(browser, *nights, tmp_path)
    assert [place.name for place in places] == [each.name for each in PICTURES]
    light = {}
    for place, each in zip(places, PICTURES, strict=True):
        with Image.open(place) as made:
            assert made.size == tuple(round(side * each.scale) for side in each.screen.values())
            light[each.name] = ImageStat.Stat(made.convert("L")).mean[0]
        assert 10_000 < place.stat().st_size <= MOST_BYTES
    assert [name for name, mean in light.items() if mean < 100] == ["worklist-dark.png"]
    english, french = (
        places[[each.name for each in PICTURES].index(f"worklist{kind}.png")] for kind in ("", "-french")
    )
    assert english.read_bytes() != french.read_bytes()


@pytest.mark.parametrize("name", [each.name for each in PICTURES])
def test_each_picture_is_shown_and_small(name):
    assert (DOCS / name).stat().st_size <= MOST_BYTES
    assert f"]({name})" in (DOCS / "worklist.md").read_text(encoding="utf-8")
