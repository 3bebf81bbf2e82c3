"""The file of metrics: what Prometheus reads, of a night that is published and of one that is not."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from pipeline.metrics import write_metrics
from pipeline.pages.publish import publish
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
    assert "recoup_list_as_of_timestamp_seconds" not in samples(tmp_path / "recoup.prom")


def test_a_place_that_cannot_be_written_is_a_warning(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("pipeline.metrics.log.propagate", True)
    (tmp_path / "recoup.prom").mkdir()
    write_metrics(tmp_path / "recoup.prom", tmp_path / "out", AS_OF, 0, 1.0, AT)
    assert "The metrics file cannot be written (Is a directory); the one before stands." in caplog.text
    assert [place.name for place in tmp_path.iterdir()] == ["recoup.prom"]
