"""A folder to begin in: params, a mapping and the next commands for books of one's own, or the sample to look at."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from features.currencies import DECIMALS
from features.errors import CannotWrite, InputMissing, UsageError, some
from features.tables import DEBTOR_TYPES, TABLES
from pipeline.books import CAPACITY, MAPPING, MESSAGES, PARAMS, ROLES, SIGNATURES, TREATMENTS, Answers, OwnBooks, edited
from pipeline.intake.database import snapshot_of, words_of
from pipeline.intake.looking import DATE_FORMS, ENDINGS
from pipeline.intake.mapping import UNDECIDED
from pipeline.intake.mapping_lines import Decided
from pipeline.intake.proposal import Proposal, places_under, propose
from pipeline.intake.source_folder import Begun, in_our_form
from pipeline.law.rule_file import load_rules
from pipeline.messages.texts import SHIPPED as TEXTS
from pipeline.params import CONTROL, Source, known_zones, load, shipped
from pipeline.schema import FILE as SCHEMA_FILE
from pipeline.schema import params_schema
from pipeline.store.files import private_folder
from pipeline.treatment.policy import SHIPPED as POLICY

README, SAMPLE = "README.md", "sample"
DATABASES = (".duckdb", ".sqlite", ".sqlite3", ".db")
BEGUN = ("accounts", "charges", "payments")  # queries that are begun where a database has other tables
NONE = {
    "contacts": "no contact log is among the files; was nobody contacted before? yes or no",
    "statuses": "no statuses are among the files; is no account disputed, insolvent or opted out? yes or no",
}
EXAMPLES = {MESSAGES: TEXTS, TREATMENTS: POLICY}  # what comes with recoup, to be made one's own
Ask = Callable[[str, str, str | None], str]  # flag, question, default -> answer


def begin(folder: Path, named: Sequence[Path], answers: Answers, today: dt.date, ask: Ask | None) -> str:
    """Write params.yaml, mapping.yaml, a schema and a README into FOLDER, for the files that are named (or lie under
    the folder that is); what was found and what is left to do, for the terminal.

    ask: puts a question to the user; None where nobody is there to answer: what is not said is then refused at once.
    Raises UsageError where a file is there already or an answer lacks, InputMissing where there is nothing to look at.
    """
    _check_free(folder, (PARAMS, MAPPING, README, SCHEMA_FILE, SIGNATURES, *EXAMPLES))
    if len(named) == 1 and named[0].is_dir():
        memory_limit = load(shipped(PARAMS)).engine.memory_limit
        ours = in_our_form(named[0], ("portfolio", "currency"), memory_limit)
        if ours is not None:
            return _begin_with_source(folder, named[0], ours, answers, today, ask)
    source, places = _exports(named)
    answers, proposal = _decided(source, places, answers, ask)
    books = OwnBooks.of(proposal, answers)
    params = edited(shipped(PARAMS).read_text(encoding="utf-8"), books.changes(today))
    signatures = {} if books.signed_off else {SIGNATURES: ""}
    told = {PARAMS: params, MAPPING: proposal.text, README: _readme_of_files(folder, source, proposal, books)}
    _write(folder, told | _examples() | signatures)
    left = proposal.undecided()
    return "\n".join(
        [
            f"Folder: {folder}",
            *(
                f"{file.path} (header in line {file.header_line}): {_told(proposal, name)}"
                for name, file in proposal.files.items()
            ),
            f"Portfolios: {', '.join(books.names)}; currency: {', '.join(books.currencies)}; zone: {books.zone}; "
            f"delivered: {', '.join(books.delivers)}",
            *books.warnings(),
            f"To decide by hand in {MAPPING}: {len(left)}"
            if left
            else f"Every line of {MAPPING} is decided; look at it all the same.",
            *left,
            *proposal.unused(),
            f"The next commands are in {folder / README}.",
        ]
    )


def _begin_with_source(
    folder: Path, source: Path, ours: Begun, answers: Answers, today: dt.date, ask: Ask | None
) -> str:
    """The folder for files that are in the contract's form: params that lead to them, and no mapping."""
    said = _with_zone(answers.decided)
    absent = [name for name in said.none if name not in ours.tables]
    if absent:
        raise UsageError(
            f"--none {absent[0]}: the files are read where they lie. Put {absent[0]}.csv of its header alone beside "
            f'them, and {absent[0]}.control.json with {{"rows": 0, "complete_through": DAY}}.'
        )
    if said.time_zone is None:
        if ask is None:
            raise UsageError("The files do not say all. Add: --zone (time zone of the books: Europe/Berlin, ...).")
        said = replace(said, time_zone=ask("--zone", "time zone of the books: Europe/Berlin, ...", None))
    if said.time_zone not in known_zones():
        raise UsageError.unknown_keys("--zone", [said.time_zone or ""], known_zones())
    answers = replace(answers, decided=said)
    books = OwnBooks.named(ours.words["portfolio"] or ("book",), ours.words["currency"], ours.tables, answers)
    changes = {**books.changes(today), ("paths", "source"): str(source.resolve())}
    note = f"- The files are in the contract's form: `paths.source` of `{PARAMS}` leads to them, nothing is converted."
    readme = _readme("", [("recoup ingest --backfill", "history comes in, checked row by row")], note, books)
    params = edited(shipped(PARAMS).read_text(encoding="utf-8"), changes)
    told = {PARAMS: params, README: readme}
    _write(folder, told | _examples() | ({} if books.signed_off else {SIGNATURES: ""}))
    return "\n".join(
        [
            f"Folder: {folder}",
            f"Tables of the contract: {', '.join(ours.tables)}; no mapping is needed",
            f"Portfolios: {', '.join(books.names)}; currency: {', '.join(books.currencies)}; zone: {books.zone}; "
            f"delivered: {', '.join(books.delivers)}",
            *books.warnings(),
            f"The next commands are in {folder / README}.",
        ]
    )


