"""SQL text that turns a delivered table into read rows with a mask of faults,
and that tells repeated from conflicting rows.

No engine is imported here. The statements expect these tables: raw_NAME (rid, file_no and the cells as text), books
(portfolio, zone_no, zone_declared, lag_NAME days), currencies (code, decimals), offsets (clocks.py), known_accounts
(one row per account), and, where the store has rows, stored_NAME. standing_NAME are the read rows that are still to
come in, shared_NAME the keys that several of them have. Money is BIGINT minor units, days BIGINT since 1970, instants
BIGINT microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from features.days import DAY_US, EPOCH
from features.tables import DELIVERED, NUMBERS, Column, Kind, Table
from pipeline.intake.casting import (
    YEARS_TO,
    date_faults,
    date_read,
    date_value,
    fault,
    floor_day,
    instant_faults,
    instant_read,
    instant_value,
    is_day,
    is_plain,
    is_sound,
    is_zoned,
    literal,
    money_faults,
    money_read,
    money_value,
    not_a_number,
    number_value,
    quoted,
    share_faults,
    share_value,
    text_faults,
    whole_faults,
    whole_value,
)
from pipeline.intake.clocks import FIRST_DAY, LAST_DAY
from pipeline.intake.quarantine import Code

LATER = 2**60  # microseconds: after every instant that a row may tell
EXTRA_LIMIT = 64  # characters of the sender's own texts
TEXTS = (Kind.ID, Kind.TEXT, Kind.ENUM, Kind.CURRENCY, Kind.ZONE)
# Of rows that last, the day each begins and the column of the day it ends.
ENDS = {
    "offers": (("made_on", "valid_until"),),
    "plans": (("agreed_on_v", "due_on"), ("agreed_on_v", "ended_on")),
    "placements": (("placed_on_v", "recalled_on"),),
}


def number_of(text: str) -> str:
    """features.tables.account_number in SQL."""
    return f"(('0x' || substr(md5({text}), 1, 16))::UBIGINT >> 1)::BIGINT"


def read_rows(
    name: str, delivered: Sequence[str], extras: Mapping[str, str], shards: int, but_dropped: bool = False
) -> str:
    """One row per delivered row: rid, mask, the values under their stored names, and book, currency_of, shard,
    defaulted (known_at was empty), money_unread (an amount of the control totals is there but cannot be read).
    but_dropped: none of those in dropped_NAME.
    """
    table, instant = DELIVERED[name], DELIVERED[name].instant
    known_at = (
        f"CASE WHEN defaulted AND lag = 0 THEN {instant}_utc ELSE known_at_utc END" if instant else "known_at_utc"
    )
    return f"""
WITH {_cells(table, delivered, extras, f"rid NOT IN (SELECT rid FROM dropped_{name})" if but_dropped else "true")},
placed AS ({_placed(table, shards)}),
{_valued(table, extras)},
read AS (SELECT *, CASE WHEN {" AND ".join(_sound(table, extras))} THEN 0
    ELSE ({" | ".join(_faults(table, extras))}) END AS mask_of_cells FROM valued),
occurred AS ({_with_wall("read", instant) if instant else "SELECT * FROM read"}),
known_or_not AS (SELECT * REPLACE (
        coalesce(known_at_us, {_default_wall(name)} + coalesce(lag, 0) * {DAY_US}) AS known_at_us,
        known_at_us IS NOT NULL AND known_at_zoned AS known_at_zoned),
    known_at IS NULL AS defaulted,
    {f"{instant}_is_day" if instant else "true"} AS default_is_day,
    FROM occurred),
known AS ({_with_wall("known_or_not", "known_at")}),
timed AS (SELECT *,
    {floor_day("known_at_wall")} AS known_on,
    {known_at} AS known_at_v,
    CASE WHEN defaulted THEN default_is_day ELSE known_at_is_day END AS known_is_day,
    {_instant_columns(table)}
    FROM known)
SELECT rid, mask_of_cells | {" | ".join(_faults_in_time(table))} AS mask, {", ".join(_stored(name, extras))},
    book, currency_of, shard, defaulted, {_money_unread(table)} AS money_unread
