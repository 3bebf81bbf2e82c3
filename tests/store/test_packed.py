"""What a workbook would come to is known from its bytes."""

from __future__ import annotations

import random
import zipfile

import pytest

from pipeline.store.packed import NotPacked, look_over


def packed(place, **parts: bytes):
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return place


def test_cells_are_counted_whatever_their_prefix(tmp_path):
    found = look_over(packed(tmp_path / "b.xlsx", one=b'<c r="A1"/><x:c/><c>' * 5, two=b"<si/><x:si>"), 10**6, 10**6)
    assert (found.parts, found.cells, found.out_of_proportion) == (2, 17, False)


def test_no_more_is_counted_than_asked(tmp_path):
    draw = random.Random(5)
    cells = b"".join(b"<c>%d</c>" % draw.getrandbits(60) for _ in range(300_000))
    place = packed(tmp_path / "b.xlsx", one=cells, two=cells)
    assert 100 < look_over(place, 10**9, 100).cells < 200_000
    assert look_over(place, 1_000, 100).cells == 0


def test_what_is_out_of_proportion_is_not_unpacked(tmp_path):
    found = look_over(packed(tmp_path / "b.xlsx", one=b"<c/>" + b" " * 60_000_000), 10**9, 10**9)
    assert (found.out_of_proportion, found.cells, found.unpacked) == (True, 0, 60_000_004)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"text"])
def test_what_is_no_archive_is_known(tmp_path, content):
    (tmp_path / "b.xlsx").write_bytes(content)
    with pytest.raises(NotPacked, match=r"^$"):
        look_over(tmp_path / "b.xlsx", 1, 1)
