"""Reading the store: a folder of Delta tables by shard of debtor, whose data files are named after their own sha256."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from features.aliases import ALIAS_COLUMNS, AS_DELIVERED, links_of, with_aliases
from features.days import day_of_text
from features.errors import ContractError, UsageError
from features.tables import DELIVERED, NUMBERS, TABLES, InnerTables, account_number
from pipeline.store.delta import NIGHT, SHARD, DeltaTables
from pipeline.store.files import unsealed
from pipeline.store.form import dictionary_columns, for_people, in_order, instants, sort_columns, to_inner
from pipeline.store.persons import Persons, only, persons_of
from pipeline.store.record import Delivered, read_records
from pipeline.store.refusals import NoStore, NotStored

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2
CARD, PENDING = "store.json", "pending.json"


class Store:
    """A folder of Delta tables, to read. Opening reads one small file; tables are opened when asked for.

    pinned: versions of tables; the store is then read as it stood with them, whatever came in since, and tables that
    are not among them are not there.
    """

    def __init__(self, path: Path, pinned: Mapping[str, int] | None = None) -> None:
        self.path = Path(path)
        self.pinned = None if pinned is None else dict(pinned)
        self.shards = _shards_of(self.path)
        self.delta = DeltaTables(self.path)
        self._newest: dict[tuple[tuple[str, int], ...], Delivered] = {}

    def __reduce__(self):
        return Store, (self.path, self.pinned)

    # What the store holds

    def deliveries(self) -> list[Delivered]:
        """The records of all deliveries, oldest first."""
        return read_records(self.path, ends=not self.is_cut_off())

    def is_cut_off(self) -> bool:
        """Whether a delivery was begun and has not ended; `recover` of the commit room ends it."""
        return (self.path / PENDING).exists()

    def newest(self, versions: Mapping[str, int] | None = None) -> Delivered:
        """The newest delivery, or the newest one that the pinned versions contain."""
        versions = self.pinned if versions is None else versions
        if versions is None and self.is_cut_off():
            raise NotStored.cut_off(str(self.path))
        asked = None if versions is None else tuple(sorted(versions.items()))
        if asked in self._newest:  # whatever comes in, it is in no version that is pinned already
            return self._newest[asked]
        for record in reversed(self.deliveries()):
            if versions is None or all(versions.get(name, -1) >= version for name, version in record.versions.items()):
                if asked is not None:
                    self._newest[asked] = record
                return record
        raise NotStored.delivery(str(self.path))

    def versions(self) -> dict[str, int]:
        """The newest version of every table; of the delivered ones,
        as they stood together after the last whole delivery.
        """
        if self.pinned is not None:
            return dict(self.pinned)
        delivered = self.newest().versions
        return {**delivered, **{name: self.delta.version(name) for name in self.delta.names() if name not in DELIVERED}}

    def complete_through(self, versions: Mapping[str, int] | None = None) -> dict[str, int]:
        """Table -> the last day (days since 1970) whose rows are all there."""
        return self.newest(versions).state.newest()

    def complete_by_portfolio(self, versions: Mapping[str, int] | None = None) -> Mapping[str, Mapping[str, int]]:
        """Table -> portfolio -> the last day whose rows are all there."""
        return self.newest(versions).state.complete_through

    def declared_through(self, versions: Mapping[str, int] | None = None) -> Mapping[str, Mapping[str, int]]:
        """Table -> portfolio -> the last complete day that a control file vouched for."""
        return self.newest(versions).state.declared_through

    def portfolios(self, versions: Mapping[str, int] | None = None) -> list[str]:
        return sorted(self.zones(versions))

    def currencies(self, versions: Mapping[str, int] | None = None) -> list[str]:
        return sorted(self.newest(versions).state.currencies)

    def zones(self, versions: Mapping[str, int] | None = None) -> Mapping[str, str]:
        """Portfolio -> the time zone in which its local days were computed."""
        return self.newest(versions).state.zones

    def span(self, name: str, versions: Mapping[str, int] | None = None) -> tuple[int, int]:
        """First and last day a row of the table sits on (occurred_on, due_on, taken_on, from_on, opened_on)."""
        spans = self.newest(versions).state.spans
        if name not in spans:
            raise NotStored.rows(name)
        return spans[name]

    def first_day(self, names: Sequence[str]) -> int | None:
        """First day a row of any of these tables sits on; None where they hold no row."""
        spans = self.newest().state.spans
        return min((spans[name][0] for name in names if name in spans), default=None)

    def shard_of_account(self, account_id: str, versions: Mapping[str, int] | None = None) -> int:
        number = int(account_number([account_id])[0])
        for shard in range(self.shards):
            found = self.tables(shard, ["accounts"], {"accounts": ["account_no"]}, versions)
            if (found["accounts"]["account_no"].to_numpy() == number).any():
                return shard
        raise NotStored.account(account_id)

    # Reading

    def tables(
        self,
        shard: int | Sequence[int] | None = None,
        names: Iterable[str] | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
        versions: Mapping[str, int] | None = None,
        accounts: np.ndarray | None = None,
    ) -> InnerTables:
        """The delivered tables of whole shards in the inner form (features.tables), rows in their stable total order.

        Debtors that were found to be one lie in one shard, and their accounts say from when on, and in AS_DELIVERED
        with whom they came (features.aliases). Placements stand among the statuses as well (features.agreements),
        unless the same status of the same day was delivered.
        shard: one, several, or None for all. names: which tables (those not delivered are left out). columns: table ->
        columns to read; tables not named there are read whole, without account_id of the events. versions: from
        `versions()`; None: the newest. accounts: the rows of these account numbers alone, left out before anything is
        made of the others. Raises ContractError where a file of the store is damaged or gone.
        """
        pinned = (self.pinned or self.newest().versions) if versions is None else versions
        shards = [shard] if isinstance(shard, int) else range(self.shards) if shard is None else list(shard)
        asked = set(TABLES if names is None else names)
        if asked - set(TABLES):
            raise UsageError.unknown_keys("The tables asked of the store", asked - set(TABLES), TABLES)
        wanted = [name for name in TABLES if name in pinned and name in asked]
        persons = self.persons(pinned)
        whose = persons, accounts
        found = {name: self._read(name, shards, (columns or {}).get(name), pinned[name], *whose) for name in wanted}
        if "statuses" in found and "placements" in pinned:
            from features.agreements import OF_PLACEMENTS, STATUS_KEY, with_placed  # compiled loops: not for a proof

            asked_of = (columns or {}).get("statuses")
            names = list(found["statuses"].columns)
            besides = [*OF_PLACEMENTS, *({"account_id"} & set(names))]
            told = self._read("placements", shards, besides, pinned["placements"], *whose)
            whole = found["statuses"]
            if lacking := [name for name in STATUS_KEY if name not in names]:
                whole = self._read("statuses", shards, [*names, *lacking], pinned["statuses"], *whose)
            names += [name for name in ("charge_no",) if name not in names and (asked_of is None or name in asked_of)]
            found["statuses"] = in_order("statuses", with_placed(whole, told))[names]
        return InnerTables(found)

    def persons(self, versions: Mapping[str, int] | None = None) -> Persons | None:
        """Which debtors are one person, and where their accounts are read; None where no table of debtors came in."""
        pinned = self.newest().versions if versions is None else versions
        if "debtors" not in pinned:
            return None
        held = tuple((name, pinned[name], self._held(name, pinned[name])) for name in ("debtors", "accounts"))
        return _persons(self.path, held)

    def _held(self, name: str, version: int) -> tuple[str, ...]:
        """What the files of a version hold, by their sha256."""
        return tuple(place.stem for places in self.delta.files(name, version).values() for place in places)

    def _read(
        self,
        name: str,
        shards: Collection[int],
        columns: Sequence[str] | None,
        version: int,
        persons: Persons | None = None,
        accounts: np.ndarray | None = None,
    ) -> pd.DataFrame:
        known = self.delta.schema(name, version)
        if columns is None:
            left_out = {"shard"} if name == "accounts" else {"shard", "account_id"}
            columns = [column for column in known.names if column not in left_out]
        asked, columns = columns, [column for column in columns if column in known.names]
        unknown = sorted(set(asked) - set(known.names) - TABLES[name].later)
        if unknown:
            raise UsageError.unknown_keys(f"The columns asked of table {name!r}", unknown, known.names)
        files = self.delta.files(name, version)
        coming = persons.coming(shards) if persons is not None else {}
        leaving = {each: persons.leaving(each, shards) for each in shards} if persons is not None else {}
        several = bool(coming) or sum(len(files.get(str(each), [])) for each in shards) > 1
        names_debtors = persons is not None and name == "accounts" and "debtor_id" in columns
        needed = {*(sort_columns(name) if several or names_debtors else []), *(["known_on"] if names_debtors else [])}
        needed |= {"account_no"} if accounts is not None or any(own.size for own in leaving.values()) else set()
        besides = sorted(needed - set(columns))
        schema = self._schema(name, version, [*columns, *besides])
        parts = []
        for each in shards:
            own = [self.delta.read(place, schema) for place in files.get(str(each), [])]
            gone = leaving.get(each)
            parts += own if gone is None or not gone.size else [only(rows, gone, among=False) for rows in own]
        for home, numbers in coming.items():
            moved = _moved_rows(self.path, name, version, self._held(name, version), tuple(schema.names), persons)
            parts.append(only(moved[home], numbers))
        if accounts is not None:
            parts = [only(rows, accounts) for rows in parts]
        frame = to_inner(pa.concat_tables(parts) if parts else schema.empty_table())
        if several:
            frame = in_order(name, frame)
        if names_debtors:
            frame = with_aliases(frame, persons.links)
            if persons.links and AS_DELIVERED not in frame:  # every shard has the same columns
                frame = frame.assign(**{AS_DELIVERED: frame["debtor_id"].astype("str")})
            columns = [*columns, *([AS_DELIVERED] if persons.links else [])]
        return frame[list(columns)] if besides else frame

    def _schema(self, name: str, version: int, columns: Sequence[str]) -> pa.Schema:
        known, few = self.delta.schema(name, version), set(dictionary_columns(name))
        return pa.schema(
            pa.field(column, pa.dictionary(pa.int32(), pa.string()) if column in few else known.field(column).type)
            for column in columns
        )

    def raw_rows(self, name: str, version: int, columns: Sequence[str], shard: int) -> pa.Table:
        """Columns of the rows that a shard's own files hold, whoever reads them."""
        schema = self._schema(name, version, columns)
        parts = [self.delta.read(place, schema) for place in self.delta.files(name, version).get(str(shard), [])]
        return pa.concat_tables(parts) if parts else schema.empty_table()

    def frame(self, name: str, shard: int | Sequence[int] | None = None) -> pd.DataFrame:
        """A table for people: account_id, dates, UTC timestamps, money in decimal units of `currency`; for notebooks,
        not for nights.
        """
        if name not in DELIVERED:
            return self.read(name)
        version = self.newest().versions.get(name)
        if version is None:
            raise NotStored.table(name)
        if name == "debtors":
            aliases = to_inner(self.raw_rows(name, version, ALIAS_COLUMNS, 0))
            return aliases.assign(known_at=instants(aliases["known_at"])).drop(columns="known_on")
        columns = {
            name: [
                column for column in self.delta.schema(name, version).names if column not in (SHARD, *NUMBERS.values())
            ]
        }
        accounts = self.tables(shard, ["accounts"], {"accounts": ["account_no", "currency"]})["accounts"]
        return for_people(name, self.tables(shard, [name], columns)[name], accounts)

    def read(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        before: int | None = None,
        versions: Mapping[str, int] | None = None,
    ) -> pd.DataFrame:
        """Rows of a table that nights write (scores, assignments) or of the quarantine; only nights in [since, before).

        as_of is int32 days. A table never written, or not in `versions`, is an empty frame without columns.
        """
        import pandas as pd

        versions = self.pinned if versions is None else versions
        if name not in self.delta.names() or (versions is not None and name not in versions):
            return pd.DataFrame()
        version = None if versions is None else versions[name]
        schema = self.delta.schema(name, version)
        wanted = schema.names if columns is None else list(columns)
        # written before the column was known
        if missing := [column for column in wanted if column not in schema.names]:
            raise ContractError.missing_columns(name, missing, schema.names)
        inside = pa.schema([schema.field(column) for column in wanted if column != NIGHT])
        parts = []
        for partition, places in sorted(self.delta.files(name, version).items(), key=str):
            night = None if partition is None else day_of_text(partition)
            if night is not None and (
                (since is not None and night < since) or (before is not None and night >= before)
            ):
                continue
            for place in places:
                rows = self.delta.read(place, inside)
                if night is not None and NIGHT in wanted:
                    rows = rows.append_column(NIGHT, pa.array([night], pa.int32()).take(pa.array([0] * rows.num_rows)))
                parts.append(rows.select(wanted))
        empty = pa.schema(
            [pa.field(NIGHT, pa.int32()) if column == NIGHT else schema.field(column) for column in wanted]
        ).empty_table()
        return pa.concat_tables(parts or [empty]).to_pandas()

    def files(self, name: str) -> dict[str | None, list[Path]]:
        """Partition value -> data files of a table; empty where it is not there."""
        if name not in self.delta.names() or (self.pinned is not None and name not in self.pinned):
            return {}
        return self.delta.files(name, None if self.pinned is None else self.pinned[name])

    def rows(self) -> dict[str, int]:
        """Delivered table -> rows that it holds, versions of one thing each counted; by the tables' logs alone."""
        return {name: self.delta.rows(name, version) for name, version in self.newest().versions.items()}

    # What ingest reads

    def data_files(self, name: str) -> list[Path]:
        """The checked data files of a delivered table's newest version, for other readers."""
        places = (
            [place for each in self.delta.files(name).values() for place in each] if name in self.delta.names() else []
        )
        for place in places:
            self.delta.check_sound(place)
        return places

    def extra_columns(self, name: str, versions: Mapping[str, int] | None = None) -> dict[str, str]:
        """The sender's own columns of a stored table -> 'float64' or 'str'."""
        versions = self.pinned if versions is None else versions
        if name not in self.delta.names() or (versions is not None and name not in versions):
            return {}
        return {
            field.name: "float64" if pa.types.is_floating(field.type) else "str"
            for field in self.delta.schema(name, None if versions is None else versions[name])
            if field.name.startswith(DELIVERED[name].extra or ("\0",))
        }


