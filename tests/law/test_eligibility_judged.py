"""Eligibility before the slow judge: drawn worlds and drawn rules, and canaries that the judge must catch.

Also of caps.py, counts.py, defers.py, grouping.py, log.py, openings.py, outcome.py, record.py, scenes.py, stops.py
and timetable.py.
"""

from __future__ import annotations

import copy

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from features.tables import NO_DAY, NO_TIME, STATUSES
from pipeline.law.causes import HELD_BACK
from pipeline.law.eligibility import check, rulings
from pipeline.law.question import Case
from pipeline.law.rule_file import ALWAYS_STOP
from tests.judges.contact_judge import breaches
from tests.worlds.eligibility_worlds import (
    MONDAY,
    PARAMS,
    RAW,
    RULES,
    ZONE,
    a_world,
    an_account,
    calls,
    channel,
    cohort_of,
    judged,
    local,
    rule_of,
    small_file,
    written,
)
from tests.worlds.worlds import World, day

# --- the judge over drawn worlds --------------------------------------------------------------------------------------

BOOKS = ("owner", "agency", "buyer", "buyer", "agency", "monthly")
HOMES = ("US-TX", "US-MA", "US-DC", "US-NY/NYC", "US-WA", "GB-SCT", "GB", "IE", "FR", "CA-ON", "AU-SA", "JP")
NIGHTS = tuple(
    day(text)
    for text in (
        "2026-03-08",
        "2026-03-29",
        "2026-04-06",
        "2026-08-31",
        "2026-09-01",
        "2026-10-25",
        "2026-11-01",
        "2026-11-16",
        "2026-11-21",
        "2026-12-25",
    )
)
OUTCOME_SAMPLE = (
    None,
    "no_answer",
    "no_answer",
    "not_connected",
    "voicemail",
    "right_party",
    "promise",
    "refusal",
    "delivered",
    "unsubscribed",
)
FREE_OF_STOPS = (
    "plan",
    "consent_sms",
    "consent_email",
    "notice_sent",
    "opt_out_call",
    "opt_out_email",
    "callback",
    "inconvenient",
    "prescribed",
)
DETAILS = {"callback": ("10:00", "14:30", "22:15", None), "inconvenient": ("09:00-12:00", "20:00-10:00", None)}


@st.composite
def scenes(draw):
    """(world, night, days past due): one to three accounts of one or two debtors, few events,
    most of them at the edge of a window.

    Most accounts lie in one place and book with its own clock, so that many rows are permitted and every single rule
    can be the one broken.
    """
    night = draw(st.sampled_from(NIGHTS))
    world = World(draw(st.sampled_from(("UTC", "America/New_York", "Asia/Tokyo"))))
    world.deliver("accounts", "contacts", "statuses", "payments")
    names = [f"a{number}" for number in range(draw(st.sampled_from((1, 1, 2, 3))))]
    first = draw(st.sampled_from(HOMES)), draw(st.sampled_from(BOOKS))
    for name in names:
        home, book = first if draw(st.integers(0, 4)) else (draw(st.sampled_from(HOMES)), draw(st.sampled_from(BOOKS)))
        zone = ZONE[home] if draw(st.integers(0, 4)) else draw(st.sampled_from(("America/Los_Angeles", "Asia/Kolkata")))
        an_account(
            world, name, home, book, zone, debtor_id=draw(st.sampled_from(("d", "d", "e"))),
            debtor_type=draw(st.sampled_from(("consumer", "consumer", "consumer", "commercial"))),
        )  # fmt: skip
    for number in range(draw(st.integers(0, 7))):
        _draw_contact(draw, world, night, f"k{number}", draw(st.sampled_from(([names[0]], [names[-1]], names))))
    if draw(st.booleans()):
        _draw_charges(draw, world, night, names)
    for _ in range(draw(st.sampled_from((0, 0, 1, 2, 3)))):
        _draw_status(draw, world, night, draw(st.sampled_from(names)))
    if draw(st.integers(0, 2)) == 0:
        world.payment(
            (night - draw(st.integers(1, 30)), 3600), draw(st.sampled_from((500, 950, 1000))), account_id=names[0]
        )
    if draw(st.integers(0, 2)) == 0:  # the two are found to be one, the day before or on the night itself
        one, other = draw(st.sampled_from((("d", "e"), ("e", "d"), ("d", "f"))))
        world.same(one, other, draw(st.sampled_from((night - 30, night - 1, night))))
    return _distinct(world), night, {name: draw(st.sampled_from((10, 40, 40, 1900))) for name in names}


