"""A month of bad nights, judged by who knows what was done: python -m benchmarks.month [--nights N] [--house FOLDER].

A made-up shop of 600 debtors with a taught model gets a delivery a day, and `recoup run` is given every night as a
timer or its operator would. Deliveries are late, lost, handed in twice, cut off and tampered with; runs are killed,
meet each other, find a damaged store or model; a booking error makes the monitor stop a list. After each command
tests/judges/month_judge.py, which shares no code with the product, holds what the operator is told against what truly
happened, and the command prints the month as a table; it ends with 1 where anything was not as told. Some eight
minutes of processor time.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.judges.month_judge import KILLED, Done, Judge, Told, manifest
from tests.worlds.params import written_params

RECOUP = Path(sys.executable).parent / "recoup"
FIRST = dt.date(2026, 9, 1)  # the night that gets all history; each later one gets a day
DEBTORS, MONTHS, SEED = 600, 18, 2026
DAY_OF = {"accounts": "opened_on", "balances": "taken_on", "charges": "issued_on", "statuses": "from_on"}
MONEY = {"payments": "amount", "charges": "amount"}  # summed in control files
TABLES = ("accounts", "balances", "charges", "payments", "contacts", "statuses")
ONE_DAY = dt.timedelta(1)
STATE = "month.json"

Rows = dict[str, list[dict[str, str]]]
Sent = tuple[Path, Rows, dict[str, dt.date]]  # a delivery: its folder, its rows, the last day of each table
Until = Callable[["subprocess.Popen[str]"], None]


@dataclass(frozen=True)
class Sender:
    """All that happened, by the day on which it became known: day -> table -> rows; heads: columns of each table."""

    days: Mapping[dt.date, Rows]
    heads: Mapping[str, Sequence[str]]
    currency: Mapping[str, str]

    @classmethod
    def of(cls, source: Path) -> Sender:
        days: dict[dt.date, Rows] = {}
        heads: dict[str, Sequence[str]] = {}
        currency: dict[str, str] = {}
        for table in TABLES:
            with gzip.open(source / f"{table}.csv.gz", "rt", encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file)
                heads[table] = list(reader.fieldnames or ())
                for row in reader:
                    known = row["known_at"] or row[DAY_OF.get(table, "occurred_at")]
                    days.setdefault(dt.date.fromisoformat(known[:10]), {}).setdefault(table, []).append(row)
                    if table == "accounts":
                        currency[row["account_id"]] = row["currency"]
        return cls(days, heads, currency)

    def between(self, first: dt.date, last: dt.date) -> Rows:
        """What became known on the days first to last."""
        return {
            table: [row for day in sorted(self.days) if first <= day <= last for row in self.days[day].get(table, [])]
            for table in TABLES
        }


@dataclass
class Month:
    """The shop, what it has been sent, and the table of what happened. held: table -> ids that must be in the store."""

    folder: Path
    sender: Sender
    judge: Judge
    held: dict[str, set[str]] = field(default_factory=lambda: {table: set() for table in TABLES})
    through: dict[str, dt.date] = field(default_factory=dict)
    lines: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)
    former: tuple[dict[str, set[str]], dict[str, dt.date]] = field(default_factory=lambda: ({}, {}))
    history: Sent = (Path(), {}, {})
    number: int = 0
    seconds: float = 0.0

    @classmethod
    def begun(cls, folder: Path) -> Month:
        return cls(folder, Sender.of(folder / "source"), Judge(folder / "store", folder / "out"))

    # what is sent

    def delivery(
        self, last: dt.date, first: dt.date | None = None, without: Sequence[str] = (), more: Rows | None = None
    ) -> Sent:
        """A delivery of the days first to last (by default that one day), each table with a control file."""
        rows = self.sender.between(first or last, last)
        rows = {table: [*rows[table], *(more or {}).get(table, [])] for table in TABLES if table not in without}
        self.number += 1
        place = self.folder / "deliveries" / f"{self.number:03}"
        place.mkdir(parents=True)
        for table, own in rows.items():
            with (place / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, self.sender.heads[table], lineterminator="\n")
                writer.writeheader()
                writer.writerows(own)
            control: dict[str, Any] = {"rows": len(own), "complete_through": last.isoformat()}
            if first != dt.date.min:
                control["complete_from"] = (first or last).isoformat()
            if table in MONEY:
                sums: Counter[str] = Counter()
                for row in own:
                    sums[self.sender.currency[row["account_id"]]] += Decimal(row[MONEY[table]])  # type: ignore[assignment]
                control["sums"] = {name: str(total) for name, total in sorted(sums.items())}
            (place / f"{table}.control.json").write_text(json.dumps(control), encoding="utf-8")
        return place, rows, dict.fromkeys(rows, last)

    # what is done

    def run(
        self,
        night: dt.date,
        what: str,
        sent: Sent | None,
        *codes: int,
        says: Sequence[str] = (),
        comes_in: bool | None = True,
        until: Until | None = None,
        more: Sequence[str] = (),
        **known: Any,
    ) -> Told:
        """`recoup run` for a night with a delivery (None: the folder is not there), judged, and a line of the table.
        until: what is done to the process meanwhile.
        """
        place, rows, through = sent or (self.folder / "not-there", {}, {})
        before = {table: set(ids) for table, ids in self.held.items()}
        after = {table: ids | self._ids(table, rows.get(table, []), rows) for table, ids in self.held.items()}
        done = Done(
            night, codes or (0,), says, comes_in if sent else False, {**self.through, **through}, dict(self.through),
            _sizes(after), _sizes(before), **known,
        )  # fmt: skip
        given = ["run", "--source", str(place), "--as-of", night.isoformat(), *more]
        told = self.ask(*given, until=until)
        lies = self.judge.lies(done, told)
        self.former = self.held, self.through
        if self.judge.came_in:
            self.held, self.through = after, {**self.through, **through}
        self.tell(night, what, told, lies)
        return told

    def _ids(self, table: str, own: Sequence[Mapping[str, str]], sent: Rows) -> set[str]:
        """Of the rows that can be stored: of an account that came in, and no reversal of what never did."""
        accounts = self.held["accounts"] | {"\0".join(row.values()) for row in sent.get("accounts", [])}
        known = {row.split("\0", 1)[0] for row in accounts}
        paid = {row.split("\0", 1)[0] for row in self.held["payments"]} | {
            row["payment_id"] for row in sent.get("payments", [])
        }
        return {
            "\0".join(row.values())
            for row in own
            if row["account_id"] in known and (not row.get("reverses") or row["reverses"] in paid)
        }

    def ask(self, *given: str, until: Until | None = None) -> Told:
        """A command and, after it, `recoup status`."""
        told = self.give(*given, until=until)
        status = self.give("status", "--json")
        return replace(told, status=json.loads(status.stdout))

    def give(self, *given: str, until: Until | None = None, into: Path | None = None) -> Told:
        params = ("--params", str(self.folder / "params.yaml"))
        said, erred = (into or self.folder) / "said.txt", (into or self.folder) / "erred.txt"
        with said.open("w") as out, erred.open("w") as err:
            started = subprocess.Popen(
                [str(RECOUP), *given, *params], stdout=out, stderr=err, text=True, start_new_session=True
            )
            if until is not None:
                until(started)
            _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        self.seconds += used.ru_utime + used.ru_stime
        return Told(started.returncode, said.read_text(encoding="utf-8"), erred.read_text(encoding="utf-8"), {})

    def tell(self, night: dt.date, what: str, told: Told, lies: Sequence[str]) -> None:
        out = self.folder / "out"
        current = str(told.status["list"])
        mark = "marked as expired" if told.status["expired"] else f"verdict {told.status['verdict']}"
        last = "killed" if told.code == KILLED else short(told, out)
        shown = "all true" if not lies else "; ".join(lies)
        self.lines.append((f"{night:%m-%d} {what}", str(told.code), last, f"{current[5:]}, {mark}", shown))
        self.lies += [f"{night} {what}: {lie}" for lie in lies]
        print("| " + " | ".join(self.lines[-1]) + " |", flush=True)

    def put_back(self) -> None:
        """The store is again as it was before the last delivery."""
        self.held, self.through = self.former

    def stop_means(self, on_stop: str) -> None:
        params_of(self.folder, on_stop)

    def manifest(self, night: dt.date) -> dict[str, Any]:
        return manifest(self.folder / "out" / night.isoformat())

    def on_every_account(self, day: dt.date) -> list[dict[str, str]]:
        """A payment of 1.00, or of 100 yen, on each."""
        known = sorted({row.split("\0", 1)[0] for row in self.held["accounts"]})
        head = dict.fromkeys(self.sender.heads["payments"], "")
        return [
            {
                **head,
                "payment_id": f"BULK-{day}-{name}",
                "account_id": name,
                "occurred_at": f"{day}T10:00:00Z",
                "amount": "100" if self.sender.currency[name] == "JPY" else "1.00",
                "kind": "payment",
            }
            for name in known
        ]


LONGEST = 150  # letters of a cell
HEAD = ("night, and what happened", "exit", "last line of stderr", "`current`, by `recoup status`", "told")


def _sizes(held: Mapping[str, set[str]]) -> dict[str, int]:
    return {table: len(ids) for table, ids in held.items()}


def short(told: Told, out: Path) -> str:
    """What a run said last, without time, run and folder, cut to what a table holds."""
    said = told.last.split(" ", 2)[-1].replace(f"{out.parent}/", "").replace("|", "/")
    if "run_summary" in said:
        kept = ("outcome", "verdict", "current")
        said = "run_summary: " + ", ".join(part for part in said.split() if part.split("=")[0] in kept)
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."


def table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (HEAD, ["---"] * len(HEAD), *lines))


def params_of(folder: Path, on_stop: str = "publish_marked") -> None:
    """A day has some twenty payments: one that takes back a lost one is many of them, and is set aside all the same."""
    limits = {"max_fault_rows": 0.2, "max_fault_money": 0.5}
    written_params(folder / "params.yaml", folder, monitor={"on_stop": on_stop}, ingest=limits)


def built(folder: Path) -> None:
    """History up to the day before FIRST, a model taught on it and approved."""
    folder.mkdir(parents=True, exist_ok=True)
    params_of(folder)
    month = Month(folder, Sender({}, {}, {}), Judge(folder / "store", folder / "out"))
    of_shop = ("--debtors", str(DEBTORS), "--months", str(MONTHS), "--seed", str(SEED))
    _well(month.give("simulate", *of_shop, "--out", str(folder / "source")))
    month.sender = Sender.of(folder / "source")
    history = month.delivery(FIRST - ONE_DAY, dt.date.min)
    _well(month.give("ingest", "--source", str(history[0])))
    _well(month.give("train"))
    run_id = next((folder / "store" / "runs").iterdir()).name
    _well(month.give("promote", "--run", run_id, "--by", "analyst", "--why", "the first"))
    if not list((folder / "store" / "models").glob("recovery-*")):
        sys.exit("Too little was paid to teach a model: without one, nothing can be stopped.")


def _well(told: Told) -> None:
    if told.code:
        sys.exit(told.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.month_plan import PLAN

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=len(PLAN), help="The first so many alone.")
    parser.add_argument("--house", type=Path, help="Where the shop, once built, is kept to begin from again.")
    parser.add_argument("--keep", type=Path, help="Where the month is lived; given again, it goes on where it stopped.")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="recoup-month-") as place:
        house = given.house or Path(place) / "house"
        if not house.exists():
            built(house)
        month = lived(house, given.keep or Path(place) / "month", list(PLAN.items())[: given.nights])
    print()
    print(table(month.lines))
    print(f"\n{given.nights} nights, {len(month.lines)} commands judged, {len(month.lies)} things not as told.")
    for lie in month.lies:
        print(lie, file=sys.stderr)
    print(f"{month.seconds:,.0f} s of processor time", file=sys.stderr)
    return int(bool(month.lies))


def lived(house: Path, folder: Path, plan: Sequence[tuple[str, Callable[[Month, dt.date, str], None]]]) -> Month:
    """The nights of a plan, one after the other from FIRST on, in a copy of the house; where the folder is there, those
    that it has not lived yet.
    """
    if folder.exists():
        month, before = resumed(folder)
    else:
        shutil.copytree(house, folder, symlinks=True)
        shutil.rmtree(folder / "deliveries")
        params_of(folder)
        month, before = Month.begun(folder), 0
        month.history = month.delivery(FIRST - ONE_DAY, dt.date.min)
        _, rows, through = month.history
        month.held = {name: month._ids(name, rows[name], rows) for name in TABLES}
        month.through = dict(through)
    for number, (what, happens) in list(enumerate(plan))[before:]:
        happens(month, FIRST + number * ONE_DAY, what)
        save(month, number + 1)
    return month


def save(month: Month, nights: int) -> None:
    """What a later sitting goes on from, beside the house."""
    judge, told = month.judge, {name: getattr(month, name) for name in ("lines", "lies", "number", "seconds")}
    kept = {
        **told,
        "nights": nights,
        "held": {name: sorted(ids) for name, ids in month.held.items()},
        "through": _texts(month.through),
        "kept": judge.kept,
        "reach": {night: _texts(days) for night, days in judge.reach.items()},
    }
    (month.folder / STATE).write_text(json.dumps(kept), encoding="utf-8")


def resumed(folder: Path) -> tuple[Month, int]:
    """The month as it was left, and how many nights of it are over."""
    kept, month = json.loads((folder / STATE).read_text(encoding="utf-8")), Month.begun(folder)
    month.held = {name: set(ids) for name, ids in kept["held"].items()}
    month.through, month.lines = _days(kept["through"]), [tuple(line) for line in kept["lines"]]
    month.lies, month.number, month.seconds = kept["lies"], kept["number"], kept["seconds"]
    month.judge.kept = kept["kept"]
    month.judge.reach = {night: _days(days) for night, days in kept["reach"].items()}
    return month, kept["nights"]


def _texts(days: Mapping[str, dt.date]) -> dict[str, str]:
    return {name: day.isoformat() for name, day in days.items()}


def _days(texts: Mapping[str, str]) -> dict[str, dt.date]:
    return {name: dt.date.fromisoformat(text) for name, text in texts.items()}


if __name__ == "__main__":
    sys.exit(main())
