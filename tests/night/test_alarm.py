"""The monitor before a list is published: a feed that broke lets the score leave its population, and what becomes of
the list is what the params say.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import shutil
from pathlib import Path

import pytest

from pipeline.commands.learning import _calm
from pipeline.night.alarm import MARKED, Stopped, kept_back, stopped_nights
from pipeline.pages.publish import mark_expired, publish
from pipeline.pages.record import newest
from pipeline.status import runs
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT, recoup
from tests.worlds.houses import built_once
from tests.worlds.paper_nights import night
from tests.worlds.params import written_params

YESTERDAY = dt.date.fromisoformat(NIGHT) - dt.timedelta(1)
LAST_PAID = "2026-03-01"


def broken(source: Path) -> None:
    """No payment since LAST_PAID came, and the sender vouches that nothing is missing."""
    place = source / "payments.csv.gz"
    with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    at = head.index("occurred_at")
    with gzip.open(place, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *(row for row in rows if row[at] < LAST_PAID)])
    (source / "payments.control.json").write_text(json.dumps({"complete_through": str(YESTERDAY)}))


@pytest.fixture(scope="session")
def broken_house(house: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The champion of the taught house, and a store of a feed that broke; yesterday's list is published."""

    def built(folder: Path) -> None:
        shutil.copytree(house / "source", folder / "source")
        broken(folder / "source")
        publish(night(3, as_of=YESTERDAY), folder / "out")
        written_params(folder / "params.yaml", folder)
        assert recoup(folder, "ingest") == 0
        shutil.copytree(house / "store" / "models", folder / "store" / "models")

    return built_once(tmp_path_factory, "broken", built)


