"""Bring a delivery into the store: read as text, check every cell, set faulty rows aside, add up, commit whole or not at all."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from features.currencies import DECIMALS
from features.errors import CannotWrite, ContractError, InputMissing, RecoupError, UsageError, some
from features.tables import TABLES
from pipeline.intake.acceptance import declared_days, far_refusals, feed_days, state_after, volume_refusals
from pipeline.intake.casting import literal, quoted
from pipeline.intake.clocks import offsets
from pipeline.intake.delivery import Delivery, Part, find, shown
from pipeline.intake.files import as_text, csv_scan, parquet_scan, unreadable
from pipeline.intake.quarantine import RULE_VERSION
from pipeline.intake.report import IngestReport, TableReport
from pipeline.intake.table import TableIntake, know_accounts, view_stored
from pipeline.params import Params
from pipeline.store.files import DataFile, FileWriter
from pipeline.store.store import QUARANTINE, Store

THREADS = 2  # fixed: memory depends on it, results do not


def ingest(
    source: Path,
    store_path: Path,
    params: Params,
    *,
    backfill: bool = False,
    dry_run: bool = False,
    accept_volume: str | None = None,
) -> IngestReport:
    """Validate, quarantine, reconcile and append the delivery in `source`; the same delivery again changes nothing.

    backfill: history loaded once; an empty known_at becomes the time of the row plus lag_days of the params. dry_run: everything but
    writes. accept_volume: why an unusual volume is right; recorded. Raises ContractError (65) with every refusal of every table at once,
    InputMissing (66), UsageError (2), LockHeld (75), CannotWrite (74).
    """
    delivery = find(Path(source))
    if dry_run:
        store = Store(store_path) if (Path(store_path) / "store.json").exists() else None
        with tempfile.TemporaryDirectory(prefix="recoup-") as staging:
            return _Intake(delivery, store, Path(staging), params, backfill, True, accept_volume).run()
    store = Store.create(Path(store_path), params.store.shards)
    try:
        with store.lock():
            store.recover()
            store.compact()
            with store.staged() as staging:
                return _Intake(delivery, store, staging, params, backfill, False, accept_volume).run()
    except OSError as error:
        raise CannotWrite.writing(f"Store {str(store.path)!r}", error) from None


@dataclass
class _Intake:
    """One delivery on its way in; `run` reads like the list of its steps."""

    delivery: Delivery
    store: Store | None
    staging: Path
    params: Params
    backfill: bool
    dry_run: bool
    accept_volume: str | None
    starts: dict[str, list[int]] = field(default_factory=dict)  # table -> first rowid of each of its files

    def run(self) -> IngestReport:
        earlier = self.store.deliveries() if self.store else []
        settings = _settings(self.params)
        for record in earlier:
            if (record["content_id"], record["backfill"], record["settings"]) == (self.delivery.content_id, self.backfill, settings):
                return _already(record, earlier[-1]["versions"], self.dry_run)
        state = earlier[-1]["state"] if earlier else {}
        self._check_required(set(earlier[-1]["versions"]) if earlier else set())
        with closing(duckdb.connect()) as self.connection, self._own_sentences():
            self._set_up()
            unreadable_files, taken, zones = [], {}, {}
            for name in self.delivery.tables:  # accounts come first: the others need them
                unreadable_files += self._load(name)
                if not unreadable_files:
                    zones = zones or self._open_books(state)
                    taken[name] = self._intake_of(name).take()
                self.connection.execute(f"DROP TABLE raw_{name}")
            self._check_unchanged()
            if unreadable_files:
                raise _refused([*unreadable_files, *(sentence for each in taken.values() for sentence in each.refusals)])
            currencies = [code for (code,) in self._rows("SELECT DISTINCT currency FROM known_accounts")]
        return self._conclude(earlier, state, taken, zones, currencies, settings)

    def _conclude(self, earlier, state, taken, zones, currencies, settings) -> IngestReport:
        """Accept or refuse the delivery as a whole; accepted, it is committed."""
        newest = {name: each.newest for name, each in taken.items()}
        days = feed_days(newest, self.delivery, state)
        reports = [replace(each.report, complete_through=max(days[name].values(), default=None)) for name, each in taken.items()]
        unusual = volume_refusals(reports, earlier, self.params.ingest)
        refusals = [sentence for each in taken.values() for sentence in each.refusals]
        refusals += far_refusals({name: table.control for name, table in self.delivery.tables.items()}, newest, state)
        warnings = [sentence for each in taken.values() for sentence in each.warnings]
        unsigned = [name for name, table in self.delivery.tables.items() if table.control is None]
        if unsigned:
            warnings.append(f"No control file vouches for {', '.join(unsigned)}: a file cut at the end of a row is not noticed.")
        if self.accept_volume:
            warnings += [f"{sentence} Accepted: {self.accept_volume}" for sentence in unusual]
        else:
            refusals += [f"{sentence} Have it delivered again, or accept it with --accept-volume REASON." for sentence in unusual]
        if refusals:
            raise _refused(refusals)
        for report in reports:
            report.check_adds_up()
        ingest_id = hashlib.sha256(f"{self.delivery.content_id} {self.backfill} {settings}".encode()).hexdigest()
        report = IngestReport(
            ingest_id=ingest_id,
            number=len(earlier) + 1,
            already=False,
            dry_run=self.dry_run,
            backfill=self.backfill,
            accepted_volume=self.accept_volume,
            tables=reports,
            warnings=warnings,
            versions=earlier[-1]["versions"] if earlier else {},
            files=dict(self.delivery.sha256),
        )
        if self.dry_run:
            return report
        spans = {name: each.span for name, each in taken.items() if each.span is not None}
        record = {
            **{key: value for key, value in asdict(report).items() if key not in ("already", "dry_run", "versions")},
            "content_id": self.delivery.content_id,
            "settings": settings,
            "rule_version": RULE_VERSION,
            "state": state_after(state, days, declared_days(days, self.delivery), spans, zones, currencies),
            "loaded_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),  # for people: nothing is computed from it
        }
        files = {name: each.files for name, each in taken.items()}
        files |= self._quarantine([row for each in taken.values() for row in each.set_aside], ingest_id)
        versions = self.store.commit(files, {name: each.extras for name, each in taken.items()}, record)
        return replace(report, versions=versions)

    # The engine

    def _set_up(self) -> None:
        parts = [part for table in self.delivery.tables.values() for part in table.parts]
        folders = {str(self.staging.resolve()), *(str(part.place.resolve().parent) for part in parts)}
        folders |= {str(self.store.path.resolve())} if self.store else set()
        switched_off = ("autoinstall_known_extensions", "autoload_known_extensions", "allow_community_extensions", "enable_progress_bar")
        for setting in (
            *(f"{name} = false" for name in switched_off),
            f"threads = {THREADS}",
            "TimeZone = 'UTC'",
            "preserve_insertion_order = true",
            f"memory_limit = {literal(self.params.engine.memory_limit)}",
            f"temp_directory = {literal(str(self.staging / 'spill'))}",
            f"allowed_directories = [{', '.join(map(literal, sorted(folders)))}]",
            "enable_external_access = false",
        ):
            self.connection.execute(f"SET {setting}")
        self._table_from("currencies", pa.table({"code": list(DECIMALS), "decimals": list(DECIMALS.values())}))

    @contextmanager
    def _own_sentences(self) -> Iterator[None]:
        """The engine's own messages hold cells: none of them leaves this room."""
        limit = self.params.engine.memory_limit
        try:
            yield
        except duckdb.OutOfMemoryException:
            raise UsageError(f"The delivery needs more than engine.memory_limit {limit!r} of the params. Raise it.") from None
        except duckdb.ParserException:  # no statement of ours is malformed but for this value
            raise UsageError(f"engine.memory_limit of the params must be a number with a unit such as 4GB. Got {limit!r}.") from None
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except duckdb.IOException as error:
            if "space" in str(error):
                raise CannotWrite("The disk has no room to check the delivery. Make room, then run again; nothing was changed.") from None
            raise ContractError("A file cannot be read while checking. Nothing was changed; see that it is there and readable.") from None
        except duckdb.Error as error:
            raise RecoupError(f"The delivery could not be checked ({type(error).__name__}). Nothing was changed; report this.") from None

    def _rows(self, sql: str) -> list[tuple]:
        return self.connection.execute(sql).fetchall()

    def _table_from(self, name: str, rows: pa.Table) -> None:
        self.connection.register("handed_over", rows)
        self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM handed_over")
        self.connection.unregister("handed_over")

    # Reading files

    def _check_required(self, held: set[str]) -> None:
        present = held | set(self.delivery.tables)
        if "accounts" not in present:
            raise InputMissing("The delivery lacks table 'accounts', and the store has none. Deliver it.")
        if not present & {"charges", "balances"}:
            raise InputMissing("The delivery lacks tables 'charges' and 'balances', and the store has neither. Deliver one of them.")

    def _load(self, name: str) -> list[str]:
        """Read every file of a table as text into raw_NAME; what is wrong with files comes back as sentences."""
        table = self.delivery.tables[name]
        columns = ", ".join(f"{quoted(column)} VARCHAR" for column in table.columns)
        self.connection.execute(f"CREATE TABLE raw_{name} (file_no INTEGER, {columns})")
        faults, self.starts[name] = [], []
        for number, part in enumerate(table.parts):
            self.starts[name].append(self._count(f"raw_{name}"))
            try:
                scan, wrong = self._scan(name, number, part)
                faults += [f"{shown(part.name)}: {sentence}" for sentence in wrong]
                if not wrong:
                    self.connection.execute(f"INSERT INTO raw_{name} BY NAME SELECT {number} AS file_no, * FROM {scan}")
            except duckdb.OutOfMemoryException:
                raise
            except duckdb.Error as error:
                faults.append(f"{shown(part.name)} {unreadable(str(error))}")
        return faults or self._count_faults(name)

    def _scan(self, name: str, number: int, part: Part) -> tuple[str, list[str]]:
        # A link of our own making: no file name reaches the engine, so none is read as a pattern.
        ending = ".parquet" if part.is_parquet else ".csv.gz" if part.name.endswith(".gz") else ".csv"
        link = self.staging / f"{name}-{number}{ending}"
        link.symlink_to(part.place.resolve())
        if not part.is_parquet:
            return csv_scan(part, str(link)), []
        scan = parquet_scan(str(link))
        columns = [(column, native) for column, native, *_ in self._rows(f"DESCRIBE SELECT * FROM {scan}")]
        cells, wrong = as_text(columns, {column.name: column.kind for column in TABLES[name].columns})
        return f"(SELECT {cells} FROM {scan})", wrong

    def _count(self, table: str) -> int:
        return self._rows(f"SELECT count(*) FROM {table}")[0][0]

    def _count_faults(self, name: str) -> list[str]:
        rows, control = self._count(f"raw_{name}"), self.delivery.tables[name].control
        vouched = None if control is None else control.rows
        if vouched is not None and vouched != rows:
            return [f"Table {name!r} has {rows:,} rows, its control file says {vouched:,}. Have it delivered again, whole."]
        if vouched is None and rows == 0:
            return [f'Table {name!r} holds no rows. Have it delivered again; if that is right, {name}.control.json must say {{"rows": 0}}.']
        return []

    def _check_unchanged(self) -> None:
        """What was hashed is what was read."""
        parts = [part for table in self.delivery.tables.values() for part in table.parts]
        changed = [shown(part.name) for part in parts if Part.stamp_of(part.place) != part.stamp]
        if changed:
            raise ContractError(f"{some(changed)} changed while being read. Run again when the delivery is complete.")

    # Portfolios and accounts

    def _open_books(self, state: Mapping) -> dict[str, str]:
        """Tables books, offsets and known_accounts; portfolio -> the zone of its days."""
        found = "SELECT DISTINCT nullif(trim(portfolio), '') FROM raw_accounts" if "accounts" in self.delivery.tables else "SELECT NULL"
        names = sorted({name for (name,) in self._rows(found) if name is not None} | set(state.get("zones", {})))
        zones = {name: self.params.portfolio(name).time_zone for name in names}
        moved = sorted(name for name, zone in state.get("zones", {}).items() if zones[name] != zone)
        if moved:
            raise UsageError(
                f"The params change time_zone of {', '.join(map(shown, moved[:5]))}, but the store's days are those of the earlier zone. "
                "Set it back, or ingest into a new store."
            )
        distinct = sorted(set(zones.values()))
        lags = {f"lag_{table}": [self.params.portfolio(name).lag_days.get(table, 0) * self.backfill for name in names] for table in TABLES}
        columns = {
            "portfolio": pa.array(names, pa.string()),
            "zone_no": pa.array([distinct.index(zones[name]) for name in names], pa.int32()),
            "zone_declared": pa.array([name in self.params.portfolios for name in names], pa.bool_()),
            **{name: pa.array(days, pa.int64()) for name, days in lags.items()},
        }
        self._table_from("books", pa.table(columns))
        self._table_from("offsets", offsets(distinct))
        stored = self.store is not None and bool(self.store.data_files("accounts"))
        if stored:
            view_stored(self.connection, self.store, "accounts")
        if "accounts" not in self.delivery.tables:
            know_accounts(self.connection, stored, new=False)
        return zones

    def _intake_of(self, name: str) -> TableIntake:
        return TableIntake(
            connection=self.connection,
            table=self.delivery.tables[name],
            starts=self.starts[name],
            store=self.store,
            shards=self.store.shards if self.store else self.params.store.shards,
            staging=self.staging,
            limits=self.params.ingest,
            backfill=self.backfill,
        )

    def _quarantine(self, rows: Sequence[Mapping], ingest_id: str) -> dict[str, list[DataFile]]:
        """One file of the rows set aside; a row that lies in the quarantine already, for the same reasons, is not added again."""
        held = self.store.read("quarantine")
        known = set(zip(held["table"], held["codes"], held["raw"], strict=True)) if len(held) else set()
        new = [row for row in rows if (row["table"], row["codes"], row["raw"]) not in known]
        if not new:
            return {}
        writer = FileWriter(self.staging / "quarantine.parquet", None, QUARANTINE)
        writer.write(pa.Table.from_pylist([{**row, "rule_version": RULE_VERSION, "ingest_id": ingest_id} for row in new], QUARANTINE))
        return {"quarantine": [writer.close()]}


def _settings(params: Params) -> str:
    """sha256 of what decides how rows are read: with other settings, the same files are looked at again."""
    portfolios = {
        name: [book.time_zone, sorted(book.lag_days.items())] for name, book in {**params.portfolios, "": params.portfolio_defaults}.items()
    }
    return hashlib.sha256(json.dumps([RULE_VERSION, portfolios, params.ingest.model_dump()], sort_keys=True).encode()).hexdigest()


def _already(record: Mapping, versions: Mapping[str, int], dry_run: bool) -> IngestReport:
    return IngestReport(
        ingest_id=record["ingest_id"],
        number=record["number"],
        already=True,
        dry_run=dry_run,
        backfill=record["backfill"],
        accepted_volume=record["accepted_volume"],
        tables=[TableReport(**table) for table in record["tables"]],
        warnings=record["warnings"],
        versions=versions,
        files=record["files"],
    )


def _refused(sentences: Sequence[str]) -> ContractError:
    return ContractError("The delivery is refused, nothing was changed. " + " ".join(sentences))
