"""Forget a person: no file that the product keeps holds them any more, later deliveries leave them out, and a record
says that it was done, by whom and why, without saying who.

Each place is changed whole or not at all, in an order that ends with the accounts: cut off at any point, the same
command finds the same person and ends it.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import is_said
from features.tables import TABLES
from pipeline.keeping.person import ALIASES, Person, person_of
from pipeline.keeping.refusals import Named, Remains, Unknown
from pipeline.night.pins import clear_shelves
from pipeline.pages.publish import replace_folder, settle
from pipeline.pages.record import FORGOTTEN, MANIFEST, NIGHT, forgotten_since, names_of
from pipeline.pages.without import mentions, without
from pipeline.params import Params
from pipeline.store.champion import MODELS, approvals
from pipeline.store.commit import STAGING, recover
from pipeline.store.erasure import take_out
from pipeline.store.files import only_owner_reads, sealed, sha256_of, sync, whole_file, write_whole
from pipeline.store.forgotten import BEGUN, CLEARED, ENDED, JUDGED, MET, Forgotten, forgotten
from pipeline.store.locks import only_run
from pipeline.store.store import Store
from pipeline.training.registry import sqlite_file, tracking_uri
from pipeline.training.run_evidence import RUNS, without_rows

REPORTS, SAID = "reports", "[forgotten]"
TEXTS = (".html", ".json", ".md", ".txt", ".csv", ".yaml", ".yml", "")  # of a run or the registry: forms without a hash


@dataclass(frozen=True)
class Done:
    """What a forgetting did. places: where rows or files went -> how many; remains: where the person still stands."""

    number: int
    places: Mapping[str, int]
    searched: int
    remains: Sequence[str]
    untouched: Sequence[str]

    def text(self) -> str:
        lines = [f"Forgotten, as tombstone {self.number} of the store says; later deliveries leave the debtor out."]
        lines += [f"  {place:<40} {count:>8,} taken out" for place, count in sorted(self.places.items())]
        if not any(self.places.values()):
            lines.append("  nothing was left to take out")
        lines.append(
            f"Searched afterwards: {self.searched:,} files, of which {len(self.remains):,} still name the debtor."
        )
        lines += [f"  NOT TOUCHED {sentence}" for sentence in self.untouched]
        return "\n".join(lines)

    def check(self) -> None:
        if self.remains:
            raise Remains.places(self.remains)


def forget(
    store_path: Path, out: Path, debtor_id: str, params: Params, *, who: str, why: str, when: dt.datetime
) -> Done:
    """Take a debtor with all aliases and accounts out of store, lists, runs and registry; keep the tombstone.

    Raises UsageError where who or why says nothing or names the debtor, InputMissing where nothing is kept of the
    debtor, LockHeld while another run works there. The same again
    changes nothing, and ends what was cut off.
    """
    if not (is_said(who) and is_said(why)):
        raise Named.nobody()
    store = Store(store_path)
    with only_owner_reads(), only_run(store.path), only_run(out) if out.exists() else nullcontext():
        recover(store)
        person = person_of(store, out, debtor_id)
        record = forgotten(store.path)
        if record.number_of(debtor_id) is None and not person.accounts and not _leaves_a_trace(store, person):
            raise Unknown.debtor()
        for option, text in (("--by", who), ("--why", why)):
            if person.is_named(text) or text.strip() in person.ids:
                raise Named.in_record(option)
        return _forget(_Work(store, out, person, params), record, debtor_id, who.strip(), why.strip(), when)


def _leaves_a_trace(store: Store, person: Person) -> bool:
    """Whether rows without an account are of the debtor: set aside, or said to be somebody's alias."""
    if len(person.debtors) > 1:
        return True
    held = store.read("quarantine")
    return len(held) > 0 and any(person.of_rows(_arrow(held[["raw"]]), None).to_pylist())


def _arrow(frame: pd.DataFrame) -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(frame, preserve_index=False)


