"""The monitor: figures by hand, intervals that cover the truth, and every verdict seen once.

Of looked_back.py, model_findings.py and work_findings.py; also of monitor.py and lateness.py, which bring together what
is judged here; the commands run in tests/night.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.days import day_number
from models.drift import SCORE
from models.effect import UNPROVEN_GUARD
from models.ladder import DISPROVEN, PROVEN, UNPROVEN, Rung
from models.lot import CONTROL, TO_WORK, WORKED
from pipeline.night.alarm import OK, STOP, UNKNOWN, WARN
from pipeline.night.reminders import KEPT_COLUMNS, SILENT, chance_of
from pipeline.outcomes.findings import Findings, findings_on
from pipeline.outcomes.lateness import KEPT_SILENT, WRITTEN, Lateness, _said_to, late_by
from pipeline.outcomes.looked_back import Finding, LookedBack
from pipeline.outcomes.model_findings import matured_lists
from pipeline.outcomes.monitor import _contacts
from pipeline.params import load
from tests.worlds.worlds import World, day

PARAMS = load(Path(__file__).parents[2] / "params.yaml")


AS_OF = dt.date(2026, 11, 22)


NIGHT = day_number(AS_OF)


EARLIER = NIGHT - 60


NO_ARMS = pd.DataFrame(columns=["debtor_id", "arm", "assigned_on", "until_on", "probability"])


def rows(number: int = 600, seed: int = 1, share: float = 0.3, lift: float = 0.0, level: float = 1.0) -> pd.DataFrame:
    """A matured night: every debtor one account, some held out; working adds `lift` to the chance of paying 100."""
    random = np.random.default_rng(seed)
    arm = np.where(random.random(number) < share, CONTROL, WORKED)
    chance = random.uniform(0.1, 0.4, number)
    paid = (random.random(number) < chance * level + lift * (arm == WORKED)).astype(float)
    return pd.DataFrame(
        {
            "as_of": EARLIER,
            "account_id": [f"a{place}" for place in range(number)],
            "debtor_id": [f"d{place}" for place in range(number)],
            "queue": "loans",
            "group": np.where(
                arm == CONTROL, "held_out", np.where(random.random(number) < 0.5, "worklist", "below_capacity")
            ),
            "rank": 0,
            "arm": arm,
            "assigned_on": EARLIER,
            "probability": share,
            "p_recovered": chance,
            "expected": 100 * chance,
            "recovered": paid,
            "money": 100 * paid,
        }
    )


def drawn_of(matured: pd.DataFrame) -> pd.DataFrame:
    """What a night keeps of its draws, all of whom the list would have had: ranks go on from the worked ones."""
    held = matured[matured["arm"] == CONTROL]
    kept = held[["debtor_id", "assigned_on", "queue", "arm", "probability", "p_recovered"]]
    ranks = (matured["arm"] == WORKED).sum() + 1 + np.arange(len(held))
    return kept.assign(would_rank=ranks, places=len(matured), chance_of_work=0.5, theta=0.0)


def seen(matured: pd.DataFrame | None = None, arms=NO_ARMS, psi=None, number=5000, contacted=None) -> LookedBack:
    return LookedBack(rows().iloc[:0] if matured is None else matured, arms, psi, number, contacted)


def finding(verdict: Findings, name: str):
    return next(one for one in verdict.findings if one.name == name)


def running(number: int, held: int, share: float = 0.05) -> pd.DataFrame:
    arm = [CONTROL] * held + [WORKED] * (number - held)
    return pd.DataFrame(
        {
            "debtor_id": [f"d{place}" for place in range(number)],
            "arm": arm,
            "assigned_on": NIGHT,
            "until_on": NIGHT + 44,
            "probability": share,
        }
    )


# --- before the due day ---


def of_late(number: int = 4000, level: float = 1.0, psi=None, nights: int = 3, book: str = "loans") -> Lateness:
    """Matured nights on which every debtor was late with the chance that was said, times `level`."""
    random = np.random.default_rng(5)
    chance = random.uniform(0.05, 0.5, number)
    late = (random.random(number) < chance * level).astype(float)
    late[:10] = np.nan
    told = pd.DataFrame(
        {
            "as_of": EARLIER,
            "account_id": [f"a{place}" for place in range(number)],
            "debtor_id": [f"d{place // 2}" for place in range(number)],
            "portfolio": book,
            "p_late": chance,
            "late": late,
            "due": 100.0,
            "said": "",
        }
    )
    return Lateness(told, nights, psi, number)


@pytest.mark.parametrize(("level", "verdict"), [(1.0, OK), (1.8, WARN), (0.5, WARN)])
def test_late_is_told_against_expected_for_all_and_book_by_book(level, verdict):
    both = pd.concat(
        [of_late(level=level).matured, of_late(book="cards").matured.assign(account_id="c", debtor_id="c")]
    )
    found = findings_on(replace(seen(), watched=Lateness(both, 3, None, 8000)), AS_OF, PARAMS)
    loans, cards = (finding(found, f"late against expected in {book}") for book in ("loans", "cards"))
    assert loans.figures["low"] < level < loans.figures["high"]
    assert loans.verdict == verdict
    assert "3,990 were late" in loans.says
    assert cards.verdict == UNKNOWN
    assert "Only 1 debtors were late: too few to judge." in cards.says
    assert finding(found, "late against expected").figures["rows"] == 7980


@pytest.mark.parametrize(("at_rest", "verdict"), [(1.0, OK), (0.5, WARN)])
def test_reminders_that_work_are_told_from_a_chance_that_is_wrong(at_rest, verdict):
    """Far fewer are late than expected: of all but those whom a lot kept silent, or of those too."""
    written, silent = of_late(level=0.3).matured, of_late(level=at_rest).matured
    silent = silent.assign(account_id="s" + silent["account_id"], debtor_id="s" + silent["debtor_id"], said=KEPT_SILENT)
    written.loc[written.index % 2 == 0, "said"] = WRITTEN
    whole = pd.concat([written, silent.iloc[:3000]])
    found = findings_on(replace(seen(), watched=Lateness(whole, 3, None, 8000)), AS_OF, PARAMS)
    told = finding(found, "late against expected")
    assert told.figures["high"] < PARAMS.gate.money_ratio[0]
    assert told.figures["written"] == 1995
    assert told.verdict == verdict
    assert ("Reminders may be why" in told.says) == (verdict == OK)
    alone = finding(found, "late against expected, kept silent by lot")
    assert alone.verdict == verdict
    assert alone.figures["low"] < at_rest < alone.figures["high"]
    chosen = finding(found, "late against expected, written to")
    assert chosen.verdict == UNKNOWN
    assert "Who is written to is chosen" in chosen.says


@pytest.mark.parametrize(
    ("written", "silent", "says"),
    [
        (1, 600, "1 were written to before it was known."),
        (2000, 0, "Whether reminders are why cannot be told: the lot kept too few silent."),
        (2000, 6, "Whether reminders are why cannot be told: the lot kept too few silent."),
    ],
    ids=["one message", "nobody silent", "a few silent"],
)
def test_reminders_excuse_no_more_than_they_could_explain_nor_what_the_lot_cannot_tell(written, silent, says):
    few, rest = of_late(level=0.5).matured, of_late().matured.iloc[10 : 10 + silent]
    few.loc[few.index[-written:], "said"] = WRITTEN
    rest = rest.assign(account_id="s" + rest["account_id"], debtor_id="s" + rest["debtor_id"], said=KEPT_SILENT)
    found = findings_on(replace(seen(), watched=Lateness(pd.concat([few, rest]), 3, None, 8000)), AS_OF, PARAMS)
    told = finding(found, "late against expected")
    assert told.figures["ratio"] < PARAMS.gate.money_ratio[0]
    assert told.verdict == WARN
    assert told.says.endswith(says)


def test_more_late_than_expected_is_never_laid_to_reminders():
    rows = of_late(level=1.8).matured
    rows.loc[rows.index % 2 == 0, "said"] = WRITTEN
    found = findings_on(replace(seen(), watched=Lateness(rows, 3, None, 8000)), AS_OF, PARAMS)
    assert finding(found, "late against expected").verdict == WARN


def test_late_is_told_by_tenth_book_amount_and_what_was_said():
    rows = of_late(level=1.4).matured
    rows.loc[rows.index % 4 == 0, ["said", "due", "portfolio"]] = [WRITTEN, 20.0, "cards"]
    rows.loc[rows.index == 11, "said"] = KEPT_SILENT
    found = late_by(rows).set_index(["scope", "group"])
    known = rows[rows["late"].notna()]
    for scope, part in found.groupby("scope"):
        assert part["rows"].sum() == len(known), scope
        assert (part["rows"] * part["late"]).sum() == pytest.approx(known["late"].sum())
        assert (part["rows"] * part["expected"]).sum() == pytest.approx(known["p_late"].sum())
    assert found.loc["tenth"].index.tolist() == [str(number) for number in range(1, 11)]
    assert found.loc["tenth", "expected"].is_monotonic_increasing
    assert found.loc["book"].index.tolist() == ["cards", "loans"]
    assert found.loc["due"].index.tolist() == ["from 0", "from 50"]
    assert found.loc["said"].index.tolist() == ["", WRITTEN, KEPT_SILENT]
    whole = found.loc["all", ""]
    assert whole["ratio"] == pytest.approx(known["late"].sum() / known["p_late"].sum())
    assert whole["low"] < 1.4 < whole["high"]
    assert found.loc["said", KEPT_SILENT][["low", "high"]].isna().all()  # of one debtor nothing can be said
    nobody = late_by(rows.assign(late=rows["late"] * (rows.index < 14))).set_index(["scope", "group"])
    assert nobody.loc["all", ""][["low", "high"]].isna().all()  # nor of two late ones
    assert (late_by(rows)["low"].dropna() >= 0).all()
    assert "said" not in set(late_by(rows.assign(said=""))["scope"])
    assert late_by(rows.assign(late=np.nan)).empty


class _Kept:
    """A store that remembers messages and arms."""

    def __init__(self, messages: pd.DataFrame, arms: pd.DataFrame) -> None:
        self.frames = {"messages": messages, "assignments": arms}

    def read(self, name: str, columns: list[str], before: int) -> pd.DataFrame:
        found = self.frames[name]
        return found.loc[found["as_of"] < before, columns].reset_index(drop=True)


def test_who_was_written_to_in_the_window_and_whom_the_lot_keeps_silent():
    """Of 400 debtors every third is written to in its window, unless a lot keeps him silent or that of the list has
    him; the others are written to too early, too late or left silent.
    """
    debtors = [f"d{number}" for number in range(400)]
    lot = {name for name in debtors if chance_of(PARAMS.seed, SILENT, name) < 0.2}
    drawn = set(debtors[:30])
    last = EARLIER + 30 + 15 - 1
    days = [(EARLIER, EARLIER - 1, last + 1)[number % 3] for number in range(400)]
    messages = pd.DataFrame({"debtor_id": debtors, "as_of": days})
    messages["variant"] = [SILENT if name in lot - drawn else "plain" for name in debtors]
    messages["p_silent"] = [0.0 if name in drawn else 0.2 for name in debtors]
    messages.loc[3, "as_of"] = last
    messages = messages.assign(**{name: "x" for name in KEPT_COLUMNS if name not in messages})
    arms = pd.DataFrame({"debtor_id": sorted(drawn), "arm": CONTROL, "assigned_on": EARLIER + 5, "until_on": NIGHT})
    told = pd.DataFrame({"debtor_id": debtors, "as_of": EARLIER})
    job = SimpleNamespace(params=PARAMS, as_of=NIGHT)
    found = dict(zip(debtors, _said_to(told, _Kept(messages, arms.assign(as_of=EARLIER + 5)), job), strict=True))
    written = {name for name, number in zip(debtors, range(400), strict=True) if number % 3 == 0} - (lot - drawn)
    assert {name for name in debtors if found[name] == WRITTEN} == written
    assert {name for name in debtors if found[name] == KEPT_SILENT} == lot - drawn
    assert len(lot - drawn) > 40
    none = _said_to(told.assign(as_of=EARLIER - 200), _Kept(messages, arms.assign(as_of=EARLIER)), job)
    assert set(none) == {""}


@pytest.mark.parametrize(
    ("nights", "says"),
    [
        (0, "No night said P(late) yet. Nothing can be said."),
        (2, "2 nights said P(late), of which none has matured yet."),
    ],
)
def test_what_has_not_matured_is_not_known(nights, says):
    waiting = replace(of_late(nights=nights), matured=of_late().matured.iloc[:0])
    told = finding(findings_on(replace(seen(), watched=waiting), AS_OF, PARAMS), "late against expected")
    assert told.verdict == UNKNOWN
    assert told.says.startswith(says)
    unwatched = findings_on(seen(), AS_OF, PARAMS).findings
    assert not [one for one in unwatched if "late" in one.name]


@pytest.mark.parametrize(("value", "verdict"), [(0.02, OK), (0.19, OK), (0.21, WARN), (0.4, STOP)])
def test_drift_of_the_chance_of_being_late(value, verdict):
    found = findings_on(replace(seen(), watched=of_late(psi={SCORE: value, "open_items": 0.9})), AS_OF, PARAMS)
    assert finding(found, "drift of P(late)").verdict == verdict
    assert "open_items (0.90)" in finding(found, "drift of the features of P(late)").says


@pytest.mark.parametrize(("shifted", "verdict"), [(0.1, WARN), (0.9, STOP)])
def test_a_chance_of_being_late_that_moved_with_the_date_alone_stops_nothing(shifted, verdict):
    found = findings_on(replace(seen(), watched=of_late(psi={SCORE: 0.4, "open_items": shifted})), AS_OF, PARAMS)
    assert finding(found, "drift of P(late)").verdict == verdict


# --- drift ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "verdict"), [(0.02, OK), (0.19, OK), (0.21, WARN), (0.4, STOP)])
def test_drift_of_the_score_has_three_verdicts(value, verdict):
    found = findings_on(seen(rows(2400), psi={"p_recovered": value, "balance": 0.01}), AS_OF, PARAMS)
    assert finding(found, "drift of the score").verdict == verdict
    assert found.verdict == verdict
    assert found.alarm().strangers == (verdict == STOP)


def test_shifted_features_are_named_worst_first():
    psi = {"p_recovered": 0.0, "balance": 0.3, "arrears": 0.9, "days_past_due": 0.1, "promise_open": 0.26}
    psi |= {"bucket": 0.28, "open_items": 0.27}
    found = finding(findings_on(seen(psi=psi), AS_OF, PARAMS), "drift of the features")
    assert (found.verdict, found.says) == (
        WARN,
        "5 of 6 features have shifted (PSI above 0.25 beyond what is usual): arrears (0.90), balance (0.30), "
        "bucket (0.28), open_items (0.27), promise_open (0.26).",
    )
    four = finding(findings_on(seen(psi={**psi, "balance": 0.2}), AS_OF, PARAMS), "drift of the features")
    assert (four.verdict, four.figures["shifted"]) == (OK, 4)
    calm = finding(findings_on(seen(psi={"p_recovered": 0.0, "balance": 0.2}), AS_OF, PARAMS), "drift of the features")
    assert (calm.verdict, calm.says) == (OK, "None of 1 features has shifted.")


def test_accounts_of_a_book_that_taught_nothing_are_told_at_once():
    found = findings_on(replace(seen(psi={SCORE: 0.0}), unseen={"portfolio": 30, "product": 900}), AS_OF, PARAMS)
    told = finding(found, "new books")
    assert (told.verdict, told.says) == (
        WARN,
        "30 of 5,000 accounts are in books that the model does not know by name.",
    )
    few = findings_on(replace(seen(psi={SCORE: 0.0}), unseen={"portfolio": 29}), AS_OF, PARAMS)
    assert "new books" not in {each.name for each in few.findings}


def test_a_small_night_is_not_taken_for_a_shift():
    """Nothing is said of fewer than 50; of more, models.drift takes off what chance shows."""
    assert (
        finding(findings_on(seen(psi={"p_recovered": 0.2}, number=49), AS_OF, PARAMS), "drift").says
        == "Only 49 accounts are scorable. Nothing can be said."
    )
    assert "keeps no picture" in finding(findings_on(seen(), AS_OF, PARAMS), "drift").says


# --- calibration and value --------------------------------------------------------------------------------------------


def test_calibration_by_hand():
    """40 expected, 30 recovered: 0.75; linearised residuals 15 - 0.75 x 20 = 0 and 15 - 0.75 x 20 = 0, so no spread."""
    matured = rows(2).assign(group="worklist", expected=20.0, money=15.0, p_recovered=0.5, recovered=1.0)
    found = finding(findings_on(seen(matured), AS_OF, PARAMS), "calibration in money")
    assert found.figures == {"ratio": 0.75, "low": 0.75, "high": 0.75, "debtors": 2}
    assert "Only 2 debtors recovered: too few to judge." in found.says


def test_calibration_has_three_verdicts():
    good = findings_on(seen(rows(3000)), AS_OF, PARAMS)
    assert finding(good, "calibration in money").verdict == OK
    bad = rows(3000, level=0.4)
    assert finding(findings_on(seen(bad), AS_OF, PARAMS), "calibration in money").verdict == STOP
    assert finding(findings_on(seen(bad), AS_OF, PARAMS), "calibration in recoveries").verdict == WARN
    near = rows(2400, seed=3, level=0.66)
    assert finding(findings_on(seen(near), AS_OF, PARAMS), "calibration in money").verdict == WARN


@pytest.mark.slow
def test_calibration_intervals_cover_the_truth():
    """Expected is the true chance here, so the true ratio is 1: about 95 of 100 intervals hold it."""
    covered = 0
    for seed in range(120):
        figures = finding(findings_on(seen(rows(800, seed=seed)), AS_OF, PARAMS), "calibration in money").figures
        covered += figures["low"] <= 1 <= figures["high"]
    assert 106 <= covered <= 120


def test_held_out_accounts_do_not_judge_the_model_and_unseen_outcomes_nobody():
    matured = rows(900)
    spoiled = matured.assign(money=np.where(matured["group"] == "held_out", 1e6, matured["money"]))
    assert finding(findings_on(seen(spoiled), AS_OF, PARAMS), "calibration in money").verdict != STOP
    blind = matured.assign(recovered=np.nan, money=np.nan)
    assert (
        finding(findings_on(seen(blind), AS_OF, PARAMS), "calibration").says
        == "No list has matured yet. Nothing can be said."
    )


def test_matured_lists_by_hand():
    matured = pd.DataFrame(
        {
            "as_of": [1, 1, 1, 2, 2],
            "debtor_id": list("abcab"),
            "group": ["worklist", "joined", "below_capacity", "worklist", "held_out"],
            "expected": [10.0, 2.0, 5.0, 4.0, 1.0],
            "money": [8.0, 4.0, 3.0, 0.0, 0.0],
            "recovered": [1.0, 1.0, 1.0, 0.0, np.nan],
        }
    )
    lists = matured_lists(matured)
    assert lists.to_dict("list") == {
        "as_of": [1, 2],
        "listed": [1, 1],
        "expected": [12.0, 4.0],
        "recovered": [12.0, 0.0],
        "share_of_money": [0.8, pytest.approx(math.nan, nan_ok=True)],
    }


# --- the control group ------------------------------------------------------------------------------------------------


def test_the_control_group_is_counted_and_an_odd_one_is_said():
    fine = finding(findings_on(seen(arms=running(1000, 52)), AS_OF, PARAMS), "control group")
    assert (fine.verdict, fine.says) == (OK, "52 of 1,000 debtors are held out, 50.0 expected.")
    odd = finding(findings_on(seen(arms=running(1000, 5)), AS_OF, PARAMS), "control group")
    assert (odd.verdict, odd.figures["held_out"]) == (WARN, 5)
    over = running(10, 10).assign(until_on=NIGHT)
    assert finding(findings_on(seen(arms=over), AS_OF, PARAMS), "control group").says == "No debtor is in a span yet."


def test_no_control_share_is_a_warning():
    params = PARAMS.model_copy(update={"worklist": PARAMS.worklist.model_copy(update={"control_share": 0.0})})
    assert finding(findings_on(seen(), AS_OF, params), "control group").verdict == WARN


@pytest.mark.slow
def test_intervals_of_the_effect_cover_the_truth_and_a_real_effect_is_seen():
    covered = 0
    for seed in range(120):
        figures = finding(
            findings_on(seen(rows(700, seed=seed, lift=0.1)), AS_OF, PARAMS), "what working adds: recovered"
        ).figures
        covered += figures["low"] <= 0.1 <= figures["high"]
    assert 106 <= covered <= 120
    clear = finding(findings_on(seen(rows(4000, lift=0.2)), AS_OF, PARAMS), "what working adds: money")
    assert clear.figures["low"] > 0
    assert "more than nothing" in clear.says
    harm = finding(findings_on(seen(rows(4000, lift=-0.1)), AS_OF, PARAMS), "what working adds: money")
    assert harm.verdict == WARN
    assert "LESS than nothing" in harm.says


def test_too_few_matured_debtors_give_no_effect():
    found = findings_on(seen(rows(40)), AS_OF, PARAMS)
    assert "30 of each are needed" in finding(found, "what working adds").says


def test_a_debtor_drawn_on_thirty_nights_is_one():
    """Twenty debtors drawn thirty times are too few to say anything; of sixty, each night the same, the interval is as
    wide as of one night.
    """

    def often(number: int, nights: int) -> pd.DataFrame:
        of = rows(number, share=0.5, lift=0.1)
        days = range(EARLIER - nights + 1, EARLIER + 1)
        return pd.concat([of.assign(as_of=day, assigned_on=day) for day in days], ignore_index=True)

    few = findings_on(seen(often(40, 30)), AS_OF, PARAMS)
    assert "30 of each are needed" in finding(few, "what working adds").says
    assert sum(finding(few, "what working adds").figures.values()) == 40
    assert finding(findings_on(seen(often(20, 30)), AS_OF, PARAMS), "power").verdict == UNKNOWN
    once, thirty = (findings_on(seen(often(200, nights)), AS_OF, PARAMS) for nights in (1, 30))
    for name in ("what working adds: money", "what working adds: recovered", "power"):
        assert dict(finding(thirty, name).figures) == pytest.approx(dict(finding(once, name).figures))
    said = listed(0.1, number=100)
    again = replace(
        said,
        matured=pd.concat([said.matured.assign(as_of=day, assigned_on=day) for day in (EARLIER - 1, EARLIER)]),
        drawn=pd.concat([said.drawn.assign(assigned_on=day) for day in (EARLIER - 1, EARLIER)]),
    )
    counts = [finding(findings_on(each, AS_OF, PARAMS), "listed against held out").figures for each in (said, again)]
    assert [counts[1][name] for name in ("worked", "held_out")] == [counts[0][name] for name in ("worked", "held_out")]


def test_power_by_hand():
    """sd 1, 100 worked and 100 held out: 2.8016 x sqrt(2 / 100) = 0.3962."""
    matured = rows(200).assign(arm=[WORKED, CONTROL] * 100, money=[-1.0, -1.0, 1.0, 1.0] * 50, expected=7.0)
    spread = math.sqrt(200 / 199)
    assert finding(findings_on(seen(matured), AS_OF, PARAMS), "power").figures["money"] == pytest.approx(
        2.801585 * spread * math.sqrt(0.02), rel=1e-5
    )


def test_a_control_group_that_is_contacted_is_said():
    matured = rows(600)
    everyone = pd.DataFrame({"debtor_id": matured["debtor_id"], "assigned_on": EARLIER, "contacts": 2})
    assert finding(findings_on(seen(matured, contacted=everyone), AS_OF, PARAMS), "control group kept").verdict == WARN
    worked = everyone[matured["arm"] == WORKED]
    kept = finding(findings_on(seen(matured, contacted=worked), AS_OF, PARAMS), "control group kept")
    assert (kept.verdict, kept.figures) == (OK, {"worked": 1.0, "held_out": 0.0})


# --- the whole --------------------------------------------------------------------------------------------------------


def test_the_verdict_is_its_worst_finding_and_reads_as_text():
    found = findings_on(
        seen(rows(3000, lift=0.1), running(1000, 50), {"p_recovered": 0.5, "balance": 0.0}), AS_OF, PARAMS
    )
    assert found.verdict == STOP
    text = found.text()
    assert text.startswith("Monitor of 2026-11-22: stop")
    assert "Last matured lists" in text
    assert "EUR per debtor" in text
    assert all(f"{one.name}: {one.says}" in text for one in found.findings)


def test_a_first_night_is_unknown_and_says_what_is_not_known_yet():
    found = findings_on(
        seen(arms=NO_ARMS.astype({"probability": float, "assigned_on": int, "until_on": int})), AS_OF, PARAMS
    )
    assert found.verdict == UNKNOWN
    assert "No list has matured yet" in found.text()


def test_unknown_is_neither_ok_nor_hides_a_warning():
    """What waits for its control group or its messages leaves the whole ok; what judges the model does not."""
    known, few = seen(rows(2400), psi={SCORE: 0.0}), seen(rows(60), psi={SCORE: 0.0})
    assert finding(findings_on(known, AS_OF, PARAMS), "control group").verdict == UNKNOWN
    assert findings_on(known, AS_OF, PARAMS).verdict == OK
    assert finding(findings_on(few, AS_OF, PARAMS), "calibration in money").verdict == UNKNOWN
    assert findings_on(few, AS_OF, PARAMS).verdict == UNKNOWN
    assert findings_on(replace(few, psi={SCORE: 0.21}), AS_OF, PARAMS).verdict == WARN


def test_a_manifest_keeps_figures_of_six_digits_and_none_that_is_no_number():
    told = Findings(AS_OF, (Finding("x", OK, "y", {"a": 1 / 3, "b": math.nan, "c": 7, "d": "z"}),), pd.DataFrame())
    assert told.alarm().told()["findings"][0]["figures"] == {"a": 0.333333, "b": None, "c": 7, "d": "z"}


# Where the order by what working adds stands


@pytest.mark.parametrize(
    ("rung", "verdict", "said"),
    [
        (
            Rung(UNPROVEN, NIGHT - 9, "", UNPROVEN_GUARD),
            OK,
            "from the contact log and not yet proven since 2026-11-13.",
        ),
        (
            Rung(UNPROVEN, NIGHT - 9, "", UNPROVEN_GUARD, {"draws": 40}),
            OK,
            "40 draws have matured, too few payers to conclude",
        ),
        (Rung(PROVEN, NIGHT, UNPROVEN, UNPROVEN_GUARD), WARN, "It changed tonight; before it was from the contact log"),
        (
            Rung(DISPROVEN, NIGHT - 9, PROVEN, UNPROVEN_GUARD),
            WARN,
            "disproven by draws, the order is that of amount x p(1 - p)",
        ),
        (Rung(PROVEN, NIGHT - 9, UNPROVEN, UNPROVEN_GUARD), OK, "proven by draws since 2026-11-13."),
    ],
)
def test_the_monitor_says_where_the_effect_stands_and_warns_of_every_change(rung, verdict, said):
    told = finding(findings_on(replace(seen(), rung=rung), AS_OF, PARAMS), "order by what working adds")
    assert said in told.says
    assert told.verdict == verdict


def test_the_draws_figures_and_what_is_still_needed_are_told():
    figures = {
        "draws": 900,
        "slope": 0.5,
        "slope_low_tonight": -0.1,
        "slope_high_tonight": 1.1,
        "power_days": 240,
        "odd": math.nan,
    }
    rung = Rung(UNPROVEN, NIGHT - 9, "", UNPROVEN_GUARD, figures)
    told = finding(findings_on(replace(seen(), rung=rung), AS_OF, PARAMS), "order by what working adds")
    assert "its slope on 900 matured draws is 0.50 [-0.10, 1.10]" in told.says
    assert "would be proven by 2027-07-20 in 4 of 5 cases" in told.says
    assert "odd" not in told.figures


def test_those_the_lot_has_worked_are_not_expected_to_be_held_out():
    arms = pd.DataFrame(
        {"debtor_id": [f"d{place}" for place in range(400)], "assigned_on": NIGHT - 1, "until_on": NIGHT + 40}
    )
    share = PARAMS.worklist.control_share
    arms["arm"] = [CONTROL] * 20 + [TO_WORK] * 200 + [WORKED] * 180
    arms["probability"] = np.where(arms["arm"] == TO_WORK, 0.5, share)
    told = finding(findings_on(seen(arms=arms), AS_OF, PARAMS), "control group")
    assert told.figures["expected"] == pytest.approx(400 * share)
    assert told.verdict == OK


# The list against those held out whom it would have had


def listed(lift: float, seed: int = 1, number: int = 3000) -> LookedBack:
    matured = rows(number, seed=seed, lift=lift)
    matured["group"] = np.where(matured["arm"] == CONTROL, "held_out", "worklist")
    matured["rank"] = (matured["arm"] == WORKED).cumsum() * (matured["arm"] == WORKED)
    return replace(seen(matured), drawn=drawn_of(matured))


@pytest.mark.parametrize(("lift", "verdict"), [(0.1, OK), (-0.15, WARN)])
def test_the_list_is_held_against_those_whom_it_would_have_had(lift, verdict):
    told = finding(findings_on(listed(lift), AS_OF, PARAMS), "listed against held out")
    figures = told.figures
    assert told.verdict == verdict
    assert abs(figures["recovered"] - lift) < 0.05
    assert figures["recovered_low"] < figures["recovered"] < figures["recovered_high"]
    assert abs(figures["money"] - 100 * lift) < 6  # every account owes 100, and pays that or nothing
    level = UNPROVEN_GUARD.level
    assert 0.1 * 0.9 * level < figures["foretold"] < 0.25 * level
    assert f"seen in 4 of 5 cases from {figures['power_on']} on" in told.says
    assert dt.date.fromisoformat(figures["power_on"]) >= AS_OF - dt.timedelta(60 - PARAMS.label.gap_days)


def test_too_few_whom_the_list_would_have_had_say_nothing():
    few = listed(0.1, number=60)
    told = finding(findings_on(few, AS_OF, PARAMS), "listed against held out")
    assert "30 of each are needed" in told.says
    assert told.figures["held_out"] == len(few.drawn)


@pytest.mark.slow
def test_intervals_of_the_list_against_held_out_cover_the_truth():
    told = [
        finding(findings_on(listed(0.1, seed, 700), AS_OF, PARAMS), "listed against held out") for seed in range(120)
    ]
    held = sum(one.figures["recovered_low"] <= 0.1 <= one.figures["recovered_high"] for one in told)
    assert 106 <= held <= 120


def test_findings_stand_as_plain_values():
    told = findings_on(listed(0.1), AS_OF, PARAMS).told()
    assert told["as_of"] == "2026-11-22"
    assert told["verdict"] == UNKNOWN
    kept = next(one for one in json.loads(json.dumps(told))["findings"] if one["name"] == "listed against held out")
    assert kept["figures"]["held_out"] > 0
    assert told["lists"][0]["as_of"] == "2026-09-23"


def test_a_contact_counts_for_the_debtor_of_its_day_and_for_the_name_its_span_was_drawn_under():
    """Two records are one from 20 February on: a contact of the former's account is the latter's too, from then on."""
    world = World().account("a", "former", opened_on="2026-01-01").account("b", "latter", opened_on="2026-01-01")
    world.same("former", "latter", "2026-02-20")
    for account_id, on in (("a", "2026-02-10"), ("a", "2026-02-25"), ("b", "2026-02-11")):
        world.contact(f"{on} 10:00", "call", account_id=account_id)
    found = _contacts(world.tables())
    assert sorted(zip(found["debtor_id"], found["occurred_on"], strict=True)) == [
        ("former", day("2026-02-10")),
        ("former", day("2026-02-25")),
        ("latter", day("2026-02-11")),
        ("latter", day("2026-02-25")),
    ]
    assert _contacts({"accounts": world.tables()["accounts"]}).empty


# --- before labels ----------------------------------------------------------------------------------------------------


def tonight(number: int = 900, spread: float = 4.0) -> pd.DataFrame:
    chance = np.random.default_rng(2).beta(1, spread, number)
    return pd.DataFrame({"debtor_id": [f"d{place}" for place in range(number)], "p_recovered": chance}).assign(
        expected=100 * chance
    )


def soon(young: float = 1.0, number: int = 4_000) -> pd.DataFrame:
    """A third of those who pay do within a week; on young nights that many times as many."""
    random = np.random.default_rng(4)
    chance, matured = random.beta(1, 4, number), np.arange(number) % 2 == 0
    early = (random.random(number) < chance / 3 * np.where(matured, 1.0, young)).astype(float)
    names = [f"d{place}" for place in range(number)]
    return pd.DataFrame(
        {"as_of": EARLIER, "debtor_id": names, "p_recovered": chance, "early": early, "matured": matured}
    )


def test_tonights_chances_foretell_order_and_money_with_intervals():
    found = findings_on(replace(seen(), tonight=tonight(), taught_auc=0.7), AS_OF, PARAMS)
    order, money = finding(found, "order foretold").figures, finding(found, "money foretold").figures
    assert order["low"] < order["value"] < order["high"]
    assert money["low"] < tonight()["expected"].sum() == pytest.approx(money["value"])
    assert finding(found, "order foretold").verdict == OK
    flat = tonight().assign(p_recovered=0.2)
    lost = finding(findings_on(replace(seen(), tonight=flat, taught_auc=0.7), AS_OF, PARAMS), "order foretold")
    assert (lost.verdict, lost.figures["value"]) == (WARN, pytest.approx(0.5))
    untaught = finding(findings_on(replace(seen(), tonight=tonight()), AS_OF, PARAMS), "order foretold")
    assert untaught.verdict == UNKNOWN


@pytest.mark.parametrize(("young", "verdict"), [(1.0, OK), (0.3, WARN), (2.6, WARN)])
def test_payers_who_change_are_seen_before_their_labels_mature(young, verdict):
    found = finding(findings_on(replace(seen(), early=soon(young)), AS_OF, PARAMS), "early payments")
    assert found.verdict == verdict
    assert found.figures["low"] < young < found.figures["high"]


def test_early_payments_say_nothing_before_a_night_has_matured():
    waiting = soon().assign(matured=False)
    for early in (None, waiting, soon(number=60)):
        assert finding(findings_on(replace(seen(), early=early), AS_OF, PARAMS), "early payments").verdict == UNKNOWN


def test_the_order_of_matured_nights_is_held_against_that_of_training():
    known, order = rows(2_400), "order realised"
    assert finding(findings_on(replace(seen(known), taught_auc=0.62), AS_OF, PARAMS), order).verdict == OK
    lost = finding(findings_on(replace(seen(known), taught_auc=0.9), AS_OF, PARAMS), order)
    assert (lost.verdict, lost.figures["taught"]) == (WARN, 0.9)
    assert finding(findings_on(replace(seen(rows(40)), taught_auc=0.6), AS_OF, PARAMS), order).verdict == UNKNOWN