@pytest.fixture
def stopped(broken_house: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "broken"
    shutil.copytree(broken_house, folder, symlinks=True)
    written_params(folder / "params.yaml", folder)
    return folder


def manifest(folder: Path) -> dict:
    return json.loads((folder / "out" / NIGHT / "manifest.json").read_text())


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_a_list_whose_score_left_its_population_is_published_in_red_and_ranked_by_the_table(stopped, capsys):
    assert recoup(stopped, "run", "--as-of", NIGHT) == 78
    out, err = capsys.readouterr()
    assert "Monitor: stop" in out
    assert "stop: drift of the score: PSI" in out
    assert f"The list of {NIGHT} is published and marked so." in err.splitlines()[-1]
    told = manifest(stopped)
    assert told["monitor"]["verdict"] == "stop"
    left = told["monitor"]["instead_of"]
    assert left["sha256"] == json.loads((stopped / "store" / "models" / "champion.json").read_text())["sha256"]
    assert told["model"]["version"] != left["version"]
    assert f"others than those that model {left['version']} was taught on" in " ".join(told["warnings"])
    assert "No approved model" not in " ".join(told["warnings"])
    page = (stopped / "out" / "current" / "worklist.html").read_text()
    assert '<div id="stop" class="notice" role="alert"><b>The monitor says stop</b>' in page
    assert not list((stopped / "out").glob(".shards-*"))
    before = everything(stopped)
    assert recoup(stopped, "run", "--as-of", NIGHT) == 78
    assert "Nothing was done." in capsys.readouterr().out
    assert everything(stopped) == before
    assert recoup(stopped, "reproduce", "--as-of", NIGHT) == 0


def test_a_night_that_is_cut_off_once_the_monitor_has_stopped_it_ends_alike(stopped, monkeypatch, capsys):
    assert recoup(stopped, "run", "--as-of", NIGHT) == 78
    whole = {name: said["sha256"] for name, said in manifest(stopped)["outputs"].items()}
    shutil.rmtree(stopped / "out")
    publish(night(3, as_of=YESTERDAY), stopped / "out")

    def cut_off(*_, **__):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.night.night.publish", cut_off)
        assert recoup(stopped, "run", "--as-of", NIGHT) == 70
    assert len(list((stopped / "out").glob(".shards-*"))) == 2
    capsys.readouterr()
    assert recoup(stopped, "run", "--as-of", NIGHT) == 78
    assert "Finished by a run that was cut off, and not made again: 2 of 2 shards." in capsys.readouterr().err
    assert {name: said["sha256"] for name, said in manifest(stopped)["outputs"].items()} == whole


@pytest.mark.parametrize(("on_stop", "leads"), [("keep_last", str(YESTERDAY)), ("refuse", None)])
@pytest.mark.parametrize("command", ["run", "worklist"])
def test_a_list_that_is_not_to_be_published_leaves_the_last_one_marked_and_nothing_behind(
    stopped, capsys, on_stop, leads, command
):
    written_params(stopped / "params.yaml", stopped, monitor={"on_stop": on_stop})
    assert recoup(stopped, command, "--as-of", NIGHT) == 78
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"The list of {NIGHT} is not published (monitor.on_stop: {on_stop})" in said
    stands = (
        f"`current` leads to the last one, of {YESTERDAY}, marked as expired" if leads else "`current` leads nowhere"
    )
    assert stands in said
    assert kept_back(stopped / "out") == [NIGHT]
    assert _calm(stopped / "out", "stop") is None
    assert newest(stopped / "out") == leads
    assert "The monitor says stop: drift of the score" in (stopped / "out" / "EXPIRED.txt").read_text()
    assert not (stopped / "out" / NIGHT).exists()
    assert f"{NIGHT}, not published" in (stopped / "out" / "monitor.html").read_text()
    last = runs(stopped / "out")[-1]
    assert (last["night"], last["kept_back"], last["verdict"]) == (NIGHT, True, "stop")
    assert last["model"]
    assert not {"tables", "counts", "accounts_known"} - stopped_nights(stopped / "out")[NIGHT].keys()
    assert not list((stopped / "out").glob(".sh*"))
    assert Store(stopped / "store").read("assignments").empty
    before = everything(stopped)
    assert recoup(stopped, command, "--as-of", NIGHT) == 78
    assert everything(stopped) == before
    written_params(stopped / "params.yaml", stopped, monitor={"on_stop": MARKED})
    assert recoup(stopped, command, "--as-of", NIGHT) == 78
    assert newest(stopped / "out") == NIGHT
    assert not (stopped / "out" / "EXPIRED.txt").exists()
    assert kept_back(stopped / "out") == []
    assert stopped_nights(stopped / "out") == {}


@pytest.mark.parametrize(
    ("last", "stands"),
    [
        (None, "no list is published to lead `current` to"),
        (YESTERDAY.isoformat(), f"`current` leads to the last one, of {YESTERDAY}, marked as expired"),
        (NIGHT, "`current` leads to the list of this night that was published before"),
        ("2026-10-02", "`current` leads to the list of 2026-10-02, as before"),
    ],
)
def test_the_words_of_a_stop_say_where_current_leads(tmp_path, last, stands):
    if last is not None:
        publish(night(2, as_of=dt.date.fromisoformat(last)), tmp_path)
    stops = [{"name": "drift of the score", "says": "PSI 2.7.", "verdict": "stop"}]
    as_of = dt.date.fromisoformat(NIGHT)
    said = str(Stopped.unpublished(as_of, stops, "keep_last", newest(tmp_path)))
    assert f"(monitor.on_stop: keep_last): {stands}. Look into it" in said
    marked = mark_expired(tmp_path, as_of, said) is not None
    assert marked == ("marked as expired" in said)


def test_a_night_of_the_population_that_taught_the_score_is_ranked_by_it(house, capsys):
    assert recoup(house, "monitor", "--as-of", NIGHT, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    told = manifest(house)
    assert told["monitor"]["verdict"] in ("ok", "unknown", "warn")
    assert "instead_of" not in told["monitor"]
    assert [each["says"] for each in again["findings"]] == [each["says"] for each in told["monitor"]["findings"]]
    assert 'id="stop"' not in (house / "out" / "current" / "worklist.html").read_text()