def is_database(place: Source) -> bool:
    return isinstance(place, str) or (place.is_file() and place.suffix.lower() in DATABASES)


def begin_with_database(folder: Path, source: Source, answers: Answers, today: dt.date) -> str:
    """Write params.yaml, a schema and a README into FOLDER for the books of a database. Where its tables are ours,
    portfolios and currencies are read out of it; else `queries` is begun, with `?` for the user to write.

    Raises UsageError where a file is there already or an answer lacks, InputMissing where the database does not answer.
    """
    _check_free(folder, (PARAMS, README, SCHEMA_FILE, SIGNATURES, *EXAMPLES))
    with private_folder() as aside, snapshot_of(source, load(shipped(PARAMS)).engine.memory_limit, aside) as snapshot:
        if snapshot is None:
            raise UsageError(f"{str(source)!r} is no database.")
        there = snapshot.tables()
        found = words_of(snapshot, "accounts", ("portfolio", "currency")) if "accounts" in there else {}
    said = _with_zone(answers.decided)
    lacking = ["--zone (time zone of the books: Europe/Berlin, ...)"] if said.time_zone is None else []
    lacking += ["--currency (its code, such as EUR)"] if not found and said.currency is None else []
    if lacking:
        raise UsageError(f"The database does not say all. Add: {'; '.join(lacking)}.")
    tables = [name for name in TABLES if name in there] if found else list(BEGUN)
    none = [name for name in said.none if name not in tables]
    books = OwnBooks.named(
        found.get("portfolio") or (said.portfolio or "book",),
        found.get("currency") or tuple(code for code in (said.currency,) if code is not None),
        [name for name in TABLES if name in (*tables, *none)],
        replace(answers, decided=said),
    )
    changes = {
        **books.changes(today),
        ("paths", "source"): source if isinstance(source, str) else str(source.resolve()),
        ("queries",): _queries(tables, none, bool(found)),
    }
    params = edited(shipped(PARAMS).read_text(encoding="utf-8"), changes)
    note = (
        f"- A password stands in PGPASSWORD or in a password file of mode 0600, never in `{PARAMS}`; "
        "`queries` there says in SQL what gives each table. A table that you add there goes into `delivers` of its "
        "portfolio as well, or it counts for nothing."
    )
    before = "" if found else f"First write each `?` of queries in {PARAMS}. Then:"
    readme = _readme(before, [("recoup ingest --backfill", "one snapshot, checked row by row")], note, books)
    told = {PARAMS: params, README: readme}
    _write(folder, told | _examples() | ({} if books.signed_off else {SIGNATURES: ""}))
    begun = f"No table `accounts` is there ({some(there, 20) or 'none at all'}): write each `?` of queries in {PARAMS}."
    return "\n".join(
        [
            f"Folder: {folder}",
            f"Tables of the contract: {', '.join(tables)}" if found else begun,
            f"Portfolios: {', '.join(books.names)}; currency: {', '.join(books.currencies)}; zone: {books.zone}; "
            f"delivered: {', '.join(books.delivers)}",
            *books.warnings(),
            f"The next commands are in {folder / README}.",
        ]
    )


