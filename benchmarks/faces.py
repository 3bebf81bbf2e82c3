"""How long the faces of a long list take, how large they are, and how much memory a workbook needs.
Prints one line per face.

    python -m benchmarks.faces [ROWS ...]

Each face is made by a process of its own, so that its peak memory is its own. The night is made up, larger than any the
sample holds.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROWS = (5_000, 50_000)
FACES = ("worklist.html", "worklist.xlsx", "worklist.csv")


def measure(face: str, rows: int) -> tuple[float, float, int, float]:
    """(seconds, seconds of CPU, bytes, MiB at its peak above what the night itself takes) of
    one face of so many listed debtors.
    """
    from pipeline.pages.csv_file import csv_text
    from pipeline.pages.page import html
    from pipeline.pages.workbook import write_xlsx
    from tests.worlds.paper_nights import night

    made = night(rows)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / face
        place.touch()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is the face's own
        before, began, worked = memory("VmRSS"), time.perf_counter(), time.process_time()
        if face == "worklist.xlsx":
            write_xlsx(made, place)
        elif face == "worklist.html":
            place.write_text(html(made), encoding="utf-8")
        elif face == "worklist.csv":
            place.write_text(csv_text(made.worklist, made.decimals, made.reporting_currency), encoding="utf-8")
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        return seconds, cpu, place.stat().st_size, memory("VmHWM") - before


def memory(name: str) -> float:
    """MiB, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def main(sizes: Sequence[int]) -> None:
    alone = multiprocessing.get_context("spawn")
    for rows in sizes:
        print(f"{rows:,} rows")
        for face in FACES:
            with alone.Pool(1) as process:
                seconds, cpu, size, peak = process.apply(measure, (face, rows))
            print(
                (
                    f"  {face:14} {seconds:5.1f} s ({cpu:.1f} s of CPU)  "
                    f"{size / 1e6:6.2f} MB  {peak:4.0f} MiB above the night"
                ),
                flush=True,
            )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or ROWS)
