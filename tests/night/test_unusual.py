"""Cases of unusual payments and identities over all debtors: hand-made deliveries, and what is published."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import stat
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from features.currencies import DECIMALS
from features.days import day_number
from features.errors import ContractError
from features.identity import to_verify
from features.ledger import history
from features.terms import Terms
from features.unusual import KINDS, Readings
from pipeline.columns import IDENTITY, UNUSUAL_COLUMNS
from pipeline.night import unusual
from pipeline.night.night import publish_night
from pipeline.night.unusual import NOT_JUDGED, unusual_of, unusual_shard
from pipeline.pages.csv_file import csv_text
from pipeline.pages.publish import publish
from pipeline.pages.record import UNUSUAL
from pipeline.pages.without import Whose, without
from pipeline.params import Params, ParamsRefused, load
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT as AS_OF
from tests.worlds.paper_nights import night as paper_night
from tests.worlds.params import written_params
from tests.worlds.worlds import World, day

NIGHT = day("2024-06-01")


@pytest.fixture(scope="module")
def params(tmp_path_factory) -> Params:
    folder = tmp_path_factory.mktemp("unusual")
    return load(written_params(folder / "params.yaml", folder, unusual={}))


def job(params: Params, **own):
    changed = params.model_copy(update={"unusual": params.unusual.model_copy(update=own)})
    return SimpleNamespace(params=changed, as_of=NIGHT)


def told(params: Params, *shards: World, **own) -> tuple[pd.DataFrame, dict]:
    """The cases of some shards, and what the manifest says."""
    its, parts = job(params, **own), []
    for world in shards:
        tables = world.tables(categorical=True)
        seen = SimpleNamespace(tables=tables, ledger=history(tables, Terms(decimals=DECIMALS)))
        parts.append(partial(Readings, *unusual_shard(its, seen)))
    return unusual_of(parts, its)


def payer(world: World, name: str, instrument: str | None, amount: int = 5_000, currency: str = "EUR") -> World:
    world.account(name, f"d-{name}", opened_on="2023-01-01", currency=currency)
    return world.payment("2024-05-10", amount, account_id=name, instrument=instrument, method="card")


def shard() -> World:
    return World().deliver("accounts", "charges", "payments", "contacts")


def cases(frame: pd.DataFrame) -> list[list]:
    return frame.loc[frame["rank"] > 0, ["kinds", "debtor_ids", "currency", "money_in_question"]].to_numpy().tolist()


def test_an_instrument_is_shared_over_shards_and_counted_by_debtors(params):
    one, other = payer(payer(shard(), "a", "i"), "b", "i"), payer(payer(shard(), "c", "i"), "e", "j")
    found, about = told(params, one, other)
    assert cases(found) == [["shared_instrument", "d-a d-b d-c", "EUR", 15_000]]
    assert (about["cases"], about["by_kind"]["shared_instrument"], about["money"]) == (1, 1, {"EUR": 15_000})
    first = found.iloc[0]
    assert (first["rank"], first["debtors"], first["accounts"], first["one_in"]) == (1, 3, 3, 2)
    assert first["reasons"] == (
        "One instrument paid 3 times for 3 debtors from 10 May 2024 to 10 May 2024, €150.00 in all."
    )
    assert cases(told(params, one, other, instrument_debtors=4)[0]) == []
    assert cases(told(params, one, other, shared_by_right=("i",))[0]) == []


def test_one_person_with_two_accounts_shares_nothing(params):
    world = payer(payer(shard(), "a", "i"), "b", "i").account("c", "d-a", opened_on="2023-01-01")
    world.payment("2024-05-11", 5_000, account_id="c", instrument="i")
    assert cases(told(params, world)[0]) == []
    assert len(cases(told(params, world, instrument_debtors=2)[0])) == 1


def test_payments_by_one_instrument_taken_back_of_several_debtors_are_a_ring(params):
    world = shard()
    for name in ("a", "b"):
        for number in range(2):
            payer(world, name, None) if number == 0 else None
            when = f"2024-0{3 + number}-0{1 if name == 'a' else 9}"
            world.payment(when, 7_000, account_id=name, payment_id=f"{name}{number}", instrument="i")
            world.reversal(f"2024-0{3 + number}-20", 7_000, f"{name}{number}", account_id=name)
    found, _ = told(params, world)
    assert cases(found) == [["reversal_ring", "d-a d-b", "EUR", 28_000]]
    assert found["reasons"].iloc[0].startswith("By one instrument of 2 debtors, 4 of 4 payments since 1 Mar 2024")
    assert cases(told(params, world, ring_payments=5)[0]) == []


def reached(world: World, name: str, endpoint: str | None, place: str | None = None, outcome: str = "right_party"):
    world.account(name, f"d-{name}", opened_on="2023-01-01", jurisdiction=place)
    world.charge("2024-01-01", 1_000, account_id=name, charge_id=f"c-{name}")
    return world.contact("2024-05-10", account_id=name, endpoint_id=endpoint, outcome=outcome)


def test_a_number_of_three_debtors_or_of_two_in_two_places_is_shared(params):
    pair = reached(reached(shard(), "a", "e", "FR"), "b", "e", "FR")
    assert cases(told(params, pair)[0]) == []
    assert cases(told(params, reached(reached(shard(), "a", "e", "FR"), "b", "e"))[0]) == []
    apart = reached(reached(shard(), "a", "e", "FR"), "b", "e", "DE")
    assert cases(told(params, apart)[0]) == [["shared_endpoint", "d-a d-b", "EUR", 2_000]]
    three = reached(pair, "c", "e", "FR")
    assert cases(told(params, three)[0]) == [["shared_endpoint", "d-a d-b d-c", "EUR", 3_000]]


def test_a_household_one_of_whom_has_a_second_place_is_none_the_less_one(params):
    pair = reached(reached(shard(), "a", "e", "FR"), "b", "e", "FR")
    pair.account("c", "d-a", opened_on="2023-01-01", jurisdiction="DE")
    pair.contact("2024-05-11", account_id="c", endpoint_id="e", outcome="right_party", contact_id="second")
    assert cases(told(params, pair)[0]) == []


def test_payments_by_one_instrument_that_are_taken_back_late_are_no_ring(params):
    world = shard()
    for name in ("a", "b"):
        payer(world, name, None)
        for number in range(2):
            when, back = f"2024-01-0{1 + number}", f"2024-04-1{number}"
            world.payment(when, 7_000, account_id=name, payment_id=f"{name}{number}", instrument="i")
            world.reversal(back, 7_000, f"{name}{number}", account_id=name)
    assert cases(told(params, world)[0]) == []
    assert len(cases(told(params, world, taken_back_days=120)[0])) == 1


def test_a_debtor_of_two_books_is_one_of_those_looked_at(params):
    world = shard()
    for name in "abcd":
        for book in ("one", "two"):
            world.account(f"{name}-{book}", f"d-{name}", opened_on="2023-01-01", portfolio=book)
            world.payment("2024-05-10", 5_000, account_id=f"{name}-{book}", payment_id=f"{name}-{book}")
    for number in range(3):
        world.payment(f"2024-03-0{1 + number}", 7_000, account_id="a-one", payment_id=f"back-{number}")
        world.reversal(f"2024-03-1{number}", 7_000, f"back-{number}", account_id="a-one")
    found, _ = told(params, world)
    assert cases(found) == [["reversal_ring", "d-a", "EUR", 21_000]]
    assert found["one_in"].iloc[0] == 4


def test_a_long_chain_is_one_case_and_only_what_is_kept_is_put_into_words(params, monkeypatch):
    world, spoken = shard(), []
    for at in range(300):
        payer(world, f"n{at:03d}", f"i{at:03d}").contact(
            "2024-05-11", account_id=f"n{at:03d}", endpoint_id=f"e{at // 2}", outcome="promise", contact_id=f"k{at}"
        )
        world.payment(
            "2024-05-12", 100, account_id=f"n{at:03d}", instrument=f"i{(at + 1) % 300:03d}", payment_id=f"q{at}"
        )
    kept = unusual._case
    monkeypatch.setattr(unusual, "_case", lambda *given: spoken.append(1) or kept(*given))
    chain, _ = told(params, world, instrument_debtors=2)
    assert [row[1].split()[0] for row in cases(chain)] == ["d-n000"]
    assert chain["debtors"].iloc[0] == 300
    spoken.clear()
    alone = shard()
    for at in range(20):
        for name in ("a", "b", "c"):
            payer(alone, f"{name}{at}", f"i{at}")
    _, about = told(params, alone, rows=2)
    assert (len(spoken), about["left_out"]) == (2, 18)


@pytest.mark.parametrize("outcome", ["wrong_number", "third_party", "bounced"])
def test_an_endpoint_that_turned_out_to_be_anothers_is_not_shared(params, outcome):
    world = reached(reached(reached(shard(), "a", "e"), "b", "e"), "c", "e", outcome=outcome)
    assert cases(told(params, world)[0]) == []


def test_signs_that_share_a_debtor_are_one_case_and_money_counts_once(params):
    world = payer(payer(payer(shard(), "a", "i"), "b", "i"), "c", "i")
    for name in ("c", "x", "y"):
        world.contact("2024-05-11", account_id=name, endpoint_id="e", outcome="promise")
    for name in ("x", "y"):
        world.account(name, f"d-{name}", opened_on="2023-01-01").charge("2024-01-01", 900, account_id=name)
    found, about = told(params, world)
    wanted = [["shared_instrument shared_endpoint", "d-a d-b d-c d-x d-y", "EUR", 3 * 5_000 + 2 * 900]]
    assert cases(found) == wanted
    assert about["by_kind"]["shared_endpoint"] == about["by_kind"]["shared_instrument"] == 1


def test_the_rarest_signs_come_first_then_the_most_money_at_the_dated_rates(params):
    world = shard()
    for at in range(30):
        payer(world, f"n{at:02d}", f"own-{at}")
    for key, names, amount, currency in (
        ("three", "abc", 90_000, "EUR"), ("yen", "def", 9_000_000, "JPY"), ("four", "ghij", 100, "EUR"),
    ):  # fmt: skip
        for name in names:
            payer(world, name, key, amount, currency)
    found, _ = told(params, world)
    assert cases(found) == [
        ["shared_instrument", "d-g d-h d-i d-j", "EUR", 400],
        ["shared_instrument", "d-d d-e d-f", "JPY", 27_000_000],  # 164,700 EUR
        ["shared_instrument", "d-a d-b d-c", "EUR", 270_000],
    ]
    assert found["one_in"].tolist()[:3] == [33, 11, 11]
    few, about = told(params, world, rows=2)
    assert cases(few) == cases(found)[:2]
    assert (about["cases"], about["left_out"]) == (2, 1)


def test_currencies_are_added_at_the_dated_rates_alone(params):
    world = payer(payer(payer(shard(), "a", "i", 10_000), "b", "i", 10_000, "GBP"), "c", "i", 1_000, "JPY")
    found, about = told(params, world)
    assert cases(found) == [["shared_instrument", "d-a d-b d-c", "EUR", 10_000 + 11_500 + 610]]
    assert "€100.00 + £100.00 + JP¥1,000" in found["reasons"].iloc[0]
    money = params.money.model_copy(update={"rates": {"GBP": 1.15}})
    found, about = told(params.model_copy(update={"money": money}), world)
    assert about["money"] == {"EUR": 0}
    assert "no dated rate" in found["reasons"].iloc[0]
    assert csv_text(found, DECIMALS, "EUR").splitlines()[1].split(",")[7:9] == ["EUR", ""]


def test_a_kind_that_a_book_does_not_tell_is_said_in_a_row_without_a_rank(params):
    world = World().deliver("accounts", "charges").account("a", opened_on="2023-01-01")
    found, about = told(params, world)
    assert found["rank"].tolist() == [0] * 5
    assert set(found["kinds"]) == {NOT_JUDGED}
    assert about[NOT_JUDGED] == {kind: ["book"] for kind in KINDS}
    assert about["judged"] == {}
    lines = list(csv.DictReader(io.StringIO(csv_text(found, DECIMALS, "EUR"), newline="")))
    assert {line["portfolios"] for line in lines} == {"book"}
    assert all("not judged in book" in line["reasons"] for line in lines)


def test_where_nothing_is_unusual_there_is_a_header_alone(params):
    world = reached(payer(shard(), "a", "i"), "b", "e").contact("2024-05-01", account_id="a", request="refund")
    found, about = told(params, world)
    assert csv_text(found, DECIMALS, "EUR") == ",".join(UNUSUAL_COLUMNS) + "\r\n"
    assert (about["cases"], about[NOT_JUDGED]) == (0, {})
    assert set(about["judged"]) == set(KINDS)


def test_the_shards_of_an_account_decide_nothing(params):
    names = ["a", "b", "c", "d"]
    whole = shard()
    for name in names:
        payer(whole, name, "i")
    parts = [whole.only(lambda table, row, name=name: row["account_id"] == name) for name in names]
    found, about = told(params, whole)
    split, said = told(params, *reversed(parts))
    pd.testing.assert_frame_equal(split, found)
    assert said == about


def test_params_without_it_look_for_nothing(params, tmp_path):
    none = load(written_params(tmp_path / "params.yaml", tmp_path))
    its = SimpleNamespace(params=none, as_of=NIGHT)
    assert [len(frame) for frame in unusual_shard(its, SimpleNamespace(tables={}, ledger=None))] == [0, 0, 0]
    with pytest.raises(ParamsRefused, match="unusual.ring_payments"):
        load(written_params(tmp_path / "params.yaml", tmp_path, unusual={"ring_payments": 1}))


def test_it_lies_where_agents_do_not_look_with_its_hash(params, tmp_path):
    world = payer(payer(payer(shard(), "a", "i"), "b", "i"), "c", "i")
    found, about = told(params, world)
    made = replace(paper_night(), unusual=found, manifest={"unusual": about})
    place = publish(made, tmp_path / "out")
    assert stat.S_IMODE((place / UNUSUAL).stat().st_mode) == 0o600
    said = json.loads((place / "manifest.json").read_text())
    assert said["outputs"][UNUSUAL]["rows"] == len(found)
    assert said["unusual"]["cases"] == 1
    others = [file for file in place.rglob("*") if file.is_file() and file != place / UNUSUAL]
    assert not [file.name for file in others if b"d-a d-b d-c" in file.read_bytes()]
    content, lost = without(place / UNUSUAL, Whose(frozenset({"d-b"}), frozenset()))
    assert lost == 1
    assert b"d-a" not in content


def test_cases_that_do_not_fit_together_are_refused(params):
    world = payer(payer(payer(shard(), "a", "i"), "b", "i"), "c", "i")
    found, _ = told(params, world)
    for column, cell, said in (
        ("rank", 2, "count 1, 2, 3"),
        ("kinds", "rumour", "be kinds"),
        ("reasons", "", "not be empty"),
    ):
        broken = found.assign(**{column: [cell] + found[column].tolist()[1:]})
        with pytest.raises(ContractError, match=said):
            publish(replace(paper_night(), unusual=broken), None)
    with pytest.raises(ContractError, match="lacks 'reasons'"):
        publish(replace(paper_night(), unusual=found.drop(columns="reasons")), None)


@pytest.fixture(scope="module")
def looked(house, tmp_path_factory) -> Path:
    """The last night of the house again, by params that look for unusual cases."""
    folder = tmp_path_factory.mktemp("looked")
    params = load(written_params(folder / "params.yaml", house, unusual={}))
    return publish_night(house / "store", dt.date.fromisoformat(AS_OF), folder / "out", params).folder


def test_a_night_that_looks_changes_no_score_and_no_place_on_the_list(house, looked):
    before = house / "out" / AS_OF
    for name in ("worklist.parquet", "scores.parquet", "next_in_line.csv", "excluded.csv", "deferred.csv"):
        if name == "worklist.parquet":
            after = pd.read_parquet(looked / name)
            assert list(after)[-1] == IDENTITY
            pd.testing.assert_frame_equal(after.drop(columns=IDENTITY), pd.read_parquet(before / name))
        else:
            assert (looked / name).read_bytes() == (before / name).read_bytes()
    outputs = [json.loads((place / "manifest.json").read_text())["outputs"] for place in (before, looked)]
    assert set(outputs[1]) - set(outputs[0]) == {UNUSUAL}


def test_every_face_of_the_list_says_whose_identity_is_to_be_verified(house, looked):
    store, night = Store(house / "store"), day_number(dt.date.fromisoformat(AS_OF))
    found = pd.concat([to_verify(store.tables(shard), night, 14) for shard in range(store.shards)])
    listed = pd.read_csv(looked / "worklist.csv", dtype="str", keep_default_na=False)
    told = listed.set_index("debtor_id")[IDENTITY]
    wanted = found.set_index("debtor_id")["why"].reindex(told.index).fillna("")
    assert ((told != "") == (wanted != "")).all()
    assert 0 < (told != "").sum() < len(told)
    assert told[wanted == "wrong_party"].str.contains("somebody else answered").all()
    assert told[wanted == "new_endpoint"].str.contains("is new since").all()
    page = (looked / "worklist.html").read_text()
    assert all(json.dumps(one)[1:-1] in page for one in set(told))
    with zipfile.ZipFile(looked / "worklist.xlsx") as packed:
        sheets = b"".join(packed.read(name) for name in packed.namelist() if name.startswith("xl/worksheets/sheet"))
    assert all(one.encode() in sheets for one in set(told))