def _queries(tables: Sequence[str], none: Sequence[str], are_ours: bool) -> dict[str, str]:
    """Table -> SQL: of ours nothing is to be said, unless of others that they are empty."""
    if are_ours and not none:
        return {}
    whole = {
        name: f"SELECT * FROM {name}" if are_ours
        else _begun(name)
        for name in tables
    }  # fmt: skip
    empty = {
        name: f"SELECT {', '.join(f'NULL AS {column}' for column in TABLES[name].required)} WHERE 1 = 0"
        for name in none
    }
    vouched = [f"SELECT '{name}' AS table_name, 0 AS rows, CURRENT_DATE AS complete_through" for name in none]
    return {**whole, **empty, **({CONTROL: " UNION ALL ".join(vouched)} if vouched else {})}


def _begun(name: str) -> str:
    """A query for the user to write: `?` for what there must be; optional columns in a comment, to be taken over."""
    table = TABLES[name]
    asked = [column.name for column in table.columns if column.name in (*table.required, "known_at")]
    more = [column.name for column in table.columns if column.name not in asked]
    there = ", ".join(f"? AS {column}" for column in asked)
    return f"SELECT {there} FROM ?\n  -- where you have them (docs/ingest.md): {', '.join(more)}"


def begin_with_sample(folder: Path) -> str:
    """Write the sample, its params and a README of the commands into FOLDER; never over what is there."""
    _check_free(folder, (PARAMS, README, SCHEMA_FILE, SAMPLE))
    paths = {("paths", "source"): SAMPLE, ("paths", "store"): "store", ("paths", "out"): "out"}
    text = edited(
        shipped(PARAMS).read_text(encoding="utf-8"), {**paths, ("paths", "tracking_uri"): "sqlite:///mlflow.db"}
    )
    commands = [
        ("recoup ingest", "two years of five made-up books"),
        ("recoup train", "the last line is the run id"),
        ('recoup promote --run ID --why "to look"', "the model that nights use"),
        ("recoup run --as-of 2026-10-01", "out/current/worklist.html is the list, messages.csv what machines send"),
    ]
    _write(folder, {PARAMS: text, README: "\n".join(["# The sample", "", *_listed(commands)]) + "\n"})
    try:
        shutil.copytree(shipped(SAMPLE), folder / SAMPLE)
    except OSError as error:
        raise CannotWrite.creating(f"Folder {str(folder / SAMPLE)!r}", error) from None
    return "\n".join([f"Folder: {folder}", *_listed(commands)])


# ---- what is looked at -----------------------------------------------------------------------------------------------


def _check_free(folder: Path, names: Sequence[str]) -> None:
    there = [name for name in names if (folder / name).exists()]
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is a file. Name a folder.")
    if there:
        raise UsageError(
            f"Folder {str(folder)!r} holds {', '.join(there)} already; nothing is written over. Name another folder."
        )


def _exports(named: Sequence[Path]) -> tuple[Path, list[Path]]:
    """The folder that `recoup convert --from` is given, and the files in it that are meant."""
    absent = [str(place) for place in named if not place.exists()]
    if absent:
        raise InputMissing(
            f"There is no {', '.join(map(repr, absent))}. Name files of your system, or their folder, with --from."
        )
    if len(named) == 1 and named[0].is_dir():
        return named[0], places_under(named[0])
    other = [place for place in named if place.is_dir() or not place.name.lower().endswith(ENDINGS)]
    if other:
        raise UsageError(
            f"{str(other[0])!r} is no file of {', '.join(ENDINGS)}. Name one folder, or files, with --from."
        )
    return Path(os.path.commonpath([place.resolve().parent for place in named])), sorted(
        place.resolve() for place in named
    )


