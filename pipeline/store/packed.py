"""What a packed workbook would come to, from its bytes alone: nothing of it is parsed."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.store.files import EXPANSION_LIMIT

CHUNK = 1 << 20
TAGS = (b"<c", b":c", b"<si", b":si")  # cells and shared texts, whatever prefix they have; and some that are neither


class NotPacked(Exception):
    """The file is no archive, or does not unpack."""


@dataclass(frozen=True)
class Packed:
    """unpacked: bytes of all parts; cells: at most so many cells and shared texts, counted no further than asked."""

    unpacked: int
    parts: int
    cells: int
    out_of_proportion: bool


def look_over(place: Path, most_bytes: int, most_cells: int) -> Packed:
    """Cells are counted only where the bytes and their proportion to the file are in bounds."""
    try:
        with zipfile.ZipFile(place) as archive:
            parts = archive.infolist()
            unpacked = sum(part.file_size for part in parts)
            out = unpacked > EXPANSION_LIMIT * max(place.stat().st_size, 1_000)
            cells = 0
            for part in parts if unpacked <= most_bytes and not out else ():
                cells += _cells_of(archive, part, most_cells - cells)
            return Packed(unpacked, len(parts), cells, out)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
        raise NotPacked from None


def _cells_of(archive: zipfile.ZipFile, part: zipfile.ZipInfo, most: int) -> int:
    found = 0
    with archive.open(part) as stream:
        while found <= most and (chunk := stream.read(CHUNK)):
            found += sum(chunk.count(tag) for tag in TAGS)
    return found