FROM timed"""


def _cells(table: Table, delivered: Sequence[str], extras: Mapping[str, str], which: str) -> str:
    """`cells` out of raw_NAME: every declared column and the sender's own, trimmed, NULL where empty, and NAME_plain of
    the declared ones. which: a condition that rows must meet.
    """
    names = [*table.names, *extras]
    texts = [quoted(name) if name in delivered else f"NULL::VARCHAR AS {quoted(name)}" for name in names]
    plain = [
        f"{is_plain(column) if column.name in delivered else 'false'} AS {column.name}_plain"
        for column in table.columns
    ]
    trimmed = [
        f"CASE WHEN {column.name}_plain THEN {quoted(column.name)} "
        f"ELSE nullif(trim({quoted(column.name)}), '') END AS {quoted(column.name)}"
        for column in table.columns
    ]
    trimmed += [f"nullif(trim({quoted(name)}), '') AS {quoted(name)}" for name in extras]
    return f"""delivered AS (SELECT rid, {", ".join([*texts, *plain])} FROM raw_{table.name} WHERE {which}),
cells AS (SELECT * REPLACE ({", ".join(trimmed)}) FROM delivered)"""


def _placed(table: Table, shards: int) -> str:
    """Each row with its account's number, shard, book and currency."""
    if table.name == "accounts":
        return f"""SELECT c.*, {number_of("c.account_id")} AS account_no,
            ({number_of("c.debtor_id")} % {shards})::INTEGER AS shard,
            m.decimals, c.currency AS currency_of, b.portfolio AS book, b.zone_no,
            b.zone_declared, b.lag_accounts AS lag
            FROM cells c LEFT JOIN books b USING (portfolio) LEFT JOIN currencies m ON m.code = c.currency"""
    if not table.of_accounts:  # their days are those of the book of the debtor, else of the other one, else of any
        owed = "SELECT debtor_id, arg_min(portfolio, account_no) AS portfolio FROM known_accounts GROUP BY debtor_id"
        return f"""SELECT c.*, 0 AS shard, NULL::VARCHAR AS currency_of, b.portfolio AS book, b.zone_no,
            b.zone_declared, 0::BIGINT AS lag
            FROM cells c LEFT JOIN ({owed}) o ON o.debtor_id = c.debtor_id
            LEFT JOIN ({owed}) s ON s.debtor_id = c.same_as
            LEFT JOIN books b ON b.portfolio =
                coalesce(o.portfolio, s.portfolio, (SELECT min(portfolio) FROM books))"""
    return f"""SELECT c.*, a.account_no, a.shard, a.decimals, a.currency AS currency_of, a.opened_day,
        b.portfolio AS book, b.zone_no, b.zone_declared, b.lag_{table.name} AS lag
        FROM cells c LEFT JOIN known_accounts a USING (account_id) LEFT JOIN books b ON b.portfolio = a.portfolio"""


def _valued(table: Table, extras: Mapping[str, str]) -> str:
    """`valued` out of `placed`: the cells beside what each was read as, in steps, so that nothing is read twice."""
    shapes, reads, values = [], [], []
    for column in table.columns:
        name, read = column.name, f"{column.name}_read"
        if column.kind is Kind.TIME:
            shapes += [f"{is_zoned(name)} AS {name}_zoned", f"{is_day(name)} AS {name}_is_day"]
            reads.append(f"{instant_read(name)} AS {read}")
            values.append(f"{instant_value(read)} AS {name}_us")
        elif column.kind is Kind.DATE:
            reads.append(f"{date_read(name)} AS {read}")
            values.append(f"{date_value(read)} AS {name}_v")
        elif column.kind is Kind.MONEY:
            reads.append(f"{money_read(name)} AS {read}")
            values.append(f"{money_value(read)} AS {name}_v")
        elif column.kind is Kind.WHOLE:
            values.append(f"{whole_value(name)} AS {name}_v")
        elif column.kind is Kind.SHARE:
            values.append(f"{share_value(name)} AS {name}_v")
    values += [f"{number_value(name)} AS {quoted(name + '_v')}" for name, kind in extras.items() if kind == "float64"]
    return f"""shaped AS (SELECT {", ".join(["*", *shapes])} FROM placed),
cast_once AS (SELECT {", ".join(["*", *reads])} FROM shaped),
valued AS (SELECT {", ".join(["*", *values])} FROM cast_once)"""


