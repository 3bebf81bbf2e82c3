"""Overlays: rules of your own that add to the rule file, tighten it by id, and loosen it where somebody answers.

Also of loosening.py.
"""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import InputMissing, UsageError
from pipeline.law.loosening import loosened
from pipeline.law.overlay import law_of
from pipeline.law.places import places
from pipeline.law.question import Case
from pipeline.law.reasoning import reasoning
from pipeline.law.rule_file import load_rules
from pipeline.law.rules import Rules
from pipeline.params import Params
from tests.judges.contact_judge import breaches
from tests.worlds.eligibility_worlds import (
    MONDAY,
    PARAMS,
    RAW,
    RULES,
    SMALL,
    a_world,
    account,
    an_account,
    calls,
    channel,
    cohort_of,
    hours,
    judged,
    rule_of,
    small_file,
    written,
)
from tests.worlds.worlds import day

LOOSENS = {"why": "The client's counsel read the section.", "who": "A. Reader", "date": "2026-11-20"}
OURS = {
    "kind": "cap",
    "binds": ["consumer"],
    "roles": ["creditor", "third_party_collector", "debt_buyer"],
    "channels": ["call"],
    "counts": "attempts",
    "max": 1,
    "window": {"days": 7},
    "per": "debtor",
    "citation": "agreement with the client, section 4",
    "force": "licence_rule",
    "evidence": "primary",
    "verified": True,
}


def under(*files: tuple[str, dict], folder: Path) -> Params:
    """The params of the tests with overlays of these names."""
    named = []
    for name, body in files:
        (folder / name).write_text(yaml.safe_dump({"schema_version": 1, **body}, sort_keys=False))
        named.append(str(folder / name))
    eligibility = PARAMS.eligibility.model_copy(update={"rules": tuple(named)})
    return PARAMS.model_copy(update={"eligibility": eligibility})


def laid(body: dict, folder: Path, name: str = "house.yaml") -> Rules:
    return law_of(under((name, body), folder=folder))


def changed(name: str, **body) -> dict:
    return {"id": name, "citation": "house rule of 2026-11-20", **body}


def in_place(code: str, *rules: dict) -> dict:
    return {"places": {code: {"rules": list(rules)}}}


# --- adding and tightening --------------------------------------------------------------------------------------------


def test_without_overlays_the_rule_file_is_the_law():
    assert law_of(PARAMS) is load_rules()


def test_an_added_rule_of_a_place_binds_there_and_its_cause_names_it(tmp_path):
    rules = laid(in_place("US-TX", OURS | {"id": "US-TX.client"}), tmp_path)
    world = calls(a_world(), 2)
    row = channel(judged(world, rules=rules), world, "call")
    assert (row["verdict"], row["rule"], row["citation"]) == ("deferred", "US-TX.client", OURS["citation"])
    elsewhere = calls(a_world("US-MA", "owner"), 2)
    assert channel(judged(elsewhere, rules=rules), elsewhere, "call")["verdict"] == "permitted"


def test_an_added_rule_that_somebody_read_stands_beside_ours_and_opens_nothing(tmp_path):
    """JP.hours were not read, so ours close at 20:00: an added rule until 22:00 changes nothing."""
    late = {name: OURS[name] for name in ("binds", "roles", "channels", "citation", "force", "evidence", "verified")}
    late |= {"id": "JP.late", "kind": "hours", "clock": "debtor", "windows": {"daily": ["08:00-22:00"]}}
    rules = laid(in_place("JP", late | {"holidays": "allowed"}), tmp_path)
    world = a_world("JP", "agency")
    assert hours(channel(judged(world, rules=rules), world, "call")) == "08:00-19:45"


def test_a_rule_for_everywhere_binds_in_every_place(tmp_path):
    rules = laid({"everywhere": [OURS | {"id": "house.calls"}]}, tmp_path)
    for place, book in (("US-TX", "buyer"), ("FR", "owner"), ("JP", "agency")):
        world = calls(a_world(place, book), 2)
        assert channel(judged(world, rules=rules), world, "call")["rule"] == "house.calls", place


def test_a_rule_is_tightened_by_its_id_and_keeps_what_is_not_said(tmp_path):
    rules = laid(in_place("US", changed("US.call_frequency", max=2)), tmp_path)
    rule = rules.all_rules["US.call_frequency"]
    assert (rule.max, rule.window.days, rule.citation) == (2, 7, "house rule of 2026-11-20")
    world = calls(a_world(), 2, 4)
    assert channel(judged(world), world, "call")["contacts_left"] == 5
    row = channel(judged(world, rules=rules), world, "call")
    assert (row["verdict"], row["rule"]) == ("deferred", "US.call_frequency")