def _draw_contact(draw, world: World, night: int, contact_id: str, about: list[str]) -> None:
    back = draw(st.sampled_from((1, 2, 5, 6, 6, 7, 7, 8, 30, 31, 32)))
    when = (
        night - back
        if draw(st.integers(0, 6)) == 0
        else (night - back, draw(st.sampled_from((1800, 43_200, 64_800, 84_600))))
    )
    outcome = draw(st.sampled_from(OUTCOME_SAMPLE))
    columns = {
        "direction": draw(st.sampled_from(("outbound", "outbound", "outbound", "inbound"))),
        "person_id": draw(st.sampled_from((None, "x", "y"))),
        "endpoint_id": draw(st.sampled_from((None, "x", "y"))),
    }
    if outcome == "promise":
        columns |= {"promise_amount": 1000, "promise_due_on": night - back + draw(st.integers(0, 40))}
    channel_of = draw(st.sampled_from(("call", "call", "call", "autodial", "voicemail", "sms", "email", "letter")))
    for name in about:
        world.contact(when, channel_of, outcome, account_id=name, contact_id=contact_id, **columns)
        if draw(st.integers(0, 5)) == 0:  # a later version says otherwise, known before the night or on it
            known = night - draw(st.sampled_from((0, 1)))
            later = draw(st.sampled_from(("not_connected", "right_party", "no_answer")))
            world.contact(when, channel_of, later, account_id=name, contact_id=contact_id, known_at=(known, 100))


def _draw_charges(draw, world: World, night: int, names: list[str]) -> None:
    """Invoices of the accounts, and disputes of single ones, of some that nobody knows too."""
    for name in names:
        for charge_id in ("c1", "c2", "c3")[: draw(st.integers(0, 3))]:
            due_on = night + draw(st.sampled_from((-40, -20, -1, 0, 5)))
            amount = draw(st.sampled_from((500, 950)))
            world.charge(due_on, amount, account_id=name, charge_id=charge_id, kind="invoice", known_at=due_on - 30)
        if draw(st.integers(0, 3)) == 0:
            of = {"account_id": name, "charge_id": "n1", "kind": "adjustment", "known_at": night - 3}
            world.charge(night - 3, -500, adjusts=draw(st.sampled_from((None, "c1", "c2"))), **of)
        for charge_id in draw(st.lists(st.sampled_from(("c1", "c1", "c2", "c3", "c9")), max_size=2, unique=True)):
            known = night - draw(st.sampled_from((0, 1, 9)))
            until = draw(st.sampled_from((None, None, night - 1, night)))
            world.status("dispute", night - 9, until, account_id=name, charge_id=charge_id, known_at=known)


def _draw_status(draw, world: World, night: int, account_id: str) -> None:
    status = (
        draw(st.sampled_from((*FREE_OF_STOPS, "callback", "inconvenient", "notice_sent")))
        if draw(st.integers(0, 5))
        else None
    )
    status = status or draw(st.sampled_from(STATUSES))
    from_on = night - draw(st.sampled_from((-4, 0, 0, 1, 5, 6, 61)))
    until = draw(st.sampled_from((None, None, None, from_on, night - 1, night)))
    known = min(from_on, night - draw(st.sampled_from((0, 1, 1, 9))))
    detail = draw(st.sampled_from(DETAILS.get(status, (None,))))
    until = until if until is None or until >= from_on else None
    world.status(status, from_on, until, account_id=account_id, known_at=known, detail=detail)
    if draw(st.integers(0, 4)) == 0:  # a later version ends it, or takes the end back
        again = None if until else max(from_on, night - 2)
        world.status(status, from_on, again, account_id=account_id, known_at=(night - 1, 200), detail=detail)