def _sound(table: Table, extras: Mapping[str, str]) -> list[str]:
    """Conditions that are quick to test: where all hold, a row shows none of `_faults`."""
    found = [is_sound(column, _value_of(column)) for column in table.columns]
    for name, kind in extras.items():
        text = f"strlen({quoted(name)}) <= {EXTRA_LIMIT} AND regexp_full_match({quoted(name)}, '[ -~]+')"
        read = f"{quoted(name + '_v')} IS NOT NULL" if kind == "float64" else text
        found.append(f"({quoted(name)} IS NULL OR {read})")
    if table.of_accounts and table.name != "accounts":
        found.append("account_no IS NOT NULL")
    if table.name == "charges":
        found.append("(kind = 'adjustment' OR amount_v >= 0)")
    if table.name == "payments":
        found.append("(kind = 'reversal') = (reverses IS NOT NULL)")
    return found


def _value_of(column: Column) -> str:
    return f"{column.name}_us" if column.kind is Kind.TIME else f"{column.name}_v"


def _faults(table: Table, extras: Mapping[str, str]) -> list[str]:
    return [fault for faults in _faults_by_column(table, extras).values() for fault in faults]


def _faults_by_column(table: Table, extras: Mapping[str, str]) -> dict[str, list[str]]:
    """Column -> faults that its cell shows by itself, or with its account's currency and zone."""
    found = {column.name: _faults_of(column) for column in table.columns}
    for name, kind in extras.items():
        if kind == "float64":
            found[name] = [fault(not_a_number(name), Code.NUM_FORMAT)]
        else:
            found[name] = [
                fault(f"length({quoted(name)}) > {EXTRA_LIMIT}", Code.TEXT_TOO_LONG),
                fault(rf"regexp_matches({quoted(name)}, '\p{{Cc}}')", Code.TEXT_FORMAT),
            ]
    if table.of_accounts and table.name != "accounts":
        found["account_id"].append(fault("account_id IS NOT NULL AND account_no IS NULL", Code.ACCT_UNKNOWN))
    if table.name == "charges":
        found["amount"].append(fault("kind <> 'adjustment' AND amount_v < 0", Code.AMT_SIGN))
    if table.name == "payments":
        found["reverses"].append(fault("(kind = 'reversal') <> (reverses IS NOT NULL)", Code.REV_ORPHAN))
    return found


def _faults_of(column: Column) -> list[str]:
    if column.kind is Kind.CURRENCY:
        return [fault("decimals IS NULL", Code.CCY_UNKNOWN)]
    if column.kind in TEXTS:
        return text_faults(column)
    faults = {Kind.DATE: date_faults, Kind.TIME: instant_faults, Kind.MONEY: money_faults, Kind.SHARE: share_faults}
    return faults.get(column.kind, whole_faults)(column, _value_of(column))


def _default_wall(name: str) -> str:
    """The local microseconds that stand in for an empty known_at."""
    if instant := DELIVERED[name].instant:
        return f"{instant}_wall"
    if name == "charges":
        return (
            "coalesce(issued_on_v, CASE WHEN kind IN ('principal', "
            f"'instalment') THEN opened_day END, due_on_v) * {DAY_US}"
        )
    known_from = DELIVERED[name].known_from
    return f"{known_from[0]}_v * {DAY_US}" if known_from else "NULL::BIGINT"


