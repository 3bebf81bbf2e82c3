"""Nigerian mobile loans: every earlier loan with its dates, and the loans of July 2017 whose outcome is given ->
source folder.

Choices and traps: README.md beside this file. The earlier loans are listed only once repaid, so they are selected by
their outcome.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.public.delivery import Counts, day_text, deliver, money_text, read_raw, stamp_text

NAME = "mobile_loans"
CURRENCY = "NGN"
ZONE = "Africa/Lagos"
COMPLETE_THROUGH = "2017-07-31"
EXTRACTED = pd.Timestamp("2017-07-31 23:59:59", tz=ZONE)  # that they are not in the set is known only at its end
ONE_INSTALMENT = (15, 30)  # days of term; longer loans have a plan of which only the first day is given
AUDIT = {"birth_year": "audit_birth_year", "level_of_education_clients": "audit_education"}

PARAMS = {
    "portfolios": {
        NAME: {
            "time_zone": ZONE,
            "delivers": ["accounts", "charges", "payments", "statuses"],  # no contact log
            "lag_days": {"charges": 0, "payments": 0, "statuses": 0},  # every row carries its own known_at
            "dpd_tolerance": {CURRENCY: 0},
        }
    },
    # Four days past due is more than a weekend and a bank's delay;
    # six weeks hold the whole life of a loan of one instalment.
    "label": {"horizon_days": 30, "maturity_days": 0, "default_dpd": 4, "default_horizon_days": 42},
    "money": {"reporting_currency": CURRENCY, "rates": {CURRENCY: 1.0}},
    "store": {"shards": 2},
}


def convert(raw: Path, out: Path) -> Counts:
    """Write the source folder of the set. raw holds `prev_loans.csv.gz`, `perf.csv.gz`, `demographics_nogps.csv.gz`."""
    counts = Counts()
    earlier = read_raw(raw, "prev_loans.csv.gz")
    judged = read_raw(raw, "perf.csv.gz")
    loans = pd.concat([earlier, judged], ignore_index=True)
    counts.record("prev_loans.csv.gz", len(earlier), len(earlier))
    counts.record("perf.csv.gz", len(judged), len(judged))
    for column in ("approveddate", "closeddate", "firstduedate", "firstrepaiddate"):
        # `creationdate` is the same instant in UTC
        loans[column] = pd.to_datetime(loans[column], format="ISO8601").dt.tz_localize(ZONE)
    for column in ("loanamount", "totaldue"):
        loans[column] = loans[column].astype(float)
    loans["term_days"] = loans["termdays"].astype(int)
    people = _people(read_raw(raw, "demographics_nogps.csv.gz"), set(loans["customerid"]), counts)
    tables = {
        "accounts": _accounts(
            loans.merge(people, on="customerid", how="left", validate="many_to_one"), _earlier(loans)
        ),
        "charges": _charges(loans),
        "payments": _payments(loans[loans["closeddate"].notna()], counts),
        "statuses": _outcome_elsewhere(loans[loans["closeddate"].isna()]),
    }
    return deliver(out, tables, CURRENCY, COMPLETE_THROUGH, counts)


def outcomes(raw: Path) -> pd.DataFrame:
    """The outcome to be judged: account_id, as_of (the day after approval, the first whose night knows the loan),
    defaulted (1 = bad).
    """
    judged = read_raw(raw, "perf.csv.gz")
    night = (pd.to_datetime(judged["approveddate"], format="ISO8601") + pd.Timedelta(days=1)).dt.date
    bad = judged["good_bad_flag"].map({"Bad": 1.0, "Good": 0.0})
    return pd.DataFrame({"account_id": judged["systemloanid"], "as_of": night, "defaulted": bad})


def _people(people: pd.DataFrame, customers: set[str], counts: Counts) -> pd.DataFrame:
    again = people.duplicated()
    stranger = ~people["customerid"].isin(customers) & ~again
    used = people[~again & ~stranger]
    left_out = {"the same row again": again.sum(), "has no loan in the set": stranger.sum()}
    counts.record("demographics_nogps.csv.gz", len(people), len(used), left_out)
    return used


def _earlier(loans: pd.DataFrame) -> pd.DataFrame:
    """What a lender knows of an applicant on the day: the customer's loans that had closed
    before this one was approved.

    A new loan is an account without a history. These attributes give it that of its debtor; empty where no loan had
    closed.
    """
    due = loans["firstduedate"].dt.normalize()
    closed = loans.assign(
        late_days=(loans["closeddate"].dt.normalize() - due).dt.days,
        first_late_days=(loans["firstrepaiddate"].dt.normalize() - due).dt.days,
    )
    closed = closed[closed["closeddate"].notna()][
        ["customerid", "closeddate", "late_days", "first_late_days", "loanamount"]
    ]
    asked = loans[["systemloanid", "customerid", "approveddate", "loanamount"]]
    pairs = asked.merge(closed, on="customerid", suffixes=("", "_before"))
    pairs = pairs[pairs["closeddate"] < pairs["approveddate"]].sort_values(["systemloanid", "closeddate", "late_days"])
    pairs["late"] = (pairs["late_days"] > 0).astype(float)
    by_loan = pairs.groupby("systemloanid")
    return pd.DataFrame(
        {
            "x_earlier_loans": by_loan.size(),
            "x_earlier_late_last": by_loan["late_days"].last(),
            "x_earlier_late_mean": by_loan["late_days"].mean().round(4),
            "x_earlier_late_max": by_loan["late_days"].max(),
            "x_earlier_late_share": by_loan["late"].mean().round(6),
            "x_earlier_first_late_last": by_loan["first_late_days"].last(),
            "x_earlier_first_late_mean": by_loan["first_late_days"].mean().round(4),
            "x_earlier_amount_ratio": (by_loan["loanamount"].last() / by_loan["loanamount_before"].max()).round(6),
        }
    )


def _accounts(loans: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    accounts = pd.DataFrame(
        {
            "account_id": loans["systemloanid"],
            "debtor_id": loans["customerid"],
            "portfolio": NAME,
            "product": "mobile loan",
            "debtor_type": "consumer",
            "currency": CURRENCY,
            "opened_on": day_text(loans["approveddate"]),
            "placed_on": None,
            "principal": money_text(loans["loanamount"]),
            "placed_amount": None,
            "jurisdiction": "NG",
            "time_zone": ZONE,
            "known_at": stamp_text(loans["approveddate"]),
            "x_loan_number": loans["loannumber"],
            "x_term_days": loans["termdays"],
            "x_cost_share": (loans["totaldue"] / loans["loanamount"] - 1).round(6),
            "x_referred": loans["referredby"].notna().astype(int),
            "x_bank": loans["bank_name_clients"],
            "x_bank_account": loans["bank_account_type"],
            "x_employment": loans["employment_status_clients"],
        }
    )
    accounts = accounts.assign(**{audit: loans[column] for column, audit in AUDIT.items()})
    return accounts.merge(earlier, left_on="account_id", right_index=True, how="left")


def _charges(loans: pd.DataFrame) -> pd.DataFrame:
    """One charge a loan. A plan of which only the first day is given falls due on its last:
    before that it adds no days past due.
    """
    ends = loans["approveddate"].dt.normalize() + pd.to_timedelta(loans["term_days"], unit="D")
    whole = loans["term_days"].isin(ONE_INSTALMENT)
    due = loans["firstduedate"].where(whole).fillna(ends)
    known = stamp_text(loans["approveddate"])
    return pd.DataFrame(
        {
            "charge_id": loans["systemloanid"],
            "account_id": loans["systemloanid"],
            "issued_on": day_text(loans["approveddate"]),
            "due_on": day_text(due),
            "amount": money_text(loans["totaldue"]),
            "kind": "principal",
            "known_at": known,
        }
    )


def _payments(repaid: pd.DataFrame, counts: Counts) -> pd.DataFrame:
    """The total due by the day the loan closed. Where the first repayment was on an earlier day, half then:
    its amount is not given.
    """
    twice = repaid["firstrepaiddate"].dt.normalize() < repaid["closeddate"].dt.normalize()
    counts.notes.append(
        f"{twice.sum():,} of {len(repaid):,} repaid loans had a first repayment on an earlier day: "
        "half of the total is dated then"
    )
    half = (repaid["totaldue"] / 2).round(2).where(twice, 0.0)
    first = pd.DataFrame({"loan": repaid["systemloanid"], "n": "1", "paid": repaid["firstrepaiddate"], "amount": half})[
        twice
    ]
    last = pd.DataFrame(
        {"loan": repaid["systemloanid"], "n": "2", "paid": repaid["closeddate"], "amount": repaid["totaldue"] - half}
    )
    paid = pd.concat([first, last])
    when = stamp_text(paid["paid"])
    return pd.DataFrame(
        {
            "payment_id": paid["loan"] + "-" + paid["n"],
            "account_id": paid["loan"],
            "charge_id": paid["loan"],
            "occurred_at": when,
            "amount": money_text(paid["amount"]),
            "kind": "payment",
            "reverses": None,
            "method": None,
            "known_at": when,
        }
    )


def _outcome_elsewhere(judged: pd.DataFrame) -> pd.DataFrame:
    """Payments of the July loans are not in the set, only their outcome:
    no label may be read from the absence of payments.
    """
    return pd.DataFrame(
        {
            "account_id": judged["systemloanid"],
            "status": "outcome_unknown",
            "from_on": day_text(judged["approveddate"]),
            "until_on": None,
            "known_at": EXTRACTED.isoformat(),
            "detail": None,
        }
    )