def _forget(work: _Work, record: Forgotten, debtor_id: str, who: str, why: str, when: dt.datetime) -> Done:
    record = record.with_key()
    debtors = sorted(record.hashed(one) for one in work.person.debtors)
    accounts = {record.hashed(one): currency for one, currency in sorted(work.person.accounts.items())}
    stamp = {"by": who, "why": why, "at": when.isoformat(timespec="seconds")}
    number = record.number_of(debtor_id)
    if number is None:
        record = record.record(BEGUN, debtors=debtors, accounts=dict(sorted(accounts.items())), **stamp)
        number = len(record.tombstones)
    elif accounts.keys() - record.accounts().keys() or set(debtors) - record.debtors():
        record = record.record(MET, debtors=debtors, accounts=dict(sorted(accounts.items())))
    work.record = record
    work.all_places()
    places = {place: count for place, count in work.counts.items() if count}
    searched, remains = work.search()
    if number in work.record.unended() or places:
        work.record.record(ENDED, of=number, places=dict(sorted(places.items())), remains=len(remains), **stamp)
    return Done(number, places, searched, remains, work.untouched())


@dataclass
class _Work:
    """Every place in its turn; `all_places` reads like the list of them."""

    store: Store
    out: Path
    person: Person
    params: Params
    record: Forgotten = None  # type: ignore[assignment]
    counts: Counter[str] = field(default_factory=Counter)

    def all_places(self) -> None:
        self._lists()
        self._tables(lambda name: name not in TABLES and name != ALIASES)
        self._runs()
        self._models()
        self._registry()
        shutil.rmtree(self.store.path / STAGING, ignore_errors=True)
        self._tables(lambda name: name in TABLES and name not in ("accounts", ALIASES))
        self._tables(lambda name: name == ALIASES)
        self._tables(lambda name: name == "accounts")

    # ---- the store ---------------------------------------------------------------------------------------------------

    def _tables(self, these: Any) -> None:
        for name in [name for name in self.store.delta.names() if these(name)]:
            shards = self.person.shards if name in TABLES and name != ALIASES else None
            self.counts[f"table {name}"] += take_out(self.store, name, self.person.of_rows, shards or None)

    def _runs(self) -> None:
        """Test rows that a model was judged on, and pages that name the person, which hold no hash."""
        for folder in sorted((self.store.path / RUNS).glob("[!.]*/")):
            cohort = folder / "test_cohort.parquet"
            if cohort.is_file():
                rows = pd.read_parquet(cohort, columns=["account_id", "debtor_id"]).astype("str")
                goes = rows["account_id"].isin(self.person.accounts) | rows["debtor_id"].isin(self.person.debtors)
                if goes.any():
                    without_rows(folder, goes.to_numpy(), partial(self._judged, folder.name))
                    self.counts["test rows of runs"] += int(goes.sum())
            for place in [place for place in folder.iterdir() if place.is_file() and place.suffix in TEXTS]:
                self._reworded(place, "pages of runs")

    def _judged(self, run: str, was: str, now: str) -> None:
        self.record = self.record.record(JUDGED, run=run, was=was, now=now)

    def _models(self) -> None:
        """A model that names the person in a class; one that is approved stands until another takes its place."""
        approved = approvals(self.store.path) if (self.store.path / MODELS).exists() else {}
        for folder in sorted((self.store.path / MODELS).glob("[!.]*/")):
            if folder not in approved and any(self._is_named(place) for place in folder.iterdir()):
                shutil.rmtree(folder)
                self.counts["models"] += 1

    # ---- the registry ------------------------------------------------------------------------------------------------

    def _registry(self) -> None:
        database = sqlite_file(tracking_uri(self.params))
        if database is None or not database.exists():
            return
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.create_function("reworded", 1, self._without_names, deterministic=True)
            for table, column in _text_columns(connection):
                found = connection.execute(
                    f'UPDATE "{table}" SET "{column}" = reworded("{column}") '
                    f'WHERE typeof("{column}") = \'text\' AND reworded("{column}") <> "{column}"'
                )
                self.counts["registry"] += found.rowcount
        if self.counts["registry"]:
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("VACUUM")
        for place in sorted(_files(database.parent / "mlartifacts")):
            self._reworded(place, "registry")

    def _without_names(self, text: str) -> str:
        for one in sorted(self.person.telling_ids, key=len, reverse=True):
            text = re.sub(rf"(?<![\w-]){re.escape(one)}(?![\w-])", SAID, text)
        return text

    def _reworded(self, place: Path, counted: str) -> None:
        """A text says that somebody was forgotten where it named them."""
        if not self._is_named(place):
            return
        text = place.read_text(encoding="utf-8", errors="surrogateescape")
        with whole_file(place) as draft:
            draft.write_text(self._without_names(text), encoding="utf-8", errors="surrogateescape", newline="")
        self.counts[counted] += 1

    # ---- the lists ---------------------------------------------------------------------------------------------------

    def _lists(self) -> None:
        if not self.out.exists():
            return
        settle(self.out)
        clear_shelves(self.out)
        for folder in [place for place in sorted(self.out.glob("*/")) if not place.is_symlink()]:
            if NIGHT.fullmatch(folder.name):
                self._night(folder)
            elif NIGHT.match(folder.name):  # what somebody altered, kept beside what was published since
                self._altered(folder)
            elif folder.name == REPORTS:
                for place in [place for place in sorted(_files(folder)) if self._is_named(place)]:
                    place.unlink()
                    self.counts["reports"] += 1

    def _night(self, folder: Path) -> None:
        """The whole folder is exchanged at once: rows go, the manifest stays as it was published, and a record beside
        it says what the files are since.
        """
        changed = {name: made for name in names_of(folder) if (made := self._made(folder / name)) is not None}
        if not changed:
            return
        since, lost = forgotten_since(folder), 0
        staging = self.out / f".{folder.name}.staging"
        staging.mkdir()
        for name in names_of(folder):
            if name == FORGOTTEN:
                continue
            (staging / name).parent.mkdir(mode=0o700, exist_ok=True)
            if name not in changed:
                os.link(folder / name, staging / name)
                continue
            content, rows = changed[name]
            lost += rows
            before = since.get(name, {}).get("rows_gone", 0)
            (staging / name).write_bytes(content)
            sync(staging / name)
            told = {"sha256": sha256_of(staging / name), "bytes": len(content), "rows_gone": before + rows}
            since[name] = told
        write_whole(staging / FORGOTTEN, sealed({"files": since}))
        self.record = self.record.record(CLEARED, night=folder.name, sha256=sha256_of(staging / FORGOTTEN))
        replace_folder(staging, folder)
        self.counts["published nights"] += 1
        self.counts["rows of published files"] += lost

    def _altered(self, folder: Path) -> None:
        for place in map(folder.joinpath, names_of(folder)):
            made = self._made(place)
            if made is not None:
                with whole_file(place) as draft:
                    draft.write_bytes(made[0])
            self.counts["rows of published files"] += 0 if made is None else made[1]

    def _made(self, place: Path) -> tuple[bytes, int] | None:
        """The file's new content and the rows that go; None where none does."""
        if not place.is_file() or place.name in (MANIFEST, FORGOTTEN):
            return None
        return without(place, self.person.whose)

    # ---- afterwards --------------------------------------------------------------------------------------------------

    def _is_named(self, place: Path) -> bool:
        return place.is_file() and mentions(place.read_bytes(), self.person.telling_ids)

    def search(self) -> tuple[int, list[str]]:
        """Every file that the product keeps, unpacked: how many were searched, and which still name the person."""
        database = sqlite_file(tracking_uri(self.params))
        registry = [] if database is None else [database, *_files(database.parent / "mlartifacts")]
        places = sorted({*_files(self.store.path), *_files(self.out), *(place for place in registry if place.exists())})
        return len(places), [str(place) for place in places if self._is_named(place)]

    def untouched(self) -> list[str]:
        told = [f"{str(self.params.paths.source)!r} and what you exported or copied elsewhere: these are yours."]
        if sqlite_file(tracking_uri(self.params)) is None:
            told.append("the tracking server: no ids of people are sent there; ask its administrator to search it.")
        if self.person.ids - self.person.telling_ids:
            told.append(
                "texts that may name an id so short that it is found everywhere: rows alone were searched for it."
            )
        return told


def _files(folder: Path) -> Iterator[Path]:
    return (place for place in folder.rglob("*") if place.is_file() and not place.is_symlink())


def _text_columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return [
        (table, column)
        for (table,) in tables.fetchall()
        for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall()
    ]
