"""What the tables say of a cohort: each row's events of each kind, with their days, classes and measures,
read only when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from features import agreements, events, promises, standing
from features.adjustments import NO_CHARGE, billed_spells
from features.bank_days import days_to_keep
from features.days import DAY_MINUTES
from features.errors import ContractError
from features.events import NEVER_REPLACED, Classes, Events
from features.ledger import Ledger, history
from features.settlements import CASH, SETTLEMENT_KINDS, Settlements, debtors_of, settlements
from features.statuses import lasts
from features.tables import (
    CHANNELS,
    CHARGE_KINDS,
    DIRECTIONS,
    NEVER,
    NO_DAY,
    NO_MONEY,
    NO_SHARE,
    NUMBERS,
    OFFER_KINDS,
    OFFER_OUTCOMES,
    OUTCOMES,
    PLAN_ENDS,
    ROUTES,
    STATUSES,
    TABLES,
    account_number,
    numbered,
)
from features.terms import Reach, Terms, reaches
from features.versions import arranged, column, in_order, key_of, lineage, still, superseded_on
from features.vocabulary import (
    COVERS,
    DAY_PARTS,
    LEDGER,
    MONTH_PARTS,
    OFFER_STATES,
    PLAN_STATES,
    PROMISE_STATES,
    ROLLS,
    STATUS_STATES,
    WEEK_PARTS,
)

# wanted beside columns: events of one instant in their total order, where the aggregate depends on it
IN_ORDER = "in_order"


class CountedCharges(NamedTuple):
    """Charges by account and due day, each as it stood from known_on on until gone_on (no entry: none is ever
    replaced).
    """

    account_no: np.ndarray
    amount: np.ndarray
    due_on: np.ndarray
    known_on: np.ndarray
    gone_on: np.ndarray
    kind: Classes


class Evidence:
    """The tables as far as they bear on a cohort sorted by (account_no, as_of);
    columns a hand-made cohort lacks come from accounts.

    ledger            the whole history of at least the cohort's accounts; made from the tables where None
    complete_through  table -> last day that is completely delivered (features.terms.Reach); later nights know nothing
                      of it
    Raises ContractError for missing tables or columns, UsageError for a ledger cut at the front.
    """

    def __init__(
        self,
        cohort: pd.DataFrame,
        tables: Mapping[str, pd.DataFrame],
        terms: Terms,
        ledger: Ledger | None,
        complete_through: Mapping[str, Reach],
    ):
        if "accounts" not in tables:
            raise ContractError(f"Features need the table 'accounts'. Got {', '.join(sorted(tables)) or 'none'}.")
        self.cohort, self.tables, self.terms, self.complete_through = cohort, tables, terms, complete_through
        self.account_no = still(cohort["account_no"].to_numpy(), np.int64)
        self.as_of = still(cohort["as_of"].to_numpy(), np.int32)
        new = np.ones(len(cohort), bool)
        new[1:] = self.account_no[1:] != self.account_no[:-1]
        self.accounts = self.account_no[new]  # sorted, unique
        self.row_account = np.cumsum(new) - 1  # place of each row's account in `accounts`
        self._given_ledger = ledger
        self._sorted: dict[str, pd.DataFrame] = {}

    @cached_property
    def ledger(self) -> Ledger:
        held = self._given_ledger or history(self.tables, self.terms)
        held.must_cover(None, int(self.as_of.max()) if self.as_of.size else NO_DAY)
        return held

    @cached_property
    def settlements(self) -> Settlements:
        held = self._given_ledger.settlements if self._given_ledger else None
        if held:
            return held
        versions = self.accounts_by_version
        accounts = still(np.unique(versions["account_no"].to_numpy()), np.int64)  # a receipt may have lines on others
        return settlements(self.tables.get("payments"), accounts, partial(debtors_of, versions, accounts))

    def delivered(self, table: str) -> np.ndarray:
        """bool per row: whether the row's portfolio delivers the table, and completely through the day before as_of."""
        codes, names = self._portfolios
        return self.as_of - 1 <= self.reach(table, names)[codes]

    def reach(self, table: str, portfolios: Sequence[str]) -> np.ndarray:
        """int64 per portfolio: the last day through which it delivers the table completely; NEVER without an end,
        NO_DAY where not at all.

        The ledger is made of charges or balances; a table that a portfolio does not deliver cannot be late for it.
        """
        if table == LEDGER:
            charges, balances, payments = (self.reach(name, portfolios) for name in ("charges", "balances", "payments"))
            ends = [np.where(days == NO_DAY, NEVER, days) for days in (charges, balances, payments)]
            return np.where(np.maximum(charges, balances) == NO_DAY, NO_DAY, np.minimum.reduce(ends))
        declared = [table in self.tables and table in self.terms.delivers.get(name, TABLES) for name in portfolios]
        whole = self.complete_through.get(table)
        if not isinstance(whole, Mapping):
            whole = dict.fromkeys(portfolios, NEVER if whole is None else whole)
        days = np.array(reaches(whole, portfolios) if len(portfolios) else [], np.int64)
        return np.where(declared, days, NO_DAY)

    @cached_property
    def _portfolios(self) -> tuple[np.ndarray, list[str]]:
        codes, names = pd.factorize(self.of_account("portfolio"))
        return codes, [str(name) for name in names]

    def of_account(self, name: str) -> pd.Series:
        """A column of the account as last known before as_of, one value per row;
        the cohort's own where it has the column.
        """
        if name in self.cohort:
            return self.cohort[name].reset_index(drop=True)
        if name not in self.accounts_by_version:
            raise ContractError.missing_columns("accounts", [name], self.accounts_by_version.columns)
        return self.accounts_by_version[name].iloc[self.account_rows].reset_index(drop=True)

    def day_of_account(self, name: str) -> np.ndarray:
        """opened_on or placed_on as int32; a day on or after as_of reads as empty."""
        days = self.of_account(name).to_numpy().astype(np.int32)
        return np.where(days >= self.as_of, np.int32(NO_DAY), days)

    @cached_property
    def accounts_by_version(self) -> pd.DataFrame:
        frame = self.tables["accounts"]
        if "account_no" not in frame and "account_id" in frame:
            frame = frame.assign(account_no=account_number(frame["account_id"]))
        missing = [name for name in ("account_no", "known_at", "known_on") if name not in frame]
        if missing:
            raise ContractError.missing_columns("accounts", missing, frame.columns)
        return frame.iloc[np.lexsort((frame["known_at"].to_numpy(), frame["account_no"].to_numpy()))]

    @cached_property
    def account_rows(self) -> np.ndarray:
        """int64 per row: place in `accounts_by_version` of its account's last version known before as_of."""
        frame = self.accounts_by_version
        first, last = events.spans_of(still(frame["account_no"].to_numpy(), np.int64), self.accounts)
        known_on = column(frame, "known_on", np.int32, "accounts")
        rows = events.last_known(self.row_account, first, last, self.as_of, known_on)
        if (rows < 0).any():
            raise ContractError(
                f"A cohort row must be of an account known before its as_of. Got {int((rows < 0).sum()):,} rows "
                "that are not. "
                "Make the cohort with features.cohort.scorable."
            )
        return rows

    @cached_property
    def known_since(self) -> np.ndarray:
        """int32 per row: the first night on which the row's account was known."""
        account_no, known_on = (self.accounts_by_version[name].to_numpy() for name in ("account_no", "known_on"))
        first_version = np.searchsorted(account_no, account_no[self.account_rows])
        return (known_on[first_version] + 1).astype(np.int32)

    def events(self, kind: str, wanted: Sequence[str] = ()) -> Events:
        """The events of a kind with, at least, the class and measure columns wanted."""
        return getattr(self, f"_{kind}")(frozenset(wanted))

    def arranged(self, name: str) -> pd.DataFrame:
        """A table sorted by account and time; by account and day where only the day was read."""
        if name not in self._sorted:
            frame, position = self.tables[name], TABLES[name].position
            if position not in frame and position.replace("_at", "_on") in frame:
                position = position.replace("_at", "_on")
            sorted_already = {"account_no", position} <= set(frame.columns) and in_order(
                still(frame["account_no"].to_numpy(), np.int64), still(frame[position].to_numpy(), np.int64)
            )
            self._sorted[name] = frame if sorted_already else arranged(frame, name)
        return self._sorted[name]

    def _spans(self, account_no: pd.Series | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The span of each row's account in a sorted column of account numbers."""
        first, last = events.spans_of(still(np.asarray(account_no), np.int64), self.accounts)
        return first[self.row_account], last[self.row_account]

    def _payments(self, wanted: frozenset[str]) -> Events:
        """Payments, credits, withheld sums: the loop nets their reversals, a class tells them apart."""
        held = self.settlements
        places = np.searchsorted(held.accounts, self.accounts)[self.row_account]
        classes = {"kind": Classes(held.kind, 0, np.arange(len(SETTLEMENT_KINDS), dtype=np.int32), SETTLEMENT_KINDS)}
        if "method" in wanted:
            classes["method"] = events.open_classes(_text(held.payments, "payments", "method"), held.row)
        if "month_part" in wanted:
            latest = int(self.as_of.max()) if self.as_of.size else 0
            classes["month_part"] = events.classes_by_day(held.occurred_on, latest, events.month_parts, MONTH_PARTS)
        if "covers" in wanted:
            accounts = np.searchsorted(self.ledger.accounts, held.accounts)[held.position]
            against = (self.ledger.offsets, self.ledger.start, self.ledger.arrears)
            classes["covers"] = events.numbered_classes(
                events.covers(accounts, held.known_on, held.amount, *against), COVERS
            )
        return Events(
            held.offsets[places],
            held.offsets[places + 1],
            held.occurred_on,
            held.known_on,
            classes=classes,
            measures={"amount": held.amount},
            reversals=(held.reversal_offsets, held.reversal_known_on, held.reversal_amount),
        )

    _credits = _payments

    def _reversals(self, wanted: frozenset[str]) -> Events:
        """Reversals of payments, each from the day on which it and its payment are known; a credit that is taken back,
        or a withheld sum, was never the debtor's money.
        """
        held = self.settlements
        target = np.repeat(np.arange(held.row.size), np.diff(held.reversal_offsets))
        own = np.flatnonzero((held.kind[target] == CASH) & held.told & (held.reversal_amount > 0))
        rows, target = held.reversal_row[own], target[own]
        account_no, frame = held.accounts[held.position[target]], held.payments
        known = np.maximum(held.reversal_known_on[own], held.known_on[target])
        amount = held.reversal_amount[own]
        times = [frame[name].to_numpy()[rows] for name in ("known_at", "occurred_at")]
        order = np.lexsort([amount, *times, account_no])
        days = held.reversal_occurred_on[own]
        return Events(*self._spans(account_no[order]), days[order], known[order], measures={"amount": amount[order]})

    def _charges(self, wanted: frozenset[str], ahead: bool = False) -> Events:
        charges = self.counted_charges
        kinds, amount = charges.kind, charges.amount
        spans = self._spans(charges.account_no)
        measures = {"amount": amount}
        found = Events(
            *spans, charges.due_on, charges.known_on, charges.gone_on, {"kind": kinds}, measures, ahead=ahead
        )
        return found.ordered(_ties(charges.account_no, found.day, amount, _together([kinds])))

    @cached_property
    def counted_charges(self) -> CountedCharges:
        """The charges that any count may speak of: one brought to 0.00, or taken back in full, was never billed."""
        frame, gone = self.arranged("charges"), self.gone("charges")
        account_no, amount = (column(frame, name, np.int64, "charges") for name in ("account_no", "amount"))
        due_on, known_on = (column(frame, name, np.int32, "charges") for name in ("due_on", "known_on"))
        kind = events.classes_of(_text(frame, "charges", "kind"), CHARGE_KINDS)
        if (amount <= 0).any():
            target = self.ledger.adjusted.target
            spans = np.stack(events.spans_of(account_no, self.ledger.accounts), axis=1)
            versions = lineage(frame, ["account_no", "charge_id"], "charges")
            rows, known_on, gone = billed_spells(
                still(spans, np.int64),
                due_on,
                amount,
                known_on,
                still(versions.superseded_on, np.int32),
                still(versions.head, np.int64),
                target if target.size else still(np.full(amount.size, NO_CHARGE), np.int64),
            )
            account_no, amount, due_on = (values[rows] for values in (account_no, amount, due_on))
            kind = kind.ordered(rows)
        return CountedCharges(
            *(still(values, np.int64) for values in (account_no, amount)),
            *(still(values, np.int32) for values in (due_on, known_on, gone)),
            kind,
        )

    def _upcoming_charges(self, wanted: frozenset[str]) -> Events:
        return self._charges(wanted, ahead=True)

    def _statements(self, wanted: frozenset[str]) -> Events:
        frame = self.arranged("balances")
        measures = {
            name: column(frame, name, np.int64, "balances")
            for name in ("balance", "arrears", "days_past_due")
            if name in wanted
        }
        return self._versioned("balances", "taken_on", {}, measures)

    def _contacts(self, wanted: frozenset[str]) -> Events:
        frame = self.arranged("contacts")
        named = {"channel": CHANNELS, "direction": DIRECTIONS, "outcome": OUTCOMES}
        classes = {name: self._classes("contacts", name, values) for name, values in named.items() if name in wanted}
        order = np.empty(0, np.int64)
        if IN_ORDER in wanted:
            time = column(frame, "occurred_at", np.int64, "contacts")
            if events.has_ties(column(frame, "account_no", np.int64, "contacts"), time):
                told = [self._classes("contacts", name, values) for name, values in named.items()]
                order = _ties(frame["account_no"], time, frame["known_at"], _together(told))
        if "day_part" in wanted:
            minutes = column(frame, "occurred_minute", np.int16, "contacts")
            classes["day_part"] = Classes(
                minutes, -1, events.day_parts(np.arange(-1, DAY_MINUTES)).astype(np.int32), DAY_PARTS
            )
        if "week_part" in wanted:
            days, latest = (
                column(frame, "occurred_on", np.int32, "contacts"),
                int(self.as_of.max()) if self.as_of.size else 0,
            )
            classes["week_part"] = events.classes_by_day(days, latest, events.week_parts, WEEK_PARTS)
        measures = {"cost": column(frame, "cost", np.int64, "contacts")} if "cost" in wanted else {}
        found = self._versioned("contacts", "occurred_on", classes, measures)
        return found.ordered(order)

    def _classes(self, table: str, name: str, values: tuple[str, ...]) -> Classes:
        return events.classes_of(_text(self.arranged(table), table, name), values)

    def _promises(self, wanted: frozenset[str]) -> Events:
        frame = self.arranged("contacts")
        amount, due_on = (
            _number(frame, "promise_amount", NO_MONEY, np.int64),
            _number(frame, "promise_due_on", NO_DAY, np.int32),
        )
        made = np.flatnonzero(promises.is_promise(_text(frame, "contacts", "outcome")))
        keys = [
            due_on[made],
            amount[made],
            *(frame[name].to_numpy()[made] for name in ("known_at", "occurred_at", "account_no")),
        ]
        made = made[np.lexsort(keys)]
        all_days, all_known = (
            column(frame, "occurred_on", np.int32, "contacts"),
            column(frame, "known_on", np.int32, "contacts"),
        )
        days, known = still(all_days[made], np.int32), still(all_known[made], np.int32)
        gone = still(self.gone("contacts")[made] if self.gone("contacts").size else NEVER_REPLACED, np.int32)
        offsets, rows, pairs = events.visible(
            self.as_of, *self._spans(frame["account_no"].to_numpy()[made]), days, known, gone, False
        )

        amount, due_on = amount[made][pairs], due_on[made][pairs]
        terms = self.terms
        falls_due, until = self._days_to_keep(due_on, rows)
        told = promises.Promised(self.account_no[rows], days[pairs], falls_due, until, amount)
        state, paid, late = promises.outcomes(told, self.settlements, self.as_of[rows], terms.promise_kept_share)
        due_in = np.where(due_on == NO_DAY, NO_MONEY, due_on.astype(np.int64) - self.as_of[rows])
        measures = {"amount": amount, "paid": paid, "days_late": late, "due_in": due_in}
        classes = {"state": events.numbered_classes(state, PROMISE_STATES)}
        return Events(offsets[:-1], offsets[1:], days[pairs], known[pairs], classes=classes, measures=measures)

    def _days_to_keep(self, due_on: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of what the accounts of cohort rows owe on some days: the days it falls due, and the last that keep it."""
        terms = self.terms
        places = self.of_account("jurisdiction").iloc[rows] if terms.knows_holidays else None
        return days_to_keep(due_on, terms.promise_grace_days, terms.promise_grace_unit, terms.holidays, places)

    def _statuses(self, wanted: frozenset[str]) -> Events:
        frame = self.arranged("statuses")
        codes = events.classes_of(_text(frame, "statuses", "status"), STATUSES).codes()
        order = np.lexsort((codes, frame["from_on"].to_numpy(), frame["account_no"].to_numpy()))
        begun, known, until = (
            column(frame, name, np.int32, "statuses")[order] for name in ("from_on", "known_on", "until_on")
        )
        gone = self.gone("statuses")
        gone = gone[order] if gone.size else gone
        offsets, rows, pairs = events.visible(
            self.as_of,
            *self._spans(frame["account_no"].to_numpy()[order]),
            *(still(days, np.int32) for days in (begun, known, gone)),
            True,
        )
        night, since, until = self.as_of[rows], begun[pairs], until[pairs]
        active = lasts(until, night)
        days_in = np.where(active, night, until).astype(np.int64) - since
        states = np.where(active, np.int8(0), np.int8(1))
        classes = {
            "status": events.numbered_classes(codes[order][pairs], STATUSES),
            "state": events.numbered_classes(states, STATUS_STATES),
        }
        # A status beginning on as_of is in force; among the days before as_of it stands on the last.
        days = np.minimum(since, night - 1)
        return Events(offsets[:-1], offsets[1:], days, known[pairs], classes=classes, measures={"days_in": days_in})

    def _by_id(self, name: str, key: str) -> pd.DataFrame:
        """A table's rows, those of one account and time by their number: which of them came last is the same always."""
        frame = self.arranged(name)
        keys = (numbered(frame, key, name), frame[TABLES[name].position].to_numpy(), frame["account_no"].to_numpy())
        self._sorted[name] = frame.iloc[np.lexsort(keys)]  # `gone` must tell of the same rows
        return self._sorted[name]

    def _offers(self, wanted: frozenset[str]) -> Events:
        frame = self._by_id("offers", "offer_id")
        made, known, until = (
            column(frame, name, np.int32, "offers") for name in ("made_on", "known_on", "valid_until")
        )
        spans = self._spans(frame["account_no"])
        offsets, rows, pairs = events.visible(self.as_of, *spans, made, known, self.gone("offers"), False)
        said = events.classes_of(_text(frame, "offers", "outcome"), OFFER_OUTCOMES).codes()[pairs]
        still_open = lasts(until[pairs], self.as_of[rows])
        silent = np.where(still_open, OFFER_STATES.index("open"), OFFER_STATES.index("lapsed"))
        kinds = events.classes_of(_text(frame, "offers", "kind"), OFFER_KINDS).codes()[pairs]
        classes = {
            "kind": events.numbered_classes(kinds, OFFER_KINDS),
            "outcome": events.numbered_classes(np.where(said < 0, silent, said), OFFER_STATES),
        }
        discount = _number(frame, "discount", NO_SHARE, np.int64)[pairs]
        measures = {
            "amount": _number(frame, "amount", NO_MONEY, np.int64)[pairs],
            "discount": np.where(discount == NO_SHARE, NO_MONEY, discount),
        }
        return Events(offsets[:-1], offsets[1:], made[pairs], known[pairs], classes=classes, measures=measures)

    @cached_property
    def agreed(self) -> agreements.Standing:
        """The plans of each cohort row, and their instalments, as they stood on its night."""
        frame = self.arranged("plans")
        names = ("agreed_on", "due_on", "ended_on", "known_on")
        agreed, due, ended, known = (column(frame, name, np.int32, "plans") for name in names)
        spans = self._spans(frame["account_no"])
        _, rows, pairs = events.visible(self.as_of, *spans, agreed, known, self.gone("plans"), False)
        plan = numbered(frame, "plan_id", "plans")
        total, amount = (column(frame, name, np.int64, "plans") for name in ("total", "amount"))
        how = events.classes_of(_text(frame, "plans", "how"), PLAN_ENDS).codes()
        told = agreements.Instalments(rows, *(part[pairs] for part in (plan, agreed, total, due, amount, ended, how)))
        return agreements.standing(
            told, self.account_no, self.as_of, self.settlements, self._days_to_keep, self.terms.promise_kept_share
        )

    def _plans(self, wanted: frozenset[str]) -> Events:
        held = self.agreed
        classes = {"state": events.numbered_classes(held.plan_state, PLAN_STATES)}
        measures = {"total": held.plan_total, "largest": held.plan_largest}
        return self._of_rows(held.plan_row, held.plan_agreed_on, classes, measures)

    def _instalments(self, wanted: frozenset[str]) -> Events:
        held = self.agreed
        classes = {"state": events.numbered_classes(held.state, PROMISE_STATES)}
        return self._of_rows(held.row, held.due_on, classes, {"amount": held.amount, "days_late": held.days_late})

    def _of_rows(self, rows: np.ndarray, days: np.ndarray, classes: Mapping, measures: Mapping) -> Events:
        """Events made for each cohort row, sorted by row and day; all of them were known before its night."""
        edges = np.searchsorted(rows, np.arange(self.as_of.size + 1))
        known = np.full(days.size, NO_DAY, np.int32)
        return Events(edges[:-1], edges[1:], days.astype(np.int32), known, classes=classes, measures=measures)

    def _placements(self, wanted: frozenset[str]) -> Events:
        frame = self._by_id("placements", "placement_id")
        names = ("placed_on", "known_on", "recalled_on")
        begun, known, until = (column(frame, name, np.int32, "placements") for name in names)
        spans, gone = self._spans(frame["account_no"]), self.gone("placements")
        offsets, rows, pairs = events.visible(self.as_of, *spans, begun, known, gone, True)
        night, since, until = self.as_of[rows], begun[pairs], until[pairs]
        active = lasts(until, night)
        routes = events.classes_of(_text(frame, "placements", "route"), ROUTES).codes()[pairs]
        classes = {
            "route": events.numbered_classes(routes, ROUTES),
            "state": events.numbered_classes(np.where(active, np.int8(0), np.int8(1)), STATUS_STATES),
        }
        days_in = np.where(active, night, until).astype(np.int64) - since
        days = np.minimum(since, night - 1)  # as a status that begins on as_of
        return Events(offsets[:-1], offsets[1:], days, known[pairs], classes=classes, measures={"days_in": days_in})

    def _rolls(self, wanted: frozenset[str]) -> Events:
        return self._changes(standing.rolls(self.ledger), {"to": ROLLS})

    def _cures(self, wanted: frozenset[str]) -> Events:
        return self._changes(standing.cures(self.ledger), {})

    def _changes(self, found: standing.Changes, classes: Mapping[str, tuple[str, ...]]) -> Events:
        places = self.ledger.positions(self.account_no)
        learned = (found.nights - 1).astype(np.int32)  # a night's news is of the day before
        return Events(
            found.offsets[places],
            found.offsets[places + 1],
            learned,
            learned,
            classes={name: events.numbered_classes(found.codes, values) for name, values in classes.items()},
        )

    def _versioned(self, table: str, day: str, classes: Mapping, measures: Mapping, ahead: bool = False) -> Events:
        frame = self.arranged(table)
        days, known = column(frame, day, np.int32, table), column(frame, "known_on", np.int32, table)
        return Events(*self._spans(frame["account_no"]), days, known, self.gone(table), classes, measures, ahead=ahead)

    def gone(self, table: str) -> np.ndarray:
        """int32 per row of the arranged table: the day a newer version became known.
        No entry where no row is ever replaced.
        """
        if table not in self._gone_of:
            frame = self.arranged(table)
            key = key_of(frame, table)
            rows, numbers = np.arange(len(frame)), {}
            for name in NUMBERS.keys() & set(key):
                numbers[NUMBERS[name]] = still(numbered(frame, name, table), np.int64)
                rows = events.repeated(column(frame, "account_no", np.int64, table), numbers[NUMBERS[name]])
            self._gone_of[table] = NEVER_REPLACED
            if rows.size:
                told = [
                    "known_at",
                    "known_on",
                    *(name for name in ("account_id", *key) if name in frame and name not in NUMBERS),
                ]
                own = frame[told].iloc[rows].assign(**{name: values[rows] for name, values in numbers.items()})
                gone = np.full(len(frame), NEVER, np.int32)
                gone[rows] = superseded_on(own, key, table)
                self._gone_of[table] = still(gone, np.int32)
        return self._gone_of[table]

    @cached_property
    def _gone_of(self) -> dict[str, np.ndarray]:
        return {}


def _ties(accounts: pd.Series, time: pd.Series | np.ndarray, *keys: pd.Series | np.ndarray) -> np.ndarray:
    return events.ties(
        *(still(np.asarray(values), np.int64) for values in (accounts, time)),
        *(still(np.asarray(key), np.int64) for key in keys),
    )


def _together(classes: Sequence[Classes]) -> np.ndarray:
    """int32 number of each event's classes taken together, by their places in the contract."""
    number = np.zeros(classes[0].index.size, np.int32)
    for own in classes:
        events.fold(
            number,
            own.index,
            own.low,
            np.where(own.table < 0, len(own.values), own.table).astype(np.int32),
            len(own.values),
        )
    return number


def _text(frame: pd.DataFrame, table: str, name: str) -> pd.Series:
    """A text column; empty where one is absent that the contract lets be absent, else ContractError."""
    if name in frame:
        return frame[name]
    if not TABLES[table][name].optional:
        raise ContractError.missing_columns(table, [name], frame.columns)
    return pd.Series(pd.Categorical.from_codes(np.full(len(frame), -1, np.int8), []), index=frame.index)


def _number(frame: pd.DataFrame, name: str, empty: int, dtype: type) -> np.ndarray:
    return still(frame[name].to_numpy(), dtype) if name in frame else np.full(len(frame), empty, dtype)