def _decided(source: Path, places: Sequence[Path], answers: Answers, ask: Ask | None) -> tuple[Answers, Proposal]:
    """The proposal with every answer in it: those given, then those asked for."""
    said = _with_zone(answers.decided)
    proposal = propose(source, places, said)
    lacking: list[str] = []

    def wanted(flag: str, question: str, default: str | None = None) -> str | None:
        if ask is not None:
            return ask(flag, question, default)
        lacking.append(f"{flag} ({question})")
        return None

    accounts = [rows["columns"] for rows in (proposal.mapping["tables"] or {}).get("accounts", ())]
    files = proposal.mapping["files"].values()
    if said.debtor_type is None and not any(isinstance(columns["debtor_type"], str) for columns in accounts):
        said = replace(said, debtor_type=wanted("--debtor-type", "who owes: consumer or commercial"))
    if said.currency is None and any(columns["currency"] == {"constant": UNDECIDED} for columns in accounts):
        said = replace(said, currency=wanted("--currency", "the files name no currency: its code, such as EUR"))
    if said.dates is None and any(file.get("dates") == UNDECIDED for file in files):
        cells = _beside(proposal.text, "dates:")
        said = replace(
            said, dates=wanted("--dates", f"days can be read in two ways: DD/MM/YYYY or MM/DD/YYYY; {cells}")
        )
    if said.decimal is None and any(file.get("decimal") == UNDECIDED for file in files):
        cells = _beside(proposal.text, "decimal:")
        said = replace(said, decimal=wanted("--decimal", f"amounts can be read in two ways: ',' or '.'; {cells}"))
    if ask is not None and said.place is None:
        said = replace(
            said, place=ask("--place", "place of the debtors, such as DE or US-MA; empty: not all in one", "") or None
        )
    said = _with_zone(said)
    if said.time_zone is None:
        zones = load_rules().places[said.place].zones if said.place else ()
        said = replace(
            said, time_zone=wanted("--zone", f"time zone of the books: {' or '.join(zones) or 'Europe/Berlin, ...'}")
        )
    if lacking:
        raise UsageError("The files do not say all. Add: " + "; ".join(lacking) + ".")
    _check(said)
    unknown = [place for place in answers.signed_off if place not in load_rules().places]
    if unknown:
        raise UsageError.unknown_keys("--signed-off", unknown, load_rules().places)
    if ask is not None:
        said, answers = _of_the_team(said, answers, proposal, ask)
    return replace(answers, decided=said), propose(source, places, said)


def _of_the_team(said: Decided, answers: Answers, proposal: Proposal, ask: Ask) -> tuple[Decided, Answers]:
    """What no file can tell and what stands in for it where nobody says: asked last, each with its usual answer."""
    lacking = [table for table in NONE if table not in said.none and table not in proposal.tables]
    none = tuple(table for table in lacking if ask("--none", NONE[table], "no").lower() in ("y", "yes"))
    role = answers.role or ask("--role", "your role: " + ", ".join(ROLES), ROLES[0])
    if role not in ROLES:
        raise UsageError.unknown_keys("--role", [role], ROLES)
    capacity = answers.capacity
    if capacity is None:
        written = ask("--capacity", "debtors your team can work in a night, each book", str(CAPACITY))
        if not written.isdecimal():
            raise UsageError(f"--capacity must be a whole number. Got {written!r}.")
        capacity = int(written)
    return replace(said, none=(*said.none, *none)), replace(answers, role=role, capacity=capacity)


def _with_zone(said: Decided) -> Decided:
    """A place of one zone says the zone of its debtors."""
    place = load_rules().places.get(said.place or "")
    if said.place and place is None:
        raise UsageError.unknown_keys("--place", [said.place], load_rules().places)
    if said.place and load_rules().chain(said.place) is None:
        parts = [name for name in load_rules().places if name.startswith(f"{said.place}-")]
        raise UsageError(
            f"--place {said.place}: the law there is made by its parts. Say which, such as {', '.join(parts[:3])}."
        )
    zones = place.zones if place else ()
    return replace(said, time_zone=zones[0]) if said.time_zone is None and len(zones) == 1 else said


def _check(said: Decided) -> None:
    if said.currency is not None and said.currency not in DECIMALS:
        raise UsageError.unknown_keys("--currency", [said.currency], DECIMALS)
    if said.debtor_type is not None and said.debtor_type not in DEBTOR_TYPES:
        raise UsageError.unknown_keys("--debtor-type", [said.debtor_type], DEBTOR_TYPES)
    if said.decimal not in (None, ".", ","):
        raise UsageError(f"--decimal must be '.' or ','. Got {said.decimal!r}.")
    if said.dates is not None and said.dates not in DATE_FORMS:
        raise UsageError.unknown_keys("--dates", [said.dates], DATE_FORMS)
    if said.time_zone not in known_zones():
        raise UsageError.unknown_keys("--zone", [said.time_zone or ""], known_zones())


