"""One table of a delivery on its way in: its rows are judged, the good ones written to staging,
the faulty ones set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from features.aliases import Link, in_circles, persons
from features.days import day_number
from features.tables import DELIVERED, DISPLAY, FEEDS
from pipeline.intake import receipts
from pipeline.intake import sql as judging
from pipeline.intake.acceptance import COMPARED_BACK, control_refusals, fault_refusals, first_places
from pipeline.intake.agreements import placement_overlaps, plan_sums, strange_parties
from pipeline.intake.by_shard import Order, add_money, on_disk, runs, written_by_shard
from pipeline.intake.casting import not_a_number, quoted
from pipeline.intake.delivery import DeliveredTable
from pipeline.intake.dropped import Dropped
from pipeline.intake.faults import hanging, located
from pipeline.intake.files import lines_of
from pipeline.intake.quarantine import SetAside, codes_of, counted, raw_text
from pipeline.intake.refusals import DeliveryRefused, IngestBug
from pipeline.intake.report import TableReport
from pipeline.panel.engines import elsewhere
from pipeline.params import Ingest
from pipeline.store.aside import waiting_lines
from pipeline.store.files import DataFile, FileWriter
from pipeline.store.form import disk_schema, sort_columns

if TYPE_CHECKING:
    from pipeline.intake.engine import Engine
    from pipeline.params import Engine as Spread
    from pipeline.store.store import Store

BATCH_ROWS = 100_000
FUTURE_SHARE, FUTURE_DAYS = (
    0.999,
    366,
)  # without a control file: a row known a year after nearly all others is a typing error
STAMP_ROWS, STAMP_SHARE, STAMP_DAYS, SPREAD_DAYS, LATE_DAYS = (
    20,
    0.95,
    1,
    60,
    30,
)  # what load time in known_at looks like


@dataclass(frozen=True)
class Taken:
    """What one table came to. newest: portfolio -> newest known day of its clean rows; span: first and last day they
    sit on; by_day, stored_by_day: of a feed, day -> clean rows that became known on it, and of the days before those.
    """

    report: TableReport
    newest: Mapping[str, int]
    span: tuple[int, int] | None
    extras: Mapping[str, str]
    files: Sequence[DataFile]
    set_aside: Sequence[SetAside]
    refusals: Sequence[str]
    warnings: Sequence[str]
    by_day: Mapping[int, int]
    stored_by_day: Mapping[int, int]


def view_stored(engine: Engine, store: Store, name: str) -> None:
    """stored_NAME: what the store holds of a table, after a check that its files are whole."""
    files = [str(place) for place in store.data_files(name)]
    engine.run(f"CREATE VIEW stored_{name} AS {judging.stored_view(name, files, store.extra_columns(name))}")


def know_accounts(engine: Engine, stored: bool, new: bool) -> None:
    """known_accounts: what events need to know of their account."""
    engine.run(f"CREATE TABLE known_accounts AS {judging.known_accounts(stored, new)}")
    twins = "SELECT min(account_id), max(account_id) FROM known_accounts GROUP BY account_no HAVING count(*) > 1"
    same = engine.rows(twins)
    if same:
        raise DeliveryRefused.same_number([name for pair in same for name in pair])


def know_charges(engine: Engine, source: str) -> None:
    """known_charges: what payments may name; of a view or table of charges."""
    engine.run("CREATE TABLE IF NOT EXISTS known_charges (account_no BIGINT, charge_id VARCHAR)")
    engine.run(f"INSERT INTO known_charges SELECT DISTINCT account_no, charge_id FROM {source}")


@dataclass(frozen=True)
class TableIntake:
    """The table's cells are in raw_NAME; `starts` has the first rid of each of its files.

    bad_accounts: where the accounts stand that this delivery holds and that were set aside.
    """

    engine: Engine
    table: DeliveredTable
    starts: Sequence[int]
    store: Store | None
    shards: int
    staging: Path
    limits: Ingest
    backfill: bool
    spread: Spread
    bad_accounts: Mapping[str, str]
    reach: int | None = None  # the last day that the store knew to be all there before
    knows_charges: bool = False  # whether payments of the delivery name charges, so that these are kept in mind
    dropped: Dropped | None = None  # rows of people who were forgotten

    @property
    def name(self) -> str:
        return self.table.name

    def take(self) -> Taken:
        stored = self.store is not None and bool(self.store.data_files(self.name))
        extras = self._extras()
        self._sift(stored, extras)
        refusals = self._stamp_refusals(stored)
        set_aside = self._set_aside(extras)
        hung = sum(bool(hanging(row, self.bad_accounts)) for row in set_aside)
        report = self._report(first_places(set_aside), hung)
        more, warnings = control_refusals(report, self.table.control)
        if self.name == "payments":
            warnings = [*warnings, *self._told_of_payments()]
        if self.name == "charges" and self.knows_charges:
            know_charges(self.engine, "standing_charges")
        refusals += [*more, *fault_refusals(report, self.limits)]
        newest = dict(self.engine.rows(judging.newest_known(self.name)))
        first, last = self.engine.rows(judging.span(self.name))[0]
        by_day, stored_by_day = self._days(stored)
        files = self._write(extras, report)
        self.engine.run(f"DROP VIEW standing_{self.name}")
        self.engine.run(f"DROP TABLE read_{self.name}")
        self.engine.run(f"DROP TABLE left_{self.name}")
        self.engine.run(f"DROP TABLE IF EXISTS met_{self.name}")
        span = None if first is None else (first, last)
        told = refusals, warnings, by_day, stored_by_day
        return Taken(report, newest, span, extras, files, set_aside, *told)

    def _days(self, stored: bool) -> tuple[dict[int, int], dict[int, int]]:
        """Of a feed, rows by the day on which they became known: delivered, and stored until what is new begins."""
        if self.name not in FEEDS or not stored or self.reach is None:
            return {}, {}
        by_day = dict(self.engine.rows(judging.known_days(self.name)))
        files = [str(place) for place in self.store.data_files(self.name)] if self.store is not None else []
        back = self.engine.rows(judging.stored_days(files, self.reach - COMPARED_BACK, self.reach, self.table.books))
        return {day: rows for day, rows in by_day.items() if day > self.reach}, dict(back)

    def _extras(self) -> dict[str, str]:
        """The sender's own columns: numbers where the store has numbers, or where every filled cell is one;
        else text. What is only shown is text: a phone number keeps its zeros.
        """
        held = self.store.extra_columns(self.name) if self.store is not None else {}
        new = [column for column in self.table.extras if column not in held]
        tests = ", ".join(f"coalesce(bool_or({not_a_number(column)}), false)" for column in new)
        cells = ", ".join(f"nullif(trim({quoted(column)}), '') AS {quoted(column)}" for column in new)
        words = self.engine.rows(f"SELECT {tests} FROM (SELECT {cells} FROM raw_{self.name})")[0] if new else ()
        found = {
            column: "str" if word or column.startswith(DISPLAY) else "float64"
            for column, word in zip(new, words, strict=True)
        }
        return {column: held.get(column) or found[column] for column in sorted({*held, *self.table.extras})}

    def _sift(self, stored: bool, extras: Mapping[str, str]) -> None:
        """read_NAME holds every row with the faults it shows by itself,
        left_NAME those left out for what they are beside others.
        """
        name = self.name
        self.engine.run(
            f"CREATE TABLE read_{name} AS "
            + judging.read_rows(name, self.table.columns, extras, self.shards, self.dropped is not None)
        )
        self.engine.run(f"CREATE TABLE left_{name} (rid BIGINT, mask BIGINT)")
        self.engine.run(
            f"CREATE VIEW standing_{name} AS SELECT * FROM read_{name} ANTI JOIN left_{name} USING (rid) WHERE mask = 0"
        )
        last_day = self._last_day()
        if last_day is not None:
            self._leave_out(judging.known_after(name, last_day))
        if stored and name != "accounts":
            # pyrefly: ignore[bad-argument-type]
            view_stored(self.engine, self.store, name)
        self.engine.run(f"CREATE TABLE hashed_{name} AS {judging.hashed_twice(name)}")
        if name == "payments":
            self._judge_receipts(stored)
        else:
            self.engine.run(f"CREATE TABLE shared_{name} AS {judging.shared_keys(name)}")
            self._leave_out(judging.repeated_rows(name, extras))
        if stored and name != "payments":
            held = self._meet_stored()
            self._leave_out(
                judging.stored_rows(name, {column: kind for column, kind in extras.items() if column in held})
            )
        if name == "accounts":
            know_accounts(self.engine, stored, new=True)
            self._leave_out(judging.ACCOUNTS_CHANGED)
        if name == "debtors":
            self._refuse_circles(stored)
        if name == "plans":
            self._leave_out(plan_sums(stored))
        if name == "placements":
            if self.limits.parties:
                self._leave_out(strange_parties(self.limits.parties))
            self._leave_out_until_whole(placement_overlaps(stored))
        if name == "payments":
            if self._knows_persons():
                self.engine.run(f"CREATE TABLE receipts_moved AS {receipts.moved_receipts(stored)}")
                self._leave_out("SELECT * FROM receipts_moved")
            self.engine.run(f"CREATE VIEW all_payments AS {receipts.all_payments(stored)}")
            # What is no longer whole others may have reversed.
            self._leave_out_until_whole(receipts.REVERSALS, receipts.PARTS)

    def _meet_stored(self) -> dict[str, str]:
        """met_NAME: the stored rows of the keys that are delivered. Of files that hold none of them, the numbers of ids
        alone are read. Hands back the sender's own columns that the store has.
        """
        # pyrefly: ignore[missing-attribute]
        files, held = [str(place) for place in self.store.data_files(self.name)], self.store.extra_columns(self.name)
        if judging.looked_up_by(self.name) is not None:
            files = [file for (file,) in self.engine.rows(judging.files_met(self.name, files))]
        self.engine.run(f"CREATE TABLE met_{self.name} AS {judging.met_rows(self.name, sorted(files), held)}")
        return held

    def _refuse_circles(self, stored: bool) -> None:
        rows = self.engine.rows(judging.told_links(stored))
        links = [Link(debtor, other or debtor, at, on) for _, debtor, other, at, on in rows]
        circles = in_circles(links, [rid is not None for rid, *_ in rows])
        self._leave_out(judging.in_circle([rows[place][0] for place in circles]))
        self._know_persons(persons([link for place, link in enumerate(links) if place not in set(circles)]))

    def _know_persons(self, names: Mapping[str, str]) -> None:
        told = {"debtor_id": pa.array(names, pa.string()), "person": pa.array(names.values(), pa.string())}
        self.engine.hand_over("persons", pa.table(told))

    def _knows_persons(self) -> bool:
        """Whether links between debtors are known, of this delivery or the store's; table persons then tells them."""
        if self.engine.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'persons'"):
            return True
        held = self.store.persons() if self.store is not None and self.store.deliveries() else None
        if held is not None:
            self._know_persons(held.names)
        return held is not None

    def _judge_receipts(self, stored: bool) -> None:
        """Lines of a receipt that is not whole go, and those that are there already; later sets of a receipt's lines
        stay, another sum is a conflict.
        """
        self._leave_out(receipts.PARTS)
        waiting = waiting_lines(self.store) if self.store is not None else None
        if waiting is not None:
            self.engine.hand_over("waiting_lines", waiting)
            self._leave_out(receipts.waiting_parts(stored))
        self.engine.run(f"CREATE TABLE many_payments AS {receipts.MANY}")
        self._leave_out(receipts.REPEATED_LINES)
        self.engine.run(f"CREATE TABLE receipt_sets AS {receipts.receipt_sets(stored)}")
        self.engine.run(f"CREATE TABLE receipts_judged AS {receipts.RECEIPTS}")
        self._leave_out(receipts.RECEIPTS_LEFT_OUT)
        self.engine.run(receipts.RECEIPTS_LATER)

    def _leave_out_until_whole(self, *found: str) -> None:
        """As long as rows that are left out make others faulty."""
        left = None
        while left != (now := self.engine.count(f"left_{self.name}")):
            left = now
            for statement in found:
                self._leave_out(statement)

    def _told_of_payments(self) -> list[str]:
        """What contradicts itself, and what settles no charge that anybody knows."""
        found = []
        others = self.engine.rows(receipts.RECEIPTS_DIFFER)[0]
        differing = [name for name, other in zip(receipts.FIXED, others, strict=True) if other]
        if differing:
            found.append(
                f"Table 'payments': DUP_CONFLICT, rows of one payment_id differ in {', '.join(differing)}. It is one "
                "receipt: its lines may be applied to other charges and accounts later, with the same sum."
            )
        moved = self.engine.count("receipts_moved") if self._knows_persons() else 0
        if moved:
            found.append(
                f"Table 'payments': DUP_CONFLICT, {moved:,} lines bring a receipt from one debtor to another that is "
                "the same person. Deliver a reversal of it, and the payment anew under an id of its own."
            )
        strange = self.engine.rows(receipts.UNKNOWN_CHARGES)[0][0] if self.knows_charges else 0
        if strange:
            found.append(
                f"Table 'payments': {strange:,} payments name a charge that is not known; they settle the oldest due."
            )
        return found

    def _leave_out(self, found: str) -> None:
        self.engine.run(f"INSERT INTO left_{self.name} {found}")

    def _last_day(self) -> int | None:
        """The last day on which a row of this feed can have become known."""
        control = self.table.control
        if control is not None and control.complete_through is not None:
            return day_number(control.complete_through) + 1
        usual = (
            self.engine.rows(judging.known_quantile(self.name, FUTURE_SHARE))[0][0]
            if DELIVERED[self.name].happened
            else None
        )
        return None if usual is None else usual + FUTURE_DAYS

    def _stamp_refusals(self, stored: bool) -> list[str]:
        """History whose known_at is the time it was loaded would show nothing on any night of the past."""
        if "known_at" not in self.table.columns or not DELIVERED[self.name].of_accounts:
            return []
        rows, stamp, spread, late = self.engine.rows(judging.load_stamp(self.name, STAMP_SHARE, stored))[0]
        if rows < STAMP_ROWS or stamp > STAMP_DAYS or spread <= SPREAD_DAYS or late < LATE_DAYS:
            return []
        # One night may well learn of many old accounts or statuses (a register searched once a month):
        # history outnumbers what is held.
        if stored and self.name not in ("payments", "contacts") and rows <= self.engine.count(f"stored_{self.name}"):
            return []
        return [
            f"Table {self.name!r}: {rows:,} rows that happened over {spread:,} days all became known within "
            f"{stamp + 1} days, as if "
            "known_at were the time of loading. Empty known_at and ingest this history with --backfill."
        ]

    def _report(self, places: tuple[str, ...], hung: int) -> TableReport:
        masks: dict[int, int] = {}
        money: dict[str, list[int]] = {}
        faulty: dict[str, list[int]] = {}
        rows, unread = [0, 0, 0], 0  # accepted, quarantined, duplicates
        for currency, mask, count, total, absolute, missing in self.engine.rows(judging.outcomes(self.name)):
            group = 2 if mask is None else 1 if mask else 0
            rows[group] += count
            unread += missing
            if mask:
                masks[mask] = masks.get(mask, 0) + count
            if currency is not None:
                money.setdefault(currency, [0, 0, 0])[group] += int(total)
                faulty.setdefault(currency, [0, 0])[1] += int(absolute)
                faulty[currency][0] += int(absolute) if mask else 0
        sums_in = (
            {currency: int(total) for currency, total in self.engine.rows(judging.money_in(self.name))}
            if DELIVERED[self.name].money
            else {}
        )
        gone = self.dropped or Dropped()
        for currency, total in gone.money.items():
            sums_in[currency] = sums_in.get(currency, 0) + total
            money.setdefault(currency, [0, 0, 0])
            faulty.setdefault(currency, [0, 0])
        return TableReport(
            name=self.name,
            files=len(self.table.parts),
            rows_in=self.engine.count(f"raw_{self.name}"),
            accepted=rows[0],
            quarantined=rows[1],
            duplicates=rows[2],
            codes=counted(masks),
            # pyrefly: ignore[bad-argument-type]
            money={currency: (sums_in[currency], *money[currency]) for currency in sorted(sums_in)},
            money_faulty={currency: (faulty[currency][0], faulty[currency][1]) for currency in sorted(sums_in)},
            money_unread=unread + gone.unread,
            places=places,
            hanging=hung,
            forgotten=gone.rows,
            money_forgotten=dict(gone.money),
        )

    def _set_aside(self, extras: Mapping[str, str]) -> list[SetAside]:
        columns, spoken_of = self.table.columns, judging.columns_with_faults(self.name, extras)
        found = []
        rows = self.engine.rows(judging.faulty_cells(self.name, columns, extras, self.shards))
        lines = self._lines([(file_no, rid - self.starts[file_no]) for rid, file_no, *_ in rows])
        for rid, file_no, mask, *cells in rows:
            part, row = self.table.parts[file_no], rid - self.starts[file_no]
            line = row + 1 if part.is_parquet else lines[file_no].get(row, row + 2)
            own = dict(zip(spoken_of, cells[len(columns) :], strict=True))
            faults = located(mask, {name: bits for name, bits in own.items() if bits})
            raw = raw_text(columns, cells[: len(columns)])
            found.append(SetAside(self.name, part.name, line, " ".join(codes_of(mask)), raw, faults))
        return found

    def _lines(self, rows: Sequence[tuple[int, int]]) -> dict[int, dict[int, int]]:
        """Number of a CSV file -> its rows set aside -> the lines on which they begin."""
        of_files: dict[int, set[int]] = {}
        for file_no, row in rows:
            of_files.setdefault(file_no, set()).add(row)
        parts = self.table.parts
        return {
            number: lines_of(parts[number], found) for number, found in of_files.items() if not parts[number].is_parquet
        }

    def _write(self, extras: Mapping[str, str], report: TableReport) -> list[DataFile]:
        """One file per shard, rows in the store's order; what was written must be what the report says was accepted.
        On a cluster each shard is sorted and written by a task.
        """
        schema = disk_schema(self.name, extras)
        fields = [(field.name, _engine_type(field.type)) for field in schema]
        order = [] if elsewhere(self.spread) else ["shard", *sort_columns(self.name)]
        batches = self.engine.batches(judging.accepted_rows(self.name, fields, order, self.backfill), BATCH_ROWS)
        if elsewhere(self.spread):
            asked = Order(self.name, dict(extras), self.staging, BATCH_ROWS)
            parts = written_by_shard(batches, asked, self.spread)
            files, money = [part.file for part in parts], {}
            for currency, total in (pair for part in parts for pair in part.money.items()):
                money[currency] = money.get(currency, 0) + total
        else:
            files, money = self._written_here(batches, schema)
        accepted = {currency: amounts[1] for currency, amounts in report.money.items() if amounts[1]}
        written = sum(file.rows for file in files)
        if written != report.accepted or {currency: total for currency, total in money.items() if total} != accepted:
            raise IngestBug.written(self.name)
        return files

    def _written_here(
        self, batches: Iterable[pa.RecordBatch], schema: pa.Schema
    ) -> tuple[list[DataFile], dict[str, int]]:
        """Files of sorted rows, and their money by currency."""
        files, writer, open_shard, money = [], None, None, {}
        for batch in batches:
            shards = batch.column("shard").to_numpy()
            for start, stop in runs(shards):
                piece = pa.Table.from_batches([batch.slice(start, stop - start)])
                if shards[start] != open_shard:
                    files += [writer.close()] if writer else []
                    open_shard = shards[start]
                    writer = FileWriter(
                        self.staging / f"{self.name}-shard-{open_shard}.parquet", str(open_shard), schema
                    )
                # pyrefly: ignore[missing-attribute]
                writer.write(on_disk(piece, schema))
                add_money(money, piece, DELIVERED[self.name].money)
        return files + ([writer.close()] if writer else []), money


def _engine_type(kind: pa.DataType) -> str:
    if pa.types.is_date32(kind):
        return "INTEGER"
    if pa.types.is_timestamp(kind):
        return "BIGINT"
    return {pa.int64(): "BIGINT", pa.int32(): "INTEGER", pa.int16(): "SMALLINT", pa.float64(): "DOUBLE"}.get(
        kind, "VARCHAR"
    )