def test_our_own_rules_are_tightened_under_everywhere(tmp_path):
    rules = laid(
        {"everywhere": [changed("product.hours", windows={"mon-fri": ["10:00-12:00"], "sat-sun": []})]}, tmp_path
    )
    world = a_world("JP", "agency")
    assert hours(channel(judged(world, rules=rules), world, "call")) == "10:00-11:45"
    read = a_world()
    assert hours(channel(judged(read, rules=rules), read, "call")) == "08:00-20:45"  # ours give way to law as before


def test_a_new_place_is_worked_under_ours_once_signed_off(tmp_path):
    rules = laid({"places": {"US-GU": {"name": "Guam", "zones": ["Pacific/Guam"]}}}, tmp_path)
    world = a_world("US-GU", "buyer", "Pacific/Guam")
    assert account(judged(world), world)["rule"] == "place.unknown"
    assert account(judged(world, rules=rules), world)["rule"] == "place.not_signed_off"
    signed = PARAMS.eligibility.model_copy(update={"signed_off": (*PARAMS.eligibility.signed_off, "US-GU")})
    params = PARAMS.model_copy(update={"eligibility": signed})
    assert account(judged(world, rules=rules, params=params), world)["group"] == "permitted"


def test_a_list_of_holidays_takes_in_further_days_and_is_known_for_longer(tmp_path):
    world, night = a_world("SG", "owner", "Asia/Singapore"), day("2031-01-23")
    more = {"source": "gazette of 2030", "known_through": "2031-12-31", "days": [{"date": "2031-01-23"}]}
    rules = laid({"holidays": {"SG": more}}, tmp_path)
    assert channel(judged(world, night), world, "call")["rule"] == "holidays.unknown"
    assert channel(judged(world, night, rules), world, "call")["rule"] == "product.hours"
    assert channel(judged(world, night + 1, rules), world, "call")["verdict"] == "permitted"


def test_a_place_takes_in_a_further_list_of_holidays(tmp_path):
    local = {"holidays": {"BADEN": {"source": "state law", "days": [{"date": "2026-11-17"}]}}}
    rules = laid(local | {"places": {"JP": {"holidays": ["BADEN"]}}}, tmp_path)
    world = a_world("JP", "agency")
    assert channel(judged(world, MONDAY + 1), world, "call")["verdict"] == "permitted"
    assert channel(judged(world, MONDAY + 1, rules), world, "call")["rule"] == "product.hours"
    assert channel(judged(world, day("2026-11-23"), rules), world, "call")["rule"] == "product.hours"


# --- loosening --------------------------------------------------------------------------------------------------------


def test_what_loosens_ours_is_refused_unless_somebody_answers_for_it(tmp_path):
    body = in_place("US", changed("US.call_frequency", max=9))
    with pytest.raises(
        UsageError, match=r"Rule US.call_frequency \(line 5\): it loosens ours: max is 9, was 7. Tighten"
    ):
        laid(body, tmp_path)
    body["places"]["US"]["rules"][0]["loosens"] = LOOSENS
    rules = laid(body, tmp_path)
    world = calls(a_world(), 1, 1, 2, 3, 4, 5, 6)
    assert channel(judged(world), world, "call")["rule"] == "US.call_frequency"
    assert channel(judged(world, rules=rules), world, "call")["contacts_left"] == 2
    assert "loosened by A. Reader on 2026-11-20: The client's counsel read the section." in places(rules, only="US")


