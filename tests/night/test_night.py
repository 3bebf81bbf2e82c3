"""The whole path on a small made-up portfolio: commands, exit codes, what is published,
and that nothing known later can change it.

Also of details.py, feeds.py, one_account.py, ranking.py, refusals.py, shards.py and worklist.py; of arms.py with
tests/panel/test_draws.py.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.answers import foretold
from features.catalogue import CATALOGUE
from features.currencies import DECIMALS
from features.days import day_number
from features.declarations import Catalogue
from features.spec import Feature, Window
from features.tables import account_number
from features.vocabulary import Agg
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.night import night as night_room
from pipeline.night import shards
from pipeline.night.score import score_shard
from pipeline.pages.rule_words import sentence
from pipeline.panel import view as view_room
from pipeline.params import load
from pipeline.store.locks import only_run
from pipeline.store.refusals import StoreDamaged
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT, recoup
from tests.worlds.params import written_params
from tests.worlds.traces import traces

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]


GROUPS = ["excluded", "held_out", "deferred", "self_cure", "no_value", "worklist", "joined", "below_capacity"]


def published(folder: Path) -> dict[str, bytes]:
    """Every file of the night; of the manifest, each entry but its `run` block."""
    files = {path.name: path.read_bytes() for path in sorted((folder / "out" / NIGHT).rglob("*.*"))}
    manifest = json.loads(files.pop("manifest.json"))
    manifest.pop("run")
    return {
        **files,
        **{f"manifest.{name}": json.dumps(entry, sort_keys=True).encode() for name, entry in manifest.items()},
    }


def differing(folder: Path, other: Path) -> list[str]:
    return differing_from(published(folder), published(other))


def differing_from(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    return sorted(name for name in found | expected if found.get(name) != expected.get(name))


def worklist(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "out" / NIGHT / "worklist.parquet")


def by_lot(folder: Path) -> set[str]:
    """Listed accounts that the lot put there, whatever they are worth."""
    with warnings.catch_warnings():  # of the reader: it does not know data bars
        warnings.filterwarnings("ignore", ".*extension is not supported", UserWarning)
        audit = pd.read_excel(folder / "out" / NIGHT / "worklist.xlsx", sheet_name="How net value is formed")
    return set(audit.loc[audit["Listed by"].str.contains("lot"), "Account"])


def append_rows(folder: Path, table: str, rows: list[dict[str, object]]) -> Path:
    """Another delivery, an increment: the accounts again and these rows."""
    source = folder / "later"
    source.mkdir(exist_ok=True)
    for name in ("accounts", "charges"):
        shutil.copy(folder / "source" / f"{name}.csv.gz", source)
    columns = pd.read_csv(folder / "source" / f"{table}.csv.gz", nrows=0).columns
    pd.DataFrame(rows, columns=columns).to_csv(source / f"{table}.csv", index=False)
    return source


def late_payment(place: int, account: str, known_at: str) -> dict[str, object]:
    occurred = {"payment_id": f"later-{place}", "account_id": account, "occurred_at": "2026-09-20T10:00:00+00:00"}
    return {**occurred, "amount": "50", "kind": "payment", "known_at": known_at}


def test_whatever_the_commands_wrote_is_for_its_owner_alone(house):
    written = [place for name in ("store", "out") for place in (house / name).rglob("*") if not place.is_symlink()]
    assert len(written) > 100
    assert [place for place in written if place.stat().st_mode & 0o077] == []


def test_every_scorable_account_is_in_exactly_one_group(house):
    manifest = json.loads((house / "out" / NIGHT / "manifest.json").read_text())
    counts = manifest["counts"]
    assert sum(counts[group] for group in GROUPS) == counts["scorable"] > 0
    out = house / "out" / NIGHT
    names = ("worklist", "deferred", "excluded", "held_out", "self_cure")
    places = {name: out / ("not_for_agents" if name == "held_out" else "") / f"{name}.csv" for name in names}
    ids = {name: set(pd.read_csv(place, dtype="str")["account_id"]) for name, place in places.items()}
    assert {name: len(found) for name, found in ids.items()} == {name: counts[name] for name in ids}
    assert sum(map(len, ids.values())) == len(set.union(*ids.values()))
    assert set(pd.read_parquet(out / "scores.parquet")["account_id"]) >= set.union(*ids.values())
    assert len(pd.read_parquet(out / "scores.parquet")) == counts["scorable"]


def test_every_day_of_the_manifest_is_a_date(house):
    manifest = json.loads((house / "out" / NIGHT / "manifest.json").read_text())
    reached = {table["name"]: table["complete_through"] for table in manifest["tables"]}
    assert reached == manifest["complete_through"]
    assert reached["payments"] == "2026-09-30"


def test_the_list_has_the_contract_s_columns_one_row_a_debtor_and_falling_value(house):
    listed = worklist(house)
    assert tuple(listed.columns) == WORKLIST_COLUMNS
    assert listed["debtor_id"].is_unique
    assert ((listed["net_value"] > 0) | listed["account_id"].isin(by_lot(house))).all()
    assert (listed["expected_recovery"] <= listed["balance"]).all()
    assert listed["p_recovered"].between(0, 1).all()
    params = load(house / "params.yaml")
    for queue, rows in listed.groupby("queue"):
        assert list(rows["rank"]) == list(range(1, len(rows) + 1))
        assert len(rows) <= params.worklist.capacity_of(queue)
        assert rows["net_value"].is_monotonic_decreasing
    assert (listed["valid_until"].astype("str") == NIGHT).all()
    assert (listed["reason_1"].fillna("") != "").mean() > 0.9


@pytest.mark.filterwarnings(
    "ignore:.*extension is not supported:UserWarning"
)  # of the reader: it does not know data bars
def test_net_value_follows_from_the_columns_of_the_audit_sheet(house):
    sheet = pd.read_excel(house / "out" / NIGHT / "worklist.xlsx", sheet_name="How net value is formed")
    spent = sheet["Planned attempts"] * sheet["Cost of an attempt"]
    again = (
        sheet["Exchange rate"] * sheet["Our share"] * sheet["Added recovery"] * sheet["Discount for waiting"] - spent
    )
    assert (spent - sheet["Planned contact cost"]).abs().max() < 1e-9
    assert sheet["Date of the rates"].notna().all()
    assert (again - sheet["Net value"]).abs().max() <= 0.0051  # half a cent, rounded once


@pytest.mark.filterwarnings(
    "ignore:.*extension is not supported:UserWarning"
)  # of the reader: it does not know data bars
def test_the_list_takes_the_channel_and_the_hours_in_which_debtors_answer(house):
    listed = worklist(house).set_index("account_id")
    sheets = pd.read_excel(house / "out" / NIGHT / "worklist.xlsx", sheet_name=None)
    audit = next(frame for frame in sheets.values() if "Listed by" in frame).set_index("Account").loc[listed.index]
    assert set(listed["channel"]) > {"call"}  # not simply the first permitted one
    opens, closes = audit["Permitted from (law)"], audit["Permitted until (law)"]
    assert (listed["contact_from"] >= opens).all()
    assert (listed["contact_until"] <= closes).all()
    assert ((listed["contact_from"] > opens) | (listed["contact_until"] < closes)).any()
    assert 0 < audit["Planned attempts"][listed["channel"] == "call"].sum() <= 35
    params = load(house / "params.yaml")
    for queue, agents in params.worklist.agents.items():
        shares = audit[listed["queue"] == queue].groupby("Agent").size()
        assert len(shares)
        assert set(shares.index) <= set(agents)
        assert all(size <= agents[name] for name, size in shares.items())
    agent = audit["Agent"].fillna("")
    assert (agent[~listed["queue"].isin(params.worklist.agents)] == "").all()
    dialled = pd.read_csv(house / "out" / NIGHT / "dialler.csv", dtype="str", keep_default_na=False).set_index("ref")
    assert (dialled["user"] == agent).all()
    kept = Store(house / "store").read("assignments").set_index("account_id")
    assert (kept.loc[listed.index, "agent"] == agent).all()


def test_a_status_known_in_time_takes_the_account_off_and_a_late_one_does_not(copied):
    first, second = worklist(copied)["account_id"].iloc[:2]
    source = append_rows(
        copied,
        "statuses",
        [
            {
                "account_id": first,
                "status": "cease_contact",
                "from_on": "2026-09-29",
                "known_at": "2026-09-29T12:00:00+00:00",
            },
            {
                "account_id": second,
                "status": "cease_contact",
                "from_on": "2026-09-29",
                "known_at": "2026-10-02T12:00:00+00:00",
            },
        ],
    )
    assert recoup(copied, "ingest", "--source", str(source)) == 0
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    assert first not in set(worklist(copied)["account_id"])
    assert second in set(worklist(copied)["account_id"])
    excluded = pd.read_csv(copied / "out" / NIGHT / "excluded.csv", dtype="str").set_index("account_id")
    assert "cease" in excluded.loc[first, "rule"]


def test_nothing_known_from_the_night_on_changes_a_byte_of_what_it_lists(copied):
    before = published(copied)
    listed = worklist(copied)
    rows = [
        late_payment(place, account, "2026-10-01T06:00:00+00:00" if place % 2 else "2026-10-20T10:00:00+00:00")
        for place, account in enumerate(listed["account_id"])
    ]
    taken = ("--source", str(append_rows(copied, "payments", rows)), "--accept-volume", "a few rows of three weeks")
    assert recoup(copied, "ingest", *taken) == 0
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    after = published(copied)
    for name in ("worklist.csv", "worklist.parquet", "scores.parquet", "excluded.csv", "deferred.csv", "held_out.csv"):
        assert after[name] == before[name], name


def test_whom_the_lot_holds_out_no_file_for_agents_names(two_nights):
    folder = two_nights.out / NIGHT
    held = pd.read_csv(folder / "not_for_agents" / "held_out.csv", dtype="str")
    named = traces([*held["account_id"], *held["debtor_id"]], folder)
    assert len(held) > 3
    assert {place.name for place in named} == {"held_out.csv", "scores.parquet"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["counts"]["held_out"] == len(held)


def test_two_debtors_found_to_be_one_are_one_row_and_one_cap_from_the_night_after(copied):
    """Two pairs of listed debtors: one is known to be one before the night, the other on the night itself."""
    before = worklist(copied).set_index("account_id")
    alone = before[before["joined_accounts"].fillna("") == ""]
    (one, other, third, fourth), source = alone.index[:4], append_rows(copied, "statuses", [])
    (source / "statuses.csv").unlink()
    of = before["debtor_id"]
    (source / "debtors.csv").write_text(
        f"debtor_id,same_as,known_at\n{of[one]},{of[other]},2026-09-30\n{of[third]},{of[fourth]},2026-10-01\n"
    )
    assert recoup(copied, "ingest", "--source", str(source)) == 0
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    after = worklist(copied).set_index("account_id")
    listed = after[after["debtor_id"].isin([of[one], of[other]])]
    assert listed["debtor_id"].tolist() == [of[other]]
    assert {listed.index[0], *listed["joined_accounts"].iloc[0].split()} == {one, other}
    contacts = sum(before["contacts_left"][[one, other]])
    assert listed["contacts_left"].iloc[0] < contacts
    assert {third, fourth} <= set(after.index)
    assert after["debtor_id"][[third, fourth]].tolist() == of[[third, fourth]].tolist()
    kept = Store(copied / "store").read("assignments", ["account_id", "debtor_id", "as_of"])
    kept = kept[kept["account_id"].isin([one, other])]
    assert set(kept["debtor_id"]) == {of[other]}


def test_a_payment_known_in_time_does_change_the_scores(copied):
    """The canary of the test above: the same payments, known a day before the night."""
    before = published(copied)
    rows = [
        late_payment(place, account, "2026-09-29T10:00:00+00:00")
        for place, account in enumerate(worklist(copied)["account_id"])
    ]
    assert recoup(copied, "ingest", "--source", str(append_rows(copied, "payments", rows))) == 0
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    assert published(copied)["scores.parquet"] != before["scores.parquet"]


def test_spark_asked_for_and_absent_is_refused_with_its_remedy(copied, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    written_params(copied / "params.yaml", copied, engine={"spark": "local[2]"})
    shutil.rmtree(copied / "out")
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 2
    assert "engine.spark of the params needs pyspark. Run `make spark`" in capsys.readouterr().err


def test_accounts_of_a_class_that_the_model_was_never_taught_are_counted(copied, monkeypatch):
    """Fifteen accounts of each shard are of a product nobody has seen; six others are of one that few debtors have."""
    assert not [
        told
        for told in json.loads((copied / "out" / NIGHT / "manifest.json").read_text())["warnings"]
        if "know by name" in told
    ]

    def with_a_strange_product(job, shard):
        seen, scores, numbers = score_shard(job, shard)
        product = seen.matrix["product"].astype("str")
        product.iloc[:15] = "novel"
        return replace(seen, matrix=seen.matrix.assign(product=product.astype("category"))), scores, numbers

    monkeypatch.setattr(shards, "score_shard", with_a_strange_product)
    shutil.rmtree(copied / "out")
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    told = "Classes the model does not know by name, new or of too few debtors when it was taught: product (36)."
    assert told in json.loads((copied / "out" / NIGHT / "manifest.json").read_text())["warnings"]
    french = sentence(told, "fr")
    assert french.startswith("Classes que le modèle ne connaît pas par leur nom, nouvelles ou de trop peu de débiteurs")
    assert french.endswith(" : product (36).")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("rows.arrow", lambda text: _flipped(text, len(text) // 2)),
        ("waits.arrow", lambda text: None),
    ],
)
def test_a_shard_that_a_cut_off_run_left_damaged_is_made_again_and_said(
    copied, house, monkeypatch, capfd, name, damage
):
    shutil.rmtree(copied / "out")
    monkeypatch.setattr(night_room, "rank_night", _cut_off)
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 70
    monkeypatch.undo()
    (place,) = (copied / "out").glob(f".shards-*/00001/{name}")
    left = damage(place.read_bytes())
    place.unlink()
    if left is not None:
        place.write_bytes(left)
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    run = json.loads((copied / "out" / NIGHT / "manifest.json").read_text())["run"]
    assert (run["shards_reused"], run["shards_remade"]) == (1, 1)
    assert "Shard 1 of a run that was cut off is not what that run wrote: it is made again." in capfd.readouterr().err
    assert differing(copied, house) == []


def test_every_flipped_bit_of_a_finished_shard_is_noticed(tmp_path):
    frame = pd.DataFrame({"amount": np.arange(50), "name": [f"a{number}" for number in range(50)]})
    worked = shards.Worked(frame, *[frame.head(2)] * (len(shards.FRAMES) - 1))
    shards.keep(worked, tmp_path / "00000")
    pd.testing.assert_frame_equal(shards.finished(tmp_path / "00000").rows, frame)
    files = sorted((tmp_path / "00000").iterdir())
    assert len(files) == len(shards.FRAMES) + 1
    chances = np.random.default_rng(7)
    for file in files:
        whole = file.read_bytes()
        for position in chances.integers(len(whole), size=40):
            file.write_bytes(_flipped(whole, position, int(chances.integers(8))))
            with pytest.raises(StoreDamaged, match="Finished shard 00000 is not what was written"):
                shards.finished(tmp_path / "00000")
        file.write_bytes(whole)


def _flipped(text: bytes, position: int, bit: int = 0) -> bytes:
    return text[:position] + bytes([text[position] ^ 1 << bit]) + text[position + 1 :]


def test_the_manifest_names_the_delivery_that_its_versions_hold_whatever_comes_in_meanwhile(copied, house, monkeypatch):
    shutil.rmtree(copied / "out")
    told = json.loads(published(house)["manifest.delivery"])
    ranked = night_room.rank_night

    def late(store, job, worked):
        rows = [late_payment(0, str(worked[0].rows["account_id"].iloc[0]), "2026-10-01T06:00:00+00:00")]
        assert recoup(copied, "ingest", "--source", str(append_rows(copied, "payments", rows))) == 0
        return ranked(store, job, worked)

    monkeypatch.setattr(night_room, "rank_night", late)
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    assert json.loads(published(copied)["manifest.delivery"]) == told
    assert Store(copied / "store").newest().ingest_id != told


def _cut_off(*_: object) -> None:
    raise RuntimeError("cut off")


@pytest.mark.parametrize("command", ["run", "worklist", "score", "features", "dataset"])
def test_an_out_below_a_plain_file_is_refused_before_any_work(tmp_path, capsys, command):
    """No source and no store are there: the place is looked at first."""
    params = written_params(tmp_path / "params.yaml", tmp_path)
    out = params / "out" / ("x.parquet" if command in ("features", "dataset") else "")
    night = () if command == "dataset" else ("--as-of", NIGHT)
    assert recoup(tmp_path, command, *night, "--out", str(out)) == 73
    assert re.search(r"params.yaml/out' cannot be created \(Not a directory\)", capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("end", "code"), [(RuntimeError("Jane Doe owes 40"), 70), (KeyboardInterrupt(), 130), (SystemExit(143), 143)]
)
def test_a_night_that_ends_by_a_bug_or_a_signal_has_marked_the_old_list(copied, monkeypatch, end, code):
    def ended(*_, **__):
        raise end

    before = published(copied)
    monkeypatch.setattr("pipeline.run.publish_night", ended)
    assert recoup(copied, "run", "--as-of", "2026-10-02") == code
    notice = (copied / "out" / "EXPIRED.txt").read_text()
    assert "The night of 2026-10-02 has begun and has not published a new one." in notice
    assert "Jane" not in notice
    assert published(copied) == before


def test_a_killed_night_has_marked_the_old_list(copied):
    program = (
        "import os, signal, sys; from pipeline import run; from pipeline.cli import main;"
        "run.ingest = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL); main(sys.argv[1:])"
    )
    command = ["run", "--as-of", "2026-10-02", "--params", str(copied / "params.yaml")]
    assert subprocess.run([sys.executable, "-c", program, *command], cwd=HOUSE).returncode == -signal.SIGKILL
    assert "The night of 2026-10-02 has begun" in (copied / "out" / "EXPIRED.txt").read_text()


def test_a_mistyped_day_says_nothing_of_todays_list(copied):
    assert recoup(copied, "run", "--as-of", "2206-10-02") == 66
    assert not (copied / "out" / "EXPIRED.txt").exists()


def test_a_run_that_finds_another_at_work_marks_nothing(copied):
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with only_run(copied / "out"):
            entered.set()
            leave.wait()

    other = threading.Thread(target=hold)
    other.start()
    entered.wait()
    assert recoup(copied, "run", "--as-of", "2026-10-02") in (66, 75)
    leave.set()
    other.join()
    assert not (copied / "out" / "EXPIRED.txt").exists()


def test_scores_of_a_night_whose_feeds_are_late_are_refused(copied, capsys):
    assert recoup(copied, "score", "--as-of", "2026-10-02", "--out", str(copied / "scores")) == 66
    assert "needs every declared table through 2026-10-01" in capsys.readouterr().err
    assert not (copied / "scores").exists()


def test_a_sampled_panel_carries_the_weight_of_its_debtors(copied, capsys):
    written_params(copied / "params.yaml", copied, cohort={"sample_debtors": 200})
    assert recoup(copied, "dataset", "--out", str(copied / "part.parquet")) == 0
    said, part = capsys.readouterr().out, pd.read_parquet(copied / "part.parquet")
    held = pd.read_csv(copied / "source" / "accounts.csv.gz")["debtor_id"].nunique()
    assert part["weight"].unique().tolist() == [held / 200]
    written_params(copied / "params.yaml", copied)
    assert recoup(copied, "dataset", "--out", str(copied / "whole.parquet")) == 0
    whole = pd.read_parquet(copied / "whole.parquet")
    assert "weight" not in whole
    assert 140 < part["debtor_id"].nunique() < whole["debtor_id"].nunique()
    drawn = whole[whole["debtor_id"].isin(part["debtor_id"].unique())].reset_index(drop=True)
    texts = dict.fromkeys(whole.select_dtypes("category"), "str")  # a class of others is none of the sample
    found, expected = part.drop(columns=["weight", "split"]), drawn.drop(columns="split")
    pd.testing.assert_frame_equal(found.astype(texts), expected.astype(texts))
    known = whole[whole["recovered"].notna()]
    taught = part[part["recovered"].notna()]
    assert (
        f"Sampled by debtor (cohort.sample_debtors 200, {200 / held:.1%} of them, by their hash): "
        f"{taught['debtor_id'].nunique():,} of {known['debtor_id'].nunique():,} debtors, "
        f"{len(taught):,} of {len(known):,} rows, "
        f"{taught['recovered'].sum():,.0f} of {known['recovered'].sum():,.0f} that recovered, "
        f"{part['defaulted'].sum():,.0f} of {whole['defaulted'].sum():,.0f} that defaulted."
    ) in said


def test_features_of_a_late_night_are_given_with_a_warning(copied, capsys):
    assert recoup(copied, "features", "--as-of", "2026-10-09", "--out", str(copied / "late.parquet")) == 0
    assert "WARNING The night of 2026-10-09 needs every declared table" in capsys.readouterr().err
    assert pd.read_parquet(copied / "late.parquet")["payments_count_30d"].isna().all()


def test_a_night_before_anything_is_known_is_refused(copied, capsys):
    assert recoup(copied, "worklist", "--as-of", "2001-01-01") == 66
    assert "Nothing is known to have happened before 2001-01-01" in capsys.readouterr().err
    assert not (copied / "out" / "2001-01-01").exists()


def test_an_increment_without_a_vouched_table_is_late_and_with_it_the_ledger_stands(copied, capsys):
    """charges, balances and accounts were vouched for through the night before:
    a day later they must be vouched for again.
    """
    day_after = "2026-10-02"
    source = copied / "increment"
    source.mkdir()
    for name in ("payments", "contacts", "statuses"):
        _header_alone(copied, source, name, "2026-10-01")
    assert recoup(copied, "ingest", "--source", str(source)) == 0
    assert recoup(copied, "worklist", "--as-of", day_after) == 66
    said = capsys.readouterr().err
    assert "accounts, charges, balances of card_gb complete through 2026-09-30" in said
    assert "complete_through in NAME.control.json" in said
    for name in ("accounts", "charges", "balances"):
        _header_alone(copied, source, name, "2026-10-01")
    assert recoup(copied, "ingest", "--source", str(source)) == 0
    assert recoup(copied, "features", "--as-of", day_after, "--out", str(copied / "features.parquet")) == 0
    made = pd.read_parquet(copied / "features.parquet")
    assert len(made) > 100
    assert made[["balance", "arrears", "days_past_due"]].notna().all().all()


def _header_alone(folder: Path, source: Path, name: str, through: str) -> None:
    with gzip.open(folder / "source" / f"{name}.csv.gz", "rt") as stream:
        (source / f"{name}.csv").write_text(stream.readline())
    (source / f"{name}.control.json").write_text(json.dumps({"rows": 0, "complete_through": through}))


def _nothing_promoted(place: Path) -> None:
    for name in ("champion.json", "approvals.jsonl"):
        (place / "store" / "models" / name).unlink()


def test_an_approval_that_is_gone_stops_the_night(copied, capsys):
    (copied / "store" / "models" / "champion.json").unlink()
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 77
    assert "is gone, though a model was approved in this store" in capsys.readouterr().err


def test_without_a_champion_the_age_band_table_scores_and_is_named(copied, capsys):
    _nothing_promoted(copied)
    assert recoup(copied, "score", "--as-of", NIGHT, "--out", str(copied / "scores")) == 0
    scores = pd.read_parquet(copied / "scores" / "scores.parquet")
    assert scores["model_version"].str.startswith("age-band").all()
    assert scores["account_id"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "No approved model: ranked by a table of recovery rates by days past due."),
        ("fr", "Aucun modèle approuvé : classé d'après une table des taux de recouvrement par jours de retard."),
    ],
)
def test_a_night_without_a_champion_says_so_wherever_it_is_read(house, copied, capsys, language, said):
    assert said not in json.loads(published(house)["manifest.warnings"])
    _nothing_promoted(copied)
    written_params(copied / "params.yaml", copied, worklist={"language": language})
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    assert f"Warning: {said}" in capsys.readouterr().out.splitlines()
    assert said in json.loads(published(copied)["manifest.warnings"])
    page = (copied / "out" / NIGHT / "worklist.html").read_text()
    assert f"<li>{said.replace(chr(39), '&#39;')}</li>" in page


def test_a_feature_new_to_the_catalogue_waits_for_the_next_model_and_a_lost_one_is_refused_by_name(
    copied, monkeypatch, capsys
):
    more = Catalogue([*CATALOGUE, Feature("payments", Agg.COUNT, Window(11), empty=0)])
    fewer = Catalogue(entry for entry in CATALOGUE if entry.name != "months_since_placed")
    out = ("--out", str(copied / "scores"))
    monkeypatch.setattr(view_room, "CATALOGUE", more)
    assert recoup(copied, "score", "--as-of", NIGHT, *out) == 0
    pd.testing.assert_frame_equal(
        pd.read_parquet(copied / "scores" / "scores.parquet"),
        pd.read_parquet(copied / "out" / NIGHT / "scores.parquet"),
        check_dtype=False,
    )
    monkeypatch.setattr(view_room, "CATALOGUE", fewer)
    assert recoup(copied, "score", "--as-of", NIGHT, *out) == 65
    assert "features that the catalogue lacks: months_since_placed. Put them back, or train" in capsys.readouterr().err


def test_a_champion_whose_files_changed_is_refused(copied, capsys):
    champion = json.loads((copied / "store" / "models" / "champion.json").read_text())["model_version"]
    model = copied / "store" / "models" / champion / "model.txt"
    model.write_text(model.read_text() + " ")
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 77
    assert "approved was" in capsys.readouterr().err


def test_a_first_delivery_without_accounts_is_refused(copied, capsys):
    for path in (copied / "source").glob("accounts.*"):
        path.unlink()
    assert recoup(copied, "ingest", "--store", str(copied / "fresh")) == 66
    assert "accounts" in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "command", [["train", "--nonsense"], ["worklist"], ["worklist", "--as-of", "yesterday"], ["nightly"]]
)
def test_a_wrong_command_line_exits_with_2(copied, command, capsys):
    assert recoup(copied, *command) == 2
    assert capsys.readouterr().err.strip()


def test_features_and_scores_of_a_night_are_those_of_the_list(house, tmp_path):
    assert recoup(house, "features", "--as-of", NIGHT, "--out", str(tmp_path / "features.parquet")) == 0
    features = pd.read_parquet(tmp_path / "features.parquet").set_index("account_id")
    listed = worklist(house).set_index("account_id")
    assert (features.loc[listed.index, "balance"] == listed["balance"]).all()
    assert (features.loc[listed.index, "days_past_due"] == listed["days_past_due"]).all()
    assert recoup(house, "score", "--as-of", NIGHT, "--out", str(tmp_path)) == 0
    assert (tmp_path / "scores.parquet").read_bytes() != b""
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "scores.parquet"),
        pd.read_parquet(house / "out" / NIGHT / "scores.parquet"),
        check_dtype=False,
    )


def test_explain_eligibility_and_check_answer_for_a_listed_account(house, tmp_path, capsys):
    row = worklist(house).iloc[0]
    assert recoup(house, "explain", "--as-of", NIGHT, "--account", row["account_id"]) == 0
    said = capsys.readouterr().out
    assert f"{row['p_recovered']:.4f}" in said
    scores = pd.read_parquet(house / "out" / NIGHT / "scores.parquet").set_index("account_id").loc[row["account_id"]]
    sides = f"p_if_left {scores['p_if_left']:.4f}, p_if_worked {scores['p_if_worked']:.4f}, added_recovery "
    assert f"{sides}{scores['added_recovery'] / 10 ** DECIMALS[row['currency']]:,.2f} {row['currency']}" in said
    assert "Verdict per channel" in said
    assert "Payments known before" in said
    drawn = [tmp_path / name for name in ("first.png", "again.png")]
    for place in drawn:
        assert recoup(house, "explain", "--as-of", NIGHT, "--account", row["account_id"], "--plot", str(place)) == 0
        assert capsys.readouterr().out == said
    assert drawn[0].read_bytes().startswith(b"\x89PNG")
    assert drawn[0].read_bytes() == drawn[1].read_bytes()
    assert recoup(house, "eligibility", "--as-of", NIGHT, "--account", row["account_id"]) == 0
    assert "Account: permitted" in capsys.readouterr().out
    noon = f"{NIGHT}T{row['contact_from']}:00"
    offset = dt.datetime.fromisoformat(noon).replace(
        tzinfo=load(house / "params.yaml").portfolio_defaults.zone.__class__(row["time_zone"])
    )
    moment = (offset + dt.timedelta(minutes=1)).isoformat()
    assert recoup(house, "check", "--account", row["account_id"], "--channel", row["channel"], "--at", moment) == 0
    assert capsys.readouterr().out.startswith("permitted")
    night = (offset.replace(hour=3)).isoformat()
    assert recoup(house, "check", "--account", row["account_id"], "--channel", row["channel"], "--at", night) == 0
    assert capsys.readouterr().out.startswith("deferred")


def test_assignments_hold_everyone_and_the_control_group_stays_out(house):
    kept = Store(house / "store").read("assignments")
    manifest = json.loads((house / "out" / NIGHT / "manifest.json").read_text())
    assert len(kept) == manifest["counts"]["scorable"]
    held = kept[kept["arm"] == "control"]
    assert len(held)
    assert (held["probability"] == 0.1).all()
    assert (held["until_on"] - held["assigned_on"] == 44).all()
    assert not set(held["debtor_id"]) & set(worklist(house)["debtor_id"])
    assert (account_number(kept["account_id"]) >= 0).all()


def test_debtors_answer_about_as_often_as_the_rates_foretold(house):
    store = Store(house / "store")
    tables = [store.tables(shard, ["accounts", "contacts"]) for shard in range(store.shards)]
    accounts = pd.concat([one["accounts"] for one in tables]).drop_duplicates("account_no", keep="last")
    log = pd.concat([one["contacts"] for one in tables], ignore_index=True).sort_values(
        ["account_no", "occurred_at"], ignore_index=True
    )
    calls = dict(foretold(log, accounts, day_number(dt.date(2026, 7, 1)), 60))["call"]
    assert calls["n"].sum() > 500
    assert (calls["foretold"].diff().dropna() > 0).all()
    spread = (calls["answered"] * (1 - calls["answered"]) / calls["n"]) ** 0.5
    assert (abs(calls["answered"] - calls["foretold"]) < 4 * spread + 0.05).all()
    assert calls["answered"].iloc[-1] > 1.5 * calls["answered"].iloc[0]


def test_the_monitor_judges_the_population_not_the_calendar(house, capsys):
    assert recoup(house, "monitor", "--as-of", NIGHT) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Monitor of {NIGHT}")
    assert "drift of the score" in said
    assert "control group" in said
    assert not {"weekday", "days_to_month_end"} & set(said.replace(",", " ").split())


def test_a_night_goes_by_overlays_and_signatures_and_says_which(copied):
    """No calls by a house rule; once that file changes a rule of the product, every place waits to be signed again."""
    places = load(HOUSE / "params.yaml").eligibility.signed_off
    overlay, signed = copied / "house.yaml", copied / "sign-offs.jsonl"
    no_calls = {"id": "house.no_calls", "kind": "stop", "statuses": "always", "per": "account", "channels": ["call"]}
    no_calls |= {"binds": ["consumer", "commercial"], "roles": ["creditor", "third_party_collector", "debt_buyer"]}
    no_calls |= {"citation": "house rule", "force": "none", "evidence": "product", "verified": False}
    overlay.write_text(yaml.safe_dump({"schema_version": 1, "everywhere": [no_calls]}))
    own = {"signed_off": [], "sign_offs": str(signed), "rules": [str(overlay)]}
    written_params(copied / "params.yaml", copied, eligibility=own)
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 66  # nobody has signed yet
    assert recoup(copied, "rules", "sign", *(part for code in places for part in ("--place", code)), "--by", "A.") == 0
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    manifest = json.loads((copied / "out" / NIGHT / "manifest.json").read_text())
    assert manifest["overlays_sha256"] == {str(overlay): hashlib.sha256(overlay.read_bytes()).hexdigest()}
    assert manifest["sign_offs_sha256"] == hashlib.sha256(signed.read_bytes()).hexdigest()
    assert set(worklist(copied)["channel"]) == {"sms", "email"}
    tighter = {"id": "product.calls", "max": 1, "citation": "house rule"}
    overlay.write_text(yaml.safe_dump({"schema_version": 1, "everywhere": [no_calls, tighter]}))
    assert recoup(copied, "worklist", "--as-of", NIGHT) == 0
    manifest = json.loads((copied / "out" / NIGHT / "manifest.json").read_text())
    assert manifest["warnings"][-1].startswith(
        "Blocked until signed again, for rules changed since: the contact law of "
    )
    assert len(worklist(copied)) == 0
    excluded = pd.read_csv(copied / "out" / NIGHT / "excluded.csv")
    assert set(excluded["rule"]) == {"place.sign_off_stale", "place.not_signed_off", "place.unknown"}
