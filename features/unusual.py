"""What looks unusual of the accounts of a shard on a night: overpayments with a request for a refund, payments that are
taken back again and again, a new way of paying before a large payment is taken back; and by which instruments and
endpoints whose accounts were paid and reached, for a look across debtors.

It is for a person to look at. No model reads it: nothing here is in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.ledger import Ledger, figures_at
from features.settlements import CASH, Settlements
from features.tables import NO_DAY
from features.versions import arranged, is_last_known, key_of, superseded_on

REFUND, RING, INSTRUMENT, CHANGE, ENDPOINT = KINDS = (
    "refund_of_overpayment",
    "reversal_ring",
    "shared_instrument",
    "method_change",
    "shared_endpoint",
)
LOOKS_BACK = 365  # days before a payment in which its account's earlier ones say what is usual
TAKEN_BACK = 0.9  # share of a payment from which it counts as taken back
NOT_THEIRS = ("wrong_number", "third_party", "bounced", "rejected")  # outcomes that say that an endpoint is not his

OF_ACCOUNT = {"debtor_id": "str", "account_id": "str", "portfolio": "str", "currency": "str"}
# amount: minor units in question; many, of: see each kind; usual: minor units; before, after: methods.
OWN = {"kind": "str", **OF_ACCOUNT, "amount": "int64", "many": "int64", "of": "int64", "first_on": "int32"}
OWN |= {"last_on": "int32", "usual": "int64", "before": "str", "after": "str"}
# By a key (instrument or endpoint) and account: payments or contacts, those taken back, their money, where it is.
LINKS = {"kind": "str", "key": "str", **OF_ACCOUNT, "place": "str", "amount": "int64", "many": "int64"}
LINKS |= {"cycles": "int64", "taken_back": "int64", "first_on": "int32", "last_on": "int32"}
# evidence: rows of a book that a kind can be told from; debtors: whom it is told of, each in the first of his books
# alone; accounts: known ones of the book.
JUDGED = {"kind": "str", "portfolio": "str", "evidence": "int64", "debtors": "int64", "accounts": "int64"}


@dataclass(frozen=True)
class Limits:
    """From where on something is unusual.

    days          before the night in which payments and contacts are looked at
    taken_back_days  after a payment within which it must be taken back
    ring_payments, ring_share  payments taken back, and their share of all payments of the debtor in those days
    change_after  earlier payments of the account, none by the new method; change_times: their median, so many times
    refund_days   before the request within which the payment lies; refund_share: of that payment that is not owed
    """

    days: int = 180
    taken_back_days: int = 60
    ring_payments: int = 3
    ring_share: float = 0.5
    change_after: int = 3
    change_times: float = 2.0
    refund_days: int = 45
    refund_share: float = 0.2


@dataclass(frozen=True)
class Readings:
    """OWN, LINKS and JUDGED of a shard, each in an order of its own that no order of the rows changes."""

    own: pd.DataFrame
    links: pd.DataFrame
    judged: pd.DataFrame


def readings(tables: Mapping[str, pd.DataFrame], ledger: Ledger, as_of: int, limits: Limits) -> Readings:
    """Of all accounts known before the night, from what was known before it and happened in [as_of - days, as_of)."""
    known = _known(tables["accounts"], as_of)
    paid = _paid(ledger.settlements, known, as_of, as_of - limits.days - max(LOOKS_BACK, limits.refund_days))
    said = _contacts(tables, known, as_of, as_of - limits.days)
    recent = paid[(paid["occurred_on"] >= as_of - limits.days).to_numpy()]
    reached = said[((said["occurred_on"] >= as_of - limits.days) & said["endpoint_id"].notna()).to_numpy()]
    asked = said[(said["request"] == "refund").to_numpy(bool)]
    own = [_refunds(asked, paid, ledger, known, as_of, limits), _rings(recent, known, limits)]
    own.append(_changes(paid, as_of - limits.days, known, limits))
    links = [_by_instrument(recent, known, limits), _by_endpoint(reached, ledger, known, as_of)]
    evidence = {
        REFUND: (asked, recent),
        RING: (recent, recent),
        INSTRUMENT: (recent[recent["instrument"].notna()], recent),
        CHANGE: (recent[recent["method"].notna()], recent),
        ENDPOINT: (reached, reached),
    }
    books = known.groupby("portfolio", sort=True).size()
    judged = [_judged(kind, told, whom, known, books) for kind, (told, whom) in evidence.items()]
    return Readings(_whole(own, OWN), _whole(links, LINKS), _whole(judged, JUDGED))


def nothing_read() -> Readings:
    return Readings(*(_whole([], kinds) for kinds in (OWN, LINKS, JUDGED)))


def _whole(parts: list[pd.DataFrame], kinds: Mapping[str, str]) -> pd.DataFrame:
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})
    nothing = {name: "" if kind == "str" else 0 for name, kind in kinds.items()}
    told = [part.assign(**{name: empty for name, empty in nothing.items() if name not in part}) for part in parts]
    rows = pd.concat([part[list(kinds)].astype(kinds) for part in told], ignore_index=True)
    return rows.sort_values(list(kinds), ignore_index=True)


def _known(accounts: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """OF_ACCOUNT and place by account_no: the last version of each account known before the night."""
    rows = accounts[(accounts["known_on"] < as_of).to_numpy()]
    rows = rows.sort_values(["account_no", "known_at"], kind="stable").drop_duplicates("account_no", keep="last")
    names = [*OF_ACCOUNT, "jurisdiction"]
    rows = rows.set_index("account_no")[names].rename(columns={"jurisdiction": "place"})
    return rows.astype(dict.fromkeys(OF_ACCOUNT, "str")).assign(place=rows["place"].astype("str").fillna(""))


def _paid(found: Settlements, known: pd.DataFrame, as_of: int, since: int) -> pd.DataFrame:
    """The payments since a day known before the night that stand: account_no, occurred_at, occurred_on, amount, method,
    instrument, taken_back (minor units known by then), back_on (the last such day, NO_DAY).
    """
    numbers = found.accounts[found.position]
    stands = (found.kind == CASH) & (found.known_on < as_of) & (found.occurred_on < as_of)
    stands &= (found.occurred_on >= since) & (found.replaced_on >= as_of) & np.isin(numbers, known.index.to_numpy())
    owner = np.repeat(np.arange(found.row.size), np.diff(found.reversal_offsets))
    told = found.reversal_known_on < as_of
    taken = np.zeros(found.row.size, np.int64)
    np.add.at(taken, owner[told], found.reversal_amount[told])
    back_on = np.full(found.row.size, NO_DAY, np.int32)
    np.maximum.at(back_on, owner[told], found.reversal_occurred_on[told])
    rows = np.flatnonzero(stands)
    shown = [name for name in ("method", "instrument") if name in found.payments]
    source = found.payments[shown].iloc[found.row[rows]]
    texts = {name: _texts(source, name) for name in ("method", "instrument")}
    columns = {"account_no": numbers, "occurred_at": found.occurred_at, "occurred_on": found.occurred_on}
    columns |= {"amount": found.amount, "taken_back": taken, "back_on": back_on}
    return pd.DataFrame({name: values[rows] for name, values in columns.items()} | texts)


def _texts(rows: pd.DataFrame, name: str) -> np.ndarray:
    if name not in rows:
        return np.full(len(rows), None, object)
    cells = rows[name].astype(object)
    return cells.where(cells.notna(), None).to_numpy(object)


def _contacts(tables: Mapping[str, pd.DataFrame], known: pd.DataFrame, as_of: int, since: int) -> pd.DataFrame:
    """The contacts in force on the night: account_no, occurred_on, endpoint_id, request, outcome. Before `since` those
    alone that say what was asked for.
    """
    names = ["account_no", "occurred_on", "endpoint_id", "request", "outcome"]
    if "contacts" not in tables:
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in names}).astype({names[0]: "int64"})
    frame = arranged(tables["contacts"], "contacts")
    gone = superseded_on(frame, key_of(frame, "contacts"), "contacts")
    stands = is_last_known(frame["known_on"].to_numpy(), gone, as_of) & (frame["occurred_on"] < as_of).to_numpy()
    wanted = (frame["occurred_on"] >= since).to_numpy()
    if "request" in frame:
        wanted = wanted | frame["request"].notna().to_numpy()
    chosen = stands & wanted & np.isin(frame["account_no"].to_numpy(), known.index.to_numpy())
    rows = frame[[name for name in names if name in frame]][chosen]
    texts = {name: _texts(rows, name) for name in names[2:]}
    return pd.DataFrame({name: rows[name].to_numpy() for name in names[:2]} | texts)


def _told(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The rows with what is known of their account."""
    about = known.loc[rows["account_no"]].reset_index(drop=True)
    return pd.concat([rows.reset_index(drop=True), about], axis=1)