def _distinct(world: World) -> World:
    for table, key in (
        ("contacts", ("contact_id", "account_id", "known_at")),
        ("statuses", ("account_id", "status", "from_on", "charge_id", "known_at")),
    ):
        kept = {tuple(row[name] for name in key): row for row in world.rows[table]}
        world.rows[table] = list(kept.values())
    return world


def wrong(scene, rules=RULES, raw=RAW, params=PARAMS) -> list[str]:
    world, night, overdue = scene
    found = judged(world, night, rules, params, overdue)
    return breaches(world, raw, params, night, found, set(overdue), overdue)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes())
def test_no_permitted_row_breaks_a_cap_a_window_a_stop_or_a_wait(scene):
    assert wrong(scene) == []


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    scenes(),
    st.sampled_from([*ALWAYS_STOP, "plan", "opt_out_call", "opt_out_sms", "opt_out_email", "opt_out_letter"]),
    st.data(),
)
def test_adding_a_stop_only_ever_removes(scene, status, data):
    world, night, overdue = scene
    before = judged(world, night, overdue=overdue)
    more = world.only(lambda *_: True).status(
        status, night - 1, account_id=data.draw(st.sampled_from(sorted(overdue))), known_at=night - 1
    )
    after = judged(_distinct(more), night, overdue=overdue)
    assert _opened(before, after) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes(), st.sampled_from(["absent", "late", "empty_through"]))
def test_a_lost_contact_feed_never_opens_anything(scene, loss):
    world, night, overdue = scene
    before = judged(world, night, overdue=overdue)
    through = {"contacts": night - 9 if loss == "late" else NO_DAY, "statuses": night - 1}
    lost = world.only(lambda table, _: table != "contacts")
    if loss == "absent":
        del lost.rows["contacts"]
    after = judged(lost, night, overdue=overdue, through=through)
    assert _opened(before, after) == []
    assert "permitted" not in set(after.accounts["group"])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes(), st.sampled_from(sorted(HELD_BACK)), st.data())
