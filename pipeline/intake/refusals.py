"""Why a delivery as a whole cannot come in, each sentence said once. What a single row lacks is a code (quarantine)."""

from __future__ import annotations

from collections.abc import Sequence

from features.errors import CannotWrite, ContractError, InputMissing, RecoupError, UsageError, some, some_ids
from features.tables import DELIVERED


def shown(name: str) -> str:
    """A file or column name fit for a message: quoted, cut, and escaped where it holds what does not print."""
    cut = name if len(name) <= 80 else name[:77] + "..."
    return repr(cut) if cut.isprintable() else ascii(cut)


class DeliveryRefused(ContractError):
    """The delivery breaks the contract."""

    @classmethod
    def unread(cls, sentences: Sequence[str]) -> DeliveryRefused:
        """Refused by what its files look like, before the store was touched."""
        return cls("\n".join(["The delivery is refused, nothing was written.", *sentences]))

    @classmethod
    def whole(cls, sentences: Sequence[str], faults: Sequence[str] = ()) -> DeliveryRefused:
        """One line for each table or file that is refused, then one for each fault that is told."""
        return cls("\n".join(["The delivery is refused, nothing was changed.", *sentences, *faults]))

    @classmethod
    def changed(cls, names: Sequence[str]) -> DeliveryRefused:
        return cls(
            f"{some([shown(name) for name in names])} changed while being read. "
            "Run again when the delivery is complete."
        )

    @classmethod
    def unreadable(cls) -> DeliveryRefused:
        return cls("A file cannot be read while checking. Nothing was changed; see that it is there and readable.")

    @classmethod
    def same_number(cls, accounts: Sequence[str]) -> DeliveryRefused:
        return cls(f"{len(accounts):,} accounts share their numbers ({some_ids(accounts)}). Rename one of each pair.")


class DeliveryMissing(InputMissing):
    """There is nothing to take in, or not enough of it."""

    @classmethod
    def folder(cls, source: str) -> DeliveryMissing:
        return cls(f"There is no source folder {source!r}. Name it with --source or paths.source.")

    @classmethod
    def tables(cls, source: str) -> DeliveryMissing:
        known = ", ".join(DELIVERED)
        return cls(f"Source folder {source!r} holds no table. Deliver {known} as CSV, CSV.gz or Parquet.")

    @classmethod
    def tables_of(cls, address: str) -> DeliveryMissing:
        return cls(
            f"{address} has no table of the contract's ({', '.join(DELIVERED)}) that its user may see. "
            "Say by queries of the params what gives each table."
        )

    @classmethod
    def accounts(cls) -> DeliveryMissing:
        return cls("The delivery lacks table 'accounts', and the store has none. Deliver it.")

    @classmethod
    def debts(cls) -> DeliveryMissing:
        return cls(
            "The delivery lacks tables 'charges' and 'balances', and the store has neither. Deliver one of them."
        )


class SettingRefused(UsageError):
    """The params do not suit the delivery or the store."""

    @classmethod
    def memory(cls, limit: str) -> SettingRefused:
        return cls(f"The delivery needs more than engine.memory_limit {limit!r} of the params. Raise it.")

    @classmethod
    def shard(cls, needed: int, shards: int, enough: int, limit: str) -> SettingRefused:
        return cls(
            f"The largest of {shards} shards needs {needed / 1e6:,.1f} MB of memory, more than engine.memory_limit "
            f"{limit!r} of the params. Set store.shards to {enough} or more, or raise the limit: the number of shards "
            "cannot change once a delivery is in."
        )

    @classmethod
    def spill(cls, limit: str) -> SettingRefused:
        return cls(
            f"The delivery needs more than engine.spill_limit {limit!r} of the disk (LIMIT_SPILL). Raise it where the "
            "delivery is as large as it should be; else have it delivered again."
        )

    @classmethod
    def memory_form(cls, memory: str, spill: str) -> SettingRefused:
        return cls(
            "engine.memory_limit and engine.spill_limit of the params must be a number with a unit such as 4GB. "
            f"Got {memory!r} and {spill!r}."
        )

    @classmethod
    def zones_moved(cls, portfolios: Sequence[str]) -> SettingRefused:
        return cls(
            f"The params change time_zone of {', '.join(map(shown, portfolios[:5]))}, but the store's days are "
            "those of the earlier zone. "
            "Set it back, or ingest into a new store."
        )


