"""What a night holds of an account once its shards are worked:
python -m benchmarks.held [--work DIR] [--as-of DAY] [--copies N ...].

WORK is that of `benchmarks.night`, whose store and model are used. Its shards are worked once; the book of each size is
those shards again and again, every account, debtor and instrument under other names, on a shelf of its own. Each size
is a process of its own, which ranks, reads the tables of all accounts and tells cases, messages, the monitor's
assignments, open items and the watch list, and prints processor seconds and peak memory of each. From the smallest and
the largest size: bytes that each further account costs, and what ten million would. The shards themselves are worked
one at a time, and hold what one holds.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

MANY = 10_000_000
RENAMED = ("account_id", "debtor_id", "key", "charge_id")


def main(given: Sequence[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=Path, default=Path("work/benchmark"))
    arguments.add_argument("--as-of", default="2026-10-01")
    arguments.add_argument("--copies", type=int, nargs="+", default=[1, 4])
    arguments.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = arguments.parse_args(given)
    if chosen.one is not None:
        print(json.dumps(_measured(chosen.work, chosen.as_of, chosen.one)))
        return
    asked = (sys.executable, "-m", "benchmarks.held", "--work", chosen.work, "--as-of", chosen.as_of, "--one")
    found = {}
    for copies in sorted({0, *chosen.copies}):  # 0: the shards are worked, nothing is measured
        done = subprocess.run([*map(str, asked), str(copies)], stdout=subprocess.PIPE, text=True, check=True)
        found[copies] = json.loads(done.stdout.splitlines()[-1])
    print(text({copies: told for copies, told in found.items() if copies}))


def text(found: dict[int, dict[str, Any]]) -> str:
    """The table of all sizes, and what each further account costs."""
    first, last = found[min(found)], found[max(found)]
    more = last["known"] - first["known"]
    sizes = [f"{told['known']:,} accounts" for told in found.values()]
    lines = [f"| stage | {' | '.join(sizes)} | bytes an account |"]
    lines.append(f"|---|{'---|' * (len(found) + 1)}")
    for name in first["stages"]:
        sizes = [f"{told['stages'][name][0]:,.0f} MiB, {told['stages'][name][1]:.1f} s" for told in found.values()]
        grown = (last["stages"][name][0] - first["stages"][name][0]) * 2**20 / more if more else float("nan")
        lines.append(f"| {name} | {' | '.join(sizes)} | {grown:,.0f} |")
    if more:
        peaks = [max(stage[0] for stage in told["stages"].values()) for told in (first, last)]
        grown = (peaks[1] - peaks[0]) / more
        lines.append(f"\n{MANY:,} accounts: {peaks[1] + grown * (MANY - last['known']):,.0f} MiB at the most.")
    return "\n".join(lines)


def _measured(work: Path, as_of: str, copies: int) -> dict[str, Any]:
    """Peak memory (MiB) and processor seconds of each stage, and accounts known. copies 0: shards are worked."""
    from pipeline.night.arms import tonights_rung
    from pipeline.night.reminders import published_before
    from pipeline.night.score import job_for
    from pipeline.night.shards import finished, work_shards
    from pipeline.panel.draws import unsettled
    from pipeline.params import load
    from pipeline.store.store import Store

    params, store = load(work / "params.yaml"), Store(work / "store")
    job = job_for(store, dt.date.fromisoformat(as_of), params)
    job = replace(job, rung=tonights_rung(store, job), unsettled=unsettled(store, job.as_of, params.label.gap_days))
    job = replace(job, said=published_before(store, job.as_of))
    if not copies:
        work_shards(job, work / "shelf")
        return {}
    shelf = work / f"shelf-{copies}"
    subprocess.run([sys.executable, "-c", _LAID.format(str(work / "shelf"), str(shelf), copies)], check=True)
    try:
        worked = [finished(place) for place in sorted(shelf.glob("[0-9]*"))]
        known = sum(int(one.counts["accounts"].sum()) for one in worked)
        return {"known": known, "stages": _stages(store, job, worked)}
    finally:
        shutil.rmtree(shelf)


_LAID = "from pathlib import Path; from benchmarks.held import laid; laid(Path({0!r}), Path({1!r}), {2})"


def laid(source: Path, shelf: Path, copies: int) -> None:
    """The shards of a shelf again and again on another one, their accounts under other names."""
    import numpy as np

    from pipeline.night.shards import FRAMES, Worked, finished, keep

    shutil.rmtree(shelf, ignore_errors=True)
    places = sorted(source.glob("[0-9]*"))
    for copy in range(copies):
        for at, place in enumerate(places):
            one, frames = finished(place), {}
            for name in FRAMES:
                frame = getattr(one, name)
                told: dict[str, Any] = {each: frame[each] + f"-{copy}" for each in RENAMED if each in frame and copy}
                if "account_no" in frame:
                    told["account_no"] = frame["account_no"] ^ np.int64(copy << 40)
                frames[name] = frame.assign(**told)
            keep(Worked(**frames), shelf / f"{copy * len(places) + at:05d}")


def _stages(store: Any, job: Any, worked: Sequence[Any]) -> dict[str, tuple[float, float]]:
    import pandas as pd

    from pipeline.messages.texts import messages_of
    from pipeline.night.night import _reminded
    from pipeline.night.ranking import rank_night
    from pipeline.night.receivables import receivables_of
    from pipeline.night.shards import kept_to_tell, readings_of
    from pipeline.night.unusual import unusual_of
    from pipeline.night.watch import watch_list
    from pipeline.night.worklist import _next_in_line, _scores, assignments, of_assignments
    from pipeline.pages.parts import parts_of

    found: dict[str, tuple[float, float]] = {}

    def stage(name: str, work: Callable[[], Any]) -> Any:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        began = time.process_time()
        told = work()
        status = Path("/proc/self/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # pyrefly: ignore[unsupported-operation]
        found[name] = (peak, time.process_time() - began)
        return told

    ranked = stage("rank", lambda: rank_night(store, job, worked))
    said = pd.DataFrame({"account_no": pd.Series(dtype="int64"), "reason_1": pd.Series(dtype="str")})
    makers = (partial(_scores, ranked), partial(assignments, ranked), partial(_next_in_line, ranked, said))
    stage("tables", lambda: [len(part) for make in makers for part in parts_of(make(job))])
    if job.params.unusual is not None:
        stage("unusual", lambda: unusual_of([partial(readings_of, one) for one in worked], job))
    if job.params.reminders is not None:
        stage("remind", lambda: _reminded(job, worked, ranked, messages_of(job.params)))
    stage("monitor", lambda: of_assignments(ranked, job))
    if job.params.receivables is not None:
        parts = [one.items for one in worked], [one.owing for one in worked]
        stage("receivables", lambda: receivables_of(*parts, ranked.parts(["debtor_id", "group"]), job))
    if job.params.watch is not None:
        own = job.params.watch.model_copy(update={"reasons": 0})
        quiet = replace(job, params=job.params.model_copy(update={"watch": own}))
        stage("watch", lambda: watch_list([one.watch for one in worked], quiet, partial(kept_to_tell, Path())))
    return found


if __name__ == "__main__":
    main()
