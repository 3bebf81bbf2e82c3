"""What a daily delivery costs as the store grows: python -m benchmarks.increments [--nights N] [--accounts N [N ...]].

A made-up book of so many accounts is loaded once, two years of it. Then come daily deliveries: payments and reversals,
contacts, statuses, charges, changed accounts, rows that became known late and rows that came before. They are the same
for every size of the book, which lies in as many shards. Each goes in by `recoup ingest`, a process of its own, of
which stand here: seconds of processor, peak memory, bytes and files written, and the files that the store then has, of
which those go that neither the newest version nor the last seven deliveries need (`retention.versions`, timed by
itself). What a night reads of the store is timed beside it, after every fifth delivery. Prints the first and the last
ten nights and the slope a night with its interval of 95 % (Newey-West, five lags), and of several sizes the cost of the
last ten nights beside that of the smallest. --plot FILE.png draws it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

PARAMS = Path(__file__).parents[1] / "params.yaml"
# ru_maxrss would tell of the process that began this one, too
PROGRAM = """
import re, sys
from pathlib import Path
from pipeline import cli
try:
    cli.main()
except SystemExit as ended:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
    raise
"""
FIRST = np.datetime64("2026-06-01")  # the day of the first delivery; what lies before is loaded at once
BOOK, SHARDS, HISTORY_DAYS = "loan_eu", 8, 720
DEBTORS_PER_ACCOUNT = 0.7
# Rows a year of an account, and of a day's delivery; a day speaks of the first ACTIVE accounts alone, in every store.
A_YEAR = {"payments": 9, "contacts": 13, "charges": 12, "statuses": 1}
A_DAY = {"payments": 600, "contacts": 1200, "charges": 300, "statuses": 60}
ACTIVE, REVERSED, CHANGED, LATE, AGAIN = 20_000, 20, 40, 30, 100
MEASURES = ("cpu_s", "peak_mib", "written_mib", "files_written", "vacuum_cpu_s", "files", "store_mib", "read_cpu_s")
LAGS, READ_EVERY = 5, 5

Rows = dict[str, dict[str, np.ndarray]]


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=60)
    parser.add_argument("--accounts", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("work/increments"))
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(given)
    if min(chosen.accounts) < ACTIVE:
        parser.error(f"--accounts must be {ACTIVE} or more: the deliveries speak of so many.")
    chosen.work.mkdir(parents=True, exist_ok=True)
    sent = [sending(night, chosen.seed) for night in range(chosen.nights)]
    found = {}
    for accounts in chosen.accounts:
        found[accounts] = lived(accounts, sent, chosen.work, chosen.seed)
        print(table(accounts, found[accounts]), flush=True)
    print(beside(found))
    if chosen.json:
        chosen.json.write_text(json.dumps({str(accounts): nights for accounts, nights in found.items()}, indent=1))
    if chosen.plot:
        drawn(found, chosen.plot)


# A book and its days


def history(accounts: int, seed: int) -> Rows:
    """Two years before FIRST."""
    found = _rows(np.random.default_rng([seed, accounts]), accounts, HISTORY_DAYS, FIRST - HISTORY_DAYS, "H")
    own = np.arange(accounts)
    found["accounts"] = _accounts(own, np.full(accounts, 100_000), FIRST - HISTORY_DAYS - own % 700)
    return found


def sending(night: int, seed: int) -> Rows:
    """What becomes known on a day: its own rows, some of days before, and rows that were sent the day before."""
    rows, today = _daily(night, seed), FIRST + night
    if night:
        for name, before in _daily(night - 1, seed).items():
            if name != "accounts":
                many = min(AGAIN, len(before["day"]) // 4)
                rows[name] = {key: np.concatenate([rows[name][key], before[key][:many]]) for key in before}
        paid = _daily(night - 1, seed)["payments"]
        back = {key: values[-REVERSED:].copy() for key, values in paid.items()}
        back["reverses"], back["id"] = back["id"], np.char.add("R", back["id"])
        back |= {"day": np.full(REVERSED, today), "known": np.full(REVERSED, today)}
        rows["payments"] = {key: np.concatenate([rows["payments"][key], back[key]]) for key in back}
    return rows


def _daily(night: int, seed: int) -> Rows:
    chance, today = np.random.default_rng([seed, night, 1]), FIRST + night
    rows = _rows(chance, ACTIVE, 1, today, f"N{night:04}-", A_DAY)
    for name in ("payments", "contacts"):
        late = chance.choice(len(rows[name]["day"]), LATE, replace=False)
        rows[name]["day"][late] -= chance.integers(3, 40, LATE)
    changed = chance.choice(ACTIVE, CHANGED, replace=False)
    rows["accounts"] = _accounts(changed, chance.integers(50_000, 90_000, CHANGED), FIRST - 720 - changed % 700, today)
    return rows


def _rows(
    chance: np.random.Generator, accounts: int, days: int, since: np.datetime64, mark: str, many: Mapping[str, int] = {}
) -> Rows:
    found: Rows = {}
    for name, a_year in A_YEAR.items():
        rows = many.get(name, a_year * accounts * days // 365)
        day = since + chance.integers(0, days, rows)
        found[name] = {
            "id": np.char.add(f"{name[0].upper()}{mark}", np.arange(rows).astype(str)),
            "account": chance.integers(accounts, size=rows),
            "day": day,
            "known": day.copy(),
            "amount": chance.integers(100, 50_000, rows),
            "code": chance.integers(0, 3, rows),
            "reverses": np.full(rows, "", "U24"),
        }
    return found


def _accounts(own: np.ndarray, principal: np.ndarray, opened: np.ndarray, known: np.datetime64 | None = None) -> dict:
    known_at = opened if known is None else np.full(len(own), known)
    return {"account": own, "day": opened, "known": known_at, "amount": principal}


def write(rows: Rows, through: np.datetime64, place: Path) -> Path:
    """A source folder of Parquet files with a control file each."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, told in rows.items():
        cells = _cells(name, told)
        pq.write_table(cells, place / f"{name}.parquet")
        (place / f"{name}.control.json").write_text(
            json.dumps({"rows": cells.num_rows, "complete_through": str(through)})
        )
    return place


