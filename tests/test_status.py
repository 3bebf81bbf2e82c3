"""`recoup status`, `runs` and `models`: what is there, told without a byte written."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from features.days import day_number
from features.errors import InputMissing
from pipeline.intake.ingest import ingest
from pipeline.night.alarm import Stopped, keep_back, let_go
from pipeline.night.pins import Stamps
from pipeline.pages.publish import lead_nowhere, mark_expired, publish, roll_back
from pipeline.pages.record import RecordDamaged, newest
from pipeline.run import night_from_store, whole_night
from pipeline.status import BAD, GOOD, LOOK, models, runs, status, verdict_of
from pipeline.store.champion import model_folder, write_record
from pipeline.store.files import write_model
from pipeline.store.locks import only_run
from tests.worlds.deliveries import PARAMS, PAYMENTS, world, write
from tests.worlds.paper_nights import AS_OF, night

NOW = dt.datetime.combine(AS_OF, dt.time(7, 30), dt.UTC)
RAN = {
    "stages": [
        {"stage": "rank", "seconds": 2.5, "peak_mib": 1.0},
        {"stage": "publish", "seconds": 4.0, "peak_mib": 1.0},
    ]
}


@pytest.fixture
def place(tmp_path):
    """A store with one delivery and one published night of which the monitor has told."""
    ingest(write(tmp_path / "source", world(payments=PAYMENTS)), tmp_path / "store", PARAMS)
    publish(judged("warn"), tmp_path / "out", lambda: RAN)
    return tmp_path


def judged(verdict: str):
    """A night of which the monitor has told."""
    found = [{"name": "drift of the score", "verdict": verdict, "says": "PSI 0.4.", "figures": {"psi": 0.4}}]
    return night(3, manifest={**night(3).manifest, "monitor": {"verdict": verdict, "findings": found}})


def points(place, now: dt.datetime = NOW) -> dict[str, tuple[str, str]]:
    found = status(place / "store", place / "out", PARAMS, now).points
    return {point.name: (point.stands, point.says) for point in found}


def test_a_night_of_today_stands_well_and_its_verdict_is_told(place):
    found = points(place)
    assert found["list"] == (GOOD, f"`current` leads to {AS_OF}, today's.")
    assert found["verdict"][0] == LOOK
    assert found["verdict"][1].startswith("warn.")
    assert found["at work"] == (GOOD, "Nobody.")
    assert found["delivery"][1].startswith("number 1, taken in ")
    assert "recovery rates by days past due ranks" in found["model"][1]
    assert set(found) == {"list", "verdict", "at work", "feeds", "delivery", "model", "disk", "law"}


@pytest.mark.parametrize(("verdict", "stands"), [("ok", GOOD), ("stop", BAD), ("warn", LOOK), ("unknown", LOOK)])
def test_every_verdict_stands_as_it_is(place, verdict, stands):
    publish(judged(verdict), place / "out", lambda: RAN)
    assert points(place)["verdict"][0] == stands
    assert points(place)["verdict"][1].startswith(verdict)
    assert ("PSI 0.4." in points(place)["verdict"][1]) == (verdict == "stop")
    assert verdict_of(place / "out", AS_OF) == verdict
    assert status(place / "store", place / "out", PARAMS, NOW).figures["verdict"] == verdict


def test_a_night_that_nobody_judged_is_told_as_such_and_one_of_an_earlier_version_by_its_stages(place):
    publish(night(3), place / "out", lambda: RAN)
    assert verdict_of(place / "out", AS_OF) is None
    assert points(place)["verdict"][1].startswith("Nobody judged it.")
    Stamps(place / "out", day_number(AS_OF)).mark({"monitor": ("the list", {"sha256": "0", "verdict": "warn"})})
    assert verdict_of(place / "out", AS_OF) == "warn"


def test_a_night_that_was_refused_leads_nowhere_and_is_told(place):
    lead_nowhere(place / "out", AS_OF + dt.timedelta(1), "The monitor says stop.")
    stands, says = points(place, NOW + dt.timedelta(1))["list"]
    assert stands == BAD
    assert says.startswith("`current` leads nowhere: THE LIST HERE HAS EXPIRED")
    assert "The monitor says stop." in says


def test_yesterdays_list_is_old_and_one_marked_as_expired_is_bad(place):
    later = NOW + dt.timedelta(1)
    assert points(place, later)["list"] == (LOOK, f"`current` leads to {AS_OF}, 1 day ago.")
    mark_expired(place / "out", AS_OF + dt.timedelta(1), "The disk was full.")
    stands, says = points(place, later)["list"]
    assert stands == BAD
    assert "The disk was full." in says


@pytest.mark.parametrize(("ahead", "marked"), [(0, True), (1, False)])
@pytest.mark.parametrize("begun", [night_from_store, partial(whole_night, Path("source"))])
def test_a_night_after_a_long_pause_of_the_feeds_marks_the_old_list_and_a_day_to_come_does_not(
    place, monkeypatch, ahead, marked, begun
):
    """Both over what is in the store: no delivery came since."""
    monkeypatch.chdir(place)
    as_of = AS_OF + dt.timedelta(60)
    monkeypatch.setattr("pipeline.run.today", lambda: as_of - dt.timedelta(ahead))
    with pytest.raises(InputMissing, match=str(as_of)):
        begun(place / "store", as_of, place / "out", PARAMS)
    assert status(place / "store", place / "out", PARAMS, NOW).figures["expired"] == marked
    assert not marked or f"The night of {as_of} did not publish" in (place / "out" / "EXPIRED.txt").read_text()


@pytest.mark.parametrize(("after", "stands"), [(-1, GOOD), (0, BAD), (1, BAD)])
def test_a_run_that_was_stopped_over_a_list_that_stands_is_told(place, after, stands):
    """Also where tonight's own list of an earlier run stands; a stop of a night before it says nothing of it."""
    stopped = AS_OF + dt.timedelta(after)
    keep_back(place / "out", stopped)
    found, says = points(place)["list"]
    assert found == stands
    assert (f"The monitor stopped the run for {stopped} since" in says) == (stands == BAD)
    assert status(place / "store", place / "out", PARAMS, NOW).figures["kept_back"] == [str(stopped)]
    let_go(place / "out", max(AS_OF, stopped))
    assert points(place)["list"][0] == GOOD


