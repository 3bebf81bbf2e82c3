"""params.yaml: every line has its unit, every fault is named at once with the nearest known key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from features.errors import InputMissing, UsageError
from pipeline.params import load

PARAMS = Path(__file__).parents[1] / "params.yaml"


@pytest.fixture
def edited(tmp_path):
    def edit(*swaps: tuple[str, str]) -> Path:
        text = PARAMS.read_text()
        for old, new in swaps:
            assert old in text
            text = text.replace(old, new, 1)
        place = tmp_path / "params.yaml"
        place.write_text(text)
        return place

    return edit


def test_every_leaf_of_the_shipped_params_says_what_it_is():
    silent = []
    for number, line in enumerate(PARAMS.read_text().splitlines(), start=1):
        depth = len(line) - len(line.lstrip())
        key = line.strip()
        is_leaf = bool(key) and not key.startswith(("#", "-")) and not key.endswith(":")
        if is_leaf and depth <= 2 and "#" not in line:
            silent.append(number)
    assert silent == []  # deeper lines (a currency, a channel) take their unit from the line above them


def test_a_portfolio_overrides_defaults_key_by_key(edited):
    params = load(edited())
    assert params.portfolio("bought_us").role == "debt_buyer"
    assert params.portfolio("bought_us").lag_days == params.portfolio_defaults.lag_days
    assert params.portfolio("somebody_else") == params.portfolio_defaults


def test_all_unknown_keys_are_named_with_the_nearest(edited):
    place = edited(
        ("horizon_days: 30", "horizn_days: 30"), ("role: debt_buyer", "rol: debt_buyer"), ("workers: 1", "workers: 0")
    )
    with pytest.raises(
        UsageError, match=r"(?s)engine.workers.*'rol' \(nearest: 'role'\).*'horizn_days' \(nearest: 'horizon_days'\)"
    ):
        load(place)


@pytest.mark.parametrize(
    ("swap", "sentence"),
    [
        (("time_zone: UTC", "time_zone: Mars/Base"), "must be an IANA time zone"),
        (("    default: 40\n", "    card_gb: 40\n"), "must name `default`"),
        (("role: debt_buyer", "role: friend"), "portfolios.bought_us.role"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(edited, swap, sentence):
    with pytest.raises(UsageError, match=sentence):
        load(edited(swap))


def test_a_missing_file_and_broken_yaml_are_refused(tmp_path):
    with pytest.raises(InputMissing, match="cannot be read"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("seed: [1\nlabel: {")
    with pytest.raises(UsageError, match="is not YAML at line"):
        load(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(UsageError, match="must hold named sections"):
        load(tmp_path / "list.yaml")


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path):
    place = tmp_path / "params.yaml"
    place.write_bytes(b"paths:\n  source: donn\xe9es\n")
    with pytest.raises(UsageError, match=r"params.yaml' is not UTF-8 text at line 2\. Save it as UTF-8"):
        load(place)


def test_every_fault_of_a_value_names_its_line(edited):
    place = edited(("workers: 1", "workers: 0"))
    line = (
        place.read_text().splitlines().index(next(row for row in place.read_text().splitlines() if "workers: 0" in row))
    )
    with pytest.raises(UsageError, match=rf"engine.workers: .* Got 0\. See line {line + 1}\."):
        load(place)


@pytest.mark.parametrize(
    ("swap", "sentence"),
    [
        (
            ("seed: 20261122", "seed: 1\nseed: 20261122"),
            r"the key 'seed' stands a second time .* at line \d+",
        ),
        (
            ("  horizon_days: 30", "  horizon_days: 60\n  horizon_days: 30"),
            "the key 'horizon_days' stands a second time",
        ),
        (("\nportfolios:", "\nportfolios: [a]\nnobody:"), r"portfolios: Input should be a valid dictionary.* See line"),
        (("\nworklist:", "\nworklist: [a]\nnobody:"), "worklist: Input should be a valid dictionary"),
        (("\nmodel:", "\nmodel: [a]\nnobody:"), "model: Input should be a valid dictionary"),
        (("learning_rate: ", "learning_rate: .inf #"), "learning_rate"),
        (("lambda_l2: ", "lambda_l2: .inf #"), "lambda_l2 must be finite"),
        (("min_amount: ", "min_amount: .nan #"), "label.min_amount: Input should be a finite number"),
        (("money_ratio: [", "money_ratio: [9.0, 1.0] #"), "gate.money_ratio: must name the lower bound first"),
        (("rates_date: ", "rates_date: 2026-13-45 #"), "is not YAML"),
        (("seed: 20261122", f"seed: {'x' * 500}"), r"Got 'x{79}\.\.\."),
        (("tracking_uri: ", "tracking_uri: [postgresql://me:hunter2@host/db] #"), "Got a value that is not shown here"),
    ],
)
def test_what_no_params_file_may_hold_is_refused_in_a_sentence(edited, swap, sentence):
    with pytest.raises(UsageError, match=sentence) as refusal:
        load(edited(swap))
    assert len(str(refusal.value)) < 600
    assert "hunter2" not in str(refusal.value)


def test_the_reporting_currency_is_worth_itself(edited):
    text = edited().read_text()
    own = yaml.safe_load(text)["money"]["reporting_currency"]
    raw = yaml.safe_load(text)
    raw["money"]["rates"][own] = 0.5
    place = edited()
    place.write_text(yaml.safe_dump(raw))
    with pytest.raises(UsageError, match=f"rates must give {own}, the reporting currency, as 1"):
        load(place)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)),
        "a: &a\n  b: *a\n",
        "a: " + "[" * 400 + "]" * 400,
        "a: " + "[" * 30_000 + "]" * 30_000,
        "#" * 1_000_001,
        "a: [" + "1, " * 60_000 + "1]",
    ],
    ids=["aliases of aliases", "itself", "deep", "very deep", "long", "many"],
)
def test_a_bomb_is_refused_before_it_is_built(tmp_path, text):
    place = tmp_path / "params.yaml"
    place.write_text(text)
    with pytest.raises(UsageError, match="holds more than 1,000,000 bytes, 50,000 values"):
        load(place)


def test_tolerance_is_in_minor_units_of_each_currency(edited):
    terms = load(edited()).terms(["card_gb"], {"GBP": 2, "JPY": 0})
    assert terms.dpd_tolerance == {("card_gb", "GBP"): 100, ("card_gb", "JPY"): 100}


def test_a_policy_is_none_by_default_and_changes_the_digest_where_it_is_named(edited):
    plain, named = load(edited()), load(edited(("treatments: null", "treatments: {policy: own.yaml}")))
    assert plain.treatments is None
    assert "treatments" not in json.loads(plain.kept())
    assert named.treatments is not None
    assert named.treatments.policy == "own.yaml"
    assert named.digest() != plain.digest()
    assert plain.of_kept(named.kept()).digest() == named.digest()
    with pytest.raises(UsageError, match=r"treatments.*polcy.*policy"):
        load(edited(("treatments: null", "treatments: {polcy: own.yaml}")))


def test_the_digest_ignores_comments_and_sees_values(edited):
    plain = load(edited()).digest()
    assert (
        load(edited(("seed: 20261122                     # integer", "seed: 20261122 # whole number"))).digest()
        == plain
    )
    assert load(edited(("seed: 20261122", "seed: 20261123"))).digest() != plain


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ("{acount_id: A}", "worklist.dialler_columns has unknown 'acount_id' .nearest: 'account_id'"),
        ("{account_id: A, rank: A}", "must give each column its own heading, but A stands twice"),
    ],
)
def test_a_dialler_s_columns_are_the_list_s_under_different_headings(edited, columns, sentence):
    place = edited(("dialler_columns: {}", f"dialler_columns: {columns}"))
    with pytest.raises(UsageError, match=sentence):
        load(place)
