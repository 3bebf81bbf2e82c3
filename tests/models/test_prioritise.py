"""Net value by hand, the control group over many nights, and the groups: each account in exactly one,
in the order of the contract. Also of value.py and lot.py.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cohort import bucket
from features.errors import ContractError
from features.members import in_numbers
from features.tables import NO_DAY, NO_TIME
from models.lot import CONTROL, TO_WORK, WORKED, ControlTerms, draw_control
from models.prioritise import (
    BY_LOT,
    GROUPS,
    ChannelRoom,
    Floor,
    counted,
    in_order,
    joined_to,
    not_listed_before,
    overbooked,
    placed,
)
from models.value import ADDED, TOTAL, VALUE_COLUMNS, net_value
from tests.worlds.ranked import TERMS, accounts, arms, rank

CAPACITY = {"default": 2, "small": 1}


def groups(rows: pd.DataFrame, held: pd.DataFrame | None = None, capacity=None) -> list[str]:
    return list(rank(rows, arms() if held is None else held, capacity or CAPACITY)["group"])


# --- value ------------------------------------------------------------------------------------------------------------


def test_net_value_by_hand():
    """The example of docs/value.md: 1,000.00 USD at 25 %, worked for 20 % commission or owned; 12 days at 8 %;
    a call of 1.20 EUR.
    """
    rows = pd.DataFrame(
        {
            "currency": ["USD", "USD"],
            "portfolio": ["own", "agency"],
            "channel": ["call", "call"],
            "expected_recovery": [25_000, 25_000],
        }
    )
    found = net_value(rows, TERMS)
    assert list(found.columns) == list(VALUE_COLUMNS)
    own = 0.92 * 1.0 * 250.00 / 1.08 ** (12 / 365) - 1.20
    agency = 0.92 * 0.2 * 250.00 - 1.20
    assert list(found["net_value"]) == [round(100 * own), round(100 * agency)] == [22_822, 4_480]
    assert list(found["contact_cost"]) == [120, 120]
    assert found["discount"].tolist() == pytest.approx([1.08 ** (-12 / 365), 1.0])


def test_every_planned_attempt_costs_and_the_audit_sheet_shows_each_term():
    """The third line of the example of docs/value.md: two calls planned."""
    rows = pd.DataFrame(
        {"currency": ["USD"], "portfolio": ["own"], "channel": ["call"], "attempts": [2], "expected_recovery": [25_000]}
    )
    found = net_value(rows, TERMS).iloc[0]
    assert (found["attempts"], found["cost_per_attempt"], found["contact_cost"]) == (2, 120, 240)
    assert (
        found["net_value"]
        == round(100 * (found["fx"] * found["share"] * 250.00 * found["discount"] - 2 * 1.20))
        == 22_702
    )


def test_minor_units_of_both_currencies_are_respected():
    rows = pd.DataFrame(
        {"currency": ["JPY"], "portfolio": ["agency"], "channel": ["sms"], "expected_recovery": [100_000]}
    )
    assert net_value(rows, TERMS)["net_value"].tolist() == [round(100 * (100_000 * 0.0061 * 0.2 - 0.08))]


def test_nothing_planned_costs_nothing_and_a_channel_without_a_cost_is_refused():
    rows = pd.DataFrame({"currency": ["EUR"], "portfolio": ["agency"], "channel": [""], "expected_recovery": [500]})
    assert net_value(rows, TERMS)["net_value"].tolist() == [100]
    with pytest.raises(ContractError, match=r"Channel 'visit' has no cost\. Add it to worklist\.costs\."):
        net_value(rows.assign(channel="visit"), TERMS)


def test_a_currency_without_a_rate_blocks_its_accounts():
    rows = pd.DataFrame({"currency": ["CHF"], "portfolio": ["own"], "channel": ["call"], "expected_recovery": [10**6]})
    found = net_value(rows, TERMS)
    assert math.isnan(found["fx"].iloc[0])
    assert found["net_value"].iloc[0] == 0
    assert groups(accounts({"fx": math.nan})) == ["excluded"]


# --- groups and order -------------------------------------------------------------------------------------------------


def test_every_account_is_in_one_group_decided_in_the_order_of_the_contract():
    rows = accounts(
        {"group": "excluded", "debtor_id": "held", "net_value": -1},
        {"group": "deferred", "debtor_id": "held"},
        {"group": "permitted", "debtor_id": "held", "net_value": -1},
        {"group": "deferred", "net_value": -1},
        {"net_value": 0},
        {"net_value": 3000},
        {"net_value": 2000},
        {"net_value": 1000},
    )
    held = arms(held=CONTROL, d5=WORKED)
    assert groups(rows, held) == [
        "excluded",
        "held_out",
        "held_out",
        "deferred",
        "no_value",
        "worklist",
        "worklist",
        "below_capacity",
    ]
    assert counted(rank(rows, held, CAPACITY)["group"]) == {
        "scorable": 8,
        "excluded": 1,
        "held_out": 2,
        "deferred": 1,
        "self_cure": 0,
        "no_value": 1,
        "worklist": 2,
        "joined": 0,
        "below_capacity": 1,
    }


def test_one_row_per_debtor_with_its_other_accounts_joined():
    rows = accounts(
        {"debtor_id": "d", "account_id": "low", "net_value": 10},
        {"debtor_id": "d", "account_id": "high", "net_value": 500},
        {"debtor_id": "d", "account_id": "later", "group": "deferred", "net_value": 900},
        {"debtor_id": "d", "account_id": "stopped", "group": "excluded", "net_value": 900},
        {"debtor_id": "d", "account_id": "also", "net_value": 20, "queue": "other"},
        {"debtor_id": "e", "account_id": "e", "net_value": 400},
    )
    found = rank(rows, arms(), CAPACITY)
    assert list(found["group"]) == ["joined", "worklist", "deferred", "excluded", "joined", "worklist"]
    assert found["joined_accounts"].tolist() == ["", "also low", "", "", "", ""]
    assert found["head"].tolist() == ["high", "high", "", "", "high", "e"]
    assert found["rank"].tolist() == [0, 1, 0, 0, 0, 2]


def test_the_accounts_of_a_debtor_below_capacity_are_below_it_too():
    rows = accounts(
        {"net_value": 9}, {"net_value": 8}, {"debtor_id": "d", "net_value": 7}, {"debtor_id": "d", "net_value": 6}
    )
    assert groups(rows) == ["worklist", "worklist", "below_capacity", "below_capacity"]


def test_ties_go_to_the_larger_expected_recovery_then_to_the_smaller_account_id():
    rows = accounts(
        {"account_id": "b", "expected_recovery": 5},
        {"account_id": "a", "expected_recovery": 5},
        {"account_id": "z", "expected_recovery": 6},
    )
    found = rank(rows, arms(), {"default": 9})
    assert dict(zip(rows["account_id"], found["rank"], strict=True)) == {"z": 1, "a": 2, "b": 3}


def test_appointments_come_first_then_legal_deadlines_then_value():
    rows = accounts(
        {"account_id": "rich", "net_value": 9000},
        {"account_id": "later", "legal_deadline_on": 30},
        {"account_id": "soon", "legal_deadline_on": 20},
        {"account_id": "met", "appointment_at": 5, "net_value": 1},
    )
    found = rank(rows, arms(), {"default": 9})
    assert [rows["account_id"][place] for place in found.sort_values("rank").index] == ["met", "soon", "later", "rich"]


def test_capacity_is_per_queue_and_what_does_not_fit_of_the_appointments_is_said():
    rows = accounts(
        {"queue": "small", "appointment_at": 5},
        {"queue": "small", "appointment_at": 6},
        {"queue": "big"},
        {"queue": "big"},
        {"queue": "big"},
    )
    found = rank(rows, arms(), CAPACITY)
    assert list(found["group"]) == ["worklist", "below_capacity", "worklist", "worklist", "below_capacity"]
    assert overbooked(rows, placed(rows, arms(), CAPACITY)) == [
        "Queue small: 1 debtors with an appointment or a legal deadline do not fit its capacity. Raise "
        "worklist.capacity.small, "
        "or that of the channel or the agents they need."
    ]
    assert overbooked(rows, placed(rows, arms(), {"default": 9})) == []


FLOOR = Floor(days=30, share=0.5)


def test_who_waits_longest_has_a_place_of_the_floor_and_the_list_stays_in_order_of_value():
    rows = accounts(
        {"account_id": "rich", "net_value": 900, "waiting_since": 99},
        {"account_id": "fair", "net_value": 800, "waiting_since": 98},
        {"account_id": "old", "net_value": 20, "waiting_since": 40},
        {"account_id": "older", "net_value": 10, "waiting_since": 30},
        {"account_id": "poor", "net_value": 700, "waiting_since": 71},
    )
    found = rank(rows, arms(), {"default": 2}, 100, FLOOR)
    assert list(found["group"]) == ["worklist", "below_capacity", "below_capacity", "worklist", "below_capacity"]
    assert (found["rank"].tolist(), found["listed_by"].tolist()) == ([1, 0, 0, 2, 0], ["value", "", "", "waiting", ""])
    assert rank(rows, arms(), {"default": 2}, 100, Floor(30, 0.0))["rank"].tolist() == [1, 2, 0, 0, 0]
    assert rank(rows, arms(), {"default": 2}, 100, Floor(90, 0.5))["rank"].tolist() == [1, 2, 0, 0, 0]


def test_appointments_and_deadlines_come_before_the_floor():
    rows = accounts(
        {"account_id": "met", "appointment_at": 5, "net_value": 1, "waiting_since": 99},
        {"account_id": "old", "waiting_since": 3},
        {"account_id": "due", "legal_deadline_on": 130, "waiting_since": 99},
    )
    found = rank(rows, arms(), {"default": 2}, 100, Floor(30, 1.0))
    assert found["listed_by"].tolist() == ["appointment", "", "legal deadline"]


def test_nobody_starves_while_the_floor_has_places():
    """24 debtors, four places, one of them the floor's: everyone is worked within floor + 24 nights,
    though values never change.
    """
    rows = accounts(*({"net_value": 10_000 - place, "waiting_since": 0} for place in range(24)))
    seen = set()
    for night in range(100, 100 + 12 + 24):
        listed = rank(rows, arms(), {"default": 4}, night, Floor(12, 0.25))["group"] == "worklist"
        seen |= set(rows["account_id"][listed])
        rows.loc[listed, "waiting_since"] = night
    assert len(seen) == 24
    greedy = rank(rows, arms(), {"default": 4}, 200)["group"] == "worklist"
    assert set(rows["account_id"][greedy]) == {"a0", "a1", "a2", "a3"}  # without it the same four every night


def options_of(rows: pd.DataFrame, *channels: tuple[str, int, int]) -> pd.DataFrame:
    """Every account may be worked by each (channel, attempts, cost), in this order."""
    parts = [
        rows[["account_no"]].assign(channel=name, place=place, attempts=attempts, net_value=rows["net_value"] - cost)
        for place, (name, attempts, cost) in enumerate(channels)
    ]
    return pd.concat(parts).sort_values(["account_no", "place"], ignore_index=True)


def test_a_full_channel_sends_the_next_ones_to_their_next_channel_or_below_capacity():
    rows = accounts({"net_value": 500}, {"net_value": 400}, {"net_value": 30}, {"net_value": 200})
    rows["account_no"] = np.arange(4)
    room = ChannelRoom({"call": 5, "sms": 1}, options_of(rows, ("call", 2, 0), ("sms", 1, 50)))
    found = rank(rows, arms(), {"default": 9}, room=room)
    # two calls each leave room for one more attempt, too little for a third debtor
    assert found["option"].tolist() == [0, 0, 0, 1]
    assert found["group"].tolist() == ["worklist", "worklist", "below_capacity", "worklist"]
    assert found["rank"].tolist() == [1, 2, 0, 3]


def test_an_agreed_call_is_never_turned_into_a_message():
    rows = accounts({"appointment_at": 5}, {"net_value": 9000})
    rows["account_no"] = np.arange(2)
    options = options_of(rows, ("call", 1, 0), ("sms", 1, 1))
    found = rank(rows, arms(), {"default": 9}, room=ChannelRoom({"call": 1}, options))
    assert found["option"].tolist() == [0, 1]
    assert found["rank"].tolist() == [1, 2]
    full = placed(rows, arms(), {"default": 9}, room=ChannelRoom({"call": 0}, options))
    assert full["group"].tolist() == ["below_capacity", "worklist"]
    assert "1 debtors with an appointment" in overbooked(rows, full)[0]


@settings(deadline=None, max_examples=20)
@given(st.data())
def test_no_queue_and_no_channel_ever_holds_more_than_it_can(data):
    rows = accounts(*data.draw(portfolios))
    rows["account_no"] = np.arange(len(rows))
    rows["waiting_since"] = data.draw(st.lists(st.integers(0, 99), min_size=len(rows), max_size=len(rows)))
    limits = {"call": data.draw(st.integers(0, 6)), "sms": data.draw(st.integers(0, 3))}
    options = options_of(rows, ("call", 2, 0), ("sms", 1, 1), ("email", 1, 2))
    found = rank(
        rows,
        arms(),
        CAPACITY,
        100,
        Floor(30, data.draw(st.sampled_from((0.0, 0.5, 1.0)))),
        ChannelRoom(limits, options),
    )
    listed = rows.assign(place=found["option"], rank=found["rank"])[found["group"] == "worklist"]
    for queue, own in listed.groupby("queue"):
        assert sorted(own["rank"]) == list(range(1, len(own) + 1))
        assert len(own) <= CAPACITY.get(queue, CAPACITY["default"])
    used = listed.merge(options, on=["account_no", "place"], suffixes=("", "_planned"))
    assert len(used) == len(listed)
    assert (used["net_value_planned"] > 0).all()
    assert all(used.loc[used["channel"] == name, "attempts"].sum() <= limit for name, limit in limits.items())
    assert (used.loc[used["appointment_at"] != NO_TIME, "place"] == 0).all()
    assert sum(counted(found["group"]).values()) == 2 * len(rows)


def test_an_appointment_tonight_is_kept_for_a_held_out_debtor():
    rows = accounts({"debtor_id": "d", "appointment_at": 5}, {"debtor_id": "d"}, {"debtor_id": "e"})
    assert groups(rows, arms(d=CONTROL, e=CONTROL)) == ["worklist", "joined", "held_out"]


def test_counts_that_do_not_add_up_are_refused():
    with pytest.raises(ContractError, match="The groups hold 1 accounts and 2 are scorable"):
        counted(pd.Series(["worklist", "lost"]))


portfolios = st.lists(
    st.fixed_dictionaries(
        {
            "debtor_id": st.sampled_from("defghijklmno"),
            "queue": st.sampled_from(("q", "small", "other")),
            "group": st.sampled_from(("permitted", "permitted", "permitted", "deferred", "excluded")),
            "net_value": st.integers(-2, 6),
            "expected_recovery": st.integers(0, 3),
            "appointment_at": st.sampled_from((NO_TIME, NO_TIME, 5)),
            "fx": st.sampled_from((1.0, 1.0, math.nan)),
        }
    ),
    min_size=1,
    max_size=40,
)


def slow_groups(rows: pd.DataFrame, held: set[str], capacity: dict[str, int]) -> dict[str, str]:
    """The contract read aloud, one account at a time."""
    found, listed, places = {}, {}, dict.fromkeys(set(rows["queue"]), 0)
    bound = set(rows["debtor_id"][rows["appointment_at"] != NO_TIME])
    table = rows.to_dict("records")
    for row in table:
        if row["group"] == "excluded" or math.isnan(row["fx"]):
            found[row["account_id"]] = "excluded"
        elif row["debtor_id"] in held and row["debtor_id"] not in bound:
            found[row["account_id"]] = "held_out"
        elif row["group"] == "deferred":
            found[row["account_id"]] = "deferred"
        elif row["net_value"] <= 0:
            found[row["account_id"]] = "no_value"
    free = [row for row in table if row["account_id"] not in found]
    free.sort(
        key=lambda row: (
            row["appointment_at"] == NO_TIME,
            -row["net_value"],
            -row["expected_recovery"],
            row["account_id"],
        )
    )
    for row in free:
        if row["debtor_id"] in listed:
            found[row["account_id"]] = "joined" if listed[row["debtor_id"]] else "below_capacity"
            continue
        places[row["queue"]] += 1
        listed[row["debtor_id"]] = places[row["queue"]] <= capacity.get(row["queue"], capacity["default"])
        found[row["account_id"]] = "worklist" if listed[row["debtor_id"]] else "below_capacity"
    return found


@settings(deadline=None, max_examples=25)
@given(portfolios, st.sets(st.sampled_from("defghijklmno")))
def test_groups_partition_the_accounts_as_the_contract_reads(portfolio, held):
    rows = accounts(*portfolio)
    found = rank(rows, arms(**dict.fromkeys(sorted(held), CONTROL)), CAPACITY)
    assert dict(zip(rows["account_id"], found["group"], strict=True)) == slow_groups(rows, held, CAPACITY)
    assert set(found["group"]) <= set(GROUPS)
    assert sum(counted(found["group"]).values()) == 2 * len(rows)
    listed = found[found["group"] == "worklist"]
    assert sorted(" ".join(listed["joined_accounts"]).split()) == sorted(rows["account_id"][found["group"] == "joined"])
    assert not rows["debtor_id"][listed.index].duplicated().any()
    for _, ranks in listed.groupby(rows["queue"]):
        assert sorted(ranks["rank"]) == list(range(1, len(ranks) + 1))


@settings(deadline=None, max_examples=20)
@given(portfolios, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(portfolio, random):
    rows = accounts(*portfolio)
    order = list(range(len(rows)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(rank(rows, arms(), CAPACITY), rank(rows.iloc[order], arms(), CAPACITY).sort_index())


# --- the control group ------------------------------------------------------------------------------------------------
CONTROL_TERMS = ControlTerms(share=0.1, span_days=44, seed=7)


NOBODY = pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "until_on": pd.Series(dtype="int32")})


def people(number: int, **columns) -> pd.DataFrame:
    rows = accounts(*({"debtor_id": f"p{place:05d}"} for place in range(number)))
    return rows.assign(**columns)


def test_each_stratum_holds_out_its_share_rounded_by_a_coin():
    rows = people(3010)
    rows["portfolio"] = np.where(np.arange(3010) % 3 == 0, "own", "agency")
    rows["days_past_due"] = np.arange(3010) % 200
    drawn = draw_control(rows, NOBODY, 100, CONTROL_TERMS)
    assert set(drawn["probability"]) == {0.1}
    assert (drawn["assigned_on"] == 100).all()
    assert (drawn["until_on"] == 144).all()
    held = (drawn.set_index("debtor_id")["arm"] == CONTROL).reindex(rows["debtor_id"]).to_numpy()
    strata = rows.assign(held=held, bucket=bucket(rows["days_past_due"]).astype("str")).groupby(
        ["portfolio", "bucket"]
    )["held"]
    assert len(strata) == 12
    for _, held_of in strata:
        assert held_of.sum() in (math.floor(0.1 * len(held_of)), math.ceil(0.1 * len(held_of)))


def test_everybodys_chance_is_the_share_however_small_the_stratum():
    """Strata of three hold out nobody or one: over many nights each debtor one time in ten."""
    rows = people(300)
    rows["portfolio"] = [f"p{place // 3}" for place in range(300)]
    nights = 60
    times = sum(
        (draw_control(rows, NOBODY, night, CONTROL_TERMS)["arm"] == CONTROL).to_numpy() for night in range(nights)
    )
    assert abs(times.sum() - 1800) < 4 * math.sqrt(300 * nights * 0.1 * 0.9)
    assert (abs(times - 6) < 5 * math.sqrt(nights * 0.1 * 0.9)).all()


def test_the_draw_knows_neither_value_nor_rank_nor_the_order_of_the_rows():
    rows = people(300)
    plain = draw_control(rows, NOBODY, 100, CONTROL_TERMS)
    richer = rows.assign(net_value=np.arange(300), expected_recovery=np.arange(300)[::-1])
    pd.testing.assert_frame_equal(plain, draw_control(richer.iloc[::-1], NOBODY, 100, CONTROL_TERMS))


def test_an_arm_is_kept_for_its_whole_span_and_drawn_anew_after_it():
    rows, earlier, history = people(400), NOBODY, {}
    for night in range(100, 148, 4):
        drawn = draw_control(rows, earlier, night, CONTROL_TERMS)
        earlier = drawn
        history[night] = drawn.set_index("debtor_id")["arm"]
    for night in range(100, 144, 4):
        assert (history[night] == history[100]).all()
    assert (history[144] != history[100]).any()
    assert (history[144] == CONTROL).mean() == pytest.approx(0.1, abs=0.06)


def test_a_debtor_keeps_its_arm_while_it_is_not_workable():
    first = draw_control(people(50), NOBODY, 100, CONTROL_TERMS)
    second = draw_control(people(50, group="deferred"), first, 120, CONTROL_TERMS)
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize(
    "columns",
    [
        {"group": "deferred"},
        {"group": "excluded"},
        {"appointment_at": 5},
        {"legal_deadline_on": 101},
        {"appointment": True},
        {"hardship": True},
    ],
)
def test_who_is_not_workable_or_has_an_appointment_a_deadline_or_hardship_is_never_drawn(columns):
    assert draw_control(people(200, **columns), NOBODY, 100, CONTROL_TERMS).empty


def test_hardship_on_one_account_keeps_the_whole_debtor_out_of_the_draw():
    rows = pd.concat(
        [people(200, hardship=False), people(200, group="excluded", hardship=True).assign(account_id="b")],
        ignore_index=True,
    )
    assert draw_control(rows, NOBODY, 100, CONTROL_TERMS).empty


def test_whole_debtors_are_held_out_and_another_seed_holds_out_others():
    rows = pd.concat(
        [people(200), people(200).assign(account_id=[f"b{place}" for place in range(200)])], ignore_index=True
    )
    drawn = draw_control(rows, NOBODY, 100, CONTROL_TERMS)
    assert len(drawn) == 200
    found = rank(rows, drawn, {"default": 10**6})
    held = found["group"] == "held_out"
    assert held.any()
    assert (held.groupby(rows["debtor_id"]).nunique() == 1).all()
    other = draw_control(rows, NOBODY, 100, ControlTerms(0.1, 44, 8))
    assert (other["arm"] != drawn["arm"]).any()


def test_no_share_holds_nobody_out():
    drawn = draw_control(people(200), NOBODY, 100, ControlTerms(0.0, 44, 7))
    assert (drawn["arm"] == WORKED).all()
    assert np.issubdtype(drawn["until_on"].dtype, np.integer)


# What working adds, and the lot that proves it


def test_net_value_counts_what_its_terms_say():
    rows = pd.DataFrame(
        {
            "currency": ["EUR"],
            "portfolio": ["own"],
            "expected_recovery": [50_000],
            "added_recovery": [4_000],
            "channel": ["call"],
        }
    )
    total, added = (net_value(rows, replace(TERMS, of=of)) for of in (TOTAL, ADDED))
    waiting = 1.08 ** (-12 / 365)
    assert total["net_value"].iloc[0] == round(50_000 * waiting - 120)
    assert added["net_value"].iloc[0] == round(4_000 * waiting - 120)


def test_the_lot_draws_both_arms_by_stratum_each_with_its_own_probability():
    terms = ControlTerms(0.05, 44, 7, worked_share=0.1)
    shares = []
    for night in range(60):
        drawn = draw_control(people(200), NOBODY, night, terms)
        assert (drawn["until_on"] == night + 44).all()
        assert (drawn.loc[drawn["arm"] == TO_WORK, "probability"] == 0.1).all()
        assert (drawn.loc[drawn["arm"] == CONTROL, "probability"] == 0.05).all()
        shares.append([(drawn["arm"] == arm).mean() for arm in (CONTROL, TO_WORK)])
    assert np.mean(shares, axis=0) == pytest.approx([0.05, 0.1], abs=0.006)
    without = draw_control(people(200), NOBODY, 3, ControlTerms(0.05, 44, 7))
    with_work = draw_control(people(200), NOBODY, 3, terms)
    held = [set(found.loc[found["arm"] == CONTROL, "debtor_id"]) for found in (without, with_work)]
    assert held[0] == held[1]  # who is held out does not hang on the other arm


@pytest.mark.parametrize(
    "columns", [{"hardship": True}, {"appointment_at": 5}, {"legal_deadline_on": 90}, {"appointment": True}]
)
def test_nobody_in_hardship_or_bound_is_ever_drawn_to_be_worked(columns):
    assert draw_control(people(200, **columns), NOBODY, 80, ControlTerms(0.0, 44, 7, worked_share=0.3)).empty


def lots(rows: pd.DataFrame, **assigned: int) -> pd.DataFrame:
    return pd.DataFrame({"debtor_id": list(assigned), "arm": TO_WORK, "assigned_on": list(assigned.values())})


def test_the_lot_takes_places_of_the_floor_first_whatever_the_account_is_worth():
    rows = accounts(*({"net_value": 1000 - 100 * place} for place in range(8)), {"net_value": -50}, {"net_value": -60})
    rows["waiting_since"] = 10
    floor = Floor(30, 0.5)
    found = rank(rows, lots(rows, d8=60), {"default": 4}, 100, floor)
    assert found["group"].tolist()[-2:] == ["worklist", "no_value"]
    assert found["listed_by"][8] == BY_LOT
    assert (found["group"] == "worklist").sum() == 4
    assert (found["listed_by"] == "waiting").sum() == 0  # the longest waiting of equal ones are the best by value
    worked = rank(rows.assign(waiting_since=70), lots(rows, d8=60), {"default": 4}, 100, floor)
    assert worked["group"][8] == "no_value"  # worked since the draw: its turn is over
    alone = rows.assign(self_cure=rows.index == 7)
    assert rank(alone, lots(rows, d7=60), {"default": 4}, 100, floor)["group"][7] == "worklist"
    assert rank(alone, arms(), {"default": 4}, 100, floor)["group"][7] == "self_cure"


@pytest.mark.parametrize("column", ["hardship", "appointment"])
def test_a_lot_drawn_before_hardship_or_an_appointment_is_let_go(column):
    rows = accounts({"net_value": 100}, {"net_value": -50}).assign(waiting_since=10, hardship=False, appointment=False)
    rows.loc[1, column] = True
    assert rank(rows, lots(rows, d1=60), {"default": 4}, 100, Floor(30, 0.5))["group"][1] == "no_value"


def test_everybody_the_lot_decides_over_has_the_rank_it_would_have_had():
    rows = accounts(*({"net_value": 1000 - 100 * place} for place in range(5)), {"net_value": -1}).assign(
        waiting_since=10
    )
    lot = pd.DataFrame({"debtor_id": ["d1", "d3", "d5"], "arm": [CONTROL, TO_WORK, CONTROL], "assigned_on": 60})
    found = rank(rows, lot, {"default": 2}, 100, Floor(30, 0.5))
    assert found["would_rank"].tolist() == [0, 2, 0, 4, 0, 0]
    assert found["group"][1] == "held_out"


def test_whom_the_order_holds_down_takes_no_would_be_rank_from_others():
    rows = accounts(*({"net_value": 1000 - 100 * place} for place in range(4))).assign(
        held_down=[True, False, True, False]
    )
    lot = pd.DataFrame({"debtor_id": ["d2", "d3"], "arm": [CONTROL, CONTROL], "assigned_on": 60})
    assert rank(rows, lot, {"default": 2})["would_rank"].tolist() == [0, 0, 0, 2]


def test_those_who_pay_alone_are_a_group_of_their_own_unless_bound():
    rows = accounts({"net_value": -5}, {}, {"appointment_at": 7}, {"group": "deferred"}).assign(self_cure=True)
    assert groups(rows) == ["self_cure", "self_cure", "worklist", "deferred"]


# Vulnerable people are never pushed up


def of_two_orders() -> tuple[pd.DataFrame, pd.Series]:
    """By the new value d0 and d1 come first; by the former d2 and d3 do. Of d0 hardship is recorded, of d3 too."""
    rows = accounts(*({"net_value": value} for value in (900, 800, 700, 600, 500)))
    rows["hardship"] = [True, False, False, True, False]
    return rows, pd.Series([100, 200, 900, 800, 300], index=rows.index)


def test_hardship_is_not_listed_where_the_former_order_would_not_have_listed_it():
    rows, before = of_two_orders()
    held = not_listed_before(rows, arms(), {"default": 2}, before)
    assert held.tolist() == [True, False, False, False, False]
    free, down = rank(rows, arms(), {"default": 2}), rank(rows.assign(held_down=held), arms(), {"default": 2})
    assert free["rank"].tolist() == [1, 2, 0, 0, 0]  # the canary: without it d0 is pushed up
    assert down["rank"].tolist() == [0, 1, 2, 0, 0]
    assert down["group"].iloc[0] == "below_capacity"
    assert down["listed_by"].tolist() == ["", "value", "value", "", ""]


def test_an_appointment_of_somebody_held_down_is_kept_and_a_limited_channel_changes_nothing():
    rows, before = of_two_orders()
    rows = rows.assign(account_no=range(5), channel="call", held_down=not_listed_before(rows, arms(), CAPACITY, before))
    met = rank(rows.assign(appointment_at=[5, *[NO_TIME] * 4]), arms(), {"default": 2})
    assert met["rank"].tolist() == [1, 2, 0, 0, 0]
    options = rows[["account_no", "channel", "net_value"]].assign(place=0, attempts=1)
    limited = rank(rows, arms(), {"default": 2}, room=ChannelRoom({"call": 9}, options))
    assert limited["rank"].tolist() == [0, 1, 2, 0, 0]


@given(st.integers(0, 10**6), st.integers(1, 12))
@settings(max_examples=20, deadline=None)
def test_no_hardship_is_ever_listed_by_the_new_order_alone(seed, places):
    draw = np.random.default_rng(seed)
    rows = accounts(*({"debtor_id": f"d{number // 2}", "queue": "ab"[number // 2 % 2]} for number in range(40)))
    rows["net_value"], before = draw.integers(-50, 500, 40), pd.Series(draw.integers(-50, 500, 40), index=rows.index)
    rows["hardship"] = draw.random(40) < 0.3
    room = {"default": places}
    after = rank(rows.assign(held_down=not_listed_before(rows, arms(), room, before)), arms(), room)
    former = rank(rows.assign(net_value=before), arms(), room)
    vulnerable = set(rows["debtor_id"][rows["hardship"]])
    listed = [set(rows["debtor_id"][ranks["group"] == "worklist"]) & vulnerable for ranks in (after, former)]
    assert listed[0] <= listed[1]


# --- shards ----------------------------------------------------------------------------------------------------------

QUEUES = ("small", "other")


@st.composite
def books(draw) -> pd.DataFrame:
    """Accounts of few debtors, of few values so that many are equal, with all that decides a group."""
    many = draw(st.integers(1, 30))
    rows = []
    for number in range(many):
        whose = draw(st.integers(0, 12))
        row = {
            "account_id": f"{draw(st.sampled_from(['a', 'B', 'é', 'z9']))}{number}",
            "debtor_id": f"d{whose}",
            "queue": draw(st.sampled_from(QUEUES)),
            "group": draw(st.sampled_from(["permitted", "permitted", "permitted", "deferred", "excluded"])),
            "appointment_at": draw(st.sampled_from([NO_TIME, NO_TIME, NO_TIME, 5])),
            "legal_deadline_on": draw(st.sampled_from([NO_DAY, NO_DAY, NO_DAY, 7, 9])),
            "net_value": draw(st.sampled_from([-5, 100, 200])),
            "expected_recovery": draw(st.sampled_from([10, 20])),
            "days_past_due": draw(st.sampled_from([3, 40, 400])),
            "fx": draw(st.sampled_from([1.0, 1.0, 1.0, float("nan")])),
            "hardship": draw(st.sampled_from([False, False, True])),
            "self_cure": draw(st.sampled_from([False, False, True])),
            "waiting_since": draw(st.integers(0, 90)),
        }
        rows.append(row)
    return accounts(*rows)


@settings(deadline=None)
@given(books(), st.randoms(use_true_random=False), st.integers(0, 3), st.sampled_from([0.0, 0.3]))
def test_shards_ranked_by_numbers_are_ranked_as_all_accounts_by_their_ids(rows, chance, most, share):
    """Debtors cut into shards, each text a number that rises as the texts do: arms, groups, ranks and heads are those
    of the whole frame.
    """
    capacity, as_of = {"default": most, "small": 1}, 100
    terms, floor = ControlTerms(0.2, 30, 5, 0.2), Floor(20, share)
    held = draw_control(rows, pd.DataFrame(), as_of, terms)
    down = not_listed_before(rows, held, capacity, rows["net_value"] * -1)
    whole = rank(rows.assign(held_down=down), held, capacity, as_of, floor)
    homes = {name: chance.randrange(3) for name in sorted(set(rows["debtor_id"]))}
    shards = [rows[rows["debtor_id"].map(homes) == shard] for shard in range(3)]
    apart = pd.concat(shards).rename_axis("at").reset_index()
    texts = {name: pa.chunked_array([pa.array(each[name], pa.large_string()) for each in shards]) for name in IDS}
    coded = apart.assign(account_id=in_numbers(texts["account_id"])[0], group=apart["group"].astype("category"))
    coded["debtor_id"], names = in_numbers(texts["debtor_id"])
    pd.testing.assert_frame_equal(draw_control(coded, pd.DataFrame(), as_of, terms, names), held)
    numbered = held.assign(debtor_id=held["debtor_id"].map({name: at for at, name in enumerate(names)}))
    coded["held_down"] = not_listed_before(coded, numbered, capacity, coded["net_value"] * -1)
    found = placed(coded, numbered, capacity, as_of, floor)
    ids, head = apart["account_id"].to_numpy(), found["head"].to_numpy()
    joined = joined_to(found, ids)
    told = found.assign(
        head=[ids[at] if at >= 0 else "" for at in head], joined_accounts=[joined.get(at, "") for at in range(len(ids))]
    ).set_axis(apart["at"])
    for name in ("group", "rank", "head", "joined_accounts", "listed_by", "would_rank"):
        assert told[name].astype(object).sort_index().tolist() == whole[name].tolist(), name
    beyond = apart.assign(line=found["line"])[(found["group"] == "below_capacity").to_numpy()].sort_values("line")
    assert beyond["account_id"].tolist() == in_order(rows[whole["group"] == "below_capacity"])["account_id"].tolist()


IDS = ("account_id", "debtor_id")


@settings(deadline=None)
@given(books(), st.integers(0, 3))
def test_the_list_is_that_of_a_plain_loop(rows, most):
    """Every debtor whose best account may be worked and is worth it, in the order of the contract, as many as fit."""
    capacity = {"default": most, "small": 1}
    found = rank(rows, arms(), capacity)
    bound = (rows["appointment_at"] != NO_TIME) | (rows["legal_deadline_on"] != NO_DAY)
    open_ones = rows["group"].eq("permitted") & rows["fx"].notna() & (rows["net_value"] > 0)
    open_ones &= ~rows["self_cure"] | bound
    # One that is bound is called at any value: what is no value here is so by the value alone.
    keyed = [
        (row.appointment_at == NO_TIME, row.legal_deadline_on if row.legal_deadline_on != NO_DAY else 10**9,
         -row.net_value, -row.expected_recovery, row.account_id, row.debtor_id, row.queue)
        for row in rows[open_ones].itertuples()
    ]  # fmt: skip
    seen, told, taken = set(), {}, dict.fromkeys(QUEUES, 0)
    for *_, account, debtor, queue in sorted(keyed):
        if debtor not in seen:
            seen.add(debtor)
            told.setdefault(queue, []).append((not bound[rows["account_id"] == account].item(), account))
    for queue, heads in told.items():
        first = [account for _, account in sorted(heads, key=lambda each: each[0])]
        taken[queue] = first[: capacity.get(queue, most)]
        listed = rows["account_id"][(found["group"] == "worklist") & (rows["queue"] == queue)]
        assert set(listed) == set(taken[queue])
