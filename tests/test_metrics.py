"""The file of metrics: what Prometheus reads, of a night that is published and of one that is not."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

import pytest

from features.days import day_number
from pipeline.metrics import write_metrics
from pipeline.night.alarm import keep_back
from pipeline.night.pins import Stamps
from pipeline.pages.publish import lead_nowhere, publish
from pipeline.pages.record import read_manifest
from tests.worlds.commands import exit_code
from tests.worlds.paper_nights import AS_OF, night

AT = dt.datetime(2026, 10, 1, 2, 30, tzinfo=dt.UTC)
LINE = re.compile(r'(recoup_[a-z_]+)((?:\{[a-z]+="[\w ]+"\})?) (-?\d+(?:\.\d+)?)')
TABLE = {"name": "payments", "rows_in": 9, "accepted": 6, "quarantined": 2, "duplicates": 1, "forgotten": 0}
RAN = {"stages": [{"stage": "score and judge", "seconds": 2.5, "peak_mib": 310.0}]}


def samples(place: Path) -> dict[str, float]:
    """Name with its labels -> value; every line is a sample, or says first what the samples below it are."""
    text = place.read_text(encoding="utf-8")
    assert text.endswith("\n")
    found, told, typed = {}, set(), set()
    for line in text.splitlines():
        if line.startswith("#"):
            kind, name, rest = re.fullmatch(r"# (HELP|TYPE) (\w+) (.+)", line).groups()
            assert name not in {sample.split("{")[0] for sample in found}
            (told if kind == "HELP" else typed).add(name)
            assert kind == "HELP" or rest == "gauge"
        else:
            name, labels, value = LINE.fullmatch(line).groups()
            assert name in told & typed
            assert name + labels not in found
            found[name + labels] = float(value)
    return found


@pytest.fixture
def out(tmp_path) -> Path:
    made = night(3)
    made.manifest.update({"accounts_known": {"scorable": 3, "closed": 5}, "tables": [TABLE], "warnings": ["one"]})
    publish(made, tmp_path / "out", lambda: RAN)
    return tmp_path / "out"


def test_a_published_night_is_told_with_its_counts(out, tmp_path):
    write_metrics(tmp_path / "recoup.prom", out, AS_OF, 0, 12.34567, AT)
    found = samples(tmp_path / "recoup.prom")
    day = dt.datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=dt.UTC).timestamp()
    assert found["recoup_run_exit_code"] == 0
    assert found["recoup_run_end_timestamp_seconds"] == AT.timestamp()
    assert found["recoup_run_seconds"] == 12.346
    assert found["recoup_run_as_of_timestamp_seconds"] == found["recoup_list_as_of_timestamp_seconds"] == day
    assert found['recoup_accounts_known{state="closed"}'] == 5
    assert found['recoup_accounts{group="worklist"}'] == 3
    assert found["recoup_warnings"] == 1
    assert [found[f'recoup_delivery_{what}{{table="payments"}}'] for what in TABLE if what != "name"] == [9, 6, 2, 1, 0]
    assert found['recoup_stage_seconds{stage="score and judge"}'] == 2.5


def test_a_night_that_was_refused_is_told_by_its_code_and_the_list_that_holds(out, tmp_path):
    write_metrics(tmp_path / "recoup.prom", out, AS_OF + dt.timedelta(1), 66, 1.0, AT)
    found = samples(tmp_path / "recoup.prom")
    assert found["recoup_run_exit_code"] == 66
    asked, holds = (found[f"recoup_{what}_as_of_timestamp_seconds"] for what in ("run", "list"))
    assert asked - holds == dt.timedelta(1).total_seconds()
    assert not any(name.startswith(("recoup_accounts", "recoup_delivery", "recoup_stage")) for name in found)


def test_whoever_collects_it_may_read_it_and_sees_no_draft(tmp_path):
    write_metrics(tmp_path / "recoup.prom", tmp_path / "out", AS_OF, 70, 1.0, AT)
    assert [place.name for place in tmp_path.iterdir()] == ["recoup.prom"]
    assert (tmp_path / "recoup.prom").stat().st_mode & 0o777 == 0o644
    found = samples(tmp_path / "recoup.prom")
    assert (found["recoup_list_as_of_timestamp_seconds"], found["recoup_list_verdict"]) == (0, -1)


def test_no_series_goes_away_where_a_list_is_refused(out, tmp_path):
    """An alarm on a series that is gone never sounds."""
    write_metrics(tmp_path / "recoup.prom", out, AS_OF, 0, 1.0, AT)
    before = samples(tmp_path / "recoup.prom")
    refused = AS_OF + dt.timedelta(1)
    manifest = read_manifest(out / str(AS_OF))
    lead_nowhere(out, refused, "The monitor says stop.")
    counts = {**manifest["counts"], "worklist": 7}
    keep_back(out, refused, {**manifest, "monitor": {"verdict": "stop", "findings": []}, "counts": counts})
    write_metrics(tmp_path / "recoup.prom", out, refused, 78, 1.0, AT)
    after = samples(tmp_path / "recoup.prom")
    assert {name for name in before if "stage_seconds" not in name} <= after.keys()
    assert after['recoup_accounts{group="worklist"}'] == 7
    assert after["recoup_warnings"] == before["recoup_warnings"] == 1
    assert '"one"' not in (out / ".stopped.json").read_text()  # a warning may name accounts
    assert [after[f"recoup_{name}"] for name in ("list_as_of_timestamp_seconds", "list_verdict")] == [0, -1]
    assert [after[f"recoup_{name}"] for name in ("run_verdict", "nights_kept_back")] == [2, 1]
    assert [before[f"recoup_{name}"] for name in ("run_verdict", "nights_kept_back")] == [-1, 0]


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("pipeline.metrics.log.propagate", True)
    (tmp_path / "recoup.prom").mkdir()
    write_metrics(tmp_path / "recoup.prom", tmp_path / "out", AS_OF, 0, 1.0, AT)
    assert "The metrics file cannot be written (Is a directory); the one before stands." in caplog.text
    assert [place.name for place in tmp_path.iterdir()] == ["recoup.prom"]


@pytest.mark.parametrize("where", ["below a file", "a folder"])
def test_no_place_of_metrics_takes_the_night_away_or_leaves_its_list_unmarked(out, tmp_path, capfd, where):
    place = tmp_path / "there" / "recoup.prom"
    if where == "a folder":
        place.mkdir(parents=True)
    else:
        place.parent.touch()
    asked = str(AS_OF + dt.timedelta(1))
    given = {"store": tmp_path / "store", "out": out, "source": tmp_path / "none", "metrics": place}
    assert exit_code("run", "--as-of", asked, *(f"--{name}={value}" for name, value in given.items())) == 66
    assert asked in (out / "EXPIRED.txt").read_text()
    assert capfd.readouterr().err.count("The metrics file cannot be written") == 1


def test_a_missing_folder_is_made_so_that_others_can_look_into_it(tmp_path):
    before = os.umask(0o077)
    try:
        write_metrics(tmp_path / "node" / "exporter" / "recoup.prom", tmp_path / "out", AS_OF, 70, 1.0, AT)
    finally:
        os.umask(before)
    for folder in ("node", "node/exporter"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(("verdict", "told"), [("ok", 0), ("warn", 1), ("stop", 2), (None, -1)])
def test_what_the_monitor_said_of_the_list_is_told_whatever_became_of_the_next_night(out, tmp_path, verdict, told):
    if verdict is not None:
        Stamps(out, day_number(AS_OF)).mark({"monitor": ({}, {"verdict": verdict})})
    for as_of, code in ((AS_OF, 0), (AS_OF + dt.timedelta(1), 66)):
        write_metrics(tmp_path / "recoup.prom", out, as_of, code, 1.0, AT)
        assert samples(tmp_path / "recoup.prom").get("recoup_list_verdict") == told
