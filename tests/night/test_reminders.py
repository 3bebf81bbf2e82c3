"""Messages before an independent judge, in drawn worlds; canaries that it must catch; who is left in peace, and why.

Also of reach.py.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from features.ledger import history
from features.tables import NO_DAY, OUTCOMES
from features.terms import Terms
from pipeline.law.question import Case
from pipeline.messages.texts import SHIPPED, SILENT, Message, Messages, messages_of
from pipeline.night.reach import offset_of, reach_in
from pipeline.night.reminders import SKIPPED, Reminded, drawn, reminded
from pipeline.pages.language import words
from pipeline.params import Params, Reminders
from tests.judges.message_judge import breaches
from tests.worlds.eligibility_worlds import MONDAY, PARAMS, RAW, RULES, an_account, cohort_of
from tests.worlds.worlds import World

STEPS = [
    {"name": "before", "day": -5, "channels": ["sms", "email"], "message": "due_soon", "open_days": 5},
    {"name": "third_day", "day": 3, "channels": ["sms", "email"], "message": "overdue", "open_days": 4},
    {"name": "week", "day": 7, "channels": ["email", "sms"], "message": "overdue", "open_days": 7},
    {"name": "later", "day": 14, "channels": ["email", "sms"], "message": "options", "open_days": 30},
    {"name": "agency", "day": 2, "channels": ["email"], "message": "overdue_by_agency", "open_days": 28},
]
TEXTS = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
NOBODY = pd.DataFrame({name: pd.Series(dtype="str") for name in ("account_id", "debtor_id", "group")}).assign(
    net_value=0
)
NO_ARMS = pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "arm": pd.Series(dtype="str")})
NO_NIGHTS = pd.DataFrame(
    {"account_id": pd.Series(dtype="str"), "channel": pd.Series(dtype="str"), "as_of": pd.Series(dtype="int32")}
)


def params_with(**terms: object) -> Params:
    said = Reminders.model_validate({"steps": STEPS, "language": {"default": "en"}, "control_share": 0, **terms})
    return PARAMS.model_copy(update={"reminders": said})


def planned(
    world: World,
    overdue: dict[str, int],
    params: Params | None = None,
    *,
    groups: pd.DataFrame = NOBODY,
    arms: pd.DataFrame = NO_ARMS,
    earlier: pd.DataFrame = NO_NIGHTS,
    as_of: int = MONDAY,
    wait: int = 0,
    asked: frozenset[str] | None = None,
    known: Messages | None = None,
) -> Reminded:
    params = params or params_with()
    tables = world.tables()
    cohort = cohort_of(world, overdue, as_of)
    cohort = cohort.assign(offset=cohort["days_past_due"])
    if asked is not None:
        cohort = cohort[cohort["account_id"].isin(asked)].reset_index(drop=True)
    through = {"contacts": as_of - 1, "statuses": as_of - 1}
    case = Case(cohort, tables, RULES, params, through)
    reach = reach_in(case, history(tables, Terms()), as_of, params.reminders, earlier)
    return reminded(reach, groups, arms, as_of, params, known or messages_of(params), wait)


def published(nights: dict[str, list[int]], channel: str = "sms") -> pd.DataFrame:
    """Messages of former nights: account -> days before MONDAY."""
    told = [(name, channel, MONDAY - back) for name, backs in nights.items() for back in backs]
    return pd.DataFrame(told, columns=["account_id", "channel", "as_of"])


def a_book(accounts: int, days_past_due: int = 4, **columns: object) -> tuple[World, dict[str, int]]:
    """Debtors of one account each, whom nobody has spoken to."""
    world = World("UTC").deliver("accounts", "contacts", "statuses", "payments")
    for number in range(accounts):
        an_account(world, f"a{number}", "GB-ENG", "owner", "Europe/London", f"d{number}", **columns)
    return world, dict.fromkeys((f"a{number}" for number in range(accounts)), days_past_due)


def a_busy_book(seed: int) -> tuple[World, dict[str, int]]:
    """Debtors of one or two accounts in several places, with contacts, promises, payments and stops around the edges
    of every span that counts.
    """
    draw = np.random.default_rng(seed)
    world = World("UTC").deliver("accounts", "contacts", "statuses", "payments")
    homes = [("GB-ENG", "Europe/London"), ("FR", "Europe/Paris"), ("US-TX", "America/Chicago"), ("IE", "Europe/Dublin")]
    days = (1, 2, 3, 4, 5, 6, 7, 8, 9, 29, 30, 31)
    overdue = {}
    for number in range(100):
        name, debtor = f"a{number}", f"d{number if draw.random() < 0.7 else max(number - 1, 0)}"
        place, zone = homes[draw.integers(len(homes))]
        an_account(world, name, place, str(draw.choice(["owner", "owner", "agency", "buyer"])), zone, debtor)
        overdue[name] = int(draw.choice([-6, -5, -1, 2, 3, 4, 6, 7, 8, 14, 20, 43, 44]))
        for _ in range(draw.integers(0, 4)):
            back, outcome = int(draw.choice(days)), str(draw.choice([*OUTCOMES, "delivered", "delivered", "no_answer"]))
            more = {"promise_amount": 1000, "promise_due_on": MONDAY - back + int(draw.integers(0, 20))}
            world.contact(
                (MONDAY - back, 3600 * int(draw.integers(8, 20))),
                str(draw.choice(["sms", "email", "call", "letter"])),
                outcome,
                account_id=name,
                contact_id=f"k{number}-{len(world.rows['contacts'])}",
                direction=str(draw.choice(["outbound", "outbound", "outbound", "inbound"])),
                **(more if outcome == "promise" else {}),
            )
        if draw.random() < 0.15:
            world.payment((MONDAY - int(draw.choice(days)), 3600), 500, account_id=name)
        if draw.random() < 0.25:
            status = str(draw.choice(["plan", "callback", "dispute", "opt_out_sms", "opt_out_email", "hardship"]))
            from_on = MONDAY - int(draw.choice([-3, 0, 1, 9]))
            world.status(status, from_on, account_id=name, known_at=min(from_on, MONDAY - 1))
    return world, overdue


def judged(world: World, overdue: dict[str, int], found: Reminded, params: Params, **others: object) -> list[str]:
    rows = found.rows.to_dict("records")
    return breaches(world, RAW, params, MONDAY, rows, set(overdue), overdue, texts=TEXTS, **others)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_published_message_breaks_a_cap_a_window_a_consent_an_opt_out_or_the_spacing(seed):
    world, overdue = a_busy_book(seed)
    params = params_with(spacing_days=4, most_in_30_days=2, quiet_days=7)
    found = planned(world, overdue, params)
    assert 5 <= len(found.rows) <= 100
    assert judged(world, overdue, found, params) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loosened", "what"),
    [
        ({"spacing_days": 1}, "too soon after a contact"),
        ({"most_in_30_days": 9}, "too many in 30 days"),
        ({"quiet_days": 0}, "lately"),
    ],
)
def test_a_planner_that_lets_one_through_is_caught(loosened, what):
    terms = {"spacing_days": 8, "most_in_30_days": 1, "quiet_days": 9}
    caught = []
    for seed in range(6):
        world, overdue = a_busy_book(seed)
        caught += judged(
            world, overdue, planned(world, overdue, params_with(**{**terms, **loosened})), params_with(**terms)
        )
    assert any(what in fault for fault in caught)
    own = {"too soon after a contact", "too many in 30 days", "the debtor answered lately", "the debtor paid lately"}
    assert {fault.split(": ", 1)[1] for fault in caught} <= own  # the law is kept all the same, by whatever channel


def test_the_judge_catches_a_window_an_opt_out_a_second_message_and_whoever_is_listed_or_held():
    world, overdue = a_book(3)
    params = params_with()
    rows = planned(world, overdue, params).rows
    early = replace(planned(world, overdue, params), rows=rows.assign(send_from="02:00"))
    assert any("hours" in fault for fault in judged(world, overdue, early, params))
    twice = replace(early, rows=pd.concat([rows, rows.head(1)]))
    assert judged(world, overdue, twice, params) == ["a0 sms: a second message today"]
    found = replace(early, rows=rows)
    assert judged(world, overdue, found, params, listed={"d1"}) == ["a1 sms: on the call list"]
    assert judged(world, overdue, found, params, held={"d2"}) == ["a2 sms: held out"]
    world.status("opt_out_sms", MONDAY - 5, account_id="a0", known_at=MONDAY - 5)
    world.status("plan", MONDAY - 5, account_id="a1", known_at=MONDAY - 5)
    told = judged(world, overdue, found, params)
    assert {"a0 sms: opt_out_sms", "a1 sms: a plan stands"} <= set(told)


def test_nothing_known_from_the_night_on_changes_a_message():
    world, overdue = a_busy_book(1)
    before = planned(world, overdue)
    for number in range(0, 100, 3):
        name = f"a{number}"
        world.contact((MONDAY, 3600), "sms", "unsubscribed", account_id=name, contact_id=f"late{number}")
        world.payment((MONDAY - 1, 3600), 5000, account_id=name, known_at=(MONDAY, 60))
        world.status("plan", MONDAY - 3, account_id=name, known_at=(MONDAY, 60))
    after = planned(world, overdue)
    pd.testing.assert_frame_equal(before.rows, after.rows)
    assert before.skipped == after.skipped


def test_whoever_is_on_the_call_list_held_out_or_of_the_control_group_gets_none():
    world, overdue = a_book(5)
    an_account(world, "b0", "GB-ENG", "owner", "Europe/London", "d0")
    overdue["b0"] = 5
    groups = pd.DataFrame(
        {
            "account_id": ["a0", "a1", "a2", "a3", "a4", "b0"],
            "debtor_id": ["d0", "d1", "d2", "d3", "d4", "d0"],
            "group": ["worklist", "held_out", "below_capacity", "no_value", "below_capacity", "below_capacity"],
            "net_value": 0,
        }
    )
    arms = pd.DataFrame({"debtor_id": ["d4"], "arm": ["control"]})
    found = planned(world, overdue, groups=groups, arms=arms)
    assert found.rows["account_id"].tolist() == ["a2", "a3"]
    assert found.skipped == {"listed": 2, "held_out": 2}


def test_the_debtor_is_told_once_of_the_oldest_account():
    world, overdue = a_book(1, 4)
    an_account(world, "z", "GB-ENG", "owner", "Europe/London", "d0")
    overdue["z"] = 9
    found = planned(world, overdue)
    assert found.rows[["account_id", "step"]].to_numpy().tolist() == [["z", "week"]]
    assert found.skipped == {"one_a_debtor": 1}


def test_a_plan_or_promise_on_one_account_of_the_debtor_silences_them_all():
    world, overdue = a_book(2)
    an_account(world, "z", "GB-ENG", "owner", "Europe/London", "d0")
    overdue["z"] = 9
    world.status("plan", MONDAY - 9, account_id="a0", known_at=MONDAY - 9)
    promise = {"promise_amount": 1000, "promise_due_on": MONDAY + 1}
    world.contact((MONDAY - 20, 3600), "call", "promise", account_id="a1", **promise)
    assert planned(world, overdue).skipped == {"engaged": 3}


@pytest.mark.parametrize("what", ["plan", "promise", "callback"])
def test_what_was_agreed_on_an_account_that_nobody_asks_about_silences_the_debtor(what):
    world, overdue = a_book(2)
    an_account(world, "paid_up", "GB-ENG", "owner", "Europe/London", "d0")
    found = planned(world, overdue, asked=frozenset(overdue))
    assert found.rows["account_id"].tolist() == ["a0", "a1"]
    if what == "promise":
        promise = {"promise_amount": 1000, "promise_due_on": MONDAY + 5}
        world.contact((MONDAY - 20, 3600), "call", "promise", account_id="paid_up", **promise)
    else:
        world.status(what, MONDAY + (what == "callback"), account_id="paid_up", known_at=MONDAY - 1)
    silenced = planned(world, overdue, asked=frozenset(overdue))
    assert silenced.rows["account_id"].tolist() == ["a1"]
    assert silenced.skipped == {"engaged": 1}
    stands = {"plan": "a plan stands", "promise": "a promise stands", "callback": "a time is agreed"}[what]
    assert f"a0 sms: {stands}" in judged(world, overdue, found, params_with())


@pytest.mark.parametrize("day", [-1, 0])
def test_a_step_by_the_due_day_is_closed_after_it(day):
    params = params_with(steps=[{**STEPS[0], "day": day}], late_from_days=1)
    world, overdue = a_book(3)
    for name in overdue:
        world.charge(MONDAY - 100, 1000, account_id=name, charge_id="c1")
        world.payment((MONDAY - 80, 3600), 1000, account_id=name)
    found = planned(world, {"a0": day, "a1": 0, "a2": 1}, params)
    assert found.rows["account_id"].tolist() == ["a0", "a1"]
    moved = {"a0": day, "a1": 1, "a2": 1}
    assert judged(world, moved, found, params) == ["a1 sms: " + "the due day is past"]


def test_at_no_days_past_due_nothing_falls_due():
    assert offset_of(np.array([0, 1, 40])).tolist() == [NO_DAY, 1, 40]


def test_a_step_is_not_taken_again_while_days_past_due_stand_still():
    world, overdue = a_book(2, 4)
    for name in overdue:
        world.charge(MONDAY - 14, 1000, account_id=name, charge_id="c1")
    world.status("moratorium", MONDAY - 10, MONDAY - 1, account_id="a0", known_at=MONDAY - 10)
    books = {**PARAMS.portfolios, "owner": PARAMS.portfolio("owner").model_copy(update={"moratorium_pauses": True})}
    params = params_with().model_copy(update={"portfolios": books})
    earlier = published({"a0": [8], "a1": [8]})
    found = planned(world, overdue, params, earlier=earlier)
    assert found.rows["account_id"].tolist() == ["a1"]
    assert found.skipped == {"said": 1}


def test_before_the_due_day_only_those_with_a_late_past_are_reminded():
    world, overdue = a_book(2, -3)
    for name, late in (("a0", 20), ("a1", 0)):
        world.charge(MONDAY - 100, 1000, account_id=name, charge_id="c1")
        world.payment((MONDAY - 100 + late, 3600), 1000, account_id=name)
    found = planned(world, overdue)
    assert found.rows[["account_id", "step", "message"]].to_numpy().tolist() == [["a0", "before", "due_soon"]]
    assert found.rows["why"].tolist() == ["Due in 3 days; was late before. No message in 30 days."]
    assert found.skipped == {"punctual": 1}


def test_a_night_counts_what_former_nights_published_as_sent():
    world, overdue = a_book(2, 9)
    earlier = published({"a0": [1]})
    found = planned(world, overdue, earlier=earlier)
    assert found.rows["account_id"].tolist() == ["a1"]
    assert found.skipped == {"said": 1}
    later = planned(world, overdue, params_with(), earlier=published({"a0": [3]}))
    assert later.skipped == {"spacing": 1}


def an_irish_debtor(logged: list[int]) -> tuple[World, dict[str, int]]:
    """One debtor of Dublin, to whom the log shows text messages so many days back."""
    world = World("UTC").deliver("accounts", "contacts", "statuses", "payments")
    an_account(world, "a", "IE", "owner", "Europe/Dublin", "d")
    world.status("consent_sms", MONDAY - 50, account_id="a", known_at=MONDAY - 50)
    for back in logged:
        world.contact((MONDAY - back, 3600 * 15), "sms", "delivered", account_id="a")
    return world, {"a": 20}


@pytest.mark.parametrize("logged", [[], [4], [4, 8, 12]])
def test_what_was_published_and_is_not_in_the_log_counts_in_the_caps_of_the_law(logged):
    params = params_with(steps=[{**STEPS[3], "day": 20, "channels": ["sms"]}])  # IE.arrears_contacts: 3 a month
    world, overdue = an_irish_debtor(logged)
    assert planned(world, overdue, params, earlier=published({"a": [4, 8, 12]})).skipped == {"law": 1}
    two = published({"a": [8, 12]})
    found = planned(*an_irish_debtor([8]), params, earlier=two)
    assert found.rows["account_id"].tolist() == ["a"]  # what the log shows is not counted twice
    assert judged(world, overdue, found, params, earlier=two.to_dict("records")) == (
        ["a sms: IE.arrears_contacts"] if 4 in logged else []
    )
    fourth = published({"a": [4, 8, 12]}).to_dict("records")
    assert judged(world, overdue, found, params, earlier=fourth) == ["a sms: IE.arrears_contacts"]


def test_what_the_log_shows_by_another_clock_is_not_counted_twice():
    world, overdue = a_book(1, 20)
    an_account(world, "n", "US-NY", "owner", "America/New_York", "n")
    world.contact((MONDAY - 4, 3600 * 2), "email", "delivered", account_id="n")  # the evening before in New York
    params = params_with(steps=[{**STEPS[3], "day": 20, "channels": ["email"]}], most_in_30_days=2)
    overdue |= {"n": 20}
    found = planned(world, overdue, params, earlier=published({"n": [5]}, "email"))
    assert found.rows["account_id"].tolist() == ["a0", "n"]
    again = planned(world, overdue, params, earlier=published({"n": [10]}, "email"))
    assert again.skipped == {"often": 1}


def test_messages_of_the_log_and_of_former_nights_are_counted_together():
    world, overdue = a_book(1, 9)
    for back in (29, 27):
        world.contact((MONDAY - back, 3600 * 10), "email", "delivered", account_id="a0")
    params, three = params_with(most_in_30_days=4), published({"a0": [20, 15]})
    assert planned(world, overdue, params, earlier=three).skipped == {"often": 1}
    found = planned(world, overdue, params)
    assert found.rows["account_id"].tolist() == ["a0"]
    told = judged(world, overdue, found, params, earlier=three.to_dict("records"))
    assert [fault.split(": ")[1] for fault in told] == ["too many in 30 days"]


def test_nobody_whose_place_or_clock_is_not_known_is_written_to():
    world, overdue = a_book(1)
    an_account(world, "x", None, "owner", "Europe/London", "x")
    an_account(world, "y", "GB-ENG", "owner", None, "y", time_zone=None)
    found = planned(world, overdue | {"x": 4, "y": 4})
    assert found.rows["account_id"].tolist() == ["a0"]
    assert found.skipped == {"law": 2}


def test_a_message_waits_for_as_long_as_another_so_soon_is_worth_less():
    world, overdue = a_book(2, 9)
    world.contact((MONDAY - 6, 3600), "email", "delivered", account_id="a0")
    assert planned(world, overdue, wait=6).rows["account_id"].tolist() == ["a0", "a1"]
    found = planned(world, overdue, wait=7)
    assert found.rows["account_id"].tolist() == ["a1"]
    assert found.skipped == {"worth": 1}


def test_a_step_says_no_more_than_its_number_to_those_worth_most():
    world, overdue = a_book(4)
    steps = [{**STEPS[1], "most": 2}]
    groups = pd.DataFrame(
        {"account_id": [f"a{n}" for n in range(4)], "debtor_id": [f"d{n}" for n in range(4)], "group": "below_capacity"}
    ).assign(net_value=[5, 9, 1, 7])
    found = planned(world, overdue, params_with(steps=steps), groups=groups)
    assert found.rows["account_id"].tolist() == ["a1", "a3"]
    assert found.skipped == {"full": 2}


def test_those_who_pay_alone_get_a_message_instead_of_a_call():
    world, overdue = a_book(2, 90)
    steps = [*STEPS, {"name": "alone", "day": None, "channels": ["email"], "message": "overdue", "open_days": 14}]
    groups = pd.DataFrame({"account_id": ["a0", "a1"], "debtor_id": ["d0", "d1"]})
    groups = groups.assign(group=["self_cure", "below_capacity"], net_value=0)
    found = planned(world, overdue, params_with(steps=steps), groups=groups)
    assert found.rows[["account_id", "step"]].to_numpy().tolist() == [["a0", "alone"]]
    assert found.rows["why"].tolist() == ["Very likely pays without a call. No message in 30 days."]


def test_the_language_is_the_debtors_else_the_books_and_nobody_is_told_in_another():
    world, overdue = a_book(2)
    an_account(world, "f", "GB-ENG", "owner", "Europe/London", "f", language="fr-CA")
    an_account(world, "p", "GB-ENG", "owner", "Europe/London", "p", language="PL")
    overdue |= {"f": 4, "p": 4}
    by_place = params_with(language={"default": "en", "GB": "es"})
    assert set(planned(world, overdue, by_place).rows["language"]) == {"es", "fr"}
    found = planned(world, overdue, params_with(language={"default": "en", "GB": "es", "owner": "de"}))
    assert dict(zip(found.rows["account_id"], found.rows["language"], strict=True)) == {
        "a0": "de",
        "a1": "de",
        "f": "fr",
    }
    assert found.skipped == {"language": 1}


def test_variants_are_drawn_by_debtor_with_their_recorded_share_and_stay():
    world, overdue = a_book(400)
    found = planned(world, overdue)
    rows = found.rows.assign(named=found.rows["variant"] == "named")
    assert (rows["probability"] == 0.5).all()
    assert 0.43 < rows["named"].mean() < 0.57
    again = planned(world, dict.fromkeys(overdue, 5))
    assert dict(zip(rows["debtor_id"], rows["variant"], strict=True)) == dict(
        zip(again.rows["debtor_id"], again.rows["variant"], strict=True)
    )
    message = messages_of(params_with()).messages["overdue"]
    skewed = [drawn(message, f"d{n}", 1, {"plain": 0.1, "named": 0.9}) for n in range(2000)]
    assert 0.87 < np.mean([name == "named" for name in skewed]) < 0.93


def test_a_share_of_debtors_over_whom_no_lot_decides_is_left_silent_and_remembered():
    world, overdue = a_book(400)
    arms = pd.DataFrame({"debtor_id": [f"d{n}" for n in range(200)], "arm": "worked"})
    found = planned(world, overdue, params_with(control_share=0.2), arms=arms)
    silent = found.kept[found.kept["variant"] == SILENT]
    assert len(silent) == found.skipped[SILENT]
    assert 25 <= len(silent) <= 57
    assert (silent["probability"] == 0.2).all()
    assert not silent["debtor_id"].isin(arms["debtor_id"]).any()
    assert not found.rows["debtor_id"].isin(silent["debtor_id"]).any()


def test_every_reason_to_skip_has_its_words():
    assert set(words("en")["messages"]["skips"]) >= set(SKIPPED)


def unsaid(known: Messages, phrase: str) -> Messages:
    """The texts as they would be if nobody had read them for what the law wants said."""

    def cut(message: Message) -> Message:
        texts = {
            variant: {key: replace(text, body=text.body.replace(phrase, "us")) for key, text in said.items()}
            for variant, said in message.texts.items()
        }
        return replace(message, texts=texts)

    return replace(known, messages={key: cut(message) for key, message in known.messages.items()})


def test_who_collects_for_others_says_so_or_writes_to_nobody():
    world = World("UTC").deliver("accounts", "contacts", "statuses", "payments")
    for name, book in (("a0", "owner"), ("a1", "buyer"), ("a2", "agency")):
        an_account(world, name, "US-TX", book, "America/Chicago", f"d{name}")
        world.status("consent_email", MONDAY - 50, account_id=name, known_at=MONDAY - 50)
    overdue, params = dict.fromkeys(("a0", "a1", "a2"), 4), params_with()
    told = planned(world, overdue, params)
    assert dict(zip(told.rows["account_id"], told.rows["message"], strict=True)) == {
        "a0": "overdue",
        "a1": "overdue_by_agency",
        "a2": "overdue_by_agency",
    }
    assert judged(world, overdue, told, params) == []
    cut = unsaid(messages_of(params), "a debt collector")
    silent = planned(world, overdue, params, known=cut)
    assert (silent.rows["account_id"].tolist(), dict(silent.skipped)) == (["a0"], {"wording": 2})
    lies = copy.deepcopy(TEXTS)
    for said in lies["messages"]["overdue_by_agency"]["texts"]["plain"]["email"].values():
        said["body"] = said["body"].replace("a debt collector", "us")
    rows = told.rows.to_dict("records")
    caught = breaches(world, RAW, params, MONDAY, rows, set(overdue), overdue, texts=lies)
    assert caught == [f"{name} email: does not say 'debt collector'" for name in ("a1", "a2")]
