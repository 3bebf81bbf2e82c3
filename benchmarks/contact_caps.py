"""A real contact log held against the rules: what caps and capacities would have deferred.
python -m benchmarks.contact_caps PATH

PATH holds utility_contacts. Nobody signed off the law of its place, and half of its log is dated to months: as
delivered, all of it is deferred. Here the place counts as signed off, and the measures dated to a day are replayed
night by night through the engine of the product; of those dated to a month the caps allow more or less by how the days
lay, so both ends are given.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.public import utility_contacts
from benchmarks.public.delivery import read_raw
from features.days import date_of
from pipeline.intake.ingest import ingest
from pipeline.law.binding import Binding
from pipeline.law.eligibility import rulings
from pipeline.law.question import Case
from pipeline.law.rule_file import load_rules
from pipeline.law.rules import CONTACT_CHANNELS, Cap, Rules
from pipeline.params import Params
from pipeline.store.store import Store

PLACE = "RU"
TODAY = "its own cap, used up earlier on the day"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="folder that holds utility_contacts")
    raw = parser.parse_args().path / utility_contacts.NAME
    from benchmarks.real import params_of

    with tempfile.TemporaryDirectory() as folder:
        params = params_of(utility_contacts, Path(folder))
        utility_contacts.convert(raw, params.paths.source)
        ingest(params.paths.source, params.paths.store, params)
        print(held_against_rules(Store(params.paths.store), params, raw))


def held_against_rules(store: Store, params: Params, raw: Path) -> str:
    """One line per measure: contacts, deferred by the rules (replayed, or the two ends),
    and over the month's planned capacity.
    """
    tables = [store.tables(shard) for shard in range(store.shards)]
    accounts, contacts = (
        pd.concat([one[name] for one in tables], ignore_index=True) for name in ("accounts", "contacts")
    )
    measures = read_raw(raw, "contacts.csv.gz")["action"]
    contacts["measure"] = measures.to_numpy()[contacts["contact_id"].str.removeprefix("line-").astype(int) - 2]
    rules = load_rules()
    daily = ~contacts["measure"].isin(utility_contacts.MONTH_PRECISE)
    replayed, by_rule = _replay(
        accounts, contacts[daily].sort_values(["occurred_on", "account_no"]), rules, _as_if_known(params)
    )
    bounds = _bounds(contacts[~daily], rules, params)
    over = _over_capacity(contacts, raw)
    lines = [
        (
            f"{len(contacts):,} contacts of {utility_contacts.NAME}; "
            "as delivered, month-precise: all deferred (contacts.unknown)"
        )
    ]
    lines.append(
        f"{'measure':22}{'contacts':>10}{'dated to':>10}{'deferred by rules':>20}{'over the month capacity':>26}"
    )
    for name, rows in contacts.groupby("measure", sort=True):
        dated = "month" if name in utility_contacts.MONTH_PRECISE else "day"
        if utility_contacts.CHANNEL[name] not in CONTACT_CHANNELS:
            deferred = "no contact"
        else:
            deferred = f"{replayed[name]:,}" if dated == "day" else "{:,} to {:,}".format(*bounds[name])
        above = "no limit" if over[name] is None else f"{over[name]:,}"
        lines.append(f"{name:22}{len(rows):>10,}{dated:>10}{deferred:>20}{above:>26}")
    lines.append(
        "Of the replayed, deferred by: " + ", ".join(f"{rule} {count:,}" for rule, count in by_rule.most_common())
    )
    return "\n".join(lines)


def _as_if_known(params: Params) -> Params:
    """The place signed off, the log taken as dated to days, and statuses delivered though none are known."""
    book = params.portfolios[utility_contacts.NAME]
    book = book.model_copy(update={"contact_precision": "day", "delivers": (*book.delivers, "statuses")})
    signed = params.eligibility.model_copy(update={"signed_off": (PLACE,)})
    return params.model_copy(update={"portfolios": {utility_contacts.NAME: book}, "eligibility": signed})


def _replay(
    accounts: pd.DataFrame, log: pd.DataFrame, rules: Rules, params: Params
) -> tuple[Mapping[str, int], Counter]:
    """Every contact is asked for on its day, given those kept before it: (deferred per measure, deferred per rule)."""
    deferred, by_rule = Counter(), Counter()
    log = log[log["channel"].astype("str").isin(CONTACT_CHANNELS)]
    cohort = (
        accounts.drop_duplicates("account_no").assign(days_past_due=np.int32(30)).set_index("account_no", drop=False)
    )
    none = pd.DataFrame(columns=["account_no", "status", "from_on", "until_on", "known_on", "known_at", "detail"])
    kept: list[pd.DataFrame] = []
    for day, asked in log.groupby("occurred_on", sort=True):
        recent = [rows for rows in kept if rows["occurred_on"].iloc[0] >= day - 62] or [log.iloc[:0]]
        tonight = cohort.loc[asked["account_no"].unique()].sort_index().reset_index(drop=True)
        channels = [name for name in CONTACT_CHANNELS if (asked["channel"].astype("str") == name).any()]
        through = {"contacts": int(day) - 1, "statuses": int(day) - 1}
        past = pd.concat(recent).sort_values(["account_no", "occurred_at"], ignore_index=True)
        tables = {"accounts": tonight, "contacts": past, "statuses": none}
        found = rulings(Case(tonight, tables, rules, params, through), int(day), channels)
        told = found.channels.astype({"channel": "str", "rule": "str", "verdict": "str"})
        asked = asked.assign(channel_name=asked["channel"].astype("str"))
        asked = asked.merge(told.rename(columns={"channel": "channel_name"}), on=["account_no", "channel_name"])
        turn = asked.groupby(["account_no", "channel_name"]).cumcount()
        lawful = (asked["verdict"] == "permitted") & (turn < asked["contacts_left"])
        deferred.update(asked.loc[~lawful, "measure"])
        by_rule.update(asked.loc[~lawful, "rule"].replace("", TODAY))
        if lawful.any():
            kept.append(asked.loc[lawful, log.columns])
    return deferred, by_rule


def _bounds(log: pd.DataFrame, rules: Rules, params: Params) -> Mapping[str, tuple[int, int]]:
    """(least, most) contacts of each measure beyond the caps, by how the days may lie in their month,
    other measures left aside.

    Least: spread as evenly as can be, each cap used up in every window that fits the month. Most: all on one day.
    """
    role = params.portfolio(utility_contacts.NAME).role
    binding = Binding.of(rules, (PLACE,), role, "consumer", date_of(int(log["occurred_on"].max())))
    month = log["occurred_on"].to_numpy().astype("datetime64[D]").astype("datetime64[M]")
    length = ((month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")).astype(int)
    keys = ["measure", "account_no", "month", "length"]
    counts = log.assign(month=month.astype(str), length=length).groupby(keys).size().reset_index(name="n")
    found = {}
    for measure, rows in counts.groupby("measure"):
        size, days = rows["n"].to_numpy(), rows["length"].to_numpy()
        least, most = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        for rule in binding.of_kind(Cap, utility_contacts.CHANNEL[measure]):
            windows = 1 if rule.window == "calendar_month" else -(-days // rule.window.days)
            least, most = np.maximum(least, size - rule.max * windows), np.maximum(most, size - rule.max)
        found[measure] = int(least.sum()), int(most.sum())
    return found


def _over_capacity(log: pd.DataFrame, raw: Path) -> dict[str, int | None]:
    """Contacts beyond the planned capacity of their measure and month; None where the plan sets no limit."""
    plan = read_raw(raw, "monthly_capacity_limits.csv").set_index("action")["monthly_limit"]
    month = log["occurred_on"].to_numpy().astype("datetime64[D]").astype("datetime64[M]").astype(str)
    sizes = log.groupby(["measure", month]).size()
    found: dict[str, int | None] = {}
    for measure, counts in sizes.groupby("measure"):
        limit = plan[measure]
        found[measure] = int((counts - int(limit)).clip(lower=0).sum()) if limit.isdigit() else None
    return found


if __name__ == "__main__":
    main()
