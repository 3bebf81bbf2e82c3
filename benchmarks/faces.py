"""How long the faces of a long list take, how large they are, and how much memory a workbook needs. Prints one line per face.

    python -m benchmarks.faces [ROWS ...]

Each face is made by a process of its own, so that its peak memory is its own. The night is made up, larger than any the sample holds.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROWS = (5_000, 50_000)
FACES = ("nothing", "worklist.html", "worklist.xlsx", "worklist.csv")


def measure(face: str, rows: int) -> tuple[float, int, float]:
    """(seconds, bytes, peak MiB of the process) of one face of a night with so many listed debtors; `nothing` is the night alone."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from paper_nights import night

    from pipeline.list_csv import csv_text
    from pipeline.list_html import html
    from pipeline.list_xlsx import write_xlsx

    made = night(rows)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / face
        place.touch()
        began = time.perf_counter()
        if face == "worklist.xlsx":
            write_xlsx(made, place)
        elif face == "worklist.html":
            place.write_text(html(made), encoding="utf-8")
        elif face == "worklist.csv":
            place.write_text(csv_text(made.worklist, made.decimals, made.reporting_currency), encoding="utf-8")
        seconds = time.perf_counter() - began
        return seconds, place.stat().st_size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(sizes: Sequence[int]) -> None:
    alone = multiprocessing.get_context("spawn")
    for rows in sizes:
        base = 0.0
        for face in FACES:
            with alone.Pool(1) as process:
                seconds, size, peak = process.apply(measure, (face, rows))
            if face == "nothing":
                base = peak
                print(f"{rows:,} rows: the night alone takes {peak:,.0f} MiB")
            else:
                print(f"  {face:15} {seconds:6.1f} s  {size / 1e6:6.2f} MB  {peak - base:6.0f} MiB above the night", flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or ROWS)