class SecretRefused(UsageError):
    """A secret lies open, or is not where it is said to be. No sentence repeats one."""

    @classmethod
    def in_the_url(cls) -> SecretRefused:
        return cls(
            "--source must not hold a password: leave it to PGPASSWORD or a password file of mode 0600, "
            "or write ${NAME} for a value of the environment."
        )

    @classmethod
    def not_set(cls, names: Sequence[str]) -> SecretRefused:
        return cls(f"--source wants {', '.join(names)} of the environment, which is not set. Set it.")

    @classmethod
    def open_file(cls, place: str) -> SecretRefused:
        return cls(f"File {place!r} holds passwords that others can read. Let its owner alone read it: chmod 600.")


class QueryRefused(UsageError):
    """A database cannot be asked like this."""

    @classmethod
    def no_driver(cls) -> QueryRefused:
        return cls("PostgreSQL needs its driver: install recoup with its extra, recoup[postgres].")

    @classmethod
    def scheme(cls, scheme: str) -> QueryRefused:
        return cls(
            f"--source begins with {shown(scheme + '://')}. What is read: postgresql://USER@HOST/DATABASE, "
            "a file of DuckDB or SQLite, a folder of files."
        )

    @classmethod
    def address(cls) -> QueryRefused:
        return cls(
            "--source is no address of a server: its host cannot be read. Write postgresql://USER@HOST/DATABASE, an "
            "IPv6 address in [ ]."
        )

    @classmethod
    def no_database(cls, place: str) -> QueryRefused:
        return cls(
            f"--source {place!r} is a file, but no database of DuckDB or SQLite. Name the folder that holds the files."
        )

    @classmethod
    def unwritten(cls, names: Sequence[str]) -> QueryRefused:
        told = ", ".join(f"queries.{name}" for name in names)
        return cls(f"{told} of the params still hold `?`: write your column or table in the place of each.")

    @classmethod
    def sql(cls, called: str, said: str) -> QueryRefused:
        return cls(f"{called} cannot be asked of the database: {ascii(said[:200])[1:-1]}. Correct it.")

    @classmethod
    def writes(cls, called: str) -> QueryRefused:
        return cls(f"{called} would write. It may only read.")

    @classmethod
    def other_files(cls, called: str) -> QueryRefused:
        return cls(f"{called} reads files beside the database, which is not allowed. Load them into it first.")

    @classmethod
    def on_a_row(cls, called: str) -> QueryRefused:
        return cls(f"{called} fails on a row, as where a cast or a division cannot be. Correct it.")

    @classmethod
    def changes(cls, called: str) -> QueryRefused:
        return cls(
            f"{called} gives other rows when it is asked again of the same snapshot. "
            "Leave out what changes by itself, such as random() or a LIMIT without an order."
        )

    @classmethod
    def control_columns(cls, known: Sequence[str]) -> QueryRefused:
        return cls(
            f"queries.control of the params must give table_name and of {', '.join(known[1:])} what it vouches for."
        )

    @classmethod
    def control_row(cls, table: str) -> QueryRefused:
        return cls(
            f"queries.control of the params: the row of {table} has a form that is not understood. A table of the "
            "contract, whole rows, complete_through as a date, currency and total together, partial true or false."
        )

    @classmethod
    def control_twice(cls, table: str) -> QueryRefused:
        return cls(
            f"queries.control of the params says two things of {table}. One row a table, or one a currency of it that "
            "agree in all but currency and total."
        )

    @classmethod
    def control_of_unread(cls, tables: Sequence[str]) -> QueryRefused:
        return cls(
            f"queries.control of the params vouches for {', '.join(tables)}, which no query gives. Add or remove it."
        )


