"""A sign-off is a person: who signed which rules, and when; a rule that changed since blocks the place and is shown."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from features.errors import InputMissing, UsageError
from pipeline.cli import cli
from pipeline.law.overlay import law_of
from pipeline.law.places import places
from pipeline.law.question import Case
from pipeline.law.reasoning import reasoning
from pipeline.law.sign_off import covered, covered_sha256, sign, signatures, signed_sha256, stale_places
from pipeline.night.night import changed_law
from pipeline.params import Eligibility, Params, load
from tests.worlds.eligibility_worlds import HOUSE, MONDAY, PARAMS, RULES, a_world, account, cohort_of, judged

NOON = dt.datetime(2026, 11, 20, 12, 30, 15, tzinfo=dt.UTC)


def by_signature(folder: Path, *overlays: Path) -> Params:
    eligibility = Eligibility(
        sign_offs=str(folder / "sign-offs.jsonl"),
        rules=tuple(map(str, overlays)),
        margin_minutes=15,
        channels=("call", "sms", "email", "letter"),
    )
    return PARAMS.model_copy(update={"eligibility": eligibility})


def signs_at_once(folder: Path, place: str, by: str) -> None:
    """One of many who sign: a process of his own."""
    params = by_signature(folder)
    for _ in range(5):
        sign([place], by, NOON, RULES, params)


def test_those_who_sign_at_the_same_time_lose_no_line(tmp_path):
    signers = [("US-TX", "A. Reader"), ("US", "B. Reader"), ("GB-ENG", "C. Reader"), ("DE", "D. Reader")]
    server = get_context("forkserver")
    server.set_forkserver_preload([__name__])  # what they sign with is loaded once
    with ProcessPoolExecutor(len(signers), server) as many:
        for done in [many.submit(signs_at_once, tmp_path, *signer) for signer in signers]:
            done.result()
    lines = [json.loads(line) for line in (tmp_path / "sign-offs.jsonl").read_text().splitlines()]
    assert Counter((line["place"], line["by"]) for line in lines) == dict.fromkeys(signers, 5)


def house_rule(folder: Path, most: int) -> Path:
    """An overlay that tightens the federal cap."""
    rule = {"id": "US.call_frequency", "max": most, "citation": "house rule of 2026-11-20"}
    (folder / "house.yaml").write_text(yaml.safe_dump({"schema_version": 1, "places": {"US": {"rules": [rule]}}}))
    return folder / "house.yaml"


def test_a_place_is_worked_once_it_and_all_above_it_are_signed(tmp_path):
    params, world = by_signature(tmp_path), a_world()
    told = sign(["US-TX"], "A. Reader", NOON, RULES, params)
    assert told.startswith("US-TX: signed by A. Reader at 2026-11-20T12:30:15Z: ")
    assert told.endswith("Blocked until signed too, for the places lie under them: US.")
    row = account(judged(world, params=params), world)
    assert (row["rule"], row["reason"]) == ("place.not_signed_off", "The contact law of US is not signed off.")
    assert "Blocked" not in sign(["US"], "B. Reader", NOON, RULES, params)
    assert account(judged(world, params=params), world)["group"] == "permitted"


def test_the_file_keeps_who_when_and_the_sha256_of_what_is_covered(tmp_path):
    params = by_signature(tmp_path)
    sign(["US-TX", "US"], " A. Reader ", NOON, RULES, params)
    sign(["US"], "B. Reader", NOON + dt.timedelta(days=1), RULES, params)
    lines = [json.loads(line) for line in (tmp_path / "sign-offs.jsonl").read_text().splitlines()]
    kept = [(line["place"], line["by"], line["at"]) for line in lines]
    assert kept == [
        ("US-TX", "A. Reader", "2026-11-20T12:30:15Z"),
        ("US", "A. Reader", "2026-11-20T12:30:15Z"),
        ("US", "B. Reader", "2026-11-21T12:30:15Z"),
    ]
    assert {line["sha256"] for line in lines} == {covered_sha256(RULES, "US"), covered_sha256(RULES, "US-TX")}
    assert signatures(tmp_path / "sign-offs.jsonl")["US"].by == "B. Reader"


def test_a_signature_covers_the_places_rules_its_holidays_and_ours():
    found = covered(RULES, "US-TX")
    own = {rule.id for rule in (*RULES.places["US-TX"].rules, *RULES.product)}
    assert set(found) == own | {"place", *(f"holidays.{name}" for name in RULES.holidays_of("US-TX"))}


def test_a_changed_rule_makes_it_stale_blocks_the_place_and_is_shown(tmp_path):
    world = a_world()
    sign(["US-TX", "US"], "A. Reader", NOON, RULES, by_signature(tmp_path))
    params = by_signature(tmp_path, house_rule(tmp_path, 5))
    rules = law_of(params)
    row = account(judged(world, rules=rules, params=params), world)
    assert (row["group"], row["rule"]) == ("excluded", "place.sign_off_stale")
    assert row["reason"] == "The contact law of US changed since it was signed off on 2026-11-20."
    text = places(rules, params, "US")
    assert "changed since A. Reader signed it off on 2026-11-20: blocked" in text
    assert "~ US.call_frequency: max was 7, is 5" in text
    assert stale_places(rules, params) == ["US"]
    assert changed_law(params) == ["Blocked until signed again, for rules changed since: the contact law of US."]
    assert changed_law(by_signature(tmp_path)) == []
    through = {"contacts": MONDAY - 1, "statuses": MONDAY - 1}
    told = reasoning(Case(cohort_of(world), world.tables(), rules, params, through), "a", MONDAY)
    assert "US-TX: signed off by A. Reader on 2026-11-20" in told
    assert "US: changed since A. Reader signed it off on 2026-11-20: blocked" in told
    again = sign(["US"], "B. Reader", NOON + dt.timedelta(days=3), rules, params)
    assert "changed since A. Reader signed on 2026-11-20:\n    ~ US.call_frequency: " in again
    assert "~ US.call_frequency: max was 7, is 5" in again
    assert account(judged(world, rules=rules, params=params), world)["group"] == "permitted"


def test_a_rule_that_came_or_went_is_shown_too(tmp_path):
    params = by_signature(tmp_path, house_rule(tmp_path, 5))
    sign(["US"], "A. Reader", NOON, law_of(params), params)
    overlay = yaml.safe_load((tmp_path / "house.yaml").read_text())
    note = {"id": "US.house", "kind": "note", "binds": ["consumer"], "roles": ["creditor"], "topic": "scripts"}
    note |= {"duty": "Read it out.", "citation": "house", "force": "none", "evidence": "product", "verified": False}
    overlay["places"]["US"]["rules"].append(note)
    (tmp_path / "house.yaml").write_text(yaml.safe_dump(overlay))
    assert "+ US.house: house" in places(law_of(params), params, "US")
    sign(["US"], "A. Reader", NOON, law_of(params), params)
    house_rule(tmp_path, 5)
    assert "- US.house: house" in places(law_of(params), params, "US")


def test_a_limit_that_comes_to_bind_other_portfolios_is_a_change(tmp_path):
    rule = {"id": "US.call_frequency", "max": 5, "citation": "agreement"}
    client = {"schema_version": 1, "portfolios": ["agency", "buyer"], "places": {"US": {"rules": [rule]}}}
    (tmp_path / "client.yaml").write_text(yaml.safe_dump(client))
    params = by_signature(tmp_path, tmp_path / "client.yaml")
    sign(["US"], "A. Reader", NOON, law_of(params), params)
    (tmp_path / "client.yaml").write_text(yaml.safe_dump(client | {"portfolios": ["agency"]}))
    told = '~ US.call_frequency@client: portfolios was ["agency", "buyer"], is ["agency"]'
    assert told in places(law_of(params), params, "US")


def test_a_file_that_is_missing_or_was_altered_signs_nothing(tmp_path):
    params, world = by_signature(tmp_path), a_world()
    with pytest.raises(InputMissing, match="so no place is signed off: recoup rules sign --place PLACE --by NAME"):
        judged(world, params=params)
    sign(["US-TX", "US"], "A. Reader", NOON, RULES, params)
    file = tmp_path / "sign-offs.jsonl"
    whole = file.read_text()
    file.write_text(whole.replace('"max": 7', '"max": 70'))
    with pytest.raises(UsageError, match="line 2: what 'US' covers does not have its sha256: it was altered. Take the"):
        judged(world, params=params)
    file.write_text(whole + "signed, A.\n")
    with pytest.raises(UsageError, match="line 3: it is no signature"):
        judged(world, params=params)


def test_the_night_knows_which_signatures_it_went_by(tmp_path):
    params = by_signature(tmp_path)
    assert signed_sha256(PARAMS) is None
    with pytest.raises(InputMissing, match="no place is signed off"):
        signed_sha256(params)
    sign(["US"], "A. Reader", NOON, RULES, params)
    first = signed_sha256(params)
    sign(["US"], "B. Reader", NOON, RULES, params)
    assert first != signed_sha256(params)


@pytest.mark.parametrize(
    ("codes", "by", "told"),
    [
        (["US-XX"], "A. Reader", "The place 'US-XX' is not in the rule file"),
        (["US"], "  ", "--by must be the name of the person"),
        (["US"], "A.\nReader", "--by must be the name of the person"),
    ],
)
def test_a_signature_of_nobody_or_for_nowhere_is_refused(codes, by, told, tmp_path):
    with pytest.raises(UsageError, match=told):
        sign(codes, by, NOON, RULES, by_signature(tmp_path))
    assert not (tmp_path / "sign-offs.jsonl").exists()


# --- the list of places, as before ------------------------------------------------------------------------------------


def test_the_list_in_the_params_still_signs_off_and_says_that_nobody_answers_for_it():
    text = places(RULES, PARAMS, "US-TX")
    assert "US-TX  Texas  signed off by the list in the params" in text
    assert "nobody answers for it, and no change of a rule is noticed" in text
    with pytest.raises(UsageError, match="Put `sign_offs: sign-offs.jsonl` in the place of the list `signed_off`"):
        sign(["US-TX"], "A. Reader", NOON, RULES, PARAMS)


def test_the_list_and_the_file_together_are_refused(tmp_path):
    text = (HOUSE / "params.yaml").read_text()
    both = text.replace("  sign_offs: null ", "  sign_offs: sign-offs.jsonl", 1)
    (tmp_path / "params.yaml").write_text(both)
    with pytest.raises(UsageError, match="must have sign_offs, a file of signatures, or the list signed_off, not both"):
        load(tmp_path / "params.yaml")


def test_the_commands_sign_and_show(tmp_path, monkeypatch):
    raw = yaml.safe_load((HOUSE / "params.yaml").read_text())
    raw["eligibility"] |= {"signed_off": [], "sign_offs": "sign-offs.jsonl"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw))
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    made = run.invoke(cli, ["rules", "sign", "--place", "GB-ENG", "--place", "GB", "--by", "A. Reader"])
    assert made.exit_code == 0, made.output
    assert "GB: signed by A. Reader at " in made.output
    shown = run.invoke(cli, ["rules", "--place", "GB-ENG"])
    assert "GB-ENG  England  signed off by A. Reader on " in shown.output
    before = run.invoke(cli, ["rules", "--place", "GB", "sign", "--place", "GB", "--by", "A. Reader"])
    assert before.exit_code == 2
    assert "Name the options after 'sign', not before it." in before.output
    ahead = run.invoke(cli, ["rules", "--upcoming", "90", "--from", "2026-11-29"])
    assert "2027-01-31  US\n  US.tcpa_revoke_all begins: No contact by autodial" in ahead.output
