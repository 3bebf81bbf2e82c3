"""Offers, plans and placements of a delivery: what comes in, and what is judged beside other rows of the account."""

from __future__ import annotations

import math

import pytest

from features.tables import NO_SHARE
from pipeline.intake.ingest import ingest
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, codes, day, instalment, offer, params_with, placement, taken, world, write

THIRDS = [
    instalment(total="100.00", due_on=due_on, amount=amount)
    for due_on, amount in (("2026-03-01", "33.33"), ("2026-04-01", "33.33"), ("2026-05-01", "33.34"))
]


def again(tmp_path, number: int = 2, params=PARAMS, **tables) -> Store:
    """A second delivery into the store of the first."""
    ingest(write(tmp_path / f"source-{number}", tables), tmp_path / "store", params)
    return Store(tmp_path / "store")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_was_tried_comes_in_as_it_was_delivered(tmp_path, form):
    whole = offer(amount="70.50", discount="0.3", instalments="2", first_due_on="2026-03-01", valid_until="2026-02-20")
    offers = [{**whole, "outcome": "accepted", "variant": "b", "probability": ".25"}, offer(offer_id="X2")]
    placed = placement(commission="0.180000", fixed_cost="12.00", recalled_on="2026-06-30")
    _, store = taken(tmp_path, form=form, offers=offers, plans=THIRDS, placements=[placed])
    tables = store.tables()
    tables["offers"] = tables["offers"].sort_values("offer_id", ignore_index=True)
    assert tables["offers"]["discount"].tolist() == [300_000, NO_SHARE]
    assert tables["offers"]["probability"].tolist() == [250_000, NO_SHARE]
    assert tables["offers"][["amount", "instalments", "valid_until", "made_on"]].iloc[0].tolist() == [
        7_050,
        2,
        day("2026-02-20"),
        day("2026-02-03"),
    ]
    assert tables["plans"]["amount"].tolist() == [3_333, 3_333, 3_334]
    assert tables["plans"]["known_on"].tolist() == [day("2026-02-03")] * 3
    assert tables["placements"][["commission", "fixed_cost", "recalled_on"]].iloc[0].tolist() == [
        180_000,
        1_200,
        day("2026-06-30"),
    ]


def test_tables_for_people_show_shares_as_shares_and_what_is_empty_as_empty(tmp_path):
    _, store = taken(tmp_path, offers=[offer(discount="0.3", instalments="2"), offer(offer_id="X2")])
    shown = store.frame("offers").sort_values("offer_id")
    assert shown["discount"].tolist() == pytest.approx([0.3, math.nan], nan_ok=True)
    assert shown["instalments"].tolist() == pytest.approx([2, math.nan], nan_ok=True)


def test_every_row_of_a_plan_that_does_not_add_up_is_set_aside_and_of_it_alone(tmp_path):
    short = [{**row, "plan_id": "X2"} for row in THIRDS[:2]]
    two_totals = [
        {**row, "plan_id": "X3", "total": total} for row, total in zip(THIRDS, ("99", "100", "100"), strict=True)
    ]
    reports, _ = taken(tmp_path, plans=[*THIRDS, *short, *two_totals])
    assert (reports["plans"].accepted, reports["plans"].codes) == (3, {"PLAN_SUM": 5})


def test_a_plan_may_change_later_as_long_as_it_adds_up(tmp_path):
    taken(tmp_path, plans=THIRDS)
    later = {"known_at": "2026-03-05"}
    moved = [{**THIRDS[1], "amount": "0.00", **later}, {**THIRDS[2], "amount": "66.67", **later}]
    assert len(again(tmp_path, 2, plans=moved).tables()["plans"]) == 5
    store = again(tmp_path, 3, plans=[{**THIRDS[0], "amount": "20.00", "known_at": "2026-03-08"}])
    assert (len(store.tables()["plans"]), set(codes(tmp_path / "store").values())) == (5, {"PLAN_SUM"})


def test_a_placement_waits_until_the_one_before_is_recalled(tmp_path):
    first, second = placement(), placement(placement_id="X2", party="lex", route="legal", placed_on="2026-05-01")
    taken(tmp_path, placements=[first])
    assert len(again(tmp_path, 2, placements=[second]).tables()["placements"]) == 1
    assert set(codes(tmp_path / "store").values()) == {"PLACEMENT_OVERLAP"}
    recalled = {**first, "recalled_on": "2026-05-01", "known_at": "2026-05-01"}
    assert len(again(tmp_path, 3, placements=[recalled, second]).tables()["placements"]) == 3


def test_a_recall_taken_back_does_not_reach_over_the_next_placement(tmp_path):
    first = placement(recalled_on="2026-05-01")
    taken(tmp_path, placements=[first, placement(placement_id="X2", placed_on="2026-05-01")])
    store = again(tmp_path, placements=[{**first, "recalled_on": "2026-05-20", "known_at": "2026-05-02"}])
    assert (len(store.tables()["placements"]), set(codes(tmp_path / "store").values())) == (2, {"PLACEMENT_OVERLAP"})


def test_a_new_placement_of_before_yields_to_one_that_is_held_and_its_recall_comes_in(tmp_path):
    held = placement(placement_id="P2")
    taken(tmp_path, placements=[held])
    older = placement(placement_id="P1", placed_on="2026-01-10")
    recall = {**held, "recalled_on": "2026-04-01", "known_at": "2026-04-01"}
    store = again(tmp_path, placements=[older, recall])
    assert store.tables()["placements"]["placement_no"].nunique() == 1
    assert store.tables()["placements"]["recalled_on"].max() == day("2026-04-01")


def test_a_placement_that_overlaps_only_one_that_is_out_comes_in(tmp_path):
    spans = {"A": ("2026-02-01", "2026-02-20"), "B": ("2026-02-10", "2026-03-20"), "C": ("2026-03-01", "")}
    rows = [placement(placement_id=name, placed_on=since, recalled_on=until) for name, (since, until) in spans.items()]
    reports, _ = taken(tmp_path, placements=rows)
    assert (reports["placements"].accepted, reports["placements"].codes) == (2, {"PLACEMENT_OVERLAP": 1})


def test_all_that_overlap_one_that_stays_are_set_aside(tmp_path):
    rows = [
        placement(placement_id=name, placed_on=f"2026-0{month}-01") for name, month in (("A", 2), ("B", 3), ("C", 4))
    ]
    reports, store = taken(tmp_path, placements=rows)
    assert reports["placements"].codes == {"PLACEMENT_OVERLAP": 2}
    assert store.tables()["placements"]["placed_on"].tolist() == [day("2026-02-01")]


def test_without_parties_in_the_params_anybody_may_be_named(tmp_path):
    reports, _ = taken(tmp_path, placements=[placement(party="whoever")])
    assert reports["placements"].accepted == 1
    reports, _ = taken(tmp_path / "named", params_with(parties=("acme",)), placements=[placement(party="whoever")])
    assert reports["placements"].codes == {"PARTY_UNKNOWN": 1}


def test_the_same_delivery_again_changes_nothing(tmp_path):
    tables = world(offers=[offer(discount="0.25")], plans=THIRDS, placements=[placement()])
    source = write(tmp_path / "source", tables)
    ingest(source, tmp_path / "store", PARAMS)
    before = {name: len(frame) for name, frame in Store(tmp_path / "store").tables().items()}
    ingest(write(tmp_path / "renamed", tables, form="csv.gz"), tmp_path / "store", PARAMS)
    assert {name: len(frame) for name, frame in Store(tmp_path / "store").tables().items()} == before