class DatabaseAway(InputMissing):
    """A database does not answer, or no longer. Nothing of the store was changed."""

    @classmethod
    def unreached(cls, address: str, why: str) -> DatabaseAway:
        return cls(f"{address} cannot be reached: {why}. Nothing was changed; see to it and run again.")

    @classmethod
    def lost(cls, address: str, called: str) -> DatabaseAway:
        return cls(f"{address} went away while being read ({called}). Nothing was changed; run again when it is back.")

    @classmethod
    def cut_short(cls, address: str, called: str) -> DatabaseAway:
        return cls(
            f"{address} broke a query off ({called}), as where it takes longer than statement_timeout allows. "
            "Nothing was changed; allow more time."
        )

    @classmethod
    def forbidden(cls, called: str, said: str) -> DatabaseAway:
        return cls(f"{called} may not be read: {ascii(said[:200])[1:-1]}. Nothing was changed; grant SELECT on it.")


class NoRoom(CannotWrite):
    """The disk is too full to check."""

    @classmethod
    def to_check(cls) -> NoRoom:
        return cls("The disk has no room to check the delivery. Make room, then run again; nothing was changed.")


class IngestBug(RecoupError):
    """Ingest contradicts itself: nothing comes in then."""

    @classmethod
    def engine(cls, kind: str) -> IngestBug:
        return cls(f"The delivery could not be checked ({kind}). Nothing was changed; report this.")

    @classmethod
    def rows(cls, table: str, rows_in: int, rows_out: int) -> IngestBug:
        return cls(
            f"Table {table!r} does not add up: {rows_in:,} rows in, "
            f"{rows_out:,} accounted for. Nothing was written; report this."
        )

    @classmethod
    def money(cls, table: str, currency: str) -> IngestBug:
        return cls(f"Table {table!r} does not add up in {currency}. Nothing was written; report this.")

    @classmethod
    def written(cls, table: str) -> IngestBug:
        return cls(f"Table {table!r}: what was written is not what was accepted. Nothing was changed; report this.")


class BrokenFile(Exception):
    """Why a file cannot be taken, as the end of a sentence that begins with its name."""

    @classmethod
    def cut_off(cls) -> BrokenFile:
        return cls("is cut off or damaged: it does not unpack. Deliver it again.")

    @classmethod
    def unended(cls) -> BrokenFile:
        return cls("does not end with a line break, as if cut off in a row. Deliver it again, whole.")

    @classmethod
    def empty(cls) -> BrokenFile:
        return cls("is empty, it lacks even a header. Deliver it again.")

    @classmethod
    def no_text(cls, where: str = "") -> BrokenFile:
        return cls(f"is not UTF-8 text{where}. Deliver it as UTF-8.")

    @classmethod
    def header(cls, table: str, found: str) -> BrokenFile:
        return cls(f"line 1 is no header of {table} (found {found}). Remove the lines above the header.")

    @classmethod
    def parquet(cls) -> BrokenFile:
        return cls("is not a whole Parquet file. Deliver it again.")

    @classmethod
    def expands(cls, limit: int, instead: str) -> BrokenFile:
        return cls(f"(LIMIT_SIZE) unpacks to more than {limit} times its size. Deliver it {instead}.")

    @classmethod
    def described(cls, limit: int) -> BrokenFile:
        return cls(f"(LIMIT_COLUMNS) needs more than {limit:,} bytes to say what it holds. Deliver it in larger parts.")

    @classmethod
    def columns(cls, limit: int) -> BrokenFile:
        return cls(f"(LIMIT_COLUMNS) has more than {limit:,} columns. Remove those the contract does not know.")

    @classmethod
    def line(cls, limit: int, where: str = "") -> BrokenFile:
        return cls(f"(LIMIT_CELL) has a line of more than {limit:,} bytes{where}. Correct it and deliver it again.")

    @classmethod
    def cells(cls, limit: int) -> BrokenFile:
        return cls(f"(LIMIT_CELL) has cells of more than {limit:,} bytes. Correct it and deliver it again.")
