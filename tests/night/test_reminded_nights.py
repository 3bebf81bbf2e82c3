"""Nights that publish messages beside their list: the list is the same, the messages are vouched for, remembered, made
again, and forgotten with whom they were for.

Also of variants.py.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
import yaml

from features.days import day_of_text
from pipeline.messages.texts import SHIPPED, messages_of
from pipeline.night.variants import matured, with_shares
from pipeline.pages.language import words
from pipeline.params import Adaptation, load
from pipeline.simulate.portfolio import simulate
from pipeline.store.form import MESSAGES
from pipeline.store.store import Store
from tests.worlds.commands import recoup
from tests.worlds.houses import copy_of
from tests.worlds.params import written_params
from tests.worlds.said import breaches_on

pytestmark = pytest.mark.slow

FIRST, SECOND, LATER = "2026-08-10", "2026-08-11", "2026-10-01"
STEPS = [
    {"name": "before", "day": -5, "channels": ["sms", "email"], "message": "due_soon", "open_days": 6},
    {"name": "early", "day": 2, "channels": ["sms", "email"], "message": "overdue", "open_days": 12},
    {"name": "later", "day": 14, "channels": ["email", "sms"], "message": "options", "open_days": 30},
]


def written(folder: Path, out: str, reminders: dict | None) -> None:
    place = written_params(folder / "params.yaml", folder)
    told = yaml.safe_load(place.read_text())
    told["paths"]["out"] = str(folder / out)
    told["cohort"] |= {"first": "2026-07-01"}
    told["reminders"], told["messages"] = reminders, str(folder / "messages.yaml") if reminders else None
    place.write_text(yaml.safe_dump(told, sort_keys=False))


def delivered(folder: Path, name: str) -> list[dict]:
    with gzip.open(folder / "source" / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows(folder: Path, night: str, out: str = "out") -> list[dict]:
    with (folder / out / night / "messages.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def reminded_house(tmp_path_factory) -> Path:
    """A night without messages, and in another folder the same one and the next with them."""
    folder = tmp_path_factory.mktemp("reminded")
    simulate(260, 23, folder / "source", months=6)
    written(folder, "plain", None)
    assert recoup(folder, "ingest") == 0
    assert recoup(folder, "worklist", "--as-of", FIRST) == 0
    (folder / "messages.yaml").write_bytes(SHIPPED.read_bytes())
    written(
        folder,
        "out",
        {"steps": STEPS, "spacing_days": 3, "by_response": True, "language": {"default": "en", "loan_eu": "fr"}},
    )
    for night in (FIRST, SECOND):
        assert recoup(folder, "worklist", "--as-of", night) == 0
    return folder


def people(folder: Path, night: str, table: str) -> set[str]:
    place = folder / "out" / night / ("not_for_agents" if table == "held_out" else "")
    return set(re.findall(r"D\d{7}", (place / f"{table}.csv").read_text()))


def test_the_list_is_the_same_and_the_messages_lie_beside_it(reminded_house):
    plain, beside = (reminded_house / out / FIRST for out in ("plain", "out"))
    same = ("worklist.csv", "worklist.html", "worklist.parquet", "deferred.csv", "scores.parquet")
    for name in (*same, "not_for_agents/held_out.csv"):
        assert (plain / name).read_bytes() == (beside / name).read_bytes(), name
    held = {path.name for path in beside.iterdir()} - {path.name for path in plain.iterdir()}
    assert held == {"messages.csv", "messages.parquet", "messages.html"}
    told = json.loads((plain / "manifest.json").read_text())
    assert not {"messages", "messages_sha256"} & told.keys()
    told = json.loads((beside / "manifest.json").read_text())
    assert held <= told["outputs"].keys()
    assert told["messages"]["messages"] == len(rows(reminded_house, FIRST)) > 5
    assert sum(told["messages"]["steps"].values()) == len(rows(reminded_house, FIRST))


def as_judged(folder: Path, night: str, messages: list[dict], earlier: list[dict]) -> list[str]:
    """What the independent judge finds in the messages of a night, from the rows of the store."""
    listed, held = (people(folder, night, table) for table in ("worklist", "held_out"))
    assert listed
    assert held
    params, store = load(folder / "params.yaml"), Store(folder / "store")
    return breaches_on(store, params, day_of_text(night), messages, listed, held, earlier)


def test_the_independent_judge_finds_nothing_in_the_published_files_and_catches_what_is_let_through(reminded_house):
    first, second = rows(reminded_house, FIRST), rows(reminded_house, SECOND)
    said = [{**row, "as_of": day_of_text(FIRST)} for row in first]
    assert as_judged(reminded_house, FIRST, first, []) == []
    assert as_judged(reminded_house, SECOND, second, said) == []
    again = as_judged(reminded_house, SECOND, first, said)
    assert sum("too soon after a contact" in fault for fault in again) == len(first)
    early = as_judged(reminded_house, FIRST, [{**row, "send_from": "03:00"} for row in first], [])
    assert len({fault.split(" ")[0] for fault in early}) == len(first)
    held = min(people(reminded_house, FIRST, "held_out"))
    lets_through = as_judged(reminded_house, FIRST, [{**first[0], "debtor_id": held}], [])
    assert any("held out" in fault for fault in lets_through)


def test_the_terminal_says_how_many_by_step(reminded_house, capsys):
    assert recoup(reminded_house, "worklist", "--as-of", SECOND) == 0
    assert re.search(r"^\d+ messages beside the list: \d+ \w+.*\.$", capsys.readouterr().out, re.MULTILINE)


def test_nobody_is_both_called_and_written_to_and_nobody_again_within_the_spacing(reminded_house):
    listed = set(re.findall(r"D\d{7}", (reminded_house / "out" / FIRST / "worklist.csv").read_text()))
    first, second = rows(reminded_house, FIRST), rows(reminded_house, SECOND)
    assert first
    assert not listed & {row["debtor_id"] for row in first}
    assert not {row["debtor_id"] for row in first} & {row["debtor_id"] for row in second}
    assert {row["language"] for row in first if row["portfolio"] == "loan_eu"} == {"fr"}
    assert {row["step"] for row in first} == {"before", "early", "later"}


def test_the_store_remembers_what_was_said_and_to_whom_nothing(reminded_house):
    kept = Store(reminded_house / "store").read(MESSAGES, before=day_of_text(SECOND) + 1)
    assert set(kept["as_of"].unique()) == {day_of_text(FIRST), day_of_text(SECOND)}
    said = kept[(kept["variant"] != "silent") & (kept["as_of"] == day_of_text(FIRST))]
    assert sorted(said["account_id"]) == sorted(row["account_id"] for row in rows(reminded_house, FIRST))


def test_the_page_says_every_text_and_names_nobody(reminded_house):
    page = (reminded_house / "out" / FIRST / "messages.html").read_text(encoding="utf-8")
    assert not re.search(r"[AD]\d{7}", page)
    assert "{sender}: please look at your account at {link}" in page
    assert words("en")["messages"]["skips"]["listed"] in page
    assert "<script" not in page


def test_what_came_of_a_message_is_what_the_delivery_says_within_the_horizon(reminded_house):
    params, store = load(reminded_house / "params.yaml"), Store(reminded_house / "store")
    told = matured(store, store.versions(), day_of_text(LATER), params)
    assert set(told["as_of"]) == {day_of_text(FIRST), day_of_text(SECOND)}
    owner = {row["account_id"]: row["debtor_id"] for row in delivered(reminded_house, "accounts")}

    def met(name: str, counts) -> list[float]:
        days: dict[str, list[str]] = {}
        for row in delivered(reminded_house, name):
            if counts(row):
                days.setdefault(owner[row["account_id"]], []).append(row["occurred_at"][:10])
        return [
            float(any(0 <= day_of_text(day) - row.as_of < 30 for day in days.get(row.debtor_id, [])))
            for row in told.itertuples()
        ]

    back: dict[str, float] = {}
    for row in delivered(reminded_house, "payments"):
        if row["kind"] == "reversal":
            back[row["reverses"]] = back.get(row["reverses"], 0) + float(row["amount"])
    paid = met(
        "payments",
        lambda row: row["kind"] == "payment" and back.get(row["payment_id"], 0) < float(row["amount"]),
    )
    answers = {"right_party", "promise", "refusal", "dispute", "paid"}
    answered = met(
        "contacts",
        lambda row: (
            row["outcome"] in answers
            or (row["direction"] == "inbound" and row["outcome"] not in ("complaint", "unsubscribed"))
        ),
    )
    # days of payments are those of the book's zone: at the edges of the horizon they may differ by one
    assert sum(abs(told["paid"] - paid)) <= 1
    assert sum(abs(told["answered"] - answered)) <= 1
    assert told["paid"].sum() > 0
    earlier = matured(store, store.versions(), day_of_text(FIRST) + 43, params)
    assert earlier.empty


def test_the_monitor_tells_of_variants_and_draws_what_another_message_does(reminded_house, capsys):
    picture = reminded_house / "fatigue.svg"
    assert recoup(reminded_house, "monitor", "--as-of", LATER, "--draw", str(picture)) == 0
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    told = capsys.readouterr().out
    assert re.search(r"ok +variants of overdue: .*\d+ debtors\): paid \d", told)
    assert "what messages add: " in told
    assert "fatigue: odds of paying against days without a message" in told


def test_shares_are_those_declared_until_enough_have_matured(reminded_house):
    params, store = load(reminded_house / "params.yaml"), Store(reminded_house / "store")
    adapting = params.reminders.model_copy(update={"adapt": Adaptation(on=True)})
    known = messages_of(params)
    params = params.model_copy(update={"reminders": adapting})
    moved = with_shares(known, store, store.versions(), day_of_text(LATER), params)
    assert moved.messages["overdue"].shares == known.messages["overdue"].shares


def test_a_night_with_messages_is_made_again_from_the_texts_it_had(reminded_house, capsys):
    place = reminded_house / "messages.yaml"
    place.write_text(place.read_text(encoding="utf-8").replace("please look at", "have a look at"), encoding="utf-8")
    assert recoup(reminded_house, "reproduce", "--as-of", SECOND) == 0
    assert re.search(r"messages.csv .* same", capsys.readouterr().out)
    assert recoup(reminded_house, "verify") == 0


def test_texts_with_a_fault_stop_the_night_before_anything_is_worked(reminded_house, capsys):
    place = reminded_house / "messages.yaml"
    held = place.read_bytes()
    place.write_text(place.read_text(encoding="utf-8").replace("{opt_out}", "{optout}"), encoding="utf-8")
    assert recoup(reminded_house, "worklist", "--as-of", SECOND) == 2
    assert "unknown placeholder 'optout' (nearest: 'opt_out')" in capsys.readouterr().err
    place.write_bytes(held)


def test_a_night_made_again_without_reminders_has_said_nothing(reminded_house, tmp_path):
    folder = copy_of(reminded_house, tmp_path / "again")
    written(folder, "out", None)
    assert recoup(folder, "worklist", "--as-of", SECOND) == 0
    assert not (folder / "out" / SECOND / "messages.csv").exists()
    kept = Store(folder / "store").read(MESSAGES, before=day_of_text(SECOND) + 1)
    assert set(kept["as_of"].unique()) == {day_of_text(FIRST)}


def test_a_person_who_is_forgotten_leaves_the_messages_too(reminded_house, tmp_path):
    row = rows(reminded_house, FIRST)[0]
    assert recoup(reminded_house, "export", "--debtor", row["debtor_id"], "--out", str(tmp_path / "person.json")) == 0
    told = (tmp_path / "person.json").read_text(encoding="utf-8")
    assert row["why"] in told
    assert recoup(reminded_house, "forget", "--debtor", row["debtor_id"], "--by", "desk", "--why", "asked") == 0
    for place in (reminded_house / "out" / FIRST).rglob("*.*"):
        assert row["debtor_id"].encode() not in place.read_bytes(), place.name
    assert row["debtor_id"] not in set(Store(reminded_house / "store").read(MESSAGES, before=10**6)["debtor_id"])
