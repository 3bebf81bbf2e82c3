"""Where the money of a book came from: accounts that were worked, and ordinary payments; and what work added, against
the debtors whom the lot held out. As known before a night.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.days import day_text
from features.versions import is_last_known, superseded_on
from models.ladder import Z95
from models.lot import CONTROL, WORKED
from pipeline.outcomes.commission import is_within
from pipeline.outcomes.looked_back import LEAST_PEOPLE
from pipeline.outcomes.spans import difference, less_foretold, spans_of
from pipeline.store.store import Store

# Of each payment the first that holds; the first four are worked accounts, the others ordinary payments.
SOURCES = ("contacted", "listed", "agency", "agency_unnamed", "held_out", "not_due", "left")
CONTACTED, LISTED, AGENCY, UNNAMED, HELD_OUT, NOT_DUE, LEFT = SOURCES
OF_WORK = (CONTACTED, LISTED, AGENCY, UNNAMED)
NOT_WORK = "debit"  # the channel by which an ordinary payment is drawn
GROUPED = ("account_id", "portfolio", "group", "as_of")
ON_LIST = ("worklist", "joined")
DRAWN = ("account_id", "debtor_id", "arm", "assigned_on", "probability", "p_recovered", "expected_recovery", "as_of")
NO_LOT, WAITING, FEW, TOLD = "no_lot", "waiting", "few", "told"  # what can be said against the held-out debtors


@dataclass(frozen=True)
class Remembered:
    """What the store remembers of the nights before a night.

    groups  GROUPED of accounts listed or held out on the nights that a payment may stand behind
    drawn   DRAWN of every account on the night on which the lot fell on its debtor
    """

    groups: pd.DataFrame
    drawn: pd.DataFrame


def remembered(store: Store, first: int, as_of: int, days: int) -> Remembered:
    """days: how long a list or a contact may stand before a payment that is counted as of a worked account."""
    groups = store.read("assignments", list(GROUPED), since=first - days, before=as_of)
    if len(groups):
        groups = groups[groups["group"].isin([*ON_LIST, HELD_OUT])].reset_index(drop=True)
    drawn = store.read("assignments", list(DRAWN), before=as_of + 1)
    if len(drawn):
        drawn = drawn[(drawn["as_of"] == drawn["assigned_on"]) & drawn["arm"].isin([CONTROL, WORKED])]
    texts = dict.fromkeys(("account_id", "portfolio", "group"), "str")
    names = dict.fromkeys(("account_id", "debtor_id", "arm"), "str")
    return Remembered(
        groups.reindex(columns=list(GROUPED)).astype(texts),
        drawn.reindex(columns=list(DRAWN)).astype(names).reset_index(drop=True),
    )


def outbound(contacts: pd.DataFrame | None, as_of: int) -> pd.DataFrame:
    """account_no, occurred_on, contact_id of our contacts before the night as last known before it, but for debits."""
    if contacts is None:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _CONTACTED.items()})
    gone = superseded_on(contacts, ["contact_id", "account_no"], "contacts")
    kept = is_last_known(contacts["known_on"].to_numpy(), gone, as_of) & (contacts["occurred_on"].to_numpy() < as_of)
    ours = kept & (contacts["direction"] == "outbound").to_numpy() & (contacts["channel"] != NOT_WORK).to_numpy()
    return contacts.loc[ours, list(_CONTACTED)].reset_index(drop=True)


_CONTACTED = {"account_no": "int64", "occurred_on": "int32", "contact_id": "str"}


def sources(
    payments: pd.DataFrame,
    contacts: pd.DataFrame,
    groups: pd.DataFrame,
    placements: pd.DataFrame,
    unnamed: pd.DataFrame,
    due: np.ndarray,
    days: int,
) -> np.ndarray:
    """SOURCES of each payment (account_no, account_id, occurred_on).

    contacted       we contacted its debtor about the account on the day of the payment or within `days` days before
    listed          the account was on a published list in those days, and no contact is on record
    agency          the account was placed with an agency on the day of the payment
    agency_unnamed  its status said that day that an agency had it, and no placement says which
    held_out        the lot held its debtor out in those days
    not_due         nothing of it was to be worked when the span began: see features.cohort.scorable
    left            it could be worked, and was not

    contacts: of `outbound`; groups: see Remembered; placements, unnamed: of pipeline.outcomes.commission.placed and
    at_agencies; due: account_no of the accounts scorable on the first day.
    """
    rows = payments[["account_no", "account_id", "occurred_on"]].reset_index(drop=True)
    held = groups["group"] == HELD_OUT
    met = {
        CONTACTED: _met(rows, contacts.rename(columns={"occurred_on": "on"}), "account_no", days),
        LISTED: _met(rows, groups[~held].rename(columns={"as_of": "on"}), "account_id", days),
        AGENCY: is_within(rows, placements),
        UNNAMED: is_within(rows, unnamed),
        HELD_OUT: _met(rows, groups[held].rename(columns={"as_of": "on"}), "account_id", days),
        NOT_DUE: ~rows["account_no"].isin(due).to_numpy(),
    }
    return np.select(list(met.values()), list(met), LEFT).astype(object)


def _met(rows: pd.DataFrame, events: pd.DataFrame, key: str, days: int) -> np.ndarray:
    """bool per payment: an event of its account on its day or within `days` days before."""
    last = pd.merge_asof(
        rows[[key, "occurred_on"]].assign(place=np.arange(len(rows))).astype({"occurred_on": "int64"}).sort_values(
            "occurred_on", kind="stable"
        ),
        events[[key, "on"]].drop_duplicates().astype({"on": "int64"}).sort_values("on", kind="stable"),
        left_on="occurred_on",
        right_on="on",
        by=key,
    )  # fmt: skip
    return (last["occurred_on"] - last["on"] <= days).to_numpy()[np.argsort(last["place"].to_numpy())]


def of_sources(payments: pd.DataFrame) -> dict[str, Any]:
    """worked, ordinary -> amount; worked_share, ordinary_share -> part of all that came in, None where nothing did;
    sources: source -> [payments, amount, share]. payments: of the span, with `source`.
    """
    by, came = payments.groupby("source")["amount"].agg(["size", "sum"]), int(payments["amount"].sum())

    def told(amount: int) -> tuple[int, float | None]:
        return amount, round(amount / came, 4) if came else None

    found: dict[str, list[Any]] = {
        name: [int(by["size"].get(name, 0)), *told(int(by["sum"].get(name, 0)))] for name in SOURCES
    }
    worked, worked_share = told(sum(found[name][1] for name in OF_WORK))
    ordinary, ordinary_share = told(came - worked)
    return {
        "worked": worked,
        "worked_share": worked_share,
        "ordinary": ordinary,
        "ordinary_share": ordinary_share,
        "sources": found,
    }


def added(drawn: pd.DataFrame, gap_days: int) -> dict[str, Any]:
    """What work added, of the debtors of one book in one currency.

    drawn: DRAWN, and of matured nights recovered (1, 0 or NaN) and money (minor units); matured: whether the outcome
    is known by now. gap_days: from a night until the last day that its outcome needs.

    state      NO_LOT: nobody was held out; WAITING: nothing has matured; FEW: too few have; TOLD
    from       the first night whose report can know of the first of them
    worked, held_out   debtors, as assigned, of matured nights; one that was drawn several times to an arm is one of it
    draws      of TOLD: how often the lot left one of them to be worked; each draw is an outcome
    paid, money, total  of TOLD: [worked less held out, its 95 % interval] of the share of debtors that pay, of money
                       per draw and of money of all worked draws; minor units
    """
    if not (drawn["arm"] == CONTROL).any():
        return {"state": NO_LOT}
    told = {"from": day_text(int(drawn["as_of"].min()) + gap_days + 1), "needed": LEAST_PEOPLE}
    spans = spans_of(drawn[drawn["matured"].to_numpy(bool)])
    arms = {name: spans[spans["arm"] == arm] for name, arm in (("worked", WORKED), ("held_out", CONTROL))}
    sizes = {name: int(own["debtor_id"].nunique()) for name, own in arms.items()}
    if not len(spans):
        return {"state": WAITING, **told, **sizes}
    if min(sizes.values()) < LEAST_PEOPLE:
        return {"state": FEW, **told, **sizes}
    spans = less_foretold(spans)
    (share, share_error), (money, error) = (difference(spans, name) for name in ("recovered", "money"))
    ends = (0.0, -Z95, Z95)
    return {
        "state": TOLD,
        **told,
        **sizes,
        "paid": [round(share + end * share_error, 4) for end in ends],
        "money": [round(money + end * error) for end in ends],
        "draws": len(arms["worked"]),
        "total": [round((money + end * error) * len(arms["worked"])) for end in ends],
    }