def _cells(name: str, told: Mapping[str, np.ndarray]) -> pa.Table:
    rows = len(told["account"])
    fixed = lambda cell: pa.array([cell] * rows)  # noqa: E731
    owner = {"account_id": pa.array(np.char.add("A", told["account"].astype(str)))}
    days, known = pa.array(told["day"].astype(str)), pa.array(np.char.add(told["known"].astype(str), "T12:00:00Z"))
    money = pa.array(np.char.mod("%.2f", told["amount"] / 100))
    if name == "accounts":
        debtors = (told["account"] * DEBTORS_PER_ACCOUNT).astype(int).astype(str)
        classes = {"portfolio": BOOK, "product": "loan", "debtor_type": "consumer", "currency": "EUR"}
        own = {"debtor_id": pa.array(np.char.add("D", debtors)), "opened_on": days, "principal": money}
        return pa.table(
            {**owner, **own, "known_at": known, **{column: fixed(cell) for column, cell in classes.items()}}
        )
    ids, at = pa.array(told["id"]), pa.array(np.char.add(told["day"].astype(str), "T09:00:00Z"))
    if name == "payments":
        kind = np.where(told["reverses"] == "", "payment", "reversal")
        own = {"payment_id": ids, "occurred_at": at, "amount": money, "kind": pa.array(kind)}
        own["reverses"] = pa.array([text or None for text in told["reverses"].tolist()], pa.string())
    elif name == "contacts":
        own = {"contact_id": ids, "occurred_at": at, "channel": pa.array(_of(told, ("call", "sms", "email")))}
        own |= {"direction": fixed("outbound"), "outcome": pa.array(_of(told, ("no_answer", "delivered", "promise")))}
    elif name == "charges":
        own = {"charge_id": ids, "issued_on": days, "due_on": pa.array((told["day"] + 30).astype(str))}
        own |= {"amount": money, "kind": fixed("instalment")}
    else:
        own = {"status": pa.array(_of(told, ("default", "notice_sent", "hardship"))), "from_on": days}
    return pa.table({**owner, **own, "known_at": known})


def _of(told: Mapping[str, np.ndarray], words: Sequence[str]) -> np.ndarray:
    return np.array(words)[told["code"]]


# A store and its nights


def lived(accounts: int, sent: Sequence[Rows], work: Path, seed: int) -> list[dict[str, float]]:
    """One row of MEASURES per delivery; the first is the load of the whole history."""
    folder, store = work / str(accounts), work / str(accounts) / "store"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    params = _params(folder)
    found = []
    for night, rows in enumerate([history(accounts, seed), *sent]):
        source = write(rows, FIRST + night - 1, folder / "source")
        given = ["--source", source, "--store", store, "--params", params, *(["--backfill"] if night == 0 else [])]
        before = _standing(store)
        spent = _spent("ingest", *given)
        after = _standing(store)
        new = [size for place, (size, stamp) in after.items() if before.get(place) != (size, stamp)]
        vacuumed = _vacuum(store)
        after = _standing(store)
        found.append(
            {
                **spent,
                "written_mib": sum(new) / 2**20,
                "files_written": len(new),
                "vacuum_cpu_s": vacuumed,
                "files": len(after),
                "store_mib": sum(size for size, _ in after.values()) / 2**20,
            }
        )
        if night % READ_EVERY == 0:
            found[-1]["read_cpu_s"] = _reading(store)
        (folder / "nights.json").write_text(json.dumps(found))  # so far
    return found


