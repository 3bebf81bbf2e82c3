"""params.yaml: every line has its unit, every fault is named at once with the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_tolerance_is_in_minor_units_of_each_currency(edited):
    terms = load(edited()).terms(["card_gb"], {"GBP": 2, "JPY": 0})
    assert terms.dpd_tolerance == {("card_gb", "GBP"): 100, ("card_gb", "JPY"): 100}


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
