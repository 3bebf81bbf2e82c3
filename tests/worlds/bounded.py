"""Memory that the kernel bounds: a control group of either version, where this user may make one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
LIMITS = ("memory.max", "memory.limit_in_bytes")  # of version 2, of version 1
SWAPS = {"memory.max": "memory.swap.max", "memory.limit_in_bytes": "memory.swappiness"}
PATIENCE_SECONDS = 60


@contextmanager
def memory_group(mib: int) -> Iterator[Path | None]:
    """A group whose processes together may hold so much, none of it on the disk; None where none can be made. One that
    takes more is killed.
    """
    own = next((root for root in (ROOT / "memory", ROOT) if (root / "cgroup.procs").exists()), ROOT)
    group = own / f"recoup-{os.getpid()}-{time.monotonic_ns()}"
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        limit = next((name for name in LIMITS if (group / name).exists()), None)
        try:
            if limit is not None:
                (group / limit).write_text(str(mib * 2**20))
                if (group / SWAPS[limit]).exists():
                    (group / SWAPS[limit]).write_text("0")
        except OSError:
            limit = None
        yield None if limit is None else group
    finally:
        for _ in range(PATIENCE_SECONDS):  # the kernel takes a moment to see who has gone
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(1)


def join(group: Path) -> None:
    """What this process takes from now on counts there."""
    (group / "cgroup.procs").write_text(str(os.getpid()))


def leave(group: Path) -> None:
    (group.parent / "cgroup.procs").write_text(str(os.getpid()))
