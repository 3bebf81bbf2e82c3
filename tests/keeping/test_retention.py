"""What is too old goes and is said to have gone; what a kept night needs stays, unless the params say otherwise."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.baseline import AgeBandTable
from pipeline.intake.ingest import ingest
from pipeline.intake.set_aside import WAITING, discard, set_aside
from pipeline.keeping.retention import retire
from pipeline.pages.record import lines
from pipeline.params import Params, Retention
from pipeline.store.commit import staged
from pipeline.store.delta import STAND_INS
from pipeline.store.files import write_model, write_whole
from pipeline.store.refusals import NotStored
from pipeline.store.store import Store
from pipeline.verify import verify
from tests.worlds.afterwards import EARLIER, NIGHT, House
from tests.worlds.deliveries import PARAMS, payment, world, write

LATER = NIGHT + dt.timedelta(30)
HOUSE = Path(__file__).parents[2]
FAULTY = [payment(payment_id="BAD-1", amount="a lot")]


@pytest.fixture
def house(two_nights, tmp_path) -> House:
    shutil.copytree(two_nights.folder, tmp_path / "house", symlinks=True)
    return House(tmp_path / "house", two_nights.params)


def kept_for(params: Params, **days: object) -> Params:
    return params.model_copy(update={"retention": Retention.model_validate(days)})


def nights_of(house: House, table: str) -> set[int]:
    return set(Store(house.store).read(table)["as_of"])


def test_nothing_goes_unless_the_params_say_so(house):
    before = sorted(house.folder.rglob("*"))
    assert retire(house.store, house.out, LATER, house.params).text() == ""
    assert sorted(house.folder.rglob("*")) == before


def test_old_lists_go_and_the_record_says_so_but_never_the_current_one(house):
    told = retire(house.store, house.out, LATER, kept_for(house.params, nights=40))
    assert told.text() == "Retention removed 1 published nights."
    assert not (house.out / str(EARLIER)).exists()
    assert [(line["event"], line["night"]) for line in lines(house.out)][-1] == ("removed", str(EARLIER))
    assert verify(house.store, house.out).faults == []
    assert retire(house.store, house.out, LATER, kept_for(house.params, nights=0)).text() == ""
    assert (house.out / "current" / "worklist.csv").exists()


def test_scores_go_and_the_lots_stay_while_a_night_stands_on_them(house):
    asked = kept_for(house.params, scores=40, draws=40)
    told = retire(house.store, house.out, LATER, asked)
    assert "rows of scores" in told.text()
    assert "Retention left 1 nights of assignments" in told.text()
    assert len(nights_of(house, "scores")) == 1
    assert len(nights_of(house, "assignments")) == 2
    assert verify(house.store, house.out).faults == []
    told = retire(house.store, house.out, LATER, kept_for(house.params, draws=40, even_if_needed=True))
    assert "rows of assignments" in told.text()
    assert len(nights_of(house, "assignments")) == len(nights_of(house, "draws")) == 1
    assert verify(house.store, house.out).faults == []
    assert retire(house.store, house.out, LATER, kept_for(house.params, draws=40, even_if_needed=True)).text() == ""


def test_a_night_whose_rows_went_says_so_when_it_is_asked_to_be_made_again(house):
    from features.errors import InputMissing
    from pipeline.night.reproduce import reproduce
    from pipeline.outcomes.monitor import judge

    retire(house.store, house.out, LATER, kept_for(house.params, draws=40, even_if_needed=True))
    with pytest.raises(InputMissing, match=r"rows of table 'assignments': people were forgotten since, or retention"):
        reproduce(house.store, NIGHT, house.out, house.params, judge)


def test_raw_rows_of_old_deliveries_go_once_no_night_stands_on_them(tmp_path):
    ingest(write(tmp_path / "source", world(payments=FAULTY)), tmp_path / "store", PARAMS)
    discard(
        tmp_path / "store", set_aside(Store(tmp_path / "store")), "A. Keeper", "no payment", dt.datetime.now(dt.UTC)
    )
    today = dt.datetime.now(dt.UTC).date()
    out, asked = tmp_path / "out", kept_for(PARAMS, quarantine=10)
    assert retire(tmp_path / "store", out, today + dt.timedelta(9), asked).text() == ""
    (out / str(today)).mkdir(parents=True)
    told = retire(tmp_path / "store", out, today + dt.timedelta(20), asked)
    assert "Retention left 1 rows of the quarantine" in told.text()
    (out / str(today)).rmdir()
    told = retire(tmp_path / "store", out, today + dt.timedelta(20), asked)
    assert told.text() == "Retention removed 1 rows of the quarantine."
    assert Store(tmp_path / "store").read("quarantine").empty
    assert b"a lot" not in b"".join(place.read_bytes() for place in (tmp_path / "store").rglob("*.*"))


def test_a_row_that_waits_stays_however_old_it_is(tmp_path):
    """What hangs on it is deferred until somebody decides; its going would end that unseen."""
    ingest(write(tmp_path / "source", world(payments=FAULTY)), tmp_path / "store", PARAMS)
    later = dt.datetime.now(dt.UTC).date() + dt.timedelta(20)
    told = retire(tmp_path / "store", tmp_path / "out", later, kept_for(PARAMS, quarantine=10, even_if_needed=True))
    assert told.text().startswith("Retention left 1 rows of the quarantine, though older: they wait.")
    assert [row.fate for row in set_aside(Store(tmp_path / "store"))] == [WAITING]


def test_a_delivery_that_was_cut_off_is_ended_before_anything_goes(tmp_path, monkeypatch):
    source, store = write(tmp_path / "source", world()), tmp_path / "store"
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.store.commit.recover", _cut_off)
        patch.setattr("pipeline.intake.ingest.commit.recover", _cut_off)
        with pytest.raises(KeyboardInterrupt, match="cut off"):
            ingest(source, store, PARAMS)
    assert Store(store).is_cut_off()
    with pytest.raises(NotStored, match="was cut off"), staged(Store(store)):
        pass
    retire(store, tmp_path / "out", LATER, kept_for(PARAMS, scores=10))
    assert not Store(store).is_cut_off()
    assert len(Store(store).deliveries()) == 1
    assert verify(store, tmp_path / "out").faults == []


def _cut_off(store: Store) -> dict[str, int]:
    if store.is_cut_off():
        raise KeyboardInterrupt("cut off")
    return {}


@pytest.mark.parametrize("where", ["before the stand-ins", "before the file goes"])
def test_a_removal_that_was_cut_off_is_ended_by_the_next(house, monkeypatch, where):
    written, unlinked = write_whole, Path.unlink

    def no_stand_ins(place: Path, text: str) -> None:
        if place.name == STAND_INS:
            raise KeyboardInterrupt("cut off")
        written(place, text)

    def no_unlink(place: Path, missing_ok: bool = False) -> None:
        if place.suffix == ".parquet":
            raise KeyboardInterrupt("cut off")
        unlinked(place, missing_ok)

    asked = kept_for(house.params, scores=40)
    with monkeypatch.context() as patch:
        if where == "before the stand-ins":
            patch.setattr("pipeline.store.delta.write_whole", no_stand_ins)
        else:
            patch.setattr(Path, "unlink", no_unlink)
        with pytest.raises(KeyboardInterrupt, match="cut off"):
            retire(house.store, house.out, LATER, asked)
    retire(house.store, house.out, LATER, asked)
    assert {place.parent.name for place in (house.store / "scores").rglob("*.parquet")} == {f"as_of={NIGHT}"}
    assert verify(house.store, house.out).faults == []


def test_a_list_half_removed_does_not_hinder_the_one_that_stands_again(house):
    (house.out / f".{EARLIER}.removed").mkdir()
    (house.out / f".{EARLIER}.removed" / "worklist.csv").write_text("left")
    told = retire(house.store, house.out, LATER, kept_for(house.params, nights=40))
    assert told.text() == "Retention removed 1 published nights."
    assert list(house.out.glob(".*.removed")) == []


def test_while_another_run_works_there_retention_is_left_for_the_next_night(house):
    program = (
        "import sys; from pathlib import Path; from pipeline.store.locks import only_run\n"
        "with only_run(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    given = [sys.executable, "-c", program, str(house.store)]
    asked = kept_for(house.params, scores=40)
    with subprocess.Popen(given, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        told = retire(house.store, house.out, LATER, asked)
        other.stdin.close()
    assert "it is left for the next night" in told.text()
    assert len(nights_of(house, "scores")) == 2
    assert "rows of scores" in retire(house.store, house.out, LATER, asked).text()


def test_models_and_runs_go_but_not_what_ranked_a_kept_night(house):
    """The age-band table of each night is a model like any other."""
    cards = {place.parent.name for place in (house.store / "models").glob("*/card.json")}
    assert len(cards) == 2
    old = AgeBandTable.prior(default_dpd=90, horizon_days=90).files()
    card = {**json.loads(old["card.json"]), "facts": {"fit_last": 19_000}}
    sha256 = write_model(house.store / "models" / "draft", {"card.json": json.dumps(card).encode()})
    (house.store / "models" / "draft").rename(house.store / "models" / f"old-{sha256[:8]}")
    run = house.store / "runs" / "r1" / "judged"
    run.mkdir(parents=True)
    (run / "card.json").write_text(json.dumps(card))
    told = retire(house.store, house.out, LATER, kept_for(house.params, runs=0))
    assert "1 models" in told.text()
    assert "1 runs" in told.text()
    assert {place.parent.name for place in (house.store / "models").glob("*/card.json")} == cards
    assert list((house.store / "runs").iterdir()) == []


def test_a_run_says_what_retention_removed(house, caplog):
    from pipeline.run import whole_night

    with caplog.at_level("INFO", "recoup"):
        whole_night(house.folder / "source", house.store, NIGHT, house.out, kept_for(house.params, scores=10))
    assert "Retention removed" in caplog.text
