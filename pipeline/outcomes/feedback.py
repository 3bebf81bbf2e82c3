"""What came of a list: the outcomes filled into its workbook become contacts, and of its offers they become offers and
plans, by the ordinary ingest; what was skipped is kept with why.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.currencies import DECIMALS
from features.days import day_number, day_text
from features.errors import UsageError
from features.tables import NO_MONEY, RIGHT_PARTY
from models.plans import schedule
from pipeline.outcomes.entries import CODES, EntryFault, at, day_in, entries
from pipeline.outcomes.filled_workbook import FilledRow, read_filled
from pipeline.outcomes.refusals import ListMissing, WorkbookRefused
from pipeline.pages.csv_file import decimal_text
from pipeline.pages.publish import sha256_in_manifest
from pipeline.pages.workbook import AGAIN, ENTRIES, OFFERED
from pipeline.store.commit import replace_night
from pipeline.store.locks import only_run
from pipeline.store.store import Store

TABLE = "feedback"
MADE = "made"  # answer: the offer was made, and the debtor has not answered yet
FAULTS_SHOWN = 20
RAW_LIMIT = 300
KEPT_COLUMNS = (
    "account_id",
    "state",
    "code",
    "sheet",
    "line",
    "contact_id",
    "channel",
    "outcome",
    "contacted_at",
    "promise_amount",
    "promise_due_on",
    "skipped_because",
    "raw",
    "received_at",
)
# What a row says: as long as it is equal, the row is unchanged.
SAID_COLUMNS = ("channel", "outcome", "contacted_at", "promise_amount", "promise_due_on", "skipped_because")
LATER_COLUMNS = (OFFERED, AGAIN)  # kept from the first row on that says something there
SAID_COLUMNS += LATER_COLUMNS
DELIVERED_COLUMNS = (
    "contact_id",
    "account_id",
    "occurred_at",
    "channel",
    "direction",
    "outcome",
    "promise_amount",
    "promise_due_on",
    "known_at",
)
OFFER_COLUMNS = (
    *("offer_id", "account_id", "made_at", "kind", "amount", "instalments", "first_due_on", "discount", "valid_until"),
    *("outcome", "variant", "probability", "known_at"),
)
STATUS_COLUMNS = ("account_id", "status", "from_on", "until_on", "known_at", "detail")
PLAN_COLUMNS = ("plan_id", "account_id", "agreed_on", "total", "due_on", "amount", "ended_on", "how", "known_at")


@dataclass(frozen=True)
class Feedback:
    """What became of every row of a workbook, and where it is kept.

    counts     rows_in = contacts + skipped + unchanged + empty + quarantined
    faults     code, sheet, line of each row set aside
    delivered  rows of the table contacts that came in (one per account of the same contact)
    offers     accepted, refused, made (no answer yet) and "" (an answer taken back), of the offers told of
    """

    night: dt.date
    counts: Mapping[str, int]
    faults: tuple[tuple[str, str, int], ...]
    delivered: int
    not_back: int
    offers: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> str:
        counts = self.counts
        parts = " + ".join(
            f"{counts[name]:,} {name}" for name in ("contacts", "skipped", "unchanged", "empty", "quarantined")
        )
        lines = [f"Feedback on the list of {self.night}: {counts['rows_in']:,} rows = {parts}"]
        lines.append(f"{self.delivered:,} rows of contacts ingested, accounts raised in the same contact included.")
        if self.offers:
            answered = ", ".join(f"{many:,} {outcome or 'taken back'}" for outcome, many in self.offers.items())
            lines.append(f"{sum(self.offers.values()):,} offers answered: {answered}; plans agreed came in with them.")
        if self.not_back:
            lines.append(f"{self.not_back:,} rows of the list are not in the file; nothing is concluded from that.")
        lines += [f"  {sheet!a}, row {line}: {code}. {CODES[code]}" for code, sheet, line in self.faults[:FAULTS_SHOWN]]
        if len(self.faults) > FAULTS_SHOWN:
            lines.append(f"  and {len(self.faults) - FAULTS_SHOWN:,} more; table {TABLE!r} of the store holds all.")
        return "\n".join(lines)


@dataclass(frozen=True)
class Returned:
    """A filled-in workbook, checked row by row, before anything of it is stored.

    contacts      rows of the table contacts: one per account of each contact
    callbacks     rows of the table statuses: one per call agreed for later
    offers, plans   rows of these tables: one per offer answered, and per instalment of a plan agreed
    fresh         rows that say something the store does not hold yet; faulty: rows set aside
    held          what the store holds of the night already
    feedback      what is told of it
    """

    night: dt.date
    received_at: dt.datetime
    contacts: list[dict[str, str]]
    fresh: list[dict[str, Any]]
    faulty: list[dict[str, Any]]
    held: pd.DataFrame
    feedback: Feedback
    offers: list[dict[str, str]] = field(default_factory=list)
    plans: list[dict[str, str]] = field(default_factory=list)
    callbacks: list[dict[str, str]] = field(default_factory=list)

    def as_delivery(self, source: Path, complete: bool) -> Path:
        """Writes the contacts as a source folder for the ordinary ingest. Unless it holds all of its day,
        it moves no feed's last day.
        """
        control = {"rows": len(self.contacts)} | (
            {"complete_through": self.night.isoformat()} if complete else {"partial": True}
        )
        tables: dict[str, tuple[Sequence[str], list[dict[str, str]], Mapping[str, object]]] = {
            "contacts": (DELIVERED_COLUMNS, self.contacts, control)
        }
        more = {"offers": (OFFER_COLUMNS, self.offers), "plans": (PLAN_COLUMNS, self.plans)}
        for name, (columns, rows) in {**more, "statuses": (STATUS_COLUMNS, self.callbacks)}.items():
            if rows:
                tables[name] = (columns, rows, {"rows": len(rows), "partial": True})
        for name, (columns, rows, told) in tables.items():
            with (source / f"{name}.csv").open("x", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
            (source / f"{name}.control.json").write_text(json.dumps(told))
        return source


def read_back(
    path: Path, store_path: Path, out: Path, received_at: dt.datetime, night: dt.date | None = None
) -> Returned:
    """Check a filled-in workbook against the published list and against what came back before; stores nothing.
    See pipeline.run.receive.
    """
    if received_at.tzinfo is None:
        raise UsageError("The time of receipt must carry an offset, such as 2026-10-01T18:00:00+02:00.")
    rows = read_filled(path)
    night = _night_of(rows, path.name, night)
    listed = _published(out, night)
    proposed = _of_listed(_proposed(out, night), listed)
    held = _held(Store(store_path), night)
    checked = _checked(rows, listed, night, received_at, proposed.index)
    fresh = _fresh(checked, held, received_at)
    faulty = [one for one in checked if one["state"] == "quarantined"]
    heard = [one for one in fresh if one["state"] == "contacts"]
    contacts = [line for one in heard for line in _contacts(one, listed.loc[one["account_id"]], night, received_at)]
    counts = {
        "contacts": len(heard),
        "skipped": len(fresh) - len(heard),
        "empty": sum(one["state"] == "empty" for one in checked),
        "quarantined": len(faulty),
        "unchanged": sum(one["state"] in ("contacts", "skipped") for one in checked) - len(fresh),
        "rows_in": len(rows),
    }
    back = {str(row.cells.get("account_id")) for row in rows}
    faults = tuple((one["code"], one["sheet"], one["line"]) for one in faulty)
    offers, plans, answered = _answers(fresh, held, proposed, listed, night, received_at)
    not_back = sum(account not in back for account in listed.index)
    told = Feedback(night, counts, faults, len(contacts), not_back, dict(sorted(answered.items())))
    callbacks = _callbacks(fresh, held, night, received_at)
    return Returned(night, received_at, contacts, fresh, faulty, held, told, offers, plans, callbacks)


def _night_of(rows: list[FilledRow], name: str, wanted: dt.date | None) -> dt.date:
    """The night that most rows name, or the wanted one if any row does."""
    named = Counter(day_in(row.cells.get("as_of")) for row in rows)
    own = named.most_common(1)[0][0]
    if own is None:
        raise WorkbookRefused.of_no_night(name)
    if wanted is not None and wanted not in named:
        raise WorkbookRefused.of_another_night(name, own, wanted)
    return wanted or own


# ---- against what was published --------------------------------------------------------------------------------------


def _published(out: Path, night: dt.date) -> pd.DataFrame:
    """The list as it was published, by account. Its bytes must be those its manifest vouches for."""
    place = out / night.isoformat() / "worklist.parquet"
    if not place.is_file():
        raise ListMissing.unpublished(night, str(out))
    _check_vouched(place, night)
    columns = ["account_id", "debtor_id", "joined_accounts", "queue", "rank", "currency", "channel", "time_zone"]
    return pq.read_table(place, columns=columns).to_pandas().set_index("account_id", drop=False)


def _check_vouched(place: Path, night: dt.date) -> None:
    if sha256_in_manifest(place) != hashlib.sha256(place.read_bytes()).hexdigest():
        raise WorkbookRefused.list_altered(night)


def _proposed(out: Path, night: dt.date) -> pd.DataFrame:
    """What was proposed of plans and settlements, by account; no row of a night without a treatment policy. What is
    offered around a due day is of accounts that no list shows.
    """
    place = out / night.isoformat() / "proposals.parquet"
    if not place.is_file():
        return pd.DataFrame(columns=["account_id"]).set_index("account_id", drop=False)
    _check_vouched(place, night)
    found = pq.read_table(place).to_pandas()
    return found[found["proposal"].isin(["plan", "settlement"])].set_index("account_id", drop=False)


def _of_listed(proposed: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """What was proposed to the debtor of each listed account, on that account or another, by the listed account."""
    if proposed.empty:
        return proposed
    by_debtor = proposed.drop_duplicates("debtor_id").set_index("debtor_id", drop=False)
    whom = listed.loc[listed["debtor_id"].isin(by_debtor.index), "debtor_id"]
    return by_debtor.loc[whom].set_index(whom.index)


def _checked(
    rows: list[FilledRow],
    listed: pd.DataFrame,
    night: dt.date,
    received_at: dt.datetime,
    offered: Collection[str] = (),
) -> list[dict[str, Any]]:
    checked = [_check(row, listed, night, received_at, offered) for row in rows]
    said: dict[str, list[dict[str, Any]]] = {}
    for one in checked:
        if one["state"] in ("contacts", "skipped"):
            said.setdefault(one["account_id"], []).append(one)
    for twins in said.values():
        alike = len({tuple(twin[name] for name in SAID_COLUMNS) for twin in twins}) == 1
        for twin in twins[1:] if alike else twins * (len(twins) > 1):
            twin |= {"state": "empty"} if alike else {"state": "quarantined", "code": "FB_TWICE"}
    return checked


def _check(
    row: FilledRow, listed: pd.DataFrame, night: dt.date, received_at: dt.datetime, offered: Collection[str]
) -> dict[str, Any]:
    account = str(row.cells.get("account_id", ""))
    made: dict[str, Any] = {
        "account_id": account,
        "state": "empty",
        "code": "",
        "sheet": row.sheet[:64],
        "line": row.line,
        "raw": "",
    }
    made |= dict.fromkeys(("contact_id", "channel", "outcome", "contacted_at", "promise_due_on", "skipped_because"), "")
    made |= dict.fromkeys(LATER_COLUMNS, "")
    made |= {"promise_amount": NO_MONEY}
    if not row.filled and not row.formulas:
        return made
    try:
        made |= entries(row, listed, night, received_at, offered)
    except EntryFault as fault:
        shown = {
            name: str(value)[:RAW_LIMIT]
            for name, value in row.cells.items()
            if name in (*ENTRIES, OFFERED, "account_id", "debtor_id", "rank")
        }
        made |= {
            "account_id": account[:64],
            "state": "quarantined",
            "code": str(fault),
            "raw": json.dumps(shown, ensure_ascii=True),
        }
    return made


# ---- into the store --------------------------------------------------------------------------------------------------


def _held(store: Store, night: dt.date) -> pd.DataFrame:
    number = day_number(night)
    held = store.read(TABLE, since=number, before=number + 1)
    if not len(held.columns):
        return pd.DataFrame(columns=[*KEPT_COLUMNS, *LATER_COLUMNS, "as_of"])
    return held.assign(**{name: held[name].fillna("") if name in held else "" for name in LATER_COLUMNS})


def _fresh(checked: list[dict[str, Any]], held: pd.DataFrame, received_at: dt.datetime) -> list[dict[str, Any]]:
    """Rows that say something the store does not hold yet."""
    kept = held[held["state"] != "quarantined"].to_dict("records")
    known = {row["account_id"]: tuple(row[name] for name in SAID_COLUMNS) for row in kept}
    stamp = int(received_at.timestamp() * 1_000_000)
    said = (one for one in checked if one["state"] in ("contacts", "skipped"))
    return [
        one | {"received_at": stamp}
        for one in said
        if known.get(one["account_id"]) != tuple(one[name] for name in SAID_COLUMNS)
    ]


def _contacts(
    one: Mapping[str, Any], published: pd.Series, night: dt.date, received_at: dt.datetime
) -> list[dict[str, str]]:
    """Rows for the listed account and for each joined one, raised in the same contact;
    a promise belongs to the first alone.
    """
    known = received_at.astimezone(dt.UTC)
    occurred = night.isoformat()
    if one["contacted_at"]:
        occurred = at(
            night, int(one["contacted_at"][:2]) * 60 + int(one["contacted_at"][3:]), published["time_zone"]
        ).isoformat()
    amount = one["promise_amount"]
    row = {
        "contact_id": one["contact_id"],
        "account_id": one["account_id"],
        "occurred_at": occurred,
        "channel": one["channel"],
        "direction": "outbound",
        "outcome": one["outcome"],
        "promise_amount": "" if amount == NO_MONEY else decimal_text(amount, DECIMALS[published["currency"]]),
        "promise_due_on": one["promise_due_on"],
        "known_at": known.isoformat(timespec="seconds"),
    }
    heard = "right_party" if one["outcome"] in (*RIGHT_PARTY, "complaint", "paid") else one["outcome"]
    joined = {"outcome": heard, "promise_amount": "", "promise_due_on": ""}
    return [
        row,
        *(row | joined | {"account_id": account} for account in str(published["joined_accounts"] or "").split()),
    ]


def _callbacks(
    fresh: list[dict[str, Any]], held: pd.DataFrame, night: dt.date, received_at: dt.datetime
) -> list[dict[str, str]]:
    """Rows of the status callback: in force from the night through the agreed day; one that was reported before, and is
    no more, ends with the night.
    """
    before = dict(zip(held["account_id"], held[AGAIN], strict=True))
    known = received_at.astimezone(dt.UTC).isoformat(timespec="seconds")
    rows = []
    for one in fresh:
        agreed, was = one[AGAIN], before.get(one["account_id"], "")
        if agreed or was:
            about = {"account_id": one["account_id"], "status": "callback", "from_on": night.isoformat()}
            until = agreed[:10] if agreed else night.isoformat()
            rows.append({**about, "until_on": until, "known_at": known, "detail": agreed or was})
    return rows


def _answers(
    fresh: list[dict[str, Any]],
    held: pd.DataFrame,
    proposed: pd.DataFrame,
    listed: pd.DataFrame,
    night: dt.date,
    received_at: dt.datetime,
) -> tuple[list[dict[str, str]], list[dict[str, str]], Counter[str]]:
    """Rows of offers that were answered or made, and of the plans among them that were agreed, as they were proposed;
    and how many of which answer. A plan that was reported as agreed before, and is no more, has ended on the night; an
    offer that was reported and is no more may not be taken after it.
    """
    before = dict(zip(held["account_id"], held[OFFERED], strict=True))
    offers, plans, answered = [], [], Counter[str]()
    for one in fresh:
        account, answer = one["account_id"], one[OFFERED]
        was = before.get(account, "")
        if account not in proposed.index or not (answer or was):
            continue
        offer = proposed.loc[account]
        made_at = _contacts(one, listed.loc[account], night, received_at)[0]["occurred_at"]
        known = received_at.astimezone(dt.UTC).isoformat(timespec="seconds")
        name, over = _offer_id(night, offer["account_id"]), {} if answer else {"valid_until": night.isoformat()}
        if offer.get("offer_id"):  # made before: what is told now is its next version
            name, made_at, over = offer["offer_id"], offer["offered_on"].isoformat(), {}
        outcome = "" if answer == MADE else answer
        told = {"offer_id": name, "made_at": made_at, "outcome": outcome, "known_at": known}
        offers.append({**_offer(offer), **told, **over})
        answered[answer] += 1
        if offer["proposal"] == "plan" and "accepted" in (answer, was):
            ended = {} if answer == "accepted" else {"ended_on": night.isoformat(), "how": "cancelled"}
            about = {"plan_id": name, "agreed_on": night.isoformat(), "known_at": known, "ended_on": "", "how": ""}
            plans += [{**row, **about, **ended} for row in _instalments(offer)]
    return offers, plans, answered


def _offer_id(night: dt.date, account: str) -> str:
    return f"list-{night}-{hashlib.sha256(f'{night}|{account}'.encode()).hexdigest()[:16]}"


def _offer(offer: pd.Series) -> dict[str, str]:
    plan, decimals = offer["proposal"] == "plan", DECIMALS[offer["currency"]]
    drawn = not pd.isna(offer["probability"])
    return {
        "account_id": offer["account_id"],
        "kind": offer["proposal"],
        "amount": decimal_text(int(offer["amount_to_pay"]), decimals),
        "instalments": str(int(offer["instalments"])) if plan else "",
        "first_due_on": offer["first_on"].isoformat() if plan else "",
        "discount": "" if plan else f"{offer['discount']:g}",
        "valid_until": (offer["first_on"] if plan else offer["pay_until"]).isoformat(),
        "variant": offer["variant"] if drawn else "",
        "probability": f"{offer['probability']:.6f}".rstrip("0") if drawn else "",
    }


def _instalments(offer: pd.Series) -> list[dict[str, str]]:
    decimals, payday = DECIMALS[offer["currency"]], int(offer["payday"])
    plan = offer.copy()
    plan["first_on"], plan["after_payday"] = day_number(offer["first_on"]), payday > 0
    total = decimal_text(int(offer["amount_to_pay"]), decimals)
    return [
        {
            "account_id": offer["account_id"],
            "total": total,
            "due_on": day_text(due),
            "amount": decimal_text(part, decimals),
        }
        for due, part in schedule(plan, payday)
    ]


def keep_feedback(back: Returned, store_path: Path) -> None:
    """One row per account that was reported on, the newest; and every row set aside, once."""
    stamp = {"received_at": int(back.received_at.timestamp() * 1_000_000)}
    store, columns = Store(store_path), list(KEPT_COLUMNS)
    new = pd.DataFrame([*back.fresh, *(one | stamp for one in back.faulty)], columns=[*columns, *LATER_COLUMNS])
    if new.empty:
        return
    columns += [name for name in LATER_COLUMNS if _keeps(store, name, bool((new[name] != "").any()))]
    replaced = set(new.loc[new["state"] != "quarantined", "account_id"])
    kept = back.held.loc[(back.held["state"] == "quarantined") | ~back.held["account_id"].isin(replaced), columns]
    whole = pd.concat([kept, new[columns]], ignore_index=True) if len(kept) else new[columns]
    faults = whole["state"] == "quarantined"
    whole = whole[~(faults & whole.duplicated(["state", "code", "sheet", "line", "account_id", "raw"]))]
    whole = whole.sort_values(["account_id", "state", "sheet", "line", "code", "raw"], ignore_index=True)
    numbers = dict.fromkeys(("line", "promise_amount", "received_at"), np.int64)
    whole = whole.astype({name: numbers.get(name, "str") for name in columns})
    number = day_number(back.night)
    replace_night(store, TABLE, whole.assign(as_of=np.int32(number)), number)


def _keeps(store: Store, name: str, is_told: bool) -> bool:
    """Whether the table has one of the LATER_COLUMNS: from the first row on that says something there."""
    if TABLE not in store.delta.names():
        return is_told
    if name not in store.delta.schema(TABLE).names and is_told:
        with only_run(store.path):
            store.delta.widen(TABLE, pa.schema([(name, pa.string())]))
    return name in store.delta.schema(TABLE).names