def test_a_night_that_was_kept_back_stands_among_the_runs_until_one_of_it_is_published(place):
    kept = judged("stop")
    keep_back(place / "out", AS_OF, {**kept.manifest, "model": kept.model})
    published, stopped = runs(place / "out")
    assert [each["kept_back"] for each in (published, stopped)] == [False, True]
    assert (stopped["night"], stopped["verdict"], stopped["published"], stopped["current"]) == (
        str(AS_OF), "stop", 0, False,
    )  # fmt: skip
    assert stopped["model"] == published["model"]
    let_go(place / "out", AS_OF + dt.timedelta(1))
    assert len(runs(place / "out")) == 2
    let_go(place / "out", AS_OF)
    assert len(runs(place / "out")) == 1


def test_what_refuses_an_older_night_leaves_a_newer_list_alone(place):
    older = AS_OF - dt.timedelta(1)
    lead_nowhere(place / "out", older, "The monitor says stop.")
    assert points(place)["list"] == (GOOD, f"`current` leads to {AS_OF}, today's.")
    assert not (place / "out" / "EXPIRED.txt").exists()
    stops = [{"name": "drift of the score", "says": "PSI 2.7.", "verdict": "stop"}]
    said = str(Stopped.unpublished(older, stops, "refuse", newest(place / "out")))
    assert f"`current` leads to the list of {AS_OF}, as before" in said
    lead_nowhere(place / "out", AS_OF, "The monitor says stop.")  # an earlier list of the night itself
    assert newest(place / "out") is None


