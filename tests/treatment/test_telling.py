"""The lines on one account add up as they are read, and every reason has its words."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import yaml

from features.currencies import DECIMALS
from features.tables import OFFER_KINDS
from models import plans, routes, settlements
from models.routes import ROUTES
from pipeline.law.rule_file import load_rules
from pipeline.night.offered import plain_saying, saying_of
from pipeline.pages.language import languages, words
from pipeline.treatment import proposals, standing
from pipeline.treatment.policy import NOT_CHECKED, SHIPPED, policy_of
from pipeline.treatment.proposals import propose
from pipeline.treatment.telling import told
from tests.judges import treatment_judge as judge
from tests.worlds.commands import recoup
from tests.worlds.params import written_params
from tests.worlds.treated import PLACES, drawn_accounts

DAY = dt.date(2026, 10, 1)
RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
STATUSES = (*RAW["specialist"], *RAW["never"])
SUM = re.compile(r"-?[\d,]+(?:\.\d+)?(?= [A-Z]{3})")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    rows, recorded = drawn_accounts(31, 400, STATUSES)
    path = tmp_path_factory.mktemp("drawn") / "treatments.yaml"
    raw = {**RAW, "explore": {"discounts": {0.25: 0.2, 0.4: 0.4, 0.5: 0.4}, "parties": None}}
    path.write_text(yaml.safe_dump(raw, sort_keys=False), encoding="utf-8")
    return rows, propose(rows, recorded, policy_of(path, load_rules(), PLACES, DAY), judge.day(DAY), 7)


def sums(line: str) -> list[float]:
    return [float(text.replace(",", "")) for text in SUM.findall(line)]


def test_every_line_adds_up(night):
    rows, found = night
    seen = dict.fromkeys(("kept", "as an offer", "paid", "Route agency", "Route legal", "Route sale"), 0)
    for place in range(len(rows)):
        cent = 10.0 ** -DECIMALS[rows["currency"].iloc[place]]
        for line in told(rows, found, place, plain_saying()):
            kind = next((name for name in seen if line.strip().startswith(name)), None)
            if kind is None:
                continue
            seen[kind] += 1
            figures, total = sums(line.split("=")[0]), sums(line.split("=")[1])[0]
            if kind.startswith("Route"):
                discount = float(line.split(" x ")[1].split(" ")[0])
                net = (figures[0] - sum(figures[1:-1])) * discount - figures[-1]
                assert net == pytest.approx(total, abs=cent + 1e-4 * figures[0]), line
            else:
                assert figures[0] + figures[1] - figures[2] == pytest.approx(total, abs=cent / 100), line
    assert min(seen.values()) > 5, seen


def test_who_grants_a_settlement_is_told_what_the_policy_notes_of_tax_and_write_off(night):
    rows, found = night
    assert found.notes is not None
    note = f"Before it is granted: {found.notes.tax} {found.notes.write_off}"
    noted = [note in "".join(told(rows, found, place, plain_saying())) for place in range(len(rows))]
    assert noted == (found.offers["proposal"] == "settlement").tolist()
    assert 0 < sum(noted) < len(rows)


def test_the_chosen_route_is_told_first_and_all_are_told(night):
    rows, found = night
    for place in range(40):
        lines = [line for line in told(rows, found, place, plain_saying()) if line.startswith("Route")]
        assert lines[0].startswith(f"Route {found.routes.chosen['route'].iloc[place]}")
        assert len(lines) == len(found.routes.terms)


def test_a_draw_is_told_with_its_probability(night):
    rows, found = night
    (place, *_) = [at for at, drawn in enumerate(found.offers["probability"].notna()) if drawn]
    assert any(line.startswith("  Drawn by lot: discount") for line in told(rows, found, place, plain_saying()))


@pytest.fixture
def asked(tmp_path, capsys):
    """Asks for a policy by the command; (exit code, what it printed)."""

    def ask(text: str | None = None) -> tuple[int, str]:
        written_params(tmp_path / "params.yaml", tmp_path)
        options = ["--from", "2026-10-01"]
        if text is not None:
            (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
            options += ["--policy", str(tmp_path / "own.yaml")]
        code = recoup(tmp_path, "treatments", *options)
        said = capsys.readouterr()
        return code, said.out + said.err

    return ask


def test_a_policy_is_told_with_what_the_law_sets_against_it_and_what_nobody_checked(asked):
    code, said = asked()
    assert code == 0
    for piece in (
        "Plans: 2 to 24 instalments a month or fortnight, of 20.00 EUR",
        "from 151 days: 50.0%",
        "legal, court: all kinds, GB, FR, DE, ES, IE, JP, up to 700 days past due, after 180 days with us",
        "law of FR: not from 730 days on (FR.limitation_consumer)",
        "law of DE: 1 days of notice (DE.first_demand)",
        "Held against the law of DE, ES, EU, FR,",
        *NOT_CHECKED,
    ):
        assert piece in said


def test_a_policy_of_nothing_is_told_too(asked):
    code, said = asked(yaml.safe_dump({**RAW, "plans": None, "settlements": None, "routes": []}, sort_keys=False))
    assert code == 0
    assert "Plans: none." in said
    assert "Settlements: none." in said


def test_a_faulty_policy_ends_the_command_with_all_its_faults(asked):
    text = SHIPPED.read_text(encoding="utf-8").replace("annual_rate: 0.08", "annual_rate: 8")
    code, said = asked(text.replace("oldest_days: 700", "oldest_days: 900"))
    assert code == 2
    assert "annual_rate: Input should be less than or equal to 1" in said
    assert "FR.limitation_consumer of FR forbids from 730 days" in said


def test_every_reason_and_route_has_its_words():
    codes = {
        value
        for module in (plans, routes, settlements, proposals, standing)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and re.fullmatch(r"[a-z_]{4,}", value)
    }
    others = {
        *ROUTES,
        *("plan", "settlement", "policy", "offers", "plans", "placements", "waiting", "proposal", *OFFER_KINDS),
    }
    said = words("en")["treatment"]
    assert codes - others <= said["because"].keys(), codes - others - said["because"].keys()
    assert said["every"].keys() == plans.UNIT_DAYS.keys()
    assert said["routes"].keys() == set(ROUTES)
    assert {f"go_{route}" for route in ROUTES} <= said.keys()


@pytest.mark.parametrize("language", languages())
def test_the_lines_are_told_in_every_language(night, language):
    rows, found = night
    saying, plain = saying_of(language), plain_saying()
    for place in range(0, len(rows), 9):
        lines, english = told(rows, found, place, saying), told(rows, found, place, plain)
        assert len(lines) == len(english)
        assert not [line for line in lines if "{" in line]
        if language != "en":
            assert lines[-1] != english[-1]
