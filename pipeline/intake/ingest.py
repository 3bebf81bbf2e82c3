"""Bring a delivery into the store: read as text, check every cell, set faulty rows aside, add up,
commit whole or not at all.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from features.currencies import DECIMALS
from features.errors import CannotWrite
from features.tables import DELIVERED
from pipeline.intake.acceptance import (
    NewDays,
    declared_days,
    far_refusals,
    feed_days,
    sender_refusals,
    settings_of,
    state_after,
    undeclared,
    unnamed,
    volumes,
)
from pipeline.intake.casting import quoted
from pipeline.intake.clocks import offsets
from pipeline.intake.database import ReadOut, read_out, snapshot_of
from pipeline.intake.delivery import Delivery, Part, find
from pipeline.intake.dropped import Dropped, Dropping
from pipeline.intake.engine import engine
from pipeline.intake.faults import bad_accounts, fault_lines, write_faults
from pipeline.intake.files import as_text, csv_scan, parquet_scan
from pipeline.intake.gaps import accepted, gaps
from pipeline.intake.quarantine import RULE_VERSION
from pipeline.intake.refusals import DeliveryMissing, DeliveryRefused, SettingRefused, shown
from pipeline.intake.report import IngestReport, TableReport
from pipeline.intake.shard_size import check_fits
from pipeline.intake.table import SetAside, TableIntake, Taken, know_accounts, know_charges, view_stored
from pipeline.params import Engine, Params, Source
from pipeline.store import commit
from pipeline.store.files import DataFile, FileWriter, private_folder
from pipeline.store.forgotten import MET, forgotten
from pipeline.store.form import QUARANTINE
from pipeline.store.locks import only_run
from pipeline.store.record import Delivered, Mark, State
from pipeline.store.store import CARD, Store


def ingest(
    source: Source,
    store_path: Path,
    params: Params,
    *,
    backfill: bool = False,
    dry_run: bool = False,
    accept_volume: str | None = None,
    faults: Path | None = None,
    by_hand: bool = False,
    accept_gap: str | None = None,
) -> IngestReport:
    """Validate, quarantine, reconcile and append the delivery in `source`; the same delivery again changes nothing.

    source: a folder of files, or a database: its URL, or its file.
    backfill: history loaded once; an empty known_at becomes the time of the row plus lag_days of the params. dry_run:
    everything but writes. accept_volume: why an unusual volume is right; accept_gap: why days may be missing between
    the store and the delivery; both are recorded. faults: a CSV file for every
    fault of every row set aside, written whether the delivery comes in or not. by_hand: people of the house made each
    row, so that their number says nothing. Raises ContractError (65) with every
    refusal of every table at once, InputMissing (66), UsageError (2), LockHeld (75), CannotWrite (74).
    """
    terms = _Terms(params, backfill, dry_run, accept_volume, faults, by_hand, accept_gap)
    store_path = Path(store_path)
    with private_folder() as aside, ExitStack() as held:
        snapshot = held.enter_context(snapshot_of(source, params.engine.memory_limit, aside / "spill"))
        delivery = find(Path(source)) if snapshot is None else None

        def taken(store: Store | None, staging: Path) -> IngestReport:
            if delivery is not None:
                return _Intake(delivery, store, staging, terms).run()
            marks = {} if backfill or store is None else _marks(store)
            # pyrefly: ignore[bad-argument-type]
            found, read = read_out(snapshot, params.queries, marks, staging / "source")
            held.close()  # the database need not wait for us
            return _Intake(found, store, staging, terms, read).run()

        if dry_run:
            return taken(Store(store_path) if (store_path / CARD).exists() else None, aside)
        store = commit.create(store_path, params.store.shards)
        try:
            with only_run(store.path), commit.gone_if_empty(store):
                commit.recover(store)
                commit.compact(store)
                with commit.staged(store) as staging:
                    return taken(store, staging)
        except OSError as error:
            raise CannotWrite.writing(f"Store {str(store.path)!r}", error) from None


def _marks(store: Store) -> dict[str, Mark]:
    """Table -> how far a database was read that gave it, by the newest delivery that tells."""
    return {name: mark for record in store.deliveries() for name, mark in record.marks.items()}


@dataclass(frozen=True)
class _Terms:
    """How a delivery is to be taken."""

    params: Params
    backfill: bool
    dry_run: bool
    accept_volume: str | None
    faults: Path | None
    by_hand: bool = False
    accept_gap: str | None = None

    def settings(self) -> str:
        return settings_of(self.params)


@dataclass(frozen=True)
class _Before:
    """The deliveries that came in earlier."""

    records: Sequence[Delivered]

    @property
    def state(self) -> State:
        return self.records[-1].state if self.records else State()

    @property
    def versions(self) -> Mapping[str, int]:
        return self.records[-1].versions if self.records else {}

    def same(self, content_id: str, backfill: bool, settings: str) -> Delivered | None:
        asked = (content_id, backfill, settings)
        return next((each for each in self.records if (each.content_id, each.backfill, each.settings) == asked), None)


@dataclass(frozen=True)
class _Checked:
    """A delivery whose every row has been looked at. zones: portfolio -> the zone of its days."""

    taken: Mapping[str, Taken]
    zones: Mapping[str, str]
    currencies: Sequence[str]

    def newest(self) -> dict[str, Mapping[str, int]]:
        return {name: each.newest for name, each in self.taken.items()}

    def refusals(self) -> list[str]:
        return [sentence for each in self.taken.values() for sentence in each.refusals]

    def warnings(self) -> list[str]:
        return [sentence for each in self.taken.values() for sentence in each.warnings]

    def spans(self) -> dict[str, tuple[int, int]]:
        return {name: each.span for name, each in self.taken.items() if each.span is not None}

    def set_aside(self) -> list[SetAside]:
        return [row for each in self.taken.values() for row in each.set_aside]


@dataclass
class _Intake:
    """One delivery on its way in; `run` reads like the list of its steps."""

    delivery: Delivery
    store: Store | None
    staging: Path
    terms: _Terms
    read: ReadOut | None = None
    starts: dict[str, list[int]] = field(default_factory=dict)  # table -> first rid of each of its files, and the next

    def run(self) -> IngestReport:
        self.forgotten = forgotten(self.store.path) if self.store else None
        before = _Before(self.store.deliveries() if self.store else [])
        again = before.same(self.delivery.content_id, self.terms.backfill, self.terms.settings())
        if again is not None:
            return _already(again, before.versions, self.terms.dry_run, self.read.warnings if self.read else ())
        self._check_required(set(before.versions))
        limits = self.terms.params.engine
        spill, delivered = self.staging / "spill", sum(part.stamp[0] for part in self.delivery.parts)
        with engine(self._folders(), spill, limits.memory_limit, limits.spill_limit, delivered) as self.engine:
            checked = self._check(before.state)
            if not before.records:
                files = {name: each.files for name, each in checked.taken.items()}
                shards = self.store.shards if self.store else self.terms.params.store.shards
                check_fits(files, shards, self.engine.size_of(limits.memory_limit), limits.memory_limit)
        return self._conclude(before, checked)

    def _folders(self) -> set[Path]:
        folders = {self.staging, *(part.place.parent for part in self.delivery.parts)}
        return folders | ({self.store.path} if self.store else set())

    def _check(self, state: State) -> _Checked:
        """Read and judge every table; accounts come first: the others need them."""
        self.engine.hand_over("currencies", pa.table({"code": list(DECIMALS), "decimals": list(DECIMALS.values())}))
        knows = self.forgotten is not None and bool(self.forgotten.tombstones)
        # pyrefly: ignore[bad-argument-type]
        self.dropping = Dropping(self.engine, self.forgotten) if knows else None
        unreadable: list[str] = []
        taken: dict[str, Taken] = {}
        zones: dict[str, str] = {}
        for name in tqdm(self.delivery.tables, "tables", leave=False, disable=None):
            unreadable += self._load(name)
            if not unreadable:
                with self.engine.reading_in_place(unreadable, partial(self._damaged, name)):
                    dropped = self.dropping.of(self.delivery.tables[name]) if self.dropping else None
                    zones = zones or self._open_books(state)
                    bad = bad_accounts(taken["accounts"].set_aside) if "accounts" in taken else {}
                    taken[name] = self._intake_of(name, bad, dropped, self._reach(name, state)).take()
            self.engine.run(f"DROP VIEW raw_{name}")
            self.engine.run(f"DROP TABLE IF EXISTS cells_{name}")
        self.met = self.dropping.met() if self.dropping else {}
        self._check_unchanged()
        set_aside = _Checked(taken, zones, ()).set_aside()
        if self.terms.faults is not None:
            write_faults(self.terms.faults, set_aside)
        if unreadable:
            raise DeliveryRefused.whole([*unreadable, *_Checked(taken, zones, ()).refusals()], fault_lines(set_aside))
        currencies = [code for (code,) in self.engine.rows("SELECT DISTINCT currency FROM known_accounts")]
        return _Checked(taken, zones, currencies)

    def _conclude(self, before: _Before, checked: _Checked) -> IngestReport:
        """Accept or refuse the delivery as a whole; accepted, it is committed."""
        days = feed_days(checked.newest(), self.delivery, before.state)
        reports = [
            replace(
                each.report,
                complete_through=max(days[name].values(), default=None),
                reread=self.read is not None,
                portfolios=self.delivery.tables[name].books,
            )
            for name, each in checked.taken.items()
        ]
        report = self._accepted(before, checked, reports, days)
        if self.terms.dry_run:
            return report
        state = state_after(
            before.state, days, declared_days(days, self.delivery), checked.spans(), checked.zones, checked.currencies
        )
        files = {name: each.files for name, each in checked.taken.items()}
        files |= self._quarantine(checked.set_aside(), report.ingest_id)
        extras = {name: each.extras for name, each in checked.taken.items()}
        if self.met:  # before the rows: an account of somebody forgotten is known as such whatever happens then
            # pyrefly: ignore[missing-attribute]
            self.forgotten.record(MET, accounts=self.met)
        record = self._record(report, state, checked)
        # pyrefly: ignore[bad-argument-type]
        return replace(report, versions=commit.deliver(self.store, files, extras, record))

    def _accepted(
        self,
        before: _Before,
        checked: _Checked,
        reports: list[TableReport],
        days: Mapping[str, Mapping[str, int]],
    ) -> IngestReport:
        """The report, or DeliveryRefused with all that speaks against the delivery. days: table -> portfolio -> the
        last day that it moves each to.
        """
        limits = self.terms.params.ingest
        seen = volumes(reports, before.records, limits, self._new_days(reports, checked, before.state))
        unusual = [volume.refusal for volume in seen if volume.refusal]
        refusals, warnings = checked.refusals(), [*(self.read.warnings if self.read else ()), *checked.warnings()]
        controls = {name: table.control for name, table in self.delivery.tables.items()}
        missing = [] if self.terms.backfill else gaps(controls, days, before.state, self.terms.params)
        lost = [gap.sentence(self.terms.params) for gap in missing]
        if self.terms.accept_gap:
            warnings += [f"{sentence} Accepted: {self.terms.accept_gap}" for sentence in lost]
        else:
            remedy = "Deliver what lies between first, or accept that it is missing with --accept-gap WHY."
            refusals += [f"{sentence} {remedy}" for sentence in lost]
        refusals += far_refusals(controls, checked.newest(), before.state)
        refusals += sender_refusals(checked.newest(), self.delivery, checked.zones, self.terms.params)
        counted_for_nothing = undeclared(checked.newest(), self.terms.params)
        strangers = unnamed(checked.zones, self.terms.params)
        refusals += strangers if refusals else []  # what they are read by may be all that is wrong
        warnings += [*strangers, *counted_for_nothing]
        unsigned = [name for name, table in self.delivery.tables.items() if table.control is None]
        if unsigned:
            warnings.append(
                f"No control file vouches for {', '.join(unsigned)}: a file cut at the end of a row is not noticed."
            )
        if self.read is None:  # a database is not cut
            counted = [name for name, table in self.delivery.tables.items() if table.control and table.control.rows]
            warnings += [told for each in seen if each.name not in counted and (told := each.fewest_yet())]
        if self.terms.accept_volume:
            warnings += [f"{sentence} Accepted: {self.terms.accept_volume}" for sentence in unusual]
        else:
            refusals += [
                f"{sentence} Have it delivered again, or accept it with --accept-volume REASON." for sentence in unusual
            ]
        if refusals:
            raise DeliveryRefused.whole(refusals, fault_lines(checked.set_aside()))
        for report in reports:
            report.check_adds_up()
        told = f"{self.delivery.content_id} {self.terms.backfill} {self.terms.settings()}"
        return IngestReport(
            ingest_id=hashlib.sha256(told.encode()).hexdigest(),
            number=len(before.records) + 1,
            already=False,
            dry_run=self.terms.dry_run,
            backfill=self.terms.backfill,
            accepted_volume=self.terms.accept_volume,
            tables=reports,
            warnings=warnings,
            versions=before.versions,
            files=dict(self.delivery.sha256),
            faults=fault_lines(checked.set_aside()),
            read=self.read.text if self.read else "",
            accepted_gap=accepted(missing, self.terms.accept_gap),
        )

    def _new_days(self, reports: Sequence[TableReport], checked: _Checked, state: State) -> dict[str, NewDays]:
        """Feeds that reach further than before. History, and a table whose sender vouches that it holds no row, are
        judged by nobody's days.
        """
        if self.terms.backfill or self.terms.by_hand:
            return {}
        found = {}
        for report in reports:
            reach = self._reach(report.name, state)
            control, taken = self.delivery.tables[report.name].control, checked.taken[report.name]
            vouched_empty = control is not None and control.rows == 0
            if reach is not None and report.complete_through is not None and not vouched_empty:
                days = reach, report.complete_through, report.accepted
                found[report.name] = NewDays(*days, taken.by_day, taken.stored_by_day)
        return found

    def _reach(self, name: str, state: State) -> int | None:
        """The last day of a table that was all there before, of the books that its control file speaks for; None where
        none was.
        """
        days, books = state.complete_through.get(name, {}), self.delivery.tables[name].books
        return max((day for book, day in days.items() if books is None or book in books), default=None)

    def _record(self, report: IngestReport, state: State, checked: _Checked) -> Delivered:
        return Delivered(
            ingest_id=report.ingest_id,
            number=report.number,
            content_id=self.delivery.content_id,
            settings=self.terms.settings(),
            backfill=report.backfill,
            accepted_volume=report.accepted_volume,
            accepted_gap=report.accepted_gap,
            files=report.files,
            tables=[asdict(table) for table in report.tables],
            warnings=report.warnings,
            rule_version=RULE_VERSION,
            loaded_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            state=state,
            marks=self.read.marks(checked.set_aside()) if self.read else {},
        )

    # Reading files

    def _check_required(self, held: set[str]) -> None:
        present = held | set(self.delivery.tables)
        if "accounts" not in present:
            raise DeliveryMissing.accounts()
        if not present & {"charges", "balances"}:
            raise DeliveryMissing.debts()

    def _load(self, name: str) -> list[str]:
        """raw_NAME: every row of every file of a table as text, with file_no and rid, its number among them. Parquet
        files alone are read where they lie, others into a table. What is wrong with files comes back as sentences.
        """
        table = self.delivery.tables[name]
        in_place = all(part.is_parquet for part in table.parts)
        columns = ", ".join(f"{quoted(column)} VARCHAR" for column in table.columns)
        self.engine.run(f"CREATE TABLE cells_{name} (file_no INTEGER, {columns})")
        faults: list[str] = []
        views = [f"SELECT rowid AS rid, * FROM cells_{name}"]
        self.starts[name] = [0]
        for number, part in enumerate(table.parts):
            rows = 0
            with self.engine.reading(part.name, faults):
                scan, wrong = self._scan(name, number, part, in_place)
                faults += [f"{shown(part.name)}: {sentence}" for sentence in wrong]
                if not wrong and in_place:
                    rows = self.engine.count(scan)
                    numbers = f"{self.starts[name][-1]} + row_no AS rid, {number} AS file_no"
                    views.append(f"SELECT {numbers}, * EXCLUDE (row_no) FROM {scan}")
                elif not wrong:
                    self.engine.run(f"INSERT INTO cells_{name} BY NAME SELECT {number} AS file_no, * FROM {scan}")
            self.starts[name].append(self.starts[name][-1] + rows if in_place else self.engine.count(f"cells_{name}"))
        self.engine.run(f"CREATE VIEW raw_{name} AS {' UNION ALL BY NAME '.join(views)}")
        return faults or self._count_faults(name)

    def _damaged(self, name: str) -> list[str]:
        """Sentences about the Parquet files of a table that cannot be read to their end."""
        faults: list[str] = []
        for number, part in enumerate(self.delivery.tables[name].parts):
            with self.engine.reading(part.name, faults):
                scan, _ = self._scan(name, number, part, in_place=False)
                self.engine.rows(f"SELECT max(COLUMNS(*)) FROM {scan}")  # of every page, and nothing is kept
        return faults

    def _scan(self, name: str, number: int, part: Part, in_place: bool) -> tuple[str, list[str]]:
        """SQL of its rows as text, with row_no where they are read in place; and what is wrong with its columns."""
        # A link of our own making: no file name reaches the engine, so none is read as a pattern.
        ending = ".parquet" if part.is_parquet else ".csv.gz" if part.name.endswith(".gz") else ".csv"
        link = self.staging / f"{name}-{number}{ending}"
        if not link.exists():
            link.symlink_to(part.place.resolve())
        if not part.is_parquet:
            return csv_scan(part, str(link)), []
        scan = parquet_scan(str(link))
        columns = [(column, native) for column, native, *_ in self.engine.rows(f"DESCRIBE SELECT * FROM {scan}")]
        cells, wrong = as_text(columns, {column.name: column.kind for column in DELIVERED[name].columns})
        numbered = ", file_row_number AS row_no" if in_place else ""
        return f"(SELECT {cells}{numbered} FROM {scan})", wrong

    def _count_faults(self, name: str) -> list[str]:
        rows, control = self.engine.count(f"raw_{name}"), self.delivery.tables[name].control
        vouched = None if control is None else control.rows
        if vouched is not None and vouched != rows:
            return [
                f"Table {name!r} has {rows:,} rows, its control file says {vouched:,}. Have it delivered again, whole."
            ]
        if vouched is None and rows == 0:
            return [
                (
                    f"Table {name!r} holds no rows. Have it delivered again; "
                    f'if that is right, {name}.control.json must say {{"rows": 0}}.'
                )
            ]
        return []

    def _check_unchanged(self) -> None:
        """What was hashed is what was read."""
        changed = [part.name for part in self.delivery.parts if Part.stamp_of(part.place) != part.stamp]
        if changed:
            raise DeliveryRefused.changed(changed)

    # Portfolios and accounts

    def _open_books(self, state: State) -> dict[str, str]:
        """Tables books, offsets and known_accounts; portfolio -> the zone of its days."""
        params = self.terms.params
        found = (
            "SELECT DISTINCT nullif(trim(portfolio), '') FROM raw_accounts"
            if "accounts" in self.delivery.tables
            else "SELECT NULL"
        )
        names = sorted({name for (name,) in self.engine.rows(found) if name is not None} | set(state.zones))
        zones = {name: params.portfolio(name).time_zone for name in names}
        moved = sorted(name for name, zone in state.zones.items() if zones[name] != zone)
        if moved:
            raise SettingRefused.zones_moved(moved)
        self._hand_over_books(zones)
        stored = self.store is not None and bool(self.store.data_files("accounts"))
        if stored:
            # pyrefly: ignore[bad-argument-type]
            view_stored(self.engine, self.store, "accounts")
        if "accounts" not in self.delivery.tables:
            know_accounts(self.engine, stored, new=False)
        return zones

    def _hand_over_books(self, zones: Mapping[str, str]) -> None:
        params, names, distinct = self.terms.params, list(zones), sorted(set(zones.values()))
        lags = {
            # pyrefly: ignore[no-matching-overload]
            f"lag_{table}": [params.portfolio(name).lag_days.get(table, 0) * self.terms.backfill for name in names]
            for table in DELIVERED
        }
        columns = {
            "portfolio": pa.array(names, pa.string()),
            "zone_no": pa.array([distinct.index(zones[name]) for name in names], pa.int32()),
            "zone_declared": pa.array([name in params.portfolios for name in names], pa.bool_()),
            **{name: pa.array(days, pa.int64()) for name, days in lags.items()},
        }
        self.engine.hand_over("books", pa.table(columns))
        self.engine.hand_over("offsets", offsets(distinct))

    def _intake_of(self, name: str, bad: Mapping[str, str], dropped: Dropped | None, reach: int | None) -> TableIntake:
        return TableIntake(
            engine=self.engine,
            table=self.delivery.tables[name],
            starts=self.starts[name],
            store=self.store,
            shards=self.store.shards if self.store else self.terms.params.store.shards,
            staging=self.staging,
            limits=self.terms.params.ingest,
            backfill=self.terms.backfill,
            spread=self._spread(),
            bad_accounts=bad,
            reach=reach,
            knows_charges=self._knows_charges(name),
            dropped=dropped,
        )

    def _spread(self) -> Engine:
        """Who writes: a dry run's staging lies where other machines do not look."""
        chosen = self.terms.params.engine
        return chosen.model_copy(update={"spark": None}) if self.terms.dry_run else chosen

    def _knows_charges(self, name: str) -> bool:
        """Whether the delivery's payments name charges. Those of the store are then told before the payments come."""
        payments = self.delivery.tables.get("payments")
        if payments is None or "charge_id" not in payments.columns:
            return False
        if name == "payments" and self.store is not None and self.store.data_files("charges"):
            if "charges" not in self.delivery.tables:
                view_stored(self.engine, self.store, "charges")
            know_charges(self.engine, "stored_charges")
        elif name == "payments":
            know_charges(self.engine, "(SELECT NULL AS account_no, NULL AS charge_id LIMIT 0)")
        return True

    def _quarantine(self, rows: Sequence[SetAside], ingest_id: str) -> dict[str, list[DataFile]]:
        """One file of the rows set aside; a row that lies in the quarantine already, for the same reasons,
        is not added again.
        """
        # pyrefly: ignore[missing-attribute]
        held = self.store.read("quarantine")
        known = set(zip(held["table"], held["codes"], held["raw"], strict=True)) if len(held) else set()
        new = [row for row in rows if (row.table, row.codes, row.raw) not in known]
        if not new:
            return {}
        told = [{**asdict(row), "rule_version": RULE_VERSION, "ingest_id": ingest_id} for row in new]
        writer = FileWriter(self.staging / "quarantine.parquet", None, QUARANTINE)
        writer.write(pa.Table.from_pylist(told, QUARANTINE))
        return {"quarantine": [writer.close()]}


def _already(record: Delivered, versions: Mapping[str, int], dry_run: bool, news: Sequence[str]) -> IngestReport:
    return IngestReport(
        ingest_id=record.ingest_id,
        number=record.number,
        already=True,
        dry_run=dry_run,
        backfill=record.backfill,
        accepted_volume=record.accepted_volume,
        tables=[TableReport(**table) for table in record.tables],
        warnings=list(dict.fromkeys((*news, *record.warnings))),
        versions=versions,
        files=record.files,
        accepted_gap=record.accepted_gap,
    )