def _beside(text: str, key: str) -> str:
    """The examples that a proposal writes beside what is undecided."""
    line = next(line for line in text.splitlines() if line.strip().startswith(key) and UNDECIDED in line)
    return line.partition("#")[2].strip()


def _told(proposal: Proposal, name: str) -> str:
    tables = [
        table
        for table, parts in (proposal.mapping["tables"] or {}).items()
        if any(rows["from"] == name for rows in parts)
    ]
    return f"-> {', '.join(tables)}" if tables else "not understood: name its table and columns by hand"


# ---- what is written -------------------------------------------------------------------------------------------------


def _listed(commands: Sequence[tuple[str, str]]) -> list[str]:
    return [f"    {command:<60} # {why}" for command, why in commands]


def _readme_of_files(folder: Path, source: Path, proposal: Proposal, books: OwnBooks) -> str:
    theirs = os.path.relpath(source.resolve(), folder.resolve())
    first = [
        (
            f"recoup convert --map {MAPPING} --from {_shell(theirs)} --to source"
            + (" --complete-through YYYY-MM-DD" if proposal.mapping.get("none") else ""),
            "their files -> tables of the contract",
        ),
        ("recoup ingest --backfill", "history comes in, checked row by row"),
    ]
    left = len(proposal.undecided())
    note = (
        f"- `{MAPPING}` was proposed from the files: look at every line. "
        "Where another month's files have other names, write `*` for what changes. A table that you add there goes "
        f"into `delivers` of {PARAMS} as well, or it counts for nothing."
    )
    return _readme(
        f"First write what {MAPPING} leaves open, marked `?`: {left}. Then:" if left else "", first, note, books
    )


def _readme(before: str, first: Sequence[tuple[str, str]], note: str, books: OwnBooks) -> str:
    then = [
        ('recoup promote --run ID --why "..."', "where the gates allow"),
        ("recoup run --as-of YYYY-MM-DD", "every night: out/current/worklist.html, and messages.csv beside it"),
    ]
    return "\n".join(
        [
            f"# {', '.join(books.names)}",
            "",
            before or "Here:",
            "",
            *_listed([*first, *books.to_sign(), ("recoup train", "the last line is the run id")]),
            "",
            "After that:",
            "",
            *_listed(then),
            "",
            note,
            f"- `{PARAMS}` holds everything else; your editor checks it by `{SCHEMA_FILE}` "
            f"(after an upgrade: `recoup schema > {SCHEMA_FILE}`).",
            f"- Costs of an attempt (`worklist.costs`) are in {books.reporting}: set yours.",
            f"- `{MESSAGES}` holds what machines say and `reminders` of `{PARAMS}` when: read both before you send "
            "a row of messages.csv (`recoup messages`); `reminders: null` publishes none.",
            f"- `{TREATMENTS}` is an example of what may be offered and by whom accounts may be worked: make it yours "
            f"(`recoup treatments --policy {TREATMENTS}`), then `treatments: {{policy: {TREATMENTS}}}` in `{PARAMS}`, "
            "before you train, has nights propose it; null proposes nothing.",
            "- Contact law is research, no advice: `recoup rules` shows each place; no place is worked before somebody "
            "of yours has signed it off.",
            *(f"- {line.removeprefix('WARNING ')}" for line in books.warnings()),
            "",
        ]
    )  # fmt: skip


def _examples() -> dict[str, str]:
    return {name: place.read_text(encoding="utf-8") for name, place in EXAMPLES.items()}


def _shell(path: str) -> str:
    return path if re.fullmatch(r"[\w./+-]+", path) else "'" + path.replace("'", "'\\''") + "'"


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """New files only. The params are read back: what is written is what a command takes."""
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {**texts, SCHEMA_FILE: json.dumps(params_schema(), indent=1) + "\n"}.items():
            with (folder / name).open("x", encoding="utf-8") as stream:
                made.append(folder / name)
                stream.write(text)
        load(folder / PARAMS)
    except OSError as error:
        for place in made:
            place.unlink()
        raise CannotWrite.creating(f"Folder {str(folder)!r}", error) from None
    except UsageError:
        for place in made:
            place.unlink()
        raise