def test_ours_give_way_in_a_place_once_somebody_answers_for_having_read_its_law(tmp_path):
    read = changed("JP.hours", verified=True, evidence="primary")
    with pytest.raises(UsageError, match="it is verified, so that the product's own rules would give way to it"):
        laid(in_place("JP", read), tmp_path)
    rules = laid(in_place("JP", read | {"loosens": LOOSENS}), tmp_path)
    world = a_world("JP", "agency")
    assert hours(channel(judged(world, rules=rules), world, "call")) == "08:00-20:45"
    assert channel(judged(world, MONDAY - 1, rules), world, "email")["rule"] == "product.hours"


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("US.hours", {"windows": {"daily": ["08:00-21:30"]}}, "mon is 08:00-21:30, was 08:00-21:00"),
        ("US.hours", {"roles": ["debt_buyer"]}, "roles lack third_party_collector"),
        ("US.hours", {"enforce": "soft"}, "enforce is soft, was hard"),
        ("US.hours", {"effective_from": "2027-01-01"}, "it begins on 2027-01-01 only"),
        ("US.hours", {"effective_to": "2027-01-01"}, "it ends on 2027-01-01 already"),
        ("US.hours", {"channels": ["any"]}, "channels take in .*, where the product's own rules would give way"),
        ("product.calls", {"per": "account"}, "per is account, was debtor"),
        ("US.call_frequency", {"window": {"days": 5}}, "window is 5 days, was 7 days"),
        ("US.call_frequency", {"window": "calendar_month"}, "window is a calendar month, was 7 days"),
        ("US.call_frequency", {"counts": "conversations"}, "counts are conversations, were attempts"),
        ("US.call_frequency", {"requested_exempt_days": 30}, "requested_exempt_days is 30, was 7"),
        ("US.after_conversation", {"days": 3}, "days is 3, was 7"),
        ("product.pause", {"minutes": 5}, "minutes is 5, was 240"),
        ("stop.dispute", {"statuses": ["hardship"]}, "statuses lack dispute"),
        ("stop.deceased", {"per": "account"}, "per is account, was debtor"),
        ("IE.visits", {"notice_days": 1}, "notice_days is 1, was 10"),
        ("GB-SCT.prescription", {"contact_once_barred": True}, "contact_once_barred is true, was false"),
        ("GB-SCT.prescription", {"years": 9}, "years are 9, were 5"),
        ("JP.limitation", {"effect": "unknown"}, "effect is unknown, was"),
        ("US.records", {"duty": "None."}, "duty no longer says what it said"),
    ],
)
def test_every_way_to_loosen_is_seen(name, change, told, tmp_path):
    home = next((code for code, place in RULES.places.items() if name in {rule.id for rule in place.rules}), None)
    body = in_place(home, changed(name, **change)) if home else {"everywhere": [changed(name, **change)]}
    with pytest.raises(UsageError, match=f"it loosens ours: .*{told}"):
        laid(body, tmp_path)


def test_every_rule_is_as_tight_as_itself():
    for rule in RULES.all_rules.values():
        assert loosened(rule, rule) == [], rule.id


TIGHTER = st.fixed_dictionaries(
    {
        "calls": st.integers(0, 6),
        "waits": st.integers(7, 20),
        "opens": st.sampled_from(("08:00", "10:30")),
        "everywhere": st.integers(0, 3),
    }
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tighter=TIGHTER,
    days_ago=st.lists(st.integers(1, 9), max_size=4),
    place=st.sampled_from(("US-TX", "US-MA", "FR", "JP", "GB-SCT")),
)
def test_an_overlay_that_loosens_nothing_opens_nothing(tighter, days_ago, place, tmp_path):
    us = [
        changed("US.call_frequency", max=tighter["calls"]),
        changed("US.after_conversation", days=tighter["waits"]),
        changed("US.hours", windows={"mon-sat": [f"{tighter['opens']}-20:00"], "sun": []}),
    ]
    every = [OURS | {"id": "house.calls", "max": tighter["everywhere"]}, changed("product.calls", max=2)]
    rules = laid(in_place("US", *us) | {"everywhere": every}, tmp_path)
    for outcome in ("no_answer", "right_party"):
        world = calls(a_world(place, "agency"), *days_ago, outcome=outcome)
        pairs = judged(world).channels.merge(
            judged(world, rules=rules).channels, on=["account_no", "channel"], suffixes=("_before", "_after")
        )
        opened = (pairs["verdict_after"] == "permitted") & (
            (pairs["verdict_before"] != "permitted")
            | (pairs["contacts_left_after"] > pairs["contacts_left_before"])
            | (pairs["from_minute_after"] < pairs["from_minute_before"])
            | (pairs["until_minute_after"] > pairs["until_minute_before"])
        )
        assert not opened.any()
        assert breaches(world, merged(us, every), PARAMS, MONDAY, judged(world, rules=rules), {"a"}) == []


def merged(us: list[dict], every: list[dict]) -> dict:
    """The plain rule file as the overlay leaves it; the added rule stands in every place, as law that nobody read."""
    raw = {**RAW, "places": copy.deepcopy({code: RAW["places"][code] for code in SMALL})}
    for change in us:
        rule_of(raw, change["id"]).update(change)
    raw["product"] = [rule | next((one for one in every if one["id"] == rule["id"]), {}) for rule in raw["product"]]
    for place in raw["places"].values():
        place["rules"] += [rule | {"verified": False} for rule in every if rule["id"] == "house.calls"]
    return raw


