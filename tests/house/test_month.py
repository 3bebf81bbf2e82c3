"""The judge of the month of bad nights (benchmarks/month.py, month_plan.py; tests/judges/month_judge.py) notices every
lie that an operator could be told; a short month with one fault of each kind.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.params import load
from pipeline.status import status
from tests.judges.month_judge import Done, Judge, Told, held_in, manifest
from tests.worlds.houses import NIGHTS

LAST, BEFORE = NIGHTS[-1], NIGHTS[-2]
THROUGH = dict.fromkeys(("accounts", "balances", "charges", "payments", "contacts", "statuses"), LAST - dt.timedelta(1))
SAID = "2026-10-01T02:00:00.000+00:00 12345678 "


def told(house: Path, code: int, last: str) -> Told:
    params = load(house / "params.yaml")
    now = dt.datetime.combine(LAST, dt.time(3), dt.UTC)
    found = json.loads(status(house / "store", house / "out", params, now).told())
    return Told(code, "", f"{SAID}INFO begins\n{SAID}{last}\n", found)


def done(house: Path, night: dt.date = LAST, *codes: int, **known) -> Done:
    rows = held_in(house / "store", THROUGH)
    return Done(night, codes or (0,), (), False, THROUGH, THROUGH, rows, rows, **known)


def judged(house: Path, asked: Done, said: Told) -> list[str]:
    return Judge(house / "store", house / "out").lies(asked, said)


def good(house: Path) -> Told:
    return told(house, 0, "INFO run_summary outcome=published")


def test_a_night_that_is_told_as_it_is_has_no_lie(own):
    assert judged(own, done(own), good(own)) == []


def test_a_failure_that_is_told_as_it_is_has_no_lie(own):
    after = LAST + dt.timedelta(1)
    (own / "out" / "EXPIRED.txt").write_text(f"The night of {after} has begun.")
    failed = told(own, 66, "ERROR There is no source folder 'not-there'.")
    assert judged(own, replace(done(own, after, 66), says=["not-there"]), failed) == []


def unmarked(house: Path) -> tuple[Done, Told]:
    return done(house, LAST + dt.timedelta(1), 66), told(house, 66, "ERROR late")


def marked(house: Path) -> tuple[Done, Told]:
    (house / "out" / "EXPIRED.txt").write_text("x")
    return done(house), good(house)


def rosy(house: Path) -> tuple[Done, Told]:
    after = LAST + dt.timedelta(1)
    (house / "out" / "EXPIRED.txt").write_text(f"The night of {after} has begun.")
    return done(house, after, 0), told(house, 0, "INFO run_summary outcome=published")


def another_list(house: Path) -> tuple[Done, Told]:
    said = good(house)
    return done(house), replace(said, status={**said.status, "list": str(BEFORE)})


def another_verdict(house: Path) -> tuple[Done, Told]:
    said = good(house)
    return done(house), replace(said, status={**said.status, "verdict": "stop"})


def another_day(house: Path) -> tuple[Done, Told]:
    return replace(done(house), before={**THROUGH, "payments": LAST}), good(house)


def rows_lost(house: Path) -> tuple[Done, Told]:
    asked = done(house)
    return replace(asked, rows_before={**asked.rows_before, "payments": asked.rows_before["payments"] + 1}), good(house)


def file_altered(house: Path) -> tuple[Done, Told]:
    with (house / "out" / str(LAST) / "worklist.csv").open("a") as file:
        file.write("x")
    return done(house), good(house)


def stop_hidden(house: Path) -> tuple[Done, Told]:
    place = house / "out" / str(LAST) / "manifest.json"
    place.write_text(json.dumps({**manifest(place.parent), "monitor": {"verdict": "stop"}}))
    return done(house), good(house)


def gap_hidden(house: Path) -> tuple[Done, Told]:
    return replace(done(house), accepted={"accepted_gap": "the bank lost that day"}), good(house)


def silent(house: Path) -> tuple[Done, Told]:
    asked, said = unmarked(house)
    (house / "out" / "EXPIRED.txt").write_text(f"The night of {asked.night} has begun.")
    return replace(asked, says=["payments"]), told(house, said.code, "ERROR late")


LIES: dict[Callable[[Path], tuple[Done, Told]], str] = {
    unmarked: "EXPIRED.txt is not there",
    marked: "EXPIRED.txt is there",
    rosy: "exit 0 says that tonight's list is published; it is none",
    another_list: f"status says list {BEFORE}",
    another_verdict: "status says verdict stop",
    another_day: "status says feeds",
    rows_lost: "the store holds",
    file_altered: "worklist.csv of 2026-10-01 is not what its manifest says",
    stop_hidden: "exit 0 says that tonight's list is published; it is published, marked",
    gap_hidden: "the manifest says accepted_gap",
    silent: "the last line does not say 'payments'",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_every_lie_is_noticed(own, lie):
    asked, said = lie(own)
    found = judged(own, asked, said)
    assert any(LIES[lie] in each for each in found), found


def test_a_list_that_was_altered_since_it_was_published_is_noticed(own):
    judge = Judge(own / "store", own / "out")
    assert judge.lies(done(own), good(own)) == []
    (own / "out" / str(LAST) / "more.txt").write_text("x")
    assert judge.lies(done(own), good(own)) == [f"{LAST} was altered"]


@pytest.mark.stress
def test_a_short_month_of_each_kind_of_fault_is_told_as_it_was(tmp_path):
    from benchmarks.month import built, lived
    from benchmarks.month_plan import PLAN, SHORT

    built(tmp_path / "house")
    month = lived(tmp_path / "house", tmp_path / "month", [(what, PLAN[what]) for what in SHORT])
    assert len(month.lines) >= 2 * len(SHORT) - 1
    assert month.lies == [], "\n".join(month.lies)
    assert {line[1] for line in month.lines} >= {"0", "65", "66", "78", "-9"}