@lru_cache(maxsize=4)
def _persons(path: Path, held: tuple[tuple[str, int, tuple[str, ...]], ...]) -> Persons:
    """held: table, version and what its files hold, of debtors and of accounts."""
    store, ((_, debtors, _), (_, accounts, _)) = Store(path), held
    links = links_of(to_inner(store.raw_rows("debtors", debtors, ALIAS_COLUMNS, 0)))
    columns = ("account_no", "debtor_id")
    return persons_of(links, store.shards, lambda home: store.raw_rows("accounts", accounts, columns, home))


@lru_cache(maxsize=16)
def _moved_rows(
    path: Path, name: str, version: int, _held: tuple[str, ...], columns: tuple[str, ...], persons: Persons
) -> dict[int, pa.Table]:
    """Shard -> the rows of its files that are read in other shards: each file is read once for all of these."""
    store = Store(path)
    return {
        home: only(store.raw_rows(name, version, columns, home), persons.leaving(home, ()))
        for home in sorted({home for home, _ in persons.moves})
    }


def _shards_of(path: Path) -> int:
    """The number that store.json gives. NotStored or NoStore where the folder is none that this version reads."""
    if not path.exists():
        raise NotStored.store(str(path))
    if not (path / CARD).exists():
        raise NoStore.card(str(path))
    found = unsealed(path / CARD)
    if found.get("format") != FORMAT:
        raise NoStore.of_format(str(path), found.get("format"), FORMAT)
    return found["shards"]