# --- limits of single portfolios --------------------------------------------------------------------------------------


def test_a_client_limit_binds_its_portfolios_alone(tmp_path):
    client = {"portfolios": ["agency"], "everywhere": [OURS | {"id": "client.calls"}]}
    params = under(("client.yaml", client), folder=tmp_path)
    for book, verdict in (("agency", "deferred"), ("buyer", "permitted")):
        world = calls(a_world("US-TX", book), 2)
        assert channel(judged(world, rules=law_of(params)), world, "call")["verdict"] == verdict


def test_a_rule_is_tightened_for_one_client_and_stands_for_the_others_under_its_own_name(tmp_path):
    client = {"portfolios": ["agency"], **in_place("US", changed("US.call_frequency", max=1))}
    rules = laid(client, tmp_path, "client.yaml")
    world = an_account(calls(a_world("US-TX", "agency"), 2), "b", "US-TX", "buyer", debtor_id="e")
    world = calls(world, 2, account_id="b")
    found = judged(world, rules=rules)
    assert channel(found, world, "call", "a")["rule"] == "US.call_frequency@client"
    assert channel(found, world, "call", "b")["contacts_left"] == 6


def test_what_is_loosened_for_one_client_stays_shut_for_the_others(tmp_path):
    rule = changed("US.call_frequency", max=8, loosens=LOOSENS)
    rules = laid({"portfolios": ["agency"], **in_place("US", rule)}, tmp_path, "client.yaml")
    for book, left in (("agency", 1), ("buyer", 0)):
        world = calls(a_world("US-TX", book), 1, 1, 2, 3, 4, 5, 6)
        assert channel(judged(world, rules=rules), world, "call")["contacts_left"] == left


def test_several_files_are_laid_in_their_order(tmp_path):
    house = {"everywhere": [OURS | {"id": "house.calls", "max": 2}]}
    client = {"portfolios": ["agency"], "everywhere": [changed("house.calls", max=1)]}
    rules = law_of(under(("house.yaml", house), ("client.yaml", client), folder=tmp_path))
    for book, named in (("agency", "house.calls@client"), ("buyer", "house.calls")):
        world = calls(a_world("US-TX", book), 2, 4)
        assert channel(judged(world, rules=rules), world, "call")["rule"] == named
    with pytest.raises(UsageError, match="name it before the files of single portfolios"):
        law_of(
            under(
                ("client.yaml", client | {"everywhere": [OURS | {"id": "x.y"}]}), ("house.yaml", house), folder=tmp_path
            )
        )


def test_the_reasoning_and_the_rules_tell_what_an_overlay_says(tmp_path):
    params = under(
        ("client.yaml", {"portfolios": ["agency"], "everywhere": [OURS | {"id": "client.calls"}]}), folder=tmp_path
    )
    world = calls(a_world("US-TX", "agency"), 2)
    case = Case(
        cohort_of(world), world.tables(), law_of(params), params, {"contacts": MONDAY - 1, "statuses": MONDAY - 1}
    )
    assert "client.calls: At most 1 attempts by call in 7 days per debtor. Used: 1 of 1" in reasoning(case, "a", MONDAY)
    text = places(law_of(params), params)
    assert "client.yaml binds portfolios agency; sha256 " in text
    assert "Rules of overlays that bind in every place" in text


# --- what is refused --------------------------------------------------------------------------------------------------