def _back(paid: pd.DataFrame, limits: Limits) -> np.ndarray:
    """Which payments were taken back, all but a small part, within the days."""
    in_time = (paid["back_on"] - paid["occurred_on"]).to_numpy(np.int64) <= limits.taken_back_days
    return (paid["taken_back"] >= TAKEN_BACK * paid["amount"]).to_numpy(bool) & in_time & (paid["back_on"] != NO_DAY)


def _rings(recent: pd.DataFrame, known: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """Each account with payments taken back, of debtors who have as many as the limits, over all of their accounts.
    many of `of` payments; amount: taken back.
    """
    recent = recent.assign(back=_back(recent, limits))
    if limits.ring_payments > 0:  # nobody else has as many
        numbers = recent["account_no"].to_numpy()
        whom = known["debtor_id"].isin(known["debtor_id"].loc[np.unique(numbers[recent["back"].to_numpy(bool)])])
        recent = recent[np.isin(numbers, known.index.to_numpy()[whom.to_numpy(bool)])]
    rows = _told(recent, known)
    whole = rows.groupby("debtor_id")["back"].agg(["sum", "size"])
    ring = whole[(whole["sum"] >= limits.ring_payments) & (whole["sum"] >= limits.ring_share * whole["size"])]
    rows = rows[rows["debtor_id"].isin(ring.index).to_numpy()]
    many = rows.groupby("account_id").size()
    gone = rows[rows["back"].to_numpy(bool)]
    found = gone.groupby(list(OF_ACCOUNT), as_index=False).agg(
        many=("back", "size"), amount=("taken_back", "sum"), first_on=("occurred_on", "min"), last_on=("back_on", "max")
    )
    return found.assign(kind=RING, of=many.reindex(found["account_id"]).to_numpy())


def _changes(paid: pd.DataFrame, since: int, known: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The largest payment since a day of each account that came by a method new to it, was large beside its earlier
    ones, and was taken back. many: earlier payments; usual: their median, rounded down; before: their methods.
    """
    account, at, on = (paid[name].to_numpy(np.int64) for name in ("account_no", "occurred_at", "occurred_on"))
    amount, taken = paid["amount"].to_numpy(np.int64), paid["taken_back"].to_numpy(np.int64)
    method, methods = pd.factorize(paid["method"])
    gone = np.flatnonzero(_back(paid, limits) & (method >= 0) & (on >= since))
    first, found = np.searchsorted(account, account[gone], "left"), []
    for row, begins in zip(gone, first, strict=True):
        own = slice(begins, row)  # rows lie by account and time
        earlier = (at[own] < at[row]) & (on[own] >= on[row] - LOOKS_BACK) & (taken[own] < amount[own])
        earlier &= method[own] >= 0
        used = method[own][earlier]
        if len(used) < limits.change_after or (used == method[row]).any():
            continue
        amounts = np.sort(amount[own][earlier])
        usual = int(amounts[(len(amounts) - 1) // 2] + amounts[len(amounts) // 2]) // 2
        if amount[row] >= limits.change_times * usual:
            told = (account[row], taken[row], len(used), on[row], paid["back_on"].iat[row], usual)
            found.append((*told, ", ".join(sorted(methods[code] for code in set(used))), methods[method[row]]))
    names = ["account_no", "amount", "many", "first_on", "last_on", "usual", "before", "after"]
    rows = pd.DataFrame(found, columns=names).astype({"account_no": "int64"})
    rows = rows.sort_values(names[:4] + names[4:], ascending=[True, False] + [True] * 6, kind="stable")
    return _told(rows.drop_duplicates("account_no"), known).assign(kind=CHANGE)


def _refunds(
    asked: pd.DataFrame, paid: pd.DataFrame, ledger: Ledger, known: pd.DataFrame, as_of: int, limits: Limits
) -> pd.DataFrame:
    """Each account on which a refund was asked for after a payment of more than was owed. many: requests; amount: the
    largest credit on the evening of a request, as it was known then; first_on: of the requests.
    """
    asked = asked[(asked["occurred_on"] >= as_of - limits.days).to_numpy(bool)]
    if asked.empty:
        return _told(asked.iloc[:0].assign(account_no=np.array([], np.int64)), known).assign(kind=REFUND)
    day = asked["occurred_on"].to_numpy(np.int64)
    owed, _, _ = figures_at(ledger, asked["account_no"].to_numpy(np.int64), (day + 1).astype(np.int32))
    pairs = asked.assign(day=day, amount=np.maximum(-owed, 0), request_no=np.arange(len(asked)))
    pairs = pairs[["account_no", "day", "amount", "request_no"]].merge(
        paid[["account_no", "occurred_on", "amount"]].rename(columns={"amount": "payment"}), on="account_no"
    )
    near = (pairs["occurred_on"] <= pairs["day"]) & (pairs["occurred_on"] >= pairs["day"] - limits.refund_days)
    large = (pairs["amount"] > 0) & (pairs["amount"] >= limits.refund_share * pairs["payment"])
    rows = pairs[(near & large).to_numpy()].drop_duplicates("request_no")
    found = rows.groupby("account_no", as_index=False).agg(
        many=("request_no", "size"), amount=("amount", "max"), first_on=("day", "min"), last_on=("day", "max")
    )
    return _told(found, known).assign(kind=REFUND)


def _by_instrument(recent: pd.DataFrame, known: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """Payments by instrument and account: how many, their money, and of it what was taken back."""
    rows = recent[recent["instrument"].notna().to_numpy()]
    gone = _back(rows, limits)
    rows = rows.assign(cycles=gone, taken_back=np.where(gone, rows["taken_back"], 0), key=rows["instrument"])
    found = rows.groupby(["key", "account_no"], as_index=False).agg(
        amount=("amount", "sum"), many=("amount", "size"), cycles=("cycles", "sum"), taken_back=("taken_back", "sum"),
        first_on=("occurred_on", "min"), last_on=("occurred_on", "max"),
    )  # fmt: skip
    return _told(found, known).assign(kind=INSTRUMENT)


def _by_endpoint(reached: pd.DataFrame, ledger: Ledger, known: pd.DataFrame, as_of: int) -> pd.DataFrame:
    """Contacts by endpoint and account, but for those that say that it is another's; amount: owed on the night."""
    rows = reached[~reached["outcome"].isin(NOT_THEIRS).to_numpy()]
    rows = rows.assign(key=rows["endpoint_id"], occurred_on=rows["occurred_on"].astype("int32"))
    found = rows.groupby(["key", "account_no"], as_index=False).agg(
        many=("occurred_on", "size"), first_on=("occurred_on", "min"), last_on=("occurred_on", "max")
    )
    numbers = found["account_no"].to_numpy(np.int64)
    owed, _, _ = figures_at(ledger, numbers, np.full(len(found), as_of, np.int32))
    return _told(found.assign(amount=np.maximum(owed, 0)), known).assign(kind=ENDPOINT)


def _judged(kind: str, told: pd.DataFrame, whom: pd.DataFrame, known: pd.DataFrame, books: pd.Series) -> pd.DataFrame:
    """JUDGED of a kind, a row a book that has known accounts."""
    of_book = known["portfolio"]
    evidence = of_book.loc[told["account_no"]].value_counts().reindex(books.index).fillna(0)
    debtors = known.loc[whom["account_no"].unique()].groupby("debtor_id")["portfolio"].min().value_counts()
    debtors = debtors.reindex(books.index).fillna(0)
    columns = {"kind": kind, "portfolio": books.index, "evidence": evidence.to_numpy()}
    return pd.DataFrame({**columns, "debtors": debtors.to_numpy(), "accounts": books.to_numpy()})