def _with_wall(rows: str, column: str) -> str:
    """Rows with the column on the local clock (_wall) and in UTC (_utc): the offset of its day,
    or of that day after a change.
    """
    us, zoned = f"r.{column}_us", f"r.{column}_zoned"
    shift = f"""CASE WHEN {zoned} THEN CASE WHEN {us} < o.utc_change THEN o.utc_before ELSE o.utc_after END
        ELSE CASE WHEN {us} < o.local_change THEN o.local_before ELSE o.local_after END END"""
    return f"""SELECT * EXCLUDE (shift), CASE WHEN {column}_zoned THEN {column}_us + shift
        ELSE {column}_us END AS {column}_wall,
        CASE WHEN {column}_zoned THEN {column}_us ELSE {column}_us - shift END AS {column}_utc
        FROM (SELECT r.*, {shift} AS shift FROM {rows} r LEFT JOIN offsets o
            ON o.zone_no = r.zone_no AND o.day = greatest(least({floor_day(us)}, {LAST_DAY}), {FIRST_DAY}))"""


def _instant_columns(table: Table) -> str:
    instant = table.instant
    if instant is None:
        return "NULL AS nothing"
    day = instant.removesuffix("_at") + "_on"
    columns = f"{instant}_utc AS {instant}_v, {floor_day(f'{instant}_wall')} AS {day}"
    if table.name == "contacts":
        minute = f"((occurred_at_wall + {DAY_US} * 800000) % {DAY_US}) // 60000000"
        columns += f", CASE WHEN occurred_at_is_day THEN -1 ELSE {minute} END AS occurred_minute"
    return columns


def _faults_in_time(table: Table) -> list[str]:
    faults = [fault(f"known_on > {YEARS_TO}", Code.TS_FORMAT)]
    instant = table.instant
    if instant is None:  # there an unreadable instant is a fault of its own
        faults.append(fault("known_at IS NULL AND known_at_us IS NULL", Code.TS_FORMAT))
    for begins, ends in ENDS.get(table.name, ()):
        faults.append(fault(f"{ends}_v < {begins}", Code.DAY_ORDER))
    if instant is not None:
        earlier = (
            f"CASE WHEN known_is_day OR {instant}_is_day THEN "
            f"known_on < {instant.removesuffix('_at')}_on ELSE known_at_v < {instant}_v END"
        )
        faults.append(fault(earlier, Code.TS_KNOWN_BEFORE_EVENT))
    elif table.happened:
        faults.append(fault(f"known_on < {table.position}_v", Code.TS_KNOWN_BEFORE_EVENT))
    return faults


def _money_unread(table: Table) -> str:
    return f"({table.money} IS NOT NULL AND {table.money}_v IS NULL)" if table.money else "false"


def content(name: str, extras: Mapping[str, str]) -> list[str]:
    """Columns whose values make two rows identical, known_at aside."""
    columns = [column.name for column in DELIVERED[name].columns if column.name not in ("known_at", "account_id")]
    owner = ["account_no"] if DELIVERED[name].of_accounts else []
    return [*owner, *columns, *(["occurred_minute"] if name == "contacts" else []), *extras]


def _stored(name: str, extras: Mapping[str, str]) -> list[str]:
    """Every value under the name it is stored by."""
    table = DELIVERED[name]
    columns = ["account_no"] if table.of_accounts else []
    for column in table.columns:
        columns.append(quoted(column.name) if column.kind in TEXTS else f"{column.name}_v AS {column.name}")
    columns += ["known_on", *([table.instant.removesuffix("_at") + "_on"] if table.instant else [])]
    columns += ["occurred_minute"] if name == "contacts" else []
    numbers = {column for column, kind in extras.items() if kind == "float64"}
    return columns + [
        f"{quoted(column + '_v')} AS {quoted(column)}" if column in numbers else quoted(column) for column in extras
    ]


def key_of(name: str) -> list[str]:
    """What one row of the table is about, by the account's number."""
    return ["account_no" if column == "account_id" else column for column in DELIVERED[name].key]


def _alike(columns: Sequence[str], one: str, other: str) -> str:
    """That rows of two aliases agree in some columns, of which an id may be empty."""
    return " AND ".join(f"{one}.{quoted(name)} IS NOT DISTINCT FROM {other}.{quoted(name)}" for name in columns)


def hashed_twice(name: str) -> str:
    """Hashes that several rows of the delivery have of their key and known_at: the table hashed_NAME. Few, and counted
    in a fraction of the memory that the keys themselves would need.
    """
    return f"SELECT {_hash(name)} AS hashed FROM standing_{name} GROUP BY hashed HAVING count(*) > 1"