KOSOVO = {"name": "Kosovo", "zones": ["Europe/Belgrade"]}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "It must hold schema_version, and holidays, everywhere or places"),
        ({"everywhere": []}, "everywhere must hold something"),
        ({"rules": [], "everywhere": [OURS]}, "unknown 'rules'"),
        ({"schema_version": 2, "everywhere": [OURS | {"id": "a.b"}]}, "schema_version must be 1. Got 2"),
        (
            {"portfolios": ["agencyy"], "everywhere": [OURS | {"id": "a.b"}]},
            "portfolios names 'agencyy', which the params do not .nearest: 'agency'",
        ),
        ({"everywhere": [OURS | {"id": "calls"}]}, r"Rule calls \(line 3\): its id must begin with a name of yours"),
        ({"everywhere": [OURS | {"id": "product.mine"}]}, "must begin with a name of yours"),
        ({"everywhere": [OURS | {"id": "US.mine"}]}, "must begin with a name of yours"),
        (in_place("US", OURS | {"id": "US.mine@client"}), "its id must not hold @"),
        ({"places": {"US": {"rules": 5}}}, "rules must be a list of rules"),
        ({"places": {7: KOSOVO}}, "must be named like FR"),
        ({5: 1, "loose": 2, "everywhere": [OURS]}, "unknown '5' and 'loose'|unknown '5', 'loose'"),
        ({"portfolios": [7], "everywhere": [OURS | {"id": "a.b"}]}, "portfolios names '7', which the params do not"),
        ({"everywhere": [OURS | {"id": "a.b", "maxx": 1}]}, r"unknown key 'maxx' \(nearest: 'max'\)"),
        ({"everywhere": [OURS | {"id": "a.b"}, OURS | {"id": "a.b"}]}, "the id stands already at line 3"),
        ({"everywhere": [OURS | {"id": "a.b", "loosens": LOOSENS}]}, "a new rule loosens ours only as hours, cap"),
        ({"everywhere": [changed("US.hours")]}, "the rule stands under places.US: change it there"),
        (in_place("US", changed("product.hours")), "the rule stands under everywhere: change it there"),
        (in_place("US", changed("US.hours", kind="cap")), "a rule keeps its kind, hours. Got 'cap'"),
        (in_place("US", {"id": "US.call_frequency", "max": 3}), "a changed rule needs a citation of its own"),
        (in_place("US", changed("US.call_frequency", max=3, loosens=LOOSENS)), "it loosens nothing of ours"),
        (in_place("US", changed("US.call_frequency", max=9, loosens={"why": "it is"})), "'who' is missing"),
        (in_place("US", OURS | {"id": "GB.mine"}), "its id must begin with 'US.'"),
        ({"places": {"US": {"zones": ["Europe/Paris"]}}}, "the place is there: an overlay gives it rules"),
        ({"places": {"US": {"holidays": ["XX"]}}}, "holidays names an unknown list 'XX'"),
        ({"places": {"XK": {"name": "Kosovo"}}}, "zones must name the clocks of the place"),
        ({"places": {"XK-01": KOSOVO}}, "XK, in which it lies, is not in the file"),
        ({"holidays": {"SG": {"days": []}}}, "the list is there: add days and known_through, and name their source"),
        ({"portfolios": ["agency"], "places": {"XK": KOSOVO}}, "put it in a file without portfolios"),
        ({"portfolios": ["agency"], "places": {"JP": {"holidays": ["US"]}}}, "name them in a file without portfolios"),
    ],
)
def test_a_faulty_overlay_is_refused_whole_naming_rule_and_line(body, told, tmp_path):
    with pytest.raises(UsageError, match=told) as refused:
        laid(body, tmp_path)
    assert "house.yaml' is refused whole" in str(refused.value)


def test_an_overlay_that_is_missing_or_no_yaml_is_refused(tmp_path):
    params = under(("house.yaml", {"everywhere": [OURS | {"id": "a.b"}]}), folder=tmp_path)
    (tmp_path / "house.yaml").write_text("everywhere: [1\n")
    with pytest.raises(UsageError, match="is not YAML at line"):
        law_of(params)
    (tmp_path / "house.yaml").unlink()
    with pytest.raises(InputMissing, match="Without it no account may be worked"):
        law_of(params)


def test_two_overlays_of_one_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    body = {"everywhere": [OURS | {"id": "a.b"}]}
    params = under(("house.yaml", body), ("other/house.yaml", {"everywhere": [OURS | {"id": "a.c"}]}), folder=tmp_path)
    with pytest.raises(UsageError, match="Another overlay has the same name"):
        law_of(params)


def test_loosens_is_refused_in_the_rule_file_itself(tmp_path):
    raw = small_file()
    rule_of(raw, "US.call_frequency")["loosens"] = LOOSENS
    with pytest.raises(UsageError, match="loosens belongs into an overlay"):
        written(raw, tmp_path)


def test_the_same_overlay_is_laid_once_and_again_when_a_byte_of_it_changes(tmp_path):
    params = under(("house.yaml", {"everywhere": [OURS | {"id": "a.b"}]}), folder=tmp_path)
    first = law_of(params)
    assert law_of(params) is first
    (tmp_path / "house.yaml").write_text((tmp_path / "house.yaml").read_text().replace("max: 1", "max: 2"))
    assert law_of(params).all_rules["a.b"].max == 2
    assert first.overlays != law_of(params).overlays
