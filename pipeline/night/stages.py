"""The clock of a night: how long each stage took, and how much memory."""

from __future__ import annotations

import gc
import logging
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

log = logging.getLogger("recoup")

MANY_ROWS = 100_000  # that were let go of: what they held is worth a tenth of a second


@dataclass
class Stages:
    """Seconds and peak memory (MiB, of this process within the stage, or of its largest worker so far);
    goes into the manifest's `run`. most: the peak of this process so far in MiB, between stages as well.
    """

    done: list[dict[str, Any]] = field(default_factory=list)
    most: float = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """Times what happens inside, its beginning and end logged; hands out a look at all stages so far, with this."""
        began = time.perf_counter()
        log.info("%s begins", name, extra={"fields": {"stage": name, "event": "begin"}})
        self.most = max(self.most, _peak_kib() / 1024)
        with suppress(OSError):  # Linux forgets the earlier peak; elsewhere it is the peak so far
            Path("/proc/self/clear_refs").write_text("5")

        def so_far() -> list[dict[str, Any]]:
            peak = max(_peak_kib(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
            return [
                *self.done,
                {"stage": name, "seconds": round(time.perf_counter() - began, 3), "peak_mib": round(peak, 1)},
            ]

        yield so_far
        self.done, self.most = so_far(), max(self.most, _peak_kib() / 1024)
        log.info("%s: %.1f s", name, self.done[-1]["seconds"], extra={"fields": {**self.done[-1], "event": "end"}})


def give_back(rows: int) -> None:
    """Memory of frames of so many rows that were let go of goes back to the system, where it is much: what is built
    next would else stand beside it.
    """
    if rows >= MANY_ROWS:
        gc.collect()  # frames in cycles
        for pool in (pa.default_memory_pool(), pa.system_memory_pool()):
            pool.release_unused()


def _peak_kib() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