def _params(folder: Path) -> Path:
    params = yaml.safe_load(PARAMS.read_text())
    params["store"]["shards"] = SHARDS
    params["ingest"] |= {"volume": [0.1, 10.0]}
    place = folder / "params.yaml"
    place.write_text(yaml.safe_dump(params, sort_keys=False))
    return place


def _standing(store: Path) -> dict[str, tuple[int, tuple[int, int]]]:
    """Every file of the store -> its size, and what changes when it is written again."""
    found = {}
    for place in store.rglob("*"):
        if place.is_file():
            told = place.stat()
            found[str(place)] = (told.st_size, (told.st_ino, told.st_mtime_ns))
    return found


def _spent(*command: object) -> dict[str, float]:
    """Seconds of processor and peak memory of a command as a whole process."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"recoup {command[0]} ended with {process.returncode}: {said}")
    return {"cpu_s": used.ru_utime + used.ru_stime, "peak_mib": int(said.split()[-1]) / 1024}


def _vacuum(place: Path) -> float:
    """Seconds of processor in which files go that no version in use needs, as at the end of a night."""
    from pipeline.keeping.compaction import let_go, needed_versions
    from pipeline.store.locks import only_run
    from pipeline.store.store import Store

    started = time.process_time()
    store = Store(place)
    with only_run(place):
        let_go(store, needed_versions(store, []))
    return time.process_time() - started


def _reading(place: Path) -> float:
    """Seconds of processor in which every shard's tables are opened, checked and read, as a night does."""
    from pipeline.store.store import Store

    started = time.process_time()
    store = Store(place)
    versions = store.versions()
    for shard in range(store.shards):
        store.tables(shard, versions=versions)
    return time.process_time() - started


# What is told


def slope(values: Sequence[float]) -> tuple[float, float]:
    """Change a night by least squares, and half of its interval of 95 %: Newey and West (1987), LAGS lags. NaN: a night
    on which it was not measured.
    """
    y = np.asarray(values, float)
    x = np.flatnonzero(~np.isnan(y)).astype(float)
    y = y[~np.isnan(y)]
    x -= x.mean()
    each = float(x @ y / (x @ x))
    pushed = x * (y - y.mean() - each * x)
    spread = pushed @ pushed
    for lag in range(1, min(LAGS, len(y) - 1) + 1):
        spread += 2 * (1 - lag / (LAGS + 1)) * (pushed[lag:] @ pushed[:-lag])
    return each, 1.96 * float(np.sqrt(max(spread, 0.0))) / float(x @ x)


def table(accounts: int, nights: Sequence[Mapping[str, float]]) -> str:
    told, ends = nights[1:], min(10, len(nights[1:]) // 2)
    first = ", ".join(f"{name} {nights[0][name]:,.1f}" for name in ("cpu_s", "peak_mib", "store_mib", "files"))
    lines = [f"{accounts:,} accounts; the load: {first}", ""]
    lines += [f"{'a night':<16}{f'first {ends}':>12}{f'last {ends}':>12}{'most':>12}{'slope a night':>26}"]
    for name in MEASURES:
        values = [night.get(name, np.nan) for night in told]
        each, half = slope(values)
        low, high = np.nanmean(values[:ends]), np.nanmean(values[-ends:])
        lines.append(f"{name:<16}{low:>12.2f}{high:>12.2f}{np.nanmax(values):>12.2f}{f'{each:.4f} +- {half:.4f}':>26}")
    return "\n".join(lines) + "\n"


def beside(found: Mapping[int, Sequence[Mapping[str, float]]]) -> str:
    """Seconds of all nights' ingest, and of the last ten, set against the smallest book's."""
    least = min(found)
    lines = []
    for accounts, nights in found.items():
        whole, last = (
            np.mean([night["cpu_s"] for night in part]) / np.mean([night["cpu_s"] for night in other])
            for part, other in ((nights[1:], found[least][1:]), (nights[-10:], found[least][-10:]))
        )
        lines.append(
            f"{accounts:,} accounts beside {least:,}: {whole:.2f} x a night, {last:.2f} x in the last ten nights"
        )
    return "\n".join(lines)


def drawn(found: Mapping[int, Sequence[Mapping[str, float]]], place: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = {
        "cpu_s": "processor, s",
        "peak_mib": "peak memory, MiB",
        "written_mib": "written, MiB",
        "files": "files in the store",
    }
    figure, axes = pyplot.subplots(2, 2, figsize=(9, 5.5), sharex=True)
    for axis, (name, said) in zip(axes.flat, shown.items(), strict=True):
        for accounts, nights in found.items():
            axis.plot(range(1, len(nights)), [night[name] for night in nights[1:]], label=f"{accounts:,} accounts")
        axis.set_title(said, fontsize=10, loc="left")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[1]:
        axis.set_xlabel("daily delivery")
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(place, dpi=110)


if __name__ == "__main__":
    main()
