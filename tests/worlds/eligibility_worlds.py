"""What the tests of eligibility share: rules, params that sign every place off, worlds of one account,
and how a ruling is read.
"""

from __future__ import annotations

import copy
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import yaml

from pipeline.law.eligibility import rulings
from pipeline.law.question import Case
from pipeline.law.rule_file import RULES_FILE, load_rules
from pipeline.params import Eligibility, Portfolio, load
from tests.worlds.worlds import World, day

HOUSE = Path(__file__).parents[2]
RULES = load_rules()
RAW = yaml.safe_load(RULES_FILE.read_text())
SIGNED = tuple(RULES.places)
ZONE = {
    "US": "America/New_York",
    "US-TX": "America/Chicago",
    "US-MA": "America/New_York",
    "US-DC": "America/New_York",
    "US-NY": "America/New_York",
    "US-NY/NYC": "America/New_York",
    "US-WA": "America/Los_Angeles",
    "US-NV": "America/Los_Angeles",
    "GB": "Europe/London",
    "GB-ENG": "Europe/London",
    "GB-SCT": "Europe/London",
    "IE": "Europe/Dublin",
    "FR": "Europe/Paris",
    "FR-75": "Europe/Paris",
    "DE": "Europe/Berlin",
    "CA-ON": "America/Toronto",
    "CA-QC": "America/Toronto",
    "AU-VIC": "Australia/Melbourne",
    "AU-SA": "Australia/Adelaide",
    "JP": "Asia/Tokyo",
    "AE": "Asia/Dubai",
    "ZA": "Africa/Johannesburg",
    "US-FL": "America/New_York",
}
MONDAY = day("2026-11-16")  # an ordinary day everywhere above


def _params():
    base = load(HOUSE / "params.yaml")
    own = base.portfolio_defaults.model_dump() | {"contact_precision": "time"}
    books = {
        "owner": Portfolio(**own | {"role": "creditor"}),
        "agency": Portfolio(**own | {"role": "third_party_collector"}),
        "buyer": Portfolio(**own | {"role": "debt_buyer"}),
        "monthly": Portfolio(**own | {"role": "creditor", "contact_precision": "month"}),
        "silent": Portfolio(**own | {"role": "creditor", "delivers": ("accounts", "charges", "payments", "statuses")}),
        "unwatched": Portfolio(
            **own | {"role": "creditor", "delivers": ("accounts", "charges", "payments", "contacts")}
        ),
    }
    eligibility = Eligibility(signed_off=SIGNED, margin_minutes=15, channels=("call", "sms", "email", "letter"))
    return base.model_copy(
        update={"portfolio_defaults": books["owner"], "portfolios": books, "eligibility": eligibility}
    )


PARAMS = _params()


def a_world(place: str = "US-TX", portfolio: str = "buyer", zone: str | None = None, **columns) -> World:
    """One account "a" of one debtor; every feed delivered."""
    world = World("UTC").deliver("accounts", "contacts", "statuses", "payments")
    return an_account(world, "a", place, portfolio, zone, **columns)


def an_account(
    world: World, account_id: str, place="US-TX", portfolio="buyer", zone=None, debtor_id="d", **columns
) -> World:
    columns = {"jurisdiction": place, "time_zone": zone or ZONE.get(place), "opened_on": "2020-01-01"} | columns
    return world.account(account_id, debtor_id, portfolio=portfolio, **columns)


def cohort_of(world: World, overdue: dict[str, int] | None = None, as_of: int = MONDAY) -> pd.DataFrame:
    accounts = world.tables()["accounts"]
    accounts = accounts[accounts["known_on"] < as_of].drop_duplicates("account_no", keep="last", ignore_index=True)
    return accounts.assign(days_past_due=[(overdue or {}).get(name, 40) for name in accounts["account_id"]]).astype(
        {"days_past_due": "int32"}
    )


def judged(
    world: World,
    as_of=MONDAY,
    rules=RULES,
    params=PARAMS,
    overdue=None,
    through=None,
    categorical=False,
    held_back=None,
):
    complete = {"contacts": as_of - 1, "statuses": as_of - 1} if through is None else through
    tables = world.tables(categorical=categorical)
    case = Case(cohort_of(world, overdue, as_of), tables, rules, params, complete, held_back=held_back or {})
    return rulings(case, as_of)


def account(found, world: World, account_id: str = "a") -> dict:
    number = next(row["account_no"] for row in world.rows["accounts"] if row["account_id"] == account_id)
    return found.accounts.set_index("account_no").loc[number].to_dict()


def channel(found, world: World, name: str, account_id: str = "a") -> dict:
    number = next(row["account_no"] for row in world.rows["accounts"] if row["account_id"] == account_id)
    rows = found.channels[(found.channels["account_no"] == number) & (found.channels["channel"] == name)]
    return rows.iloc[0].to_dict()


def hours(row: dict) -> str:
    return "-".join(f"{row[name] // 60:02}:{row[name] % 60:02}" for name in ("from_minute", "until_minute"))


def calls(world: World, *days_ago: int, outcome="no_answer", as_of=MONDAY, account_id="a", **columns) -> World:
    for number in days_ago:
        world.contact((as_of - number, 18 * 3600), "call", outcome, account_id=account_id, **columns)
    return world


def local(at: int, zone: str) -> str:
    return f"{dt.datetime.fromtimestamp(at / 1e6, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


SMALL = ("US", "US-TX", "US-MA", "GB", "GB-SCT", "FR", "EU", "JP")


def small_file() -> dict:
    """The rule file with few places: quick to read, and free to be changed."""
    raw = copy.deepcopy({name: RAW[name] for name in ("schema_version", "as_of", "product")})
    raw["places"] = {name: copy.deepcopy(RAW["places"][name]) for name in SMALL}
    raw["places"]["GB"]["holidays"] = ["GB-SCT"]
    raw["holidays"] = {name: RAW["holidays"][name] for name in ("US", "GB-SCT", "FR", "JP")}
    return raw


def written(raw: dict, folder: Path):
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump(dict(raw), sort_keys=False))
    return load_rules(path)


def rule_of(raw: dict, name: str) -> dict:
    placesrule_ofs = [rule for place in raw["places"].values() for rule in place["rules"]]
    return next(rule for rule in placesrule_ofs + raw["product"] if rule["id"] == name)