def shared_keys(name: str) -> str:
    """Keys and known_at that several rows of the delivery have: the table shared_NAME, few beside all rows."""
    keys = ", ".join(_repeated_by(name))
    return f"SELECT {keys} FROM {maybe_repeated(name)} GROUP BY {keys} HAVING count(*) > 1"


def maybe_repeated(name: str) -> str:
    """All rows that share their key and known_at with others, and perhaps a few more."""
    return f"(SELECT * FROM standing_{name} WHERE {_hash(name)} IN (SELECT hashed FROM hashed_{name}))"


def _hash(name: str) -> str:
    return f"hash({', '.join(_repeated_by(name))})"


def _repeated_by(name: str) -> list[str]:
    if name == "payments":  # a receipt has lines, and they have versions
        return ["payment_id"]
    return key_of(name) + (["known_at"] if DELIVERED[name].versioned else [])


def repeated_rows(name: str, extras: Mapping[str, str]) -> str:
    """rid and mask of rows that share key and known_at inside the delivery (shared_NAME): 0 = a repetition of another
    row, else DUP_CONFLICT.
    """
    columns = _repeated_by(name)
    keys = ", ".join(columns)
    whole = ", ".join(quoted(column) for column in [*content(name, extras), "known_at"])
    return f"""
WITH rows AS (SELECT t.* FROM standing_{name} t SEMI JOIN shared_{name} s ON {_alike(columns, "t", "s")}),
groups AS (SELECT {keys}, min(rid) AS first, count(DISTINCT row({whole})) AS contents FROM rows GROUP BY {keys})
SELECT rid, CASE WHEN contents > 1 THEN {Code.DUP_CONFLICT.bit} ELSE 0 END AS mask
FROM rows t JOIN groups s ON {_alike(columns, "t", "s")} WHERE contents > 1 OR rid <> first"""


def stored_rows(name: str, extras: Mapping[str, str]) -> str:
    """rid and mask of rows that meet a stored row of the same key: 0 = it is there already, else DUP_CONFLICT.

    A row delivered without known_at is there already whatever known_at the same content was stored with.
    """
    keys = key_of(name)
    joined = _alike(keys, "t", "s")
    same = " AND ".join(
        f"t.{quoted(column)} IS NOT DISTINCT FROM s.{quoted(column)}" for column in content(name, extras)
    )
    clash = "t.known_at = s.known_at" if DELIVERED[name].versioned else "true"
    return f"""
SELECT rid, CASE WHEN bool_or({same} AND (t.defaulted OR t.known_at = s.known_at))
    THEN 0 ELSE {Code.DUP_CONFLICT.bit} END AS mask
FROM standing_{name} t JOIN met_{name} s ON {joined}
GROUP BY rid HAVING bool_or({clash}) OR bool_or({same} AND (t.defaulted OR t.known_at = s.known_at))"""


def looked_up_by(name: str) -> str | None:
    """The column of whole numbers by which stored rows of a key are found without their texts; None without one."""
    numbers = [
        NUMBERS[column.name]
        for column in map(DELIVERED[name].__getitem__, DELIVERED[name].key)
        if column.name in NUMBERS and not column.later
    ]
    return numbers[0] if numbers else "account_no" if DELIVERED[name].of_accounts else None


def files_met(name: str, files: Sequence[str]) -> str:
    """Those of a table's files that may hold a row of which the delivery tells, too."""
    number = looked_up_by(name)
    named = {number: column for column, number in NUMBERS.items()}
    own = f"{number_of(named[number])} AS {number}" if number in named else number
    rows = f"read_parquet({_listed(files)}, filename = true, hive_partitioning = false)"
    return f"SELECT DISTINCT filename FROM {rows} SEMI JOIN (SELECT {own} FROM standing_{name}) USING ({number})"


def met_rows(name: str, files: Sequence[str], extras: Mapping[str, str]) -> str:
    """The stored rows of the keys that the delivery tells of: the table met_NAME, few beside all that are stored."""
    stored = f"({stored_view(name, files, extras)})" if files else f"(SELECT * FROM stored_{name} LIMIT 0)"
    return f"SELECT s.* FROM {stored} s SEMI JOIN standing_{name} t ON {_alike(key_of(name), 's', 't')}"


