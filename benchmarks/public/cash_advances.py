"""French cash advances with recovery cases, as known on 2020-11-18 -> source folder. Choices and traps:
README.md beside this file.

Two clocks. `status`, `recovery_status`, `reco_last_update` and a fee's `status` describe the end of the extract. They
decide which payment is real and which outcome nobody knows; none of them becomes an attribute, and every row is known
when its event happened. A fee that was raised is owed from that day, whatever became of it: keeping only the accepted
ones would tell who pays, for accepted means collected.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd

from benchmarks.public.delivery import Counts, by_class, day_text, deliver, money_text, read_raw, stamp_text, stamps

NAME = "cash_advances"
CURRENCY = "EUR"
ZONE = "Europe/Paris"
EXTRACTED = pd.Timestamp("2020-11-17 23:59:59", tz=ZONE)  # the last instant the extract tells of
COMPLETE_THROUGH = "2020-11-17"
# the last night whose 14 days lie in the extract; no July in it
FIRST_TEST, LAST_TEST = dt.date(2020, 10, 8), dt.date(2020, 11, 3)
USUAL_TERM_DAYS = 13  # known due dates of advances never postponed lie 10 to 15 days after opening
TECHNICAL = pd.Timedelta(minutes=15)
NOT_GIVEN = ("promise_amount", "promise_due_on", "cost", "agent", "person_id", "endpoint_id")
NEVER_LENT = ("rejected", "canceled", "transaction_declined")
INSTANT = pd.Timedelta(microseconds=1)

PARAMS = {
    "portfolios": {
        NAME: {
            "time_zone": ZONE,
            "delivers": ["accounts", "charges", "payments", "contacts", "statuses"],
            # every row carries its own known_at
            "lag_days": {"charges": 0, "payments": 0, "contacts": 0, "statuses": 0},
            "dpd_tolerance": {CURRENCY: 5},  # one unpaid fee is not an overdue advance
            "contact_precision": "time",
        }
    },
    # Cases resolve in days: a short horizon. Nothing is reversed in this set, so nothing has to settle.
    "label": {"horizon_days": 14, "maturity_days": 0, "default_horizon_days": 60},
    "cohort": {"every": "week", "first": "2020-05-01", "last": None, "sample_debtors": None},
    "split": {"test_days": 27, "backtest_folds": 1},
    # A thousand debtors seen on many nights: small trees, wide leaves.
    "model": {
        "num_leaves": 4,
        "learning_rate": 0.03,
        "min_child_samples": 300,
        "feature_fraction": 0.4,
        "bagging_fraction": 0.7,
        "lambda_l2": 50.0,
    },
    "money": {"reporting_currency": CURRENCY},
    "store": {"shards": 2},
}


def convert(raw: Path, out: Path) -> Counts:
    """Write the source folder of the set. raw holds `cash_requests.csv.gz` and `fees.csv.gz`;
    every row leaves used or counted.
    """
    counts = Counts()
    advances = _advances(read_raw(raw, "cash_requests.csv.gz"), counts)
    fees = _fees(read_raw(raw, "fees.csv.gz"), advances, counts)
    moves = _moves(fees, counts)
    tables = {
        "accounts": _accounts(advances),
        "charges": _charges(advances, fees, moves),
        "payments": _payments(advances, fees, counts),
        "contacts": _contacts(fees),
        "statuses": _statuses(advances, counts),
    }
    counts.notes += due_date_sensitivity(advances, fees)
    return deliver(out, tables, CURRENCY, COMPLETE_THROUGH, counts)


def _advances(requests: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """Money that was lent: one row per advance, with opened, due (first), paid, placed; UTC timestamps."""
    never = requests["status"].isin(NEVER_LENT)
    counts.record(
        "cash_requests.csv.gz",
        len(requests),
        int((~never).sum()),
        by_class(requests.loc[never, "status"], "never lent, "),
    )
    advances = requests[~never].copy()
    times = ["created_at", "send_at", "reimbursement_date", "money_back_date", "reco_creation", "reco_last_update"]
    for column in times:
        advances[column] = stamps(advances[column])
    advances["principal"] = advances["amount"].astype(float)
    advances["debtor_id"] = advances["user_id"].fillna("d" + advances["deleted_account_id"])
    advances["opened"] = advances["send_at"].fillna(advances["created_at"])

    case, done = advances["reco_creation"].notna(), advances["recovery_status"].eq("completed")
    technical = done & ((advances["reco_last_update"] - advances["reco_creation"]) < TECHNICAL)
    advances["placed"] = advances["reco_creation"].mask(technical)
    all_cases = requests["reco_creation"].notna()
    counts.record(
        "recovery cases",
        int(all_cases.sum()),
        int((case & ~technical).sum()),
        {"advance never lent": (all_cases & never).sum(), "technical: completed within 15 minutes": technical.sum()},
    )
    # A case still pending at the end, whose only payment lies before it or came by a debit marked rejected:
    # the bank took it back.
    pending = case & ~done
    returned = (
        advances["money_back_date"].notna()
        & pending
        & ((advances["money_back_date"] < advances["reco_creation"]) | advances["status"].eq("direct_debit_rejected"))
    )
    advances["paid"] = advances["money_back_date"].mask(returned).fillna(advances["reco_last_update"].where(done))
    dated = requests["money_back_date"].notna()
    counts.record(
        "payment dates of advances",
        int(dated.sum()),
        int((advances["money_back_date"].notna() & ~returned).sum()),
        {"advance never lent": (dated & never).sum(), "taken back: the case is still open": returned.sum()},
    )
    undated = done & advances["money_back_date"].isna()
    counts.notes.append(f"{undated.sum():,} completed cases without a payment date count as paid at their last update")
    return advances


def _fees(fees: pd.DataFrame, advances: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """Fee and postponement events of lent advances, with the first due date of the advance; UTC timestamps."""
    lent = fees["cash_request_id"].isin(advances["id"])
    counts.record(
        "fees.csv.gz",
        len(fees),
        int(lent.sum()),
        {
            "names no advance": fees["cash_request_id"].isna().sum(),
            "advance never lent": (~lent & fees["cash_request_id"].notna()).sum(),
        },
    )
    fees = fees[lent].copy()
    times = ["created_at", "paid_at", "from_date", "to_date"]
    for column in times:
        fees[column] = stamps(fees[column])
    fees["fee"] = fees["total_amount"].astype(float)
    fees["accepted"] = fees["status"].eq("accepted")
    advances["due_on"] = first_due(advances, fees)
    owner = advances[["id", "opened", "due_on"]].rename(columns={"id": "cash_request_id"})
    return fees.merge(owner, on="cash_request_id", validate="many_to_one")


def first_due(
    advances: pd.DataFrame, fees: pd.DataFrame, term_days: int = USUAL_TERM_DAYS, asked: bool = True, last: bool = False
) -> pd.Series:
    """Local day on which an advance first fell due: where its first postponement started from, else the date given,
    else the usual term.

    asked: a postponement that was refused or cancelled tells the due date as well as an accepted one. last: take
    `reimbursement_date` wherever it stands, which for a postponed advance is its last date, a fact of the end of the
    extract (for the sensitivity only).
    """
    postponed = fees[fees["type"].eq("postpone") & (fees["accepted"] | asked)].sort_values(["created_at", "id"])
    started_from = _local_day(postponed.groupby("cash_request_id")["from_date"].first())
    usual = _local_day(advances["opened"]) + pd.Timedelta(days=term_days)
    moved = advances["id"].isin(postponed["cash_request_id"])
    given = _local_day(advances["reimbursement_date"])
    started = started_from.reindex(advances["id"]).set_axis(advances.index)
    return (given.fillna(started) if last else started.fillna(given.mask(moved))).fillna(usual)


def _moves(fees: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """Accepted postponements: from the instant each was made, the advance is due on its `to_date`."""
    postponed = fees[fees["type"].eq("postpone")]
    moves = postponed[postponed["accepted"]].copy()
    # Some were agreed before the money was sent; the advance is known first, its new date an instant later.
    moves["known"] = moves["created_at"].clip(lower=moves["opened"] + INSTANT)
    moves["to_on"] = _local_day(moves["to_date"])
    moves = moves.sort_values(["cash_request_id", "known", "to_on", "id"])
    last = ~moves.duplicated(["cash_request_id", "known"], keep="last")
    counts.record(
        "postponements",
        len(postponed),
        int(last.sum()),
        {
            "not accepted (a contact all the same)": (~postponed["accepted"]).sum(),
            "of one instant, another goes further": (~last).sum(),
        },
    )
    return moves.loc[last, ["cash_request_id", "known", "to_on"]]


def _accounts(advances: pd.DataFrame) -> pd.DataFrame:
    local = advances["opened"].dt.tz_convert(ZONE)
    return pd.DataFrame(
        {
            "account_id": advances["id"],
            "debtor_id": advances["debtor_id"],
            "portfolio": NAME,
            "product": "cash advance",
            "debtor_type": "consumer",
            "currency": CURRENCY,
            "opened_on": day_text(local),
            "placed_on": day_text(advances["placed"].dt.tz_convert(ZONE)),
            "principal": money_text(advances["principal"]),
            "placed_amount": None,
            "jurisdiction": "FR",
            "time_zone": ZONE,
            "known_at": stamp_text(advances["opened"]),
            "x_transfer_type": advances["transfer_type"],
        }
    )


def _charges(advances: pd.DataFrame, fees: pd.DataFrame, moves: pd.DataFrame) -> pd.DataFrame:
    """The advance and its fees. A postponement is a new version of the advance and of the fee
    that falls due with it.
    """
    principal = pd.DataFrame(
        {
            "charge_id": "advance-" + advances["id"],
            "account_id": advances["id"],
            "issued": advances["opened"],
            "due_on": advances["due_on"],
            "amount": advances["principal"],
            "kind": "principal",
            "known": advances["opened"],
        }
    )
    # A postponement that was not agreed (its fee is paid within seconds or never) costs nothing.
    # All other fees are owed once raised.
    raised = fees[fees["accepted"] | ~fees["type"].eq("postpone")]
    # collected together with the advance; other fees are due at once
    with_advance = raised["type"].eq("instant_payment")
    agreed = raised["created_at"].clip(lower=raised["opened"])
    fee = pd.DataFrame(
        {
            "charge_id": "fee-" + raised["id"],
            "account_id": raised["cash_request_id"],
            "issued": agreed,
            "due_on": raised["due_on"].where(with_advance, _local_day(agreed)),
            "amount": raised["fee"],
            "kind": "fee",
            "known": agreed,
        }
    )
    movable = pd.concat([principal, fee[with_advance]])
    moved = movable.drop(columns="due_on").merge(
        moves.rename(columns={"cash_request_id": "account_id", "to_on": "due_on", "known": "moved"}), on="account_id"
    )
    # A fee agreed after a postponement falls due on the postponed day from the start:
    # that version replaces its first one.
    moved["known"] = moved["known"].where(moved["known"] > moved["moved"], moved["moved"])
    versions = pd.concat([principal, fee, moved]).sort_values(
        ["charge_id", "known", "moved"], na_position="first", kind="stable"
    )
    versions = versions.drop_duplicates(["charge_id", "known"], keep="last")
    return pd.DataFrame(
        {
            "charge_id": versions["charge_id"],
            "account_id": versions["account_id"],
            "issued_on": day_text(versions["issued"].dt.tz_convert(ZONE)),
            "due_on": day_text(versions["due_on"]),
            "amount": money_text(versions["amount"]),
            "kind": versions["kind"],
            "known_at": stamp_text(versions["known"]),
        }
    )


def _payments(advances: pd.DataFrame, fees: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """The advance at the instant it came back, and each collected fee."""
    dated = fees[fees["paid_at"].notna()]
    settled = dated[dated["accepted"]]
    refused = by_class(dated.loc[~dated["accepted"], "status"], "the fee ended as ")
    counts.record("payment dates of fees of lent advances", len(dated), len(settled), refused)
    repaid = advances[advances["paid"].notna()]
    whole = pd.DataFrame(
        {
            "charge_id": "advance-" + repaid["id"],
            "account_id": repaid["id"],
            "paid": repaid["paid"],
            "amount": repaid["principal"],
        }
    )
    fee = pd.DataFrame(
        {
            "charge_id": "fee-" + settled["id"],
            "account_id": settled["cash_request_id"],
            "paid": settled["paid_at"],
            "amount": settled["fee"],
        }
    )
    paid = pd.concat([whole, fee])
    when = stamp_text(paid["paid"])
    return pd.DataFrame(
        {
            "payment_id": paid["charge_id"],  # an advance and a fee are paid once, in full
            "account_id": paid["account_id"],
            "charge_id": paid["charge_id"],
            "occurred_at": when,
            "amount": money_text(paid["amount"]),
            "kind": "payment",
            "reverses": None,
            "method": None,
            "known_at": when,
        }
    )


def _contacts(fees: pd.DataFrame) -> pd.DataFrame:
    """A request to postpone is the debtor's contact, whatever became of it;
    a returned debit and a month of delay are the lender's.
    """
    rows = fees[fees["type"].isin(["postpone", "incident"])]
    asked, returned = rows["type"].eq("postpone"), rows["category"].eq("rejected_direct_debit")
    when = stamp_text(rows["created_at"])
    contacts = pd.DataFrame(
        {
            "contact_id": "fee-" + rows["id"],
            "account_id": rows["cash_request_id"],
            "occurred_at": when,
            "channel": pd.Series("other", rows.index).mask(returned, "debit").mask(asked, "portal"),
            "direction": pd.Series("outbound", rows.index).mask(asked, "inbound"),
            "outcome": pd.Series("rejected", rows.index).where(returned),
        }
    )
    return contacts.assign(**dict.fromkeys(NOT_GIVEN)).assign(known_at=when)


def _statuses(advances: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """A completed case is closed from then on. Lent with neither case nor payment: the outcome is unknown.

    That it is unknown is itself known only at the end of the extract, so no night sees it.
    """
    known = advances["paid"].notna() | advances["placed"].notna()
    unknown = advances[~known]
    counts.record(
        "outcomes of lent advances", len(advances), int(known.sum()), by_class(unknown["status"], "unknown, status ")
    )
    done = advances[advances["placed"].notna() & advances["recovery_status"].eq("completed")]
    ended = done["reco_last_update"]
    closed = pd.DataFrame(
        {"account_id": done["id"], "status": "closed", "from_on": _local_day(ended), "known_at": stamp_text(ended)}
    )
    unknown = pd.DataFrame(
        {"account_id": unknown["id"], "status": "outcome_unknown", "from_on": _local_day(unknown["opened"])}
    )
    statuses = pd.concat([unknown.assign(known_at=EXTRACTED.isoformat()), closed])
    statuses["from_on"] = day_text(statuses["from_on"])
    return statuses.assign(until_on=None, detail=None)


def due_date_sensitivity(advances: pd.DataFrame, fees: pd.DataFrame) -> list[str]:
    """Share of advances still unpaid 90 days after they first fell due, by choice of due date.

    Among advances with a known outcome whose 90th day lies within the extract.
    """
    known = advances["paid"].notna() | advances["placed"].notna()
    paid = _local_day(advances["paid"])
    choices = {
        f"opened + {days} days where no date is given": {"term_days": days} for days in (10, USUAL_TERM_DAYS, 15, 30)
    }
    choices["accepted postponements only, else opened + 13 days"] = {"asked": False}
    choices["the last date of postponed advances too"] = {"last": True}
    lines = ["90-day rate of known outcomes by due date:"]
    for choice, terms in choices.items():
        late = first_due(advances, fees, **terms) + pd.Timedelta(days=90)
        seen = known & (late < EXTRACTED.tz_localize(None))
        lines.append(f"    {(~(paid < late))[seen].mean():.4f} of {seen.sum():,}: {choice}")
    return lines


def _local_day(moments: pd.Series) -> pd.Series:
    """UTC timestamps -> local midnights without a zone; empty stays empty."""
    return moments.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize()