def test_a_late_book_and_other_rows_held_back_are_deferred_and_open_nothing_else(scene, rule, data):
    world, night, overdue = scene
    before = judged(world, night, overdue=overdue)
    books = {row["account_no"]: row["portfolio"] for row in world.rows["accounts"]}
    late = data.draw(st.sampled_from(sorted(set(books.values()))))
    held = frozenset(number for number, book in books.items() if book == late)
    after = judged(world, night, overdue=overdue, held_back={rule: held})
    assert _opened(before, after) == []
    of_late = after.accounts[after.accounts["account_no"].isin(held)]
    assert set(of_late["group"]) <= {"deferred", "excluded"}
    assert set(of_late.loc[of_late["group"] == "deferred", "rule"]) <= {rule, *before.accounts["rule"]}
    others = ~before.accounts["account_no"].isin(held).to_numpy()
    pd.testing.assert_frame_equal(before.accounts[others].astype("str"), after.accounts[others].astype("str"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes(), st.integers(0, 9))
def test_order_of_rows_and_categories_change_nothing(scene, seed):
    world, night, overdue = scene
    through = {"contacts": night - 1, "statuses": night - 1}
    cohort = cohort_of(world, overdue, night)
    plain = rulings(Case(cohort, world.tables(), RULES, PARAMS, through), night)
    mixed = rulings(Case(cohort, world.tables(shuffle_seed=seed, categorical=True), RULES, PARAMS, through), night)
    pd.testing.assert_frame_equal(plain.accounts, mixed.accounts)
    pd.testing.assert_frame_equal(plain.channels, mixed.channels)


def _opened(before, after) -> list:
    """Accounts and channels that are permitted after and were not before, or have more contacts left."""
    pairs = before.channels.merge(after.channels, on=["account_no", "channel"], suffixes=("_before", "_after"))
    worse = (pairs["verdict_after"] == "permitted") & (
        (pairs["verdict_before"] != "permitted")
        | (pairs["contacts_left_after"] > pairs["contacts_left_before"])
        | (pairs["from_minute_after"] < pairs["from_minute_before"])
        | (pairs["until_minute_after"] > pairs["until_minute_before"])
    )
    return pairs[worse].to_dict("records")


# --- drawn rules, and canaries ----------------------------------------------------------------------------------------


class Drawn(dict):
    """A rule file with a short name: the whole file would not be read."""

    def __repr__(self) -> str:
        every = [rule for place in self["places"].values() for rule in place["rules"]] + self["product"]
        return f"rules {[rule for rule in every if rule['kind'] in ('cap', 'hours', 'wait')]}"


@st.composite
def drawn_rules(draw):
    raw = Drawn(small_file())
    every = [rule for place in raw["places"].values() for rule in place["rules"]] + raw["product"]
    for rule in every:
        if rule["kind"] == "cap" and draw(st.booleans()):
            rule["max"] = draw(st.integers(0, 4))
            rule["window"] = draw(st.sampled_from(({"days": 1}, {"days": 7}, {"days": 30}, "calendar_month")))
            rule["per"] = draw(st.sampled_from(("account", "debtor", "person", "endpoint")))
            rule["counts"] = draw(st.sampled_from(("attempts", "dials", "contacts_made", "conversations")))
            rule["requested_exempt_days"] = draw(st.sampled_from((1, 7)))
        if rule["kind"] == "hours" and draw(st.booleans()):
            opens = draw(st.sampled_from(("00:00", "06:30", "11:00")))
            rule["windows"] = {
                "mon-fri": [f"{opens}-12:00", "13:00-24:00"],
                "sat-sun": draw(st.sampled_from(([], ["09:00-10:00"]))),
            }
            rule["clock"] = draw(st.sampled_from(("debtor", "America/Los_Angeles", "Asia/Kolkata")))
            rule["holidays"] = draw(st.sampled_from(("place", "allowed", ["FR"])))
        if rule["kind"] == "wait":
            rule |= {"days": draw(st.integers(1, 9)), "per": draw(st.sampled_from(("account", "debtor")))}
            rule["after"] = draw(st.sampled_from(("conversation", "exchange")))
        if draw(st.integers(0, 9)) == 0 and not rule.keys() & {"effective_to", "effective_from"}:
            rule["effective_to" if draw(st.booleans()) else "effective_from"] = "2026-09-01"
    for rule in raw["product"]:  # the stops that the file must hold stay as they are
        if rule["kind"] in ("stop", "opt_out", "time_barred"):
            rule.pop("effective_to", None)
            rule.pop("effective_from", None)
    return raw


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(scene=scenes(), raw=drawn_rules())
def test_no_permitted_row_breaks_drawn_rules(scene, raw, tmp_path):
    assert wrong(scene, written(raw, tmp_path), raw) == []


def _loosen_cap(raw):
    rule_of(raw, "US.call_frequency")["max"] = 8


def _loosen_hours(raw):
    rule_of(raw, "US.hours")["windows"] = {"daily": ["07:00-21:00"]}


def _loosen_wait(raw):
    rule_of(raw, "US.after_conversation")["days"] = 6


def _drop_stop(raw):
    for place in raw["places"].values():
        place["rules"] = [rule for rule in place["rules"] if rule.get("statuses") != ["dispute"]]
    rule_of(raw, "stop.dispute")["statuses"] = ["dispute", "litigation"]
    rule_of(raw, "stop.dispute")["effective_from"] = "2030-01-01"


def _drop_precondition(raw):
    raw["places"]["US"]["rules"] = [rule for rule in raw["places"]["US"]["rules"] if rule["kind"] != "precondition"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loosen", "world", "caught"),
    [
        (_loosen_cap, calls(a_world(), 1, 1, 2, 3, 4, 5, 6), "US.call_frequency"),
        (_loosen_hours, a_world(), "US.hours"),
        (_loosen_wait, calls(a_world(), 6, outcome="right_party"), "US.after_conversation"),
        (_drop_stop, a_world("FR", "owner").status("dispute", MONDAY - 4), "stop.dispute"),
        (_drop_precondition, a_world(), "US.email_sms_procedures"),
    ],
)
def test_the_judge_catches_a_rule_set_that_lets_one_breach_through(loosen, world, caught, tmp_path):
    true = small_file()
    loose = copy.deepcopy(true)
    loosen(loose)
    assert wrong((world, MONDAY, {"a": 40}), written(true, tmp_path), true) == []
    found = wrong((world, MONDAY, {"a": 40}), written(loose, tmp_path), true)
    assert any(caught in breach for breach in found)


def test_a_cap_of_nought_never_frees_up(tmp_path):
    raw = small_file()
    rule_of(raw, "US.call_frequency")["max"] = 0
    world = a_world()
    row = channel(judged(world, rules=written(raw, tmp_path)), world, "call")
    assert (row["verdict"], row["rule"], row["first_permitted"]) == ("deferred", "US.call_frequency", NO_TIME)


@example(per="person")
@example(per="endpoint")
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(per=st.sampled_from(("person", "endpoint")))
def test_persons_and_endpoints_are_counted_by_the_one_that_has_most(per, tmp_path):
    raw = small_file()
    rule_of(raw, "US.call_frequency").update({"max": 3, "per": per})
    world = a_world()
    for number, who in ((1, "x"), (2, "x"), (3, "y"), (4, None)):
        world.contact((MONDAY - number, 60_000), "call", "no_answer", **{f"{per}_id": who})
    rules = written(raw, tmp_path)
    # two with x, one with nobody named
    assert channel(judged(world, rules=rules), world, "call")["rule"] == "US.call_frequency"
    del world.rows["contacts"][-1]
    assert channel(judged(world, rules=rules), world, "call")["contacts_left"] == 1


def counted_by_number(limit: int, folder):
    raw = small_file()
    rule_of(raw, "US-MA.calls_personal").update({"max": limit, "per": "endpoint"})
    return written(raw, folder)


def test_a_call_that_names_its_number_on_one_debt_only_may_have_gone_to_another_number_too(tmp_path):
    world = an_account(a_world("US-MA", "owner"), "b", "US-MA", "owner")
    world.contact((MONDAY - 2, 60_000), "call", "no_answer", contact_id="k", account_id="a", endpoint_id="x")
    world.contact((MONDAY - 2, 60_000), "call", "no_answer", contact_id="k", account_id="b")
    row = channel(judged(world, rules=counted_by_number(2, tmp_path)), world, "call", "a")
    assert (row["verdict"], row["contacts_left"]) == ("deferred", 0)
    assert local(row["first_permitted"], "America/New_York") == "2026-11-21 08:00"


def test_a_cap_per_number_frees_up_when_the_oldest_call_to_the_fullest_number_leaves_the_window(tmp_path):
    world = a_world("US-MA", "owner")
    for number, (back, endpoint) in enumerate(((6, "x"), (4, "x"), (3, "y"))):
        world.contact((MONDAY - back, 60_000), "call", "no_answer", contact_id=f"k{number}", endpoint_id=endpoint)
    row = channel(judged(world, rules=counted_by_number(2, tmp_path)), world, "call")
    assert local(row["first_permitted"], "America/New_York") == "2026-11-17 08:00"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes(), st.sampled_from(("call", "sms", "email")))
def test_the_check_before_dawn_agrees_with_the_night(scene, name):
    """Nothing happened since midnight, so at its first permitted minute a row of the night is
    permitted by the check.
    """
    world, night, overdue = scene
    through = {"contacts": night - 1, "statuses": night - 1}
    known = world.known_before(night).deliver("contacts", "statuses", "payments")
    found = judged(known, night, overdue=overdue)
    cohort = cohort_of(known, overdue)
    for account_id in cohort["account_id"]:
        row = channel(found, known, name, account_id)
        if row["verdict"] == "permitted":
            answer = check(
                Case(cohort, known.tables(), RULES, PARAMS, through), account_id, name, int(row["first_permitted"])
            )
            assert (answer.permitted, answer.contacts_left) == (True, row["contacts_left"])