def _listed(files: Sequence[str]) -> str:
    return "[" + ", ".join(literal(file) for file in files) + "]"


def stored_view(name: str, files: Sequence[str], extras: Mapping[str, str]) -> str:
    """The stored rows of a table under the same names and as the same plain numbers as the read rows."""
    table, columns = DELIVERED[name], ["shard::INTEGER AS shard", "epoch_us(known_at) AS known_at"]
    columns += ["account_no"] if table.of_accounts else [f"(known_on - DATE '{EPOCH}')::BIGINT AS known_on"]
    for column in table.columns:
        if column.kind is Kind.DATE:
            columns.append(f"({column.name} - DATE '{EPOCH}')::BIGINT AS {column.name}")
        elif column.kind is Kind.TIME and column.name != "known_at":
            columns.append(f"epoch_us({column.name}) AS {column.name}")
        elif column.name != "known_at":
            columns.append(quoted(column.name))
    columns += ["occurred_minute"] if name == "contacts" else []
    columns += [quoted(column) for column in extras]
    rows = f"SELECT * FROM read_parquet({_listed(files)}, hive_partitioning = true, union_by_name = true)"
    # Files of before lack what came later, ours and the sender's own.
    later = {column.name: "VARCHAR" for column in table.columns if column.later}
    later |= {column: "DOUBLE" if kind == "float64" else "VARCHAR" for column, kind in extras.items()}
    if later:
        nothing = ", ".join(f"NULL::{kind} AS {quoted(column)}" for column, kind in sorted(later.items()))
        rows += f" UNION ALL BY NAME SELECT {nothing} WHERE false"
    return f"SELECT {', '.join(columns)} FROM ({rows})"


# The first version of an account, the store's before the delivery's, says for good whose it is and in which currency.
ACCOUNTS_CHANGED = f"""
SELECT rid, {Code.ACCT_CHANGED.bit} AS mask FROM standing_accounts s JOIN known_accounts k USING (account_no)
WHERE s.debtor_id <> k.debtor_id OR s.currency <> k.currency"""


def told_links(stored: bool) -> str:
    """Every link between debtors that stands or that the store holds; rid NULL for the store's."""
    columns = "debtor_id, same_as, known_at, known_on"
    return f"SELECT rid, {columns} FROM standing_debtors" + (
        f" UNION ALL SELECT NULL, {columns} FROM stored_debtors" if stored else ""
    )


def in_circle(rids: Sequence[int]) -> str:
    return f"SELECT unnest({list(rids)}::BIGINT[]) AS rid, {Code.DEBTOR_CIRCLE.bit} AS mask"


def known_accounts(stored: bool, new: bool) -> str:
    """One row per account of the store and of the delivery: number, shard, first debtor, book, currency, opening day;
    last placement.
    """
    columns = "account_id, account_no, shard, debtor_id, portfolio, currency, opened_on, placed_on, known_at"
    sources = [f"SELECT 0 AS turn, {columns} FROM stored_accounts"] if stored else []
    sources += [f"SELECT 1 AS turn, {columns} FROM standing_accounts"] if new else []
    first = ", ".join(
        f"arg_min({column}, told) AS {column}" for column in ("shard", "debtor_id", "portfolio", "currency")
    )
    return f"""SELECT a.*, c.decimals FROM (
        SELECT account_id, any_value(account_no) AS account_no, {first},
        arg_min(opened_on, told) FILTER (opened_on IS NOT NULL) AS opened_day,
        max(placed_on) AS placed_day
        FROM (SELECT *, turn * {LATER} + known_at AS told FROM ({" UNION ALL ".join(sources)}))
        GROUP BY account_id) a JOIN currencies c ON c.code = a.currency"""


# What to say of a table as a whole