def test_once_a_night_was_refused_no_older_one_becomes_the_list_that_is_worked(place):
    out, day = place / "out", dt.timedelta(1)
    publish(night(3, as_of=AS_OF - 9 * day), out, lambda: RAN)
    lead_nowhere(out, AS_OF + day, "The monitor says stop.")
    publish(night(4, as_of=AS_OF - 9 * day), out, lambda: RAN)
    assert newest(out) is None
    publish(night(4, as_of=AS_OF), out, lambda: RAN, held=[(AS_OF + day).isoformat()])  # the newest that is kept
    assert newest(out) is None
    assert (out / "EXPIRED.txt").exists()
    publish(night(4, as_of=AS_OF + day), out, lambda: RAN, held=[(AS_OF + day).isoformat()])
    assert newest(out) == (AS_OF + day).isoformat()
    assert not (out / "EXPIRED.txt").exists()


def test_a_list_that_was_put_back_is_told_with_who_and_why(place):
    publish(night(3, as_of=AS_OF + dt.timedelta(1)), place / "out", lambda: RAN)
    roll_back(place / "out", AS_OF, "ann", "a wrong rate", NOW)
    assert "put back by ann: a wrong rate" in points(place)["list"][1]


def test_whoever_is_at_work_is_told(place):
    with only_run(place / "store"):
        assert points(place)["at work"] == (LOOK, "A run works on store now; another one would end with 75.")


def test_feeds_that_lag_are_named(place):
    stands, says = points(place, NOW + dt.timedelta(400))["feeds"]
    assert stands == LOOK
    assert "days ago" in says


def test_nothing_is_there_yet(tmp_path):
    found = points(tmp_path)
    assert found["list"] == (LOOK, "None is published yet.")
    assert found["store"][0] == LOOK
    assert (runs(tmp_path / "out"), models(tmp_path / "store")) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_record_is_a_point_of_its_own_and_refused_by_runs(place):
    (place / "out" / "published.jsonl").write_text("{}\n")
    stands, says = points(place)["list"]
    assert stands == BAD
    assert "published.jsonl" in says
    with pytest.raises(RecordDamaged, match="do not follow one another"):
        runs(place / "out")


def test_runs_tell_each_night_with_its_figures(place):
    (found,) = runs(place / "out")
    manifest = json.loads((place / "out" / AS_OF.isoformat() / "manifest.json").read_text())
    assert (found["night"], found["current"], found["published"]) == (AS_OF.isoformat(), True, 1)
    assert found["listed"] == manifest["worklist"]["debtors"]
    assert found["net_value"] == manifest["worklist"]["net_value"] / 100
    assert (found["seconds"], found["verdict"]) == (6.5, "warn")


def test_models_tell_the_champion_and_those_before_it(place):
    names = ("first", "second")
    sha256 = {name: write_model(model_folder(place / "store", name), {"card.json": name.encode()}) for name in names}
    assert {row["state"] for row in models(place / "store")} == {"kept"}
    record = None
    for number, name in enumerate(names):
        named = {"model_version": name, "sha256": sha256[name], "run_id": f"run{number}", "previous": record}
        record = {**named, "approved_by": "ann", "approved_at": f"2026-01-0{number + 1}", "why": "better"}
        write_record(place / "store", record)
    states = {row["model"]: (row["state"], row["approved_at"]) for row in models(place / "store")}
    assert states == {"first": ("former", "2026-01-01"), "second": ("champion", "2026-01-02")}
    assert "approved by ann" in points(place)["model"][1]


def test_it_loads_nothing_that_makes_a_night():
    code = "import sys, pipeline.status; print(*{'lightgbm', 'numba', 'shap', 'mlflow', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_rules_that_cannot_be_read_are_a_point_and_not_the_end_of_it(place):
    lost = PARAMS.model_copy(update={"eligibility": PARAMS.eligibility.model_copy(update={"rules": ("gone.yaml",)})})
    found = {point.name: point for point in status(place / "store", place / "out", lost, NOW).points}
    assert found["law"].stands == BAD
    assert "gone.yaml" in found["law"].says
    assert found["list"].stands == GOOD