def known_after(name: str, last_day: int) -> str:
    """rid and mask of rows known after a day; where known_at is the day of a plan (a due date),
    only if it was delivered so.
    """
    explicit = "" if DELIVERED[name].happened else "AND NOT defaulted"
    return f"SELECT rid, {Code.TS_FUTURE.bit} AS mask FROM standing_{name} WHERE known_on > {last_day} {explicit}"


def known_quantile(name: str, share: float) -> str:
    counted = f"SELECT known_on, count(*) AS rows FROM standing_{name} GROUP BY known_on"
    return f"WITH counted AS ({counted}) SELECT {_quantile('known_on', share)}"


def _quantile(day: str, share: float) -> str:
    """quantile_disc of a column of `counted` (days and their rows), which would hold every row in memory at once."""
    return f"""(SELECT min({day}) FROM (
        SELECT {day}, sum(rows) OVER (ORDER BY {day}) AS upto, sum(rows) OVER () AS whole
        FROM (SELECT {day}, sum(rows) AS rows FROM counted GROUP BY {day}))
        WHERE upto >= greatest(1, whole - floor(whole - {share} * whole)))"""


_OWN_DAY = {
    "payments": "occurred_on",
    "contacts": "occurred_on",
    "charges": "coalesce(issued_on, due_on)",
    "offers": "made_on",
}


def load_stamp(name: str, share: float, stored: bool) -> str:
    """Rows whose known_at was delivered; the days between which `share` of them became known;
    the span and middle of their own days.

    Told of rows that lay in the past when they became known. What a placement brings is as new as the placement, so a
    row's own day is no earlier than its account's placed_on. A version of what is known already is news, not history:
    only first versions count.
    """
    low, high = (1 - share) / 2, (1 + share) / 2
    day = f"greatest({_OWN_DAY.get(name, DELIVERED[name].position)}, placed_day)"
    rows = f"SELECT t.*, {day} AS own_day FROM standing_{name} t JOIN known_accounts USING (account_no)"
    columns = "known_on, own_day, defaulted"
    if name not in ("payments", "contacts"):
        keys = ", ".join(key_of(name))
        if stored:
            rows = f"SELECT t.* FROM ({rows}) t ANTI JOIN met_{name} s ON {_alike(key_of(name), 't', 's')}"
        firsts = ", ".join(f"arg_min({column}, known_at) AS {column}" for column in columns.split(", "))
        rows = f"SELECT {firsts} FROM ({rows}) GROUP BY {keys}"
    known_on, own_day = partial(_quantile, "known_on"), partial(_quantile, "own_day")
    return f"""WITH counted AS MATERIALIZED (
            SELECT known_on, own_day, count(*) AS rows FROM (SELECT {columns} FROM ({rows}))
            WHERE NOT defaulted AND own_day <= known_on GROUP BY ALL)
        SELECT coalesce((SELECT sum(rows) FROM counted), 0)::BIGINT, {known_on(high)} - {known_on(low)},
        {own_day(0.95)} - {own_day(0.05)}, {known_on(0.5)} - {own_day(0.5)}"""


def outcomes(name: str) -> str:
    """Per currency and mask (0: came in, NULL: there already): rows, money, absolute money,
    rows whose money cannot be read.
    """
    money = DELIVERED[name].money or "NULL::BIGINT"
    left_as = "CASE WHEN r.mask <> 0 THEN r.mask WHEN l.rid IS NULL THEN 0 WHEN l.mask = 0 THEN NULL ELSE l.mask END"
    return f"""SELECT currency_of, {left_as} AS left_as,
        count(*), coalesce(sum({money}), 0), coalesce(sum(abs({money})), 0), count(*) FILTER (money_unread)
        FROM read_{name} r LEFT JOIN left_{name} l USING (rid) GROUP BY ALL"""


def money_in(name: str) -> str:
    """The sums that the outcomes must add up to, taken before anything was left out."""
    return (
        f"SELECT currency_of, sum({DELIVERED[name].money}) FROM "
        f"read_{name} WHERE {DELIVERED[name].money} IS NOT NULL GROUP BY ALL"
    )


def newest_known(name: str) -> str:
    """Per portfolio the newest known day of rows that came in or are there already."""
    return f"SELECT book, max(known_on) FROM {_clean(name)} GROUP BY ALL"


def known_days(name: str) -> str:
    """Day on which they became known -> rows that came in or are there already."""
    return f"SELECT known_on, count(*) FROM {_clean(name)} GROUP BY ALL"


def stored_days(files: Sequence[str], since: int, until: int, books: Sequence[str] | None = None) -> str:
    """The same of stored rows, for the days in [since, until]; of some books alone where they are named."""
    day = f"(known_on - DATE '{EPOCH}')::BIGINT"
    rows = f"SELECT {day} AS day FROM read_parquet({_listed(files)}, hive_partitioning = true, union_by_name = true)"
    if books is not None:
        named = ", ".join(literal(book) for book in books)
        rows += f" SEMI JOIN (SELECT account_no FROM known_accounts WHERE portfolio IN ({named})) USING (account_no)"
    rows += f" WHERE known_on BETWEEN DATE '{EPOCH}' + {since} AND DATE '{EPOCH}' + {until}"
    return f"SELECT day, count(*) FROM ({rows}) GROUP BY ALL"


def span(name: str) -> str:
    position = DELIVERED[name].position.removesuffix("_at").removesuffix("_on") + "_on"
    return f"SELECT min({position}), max({position}) FROM {_clean(name)}"


def _clean(name: str) -> str:
    return f"read_{name} r LEFT JOIN left_{name} l USING (rid) WHERE r.mask = 0 AND coalesce(l.mask, 0) = 0"


def faulty_cells(name: str, delivered: Sequence[str], extras: Mapping[str, str], shards: int) -> str:
    """Of each row that is set aside: rid, file_no, mask, its cells as delivered, then the mask of each column's own
    faults (every column of the table, then the sender's), NULL where it shows none by itself.
    """
    cells = ", ".join(f"w.{quoted(column)}" for column in delivered)
    own = _faults_by_column(DELIVERED[name], extras)
    masks = ", ".join(
        f"({' | '.join(faults) if faults else '0'}) AS fault_{at}" for at, faults in enumerate(own.values())
    )
    told = ", ".join(f"v.fault_{at}" for at in range(len(own)))
    return f"""
WITH faulty AS (SELECT r.rid, r.mask | coalesce(l.mask, 0) AS mask, r.mask <> 0 AS by_itself
    FROM read_{name} r LEFT JOIN left_{name} l USING (rid) WHERE r.mask <> 0 OR coalesce(l.mask, 0) <> 0),
{_cells(DELIVERED[name], delivered, extras, "rid IN (SELECT rid FROM faulty WHERE by_itself)")},
placed AS ({_placed(DELIVERED[name], shards)}),
{_valued(DELIVERED[name], extras)},
own AS (SELECT rid, {masks} FROM valued)
SELECT f.rid, w.file_no, f.mask, {cells}, {told}
FROM faulty f JOIN raw_{name} w ON w.rid = f.rid LEFT JOIN own v ON v.rid = f.rid ORDER BY f.rid"""


def columns_with_faults(name: str, extras: Mapping[str, str]) -> tuple[str, ...]:
    """The columns that the last masks of `faulty_cells` speak of."""
    return tuple(_faults_by_column(DELIVERED[name], extras))


def accepted_rows(name: str, fields: Sequence[tuple[str, str]], order: Sequence[str], backfill: bool) -> str:
    """What comes in, by the columns of `order`; as it lies where there are none. fields: stored column -> SQL type it
    leaves the engine in.
    """
    source = {number: name for name, number in NUMBERS.items()}
    columns = [
        f"(defaulted AND {backfill}) AS backfilled"
        if column == "backfilled"
        else f"{number_of(source[column])} AS {column}"
        if column in source
        else f"{quoted(column)}::{kind} AS {quoted(column)}"
        for column, kind in fields
    ]
    chosen = f"SELECT shard, {', '.join(columns)}, currency_of"
    if not order:
        return f"{chosen} FROM standing_{name}"
    ordering = ", ".join(f"{quoted(column)} NULLS FIRST" for column in order)
    return f"{chosen} FROM standing_{name} ORDER BY {ordering}"
