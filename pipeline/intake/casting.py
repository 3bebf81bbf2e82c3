"""SQL text that reads each kind of column out of text: the value, and the bits of what is wrong with it.
No engine is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable

from features.days import DAY_US, EPOCH
from features.tables import MONEY_LIMIT, WHOLE_SHARE, Column, Kind
from pipeline.intake.quarantine import Code
from pipeline.params import known_zones

DATE_FORM = r"\d{4}-\d{2}-\d{2}([ T]00:00(:00(\.0+)?)?)?"
TIME_FORM = r"\d{4}-\d{2}-\d{2}([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?"
MONEY_FORM = r"-?\d+(\.\d+)?"
NUMBER_FORM = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
NOT_A_NUMBER = "(?i)[+-]?(nan|inf|infinity)|null|none|na|n/a|#n/a"
# What a cell of a kind looks like that needs no trimming and hides nothing; others are looked at closer.
PLAIN_FORMS = {
    Kind.ID: "[!-~]+",
    Kind.TEXT: "[!-~]([ -~]*[!-~])?",
    Kind.DATE: DATE_FORM,
    Kind.TIME: TIME_FORM,
    Kind.MONEY: MONEY_FORM,
}
YEARS_FROM, YEARS_TO = -25_567, 47_846  # days: 1900-01-01 and 2100-12-31, for instants; days may lie up to 9999-12-31
LAST_DATE = 2_932_896


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def among(values: Iterable[str]) -> str:
    return "(" + ", ".join(literal(value) for value in values) + ")"


def floor_day(instant: str) -> str:
    """Whole days since 1970 of microseconds, also before 1970."""
    return f"(({instant}) + {DAY_US} * 800000) // {DAY_US} - 800000"


def fault(condition: str, code: Code) -> str:
    """The bit of the code where the condition holds; an unknown condition is no fault."""
    return f"CASE WHEN {condition} THEN {code.bit} ELSE 0 END"


def text_faults(column: Column) -> list[str]:
    cell = quoted(column.name)
    faults = [] if column.empty else [fault(f"{cell} IS NULL", _empty_code(column))]
    if column.kind is Kind.ENUM:
        return [*faults, fault(f"{cell} NOT IN {among(column.values)}", Code.ENUM_UNKNOWN)]
    if column.kind is Kind.ZONE:
        return [*faults, fault(f"{cell} NOT IN {among(sorted(known_zones()))}", Code.ENUM_UNKNOWN)]
    faults.append(fault(f"length({cell}) > {column.limit}", Code.TEXT_TOO_LONG))
    if column.kind is Kind.ID:
        return [*faults, fault(rf"regexp_matches({cell}, '[\s\pZ\pC]')", Code.KEY_FORMAT)]
    return [*faults, fault(rf"regexp_matches({cell}, '\p{{Cc}}')", Code.TEXT_FORMAT)]


def is_sound(column: Column, value: str) -> str:
    """A condition that is quick to test: where it holds, the cell shows no fault; where it does not, it may still show
    none. value: what the cell was read as, where it is no text.
    """
    cell = quoted(column.name)
    if column.kind is Kind.CURRENCY:
        return "decimals IS NOT NULL"
    if column.kind is Kind.ENUM:
        sound = f"{column.name}_plain"
    elif column.kind in (Kind.ID, Kind.TEXT):
        sound = f"({column.name}_plain AND strlen({cell}) <= {column.limit})"
    elif column.kind is Kind.TIME:
        sound = f"{value} IS NOT NULL AND ({column.name}_zoned OR {column.name}_is_day OR zone_declared)"
    elif column.kind is Kind.ZONE:
        sound = "false"
    else:
        sound = f"{value} IS NOT NULL" if column.least is None else f"{value} >= {column.least}"
    return f"({cell} IS NULL OR {sound})" if column.empty else sound


def is_plain(column: Column) -> str:
    """That the cell as delivered is of a form that needs no trimming, and that shows what it is; never unknown."""
    cell = quoted(column.name)
    if column.kind is Kind.ENUM:
        return f"coalesce({cell} IN {among(column.values)}, false)"
    form = PLAIN_FORMS.get(column.kind)
    return "false" if form is None else f"coalesce(regexp_full_match({cell}, '{form}'), false)"


def _empty_code(column: Column) -> Code:
    return Code.ENUM_UNKNOWN if column.kind is Kind.ENUM else Code.KEY_NULL


def date_read(name: str) -> str:
    """Days since 1970 (BIGINT), NULL where empty or of another form."""
    cell = quoted(name)
    day = f"(TRY_CAST(substr({cell}, 1, 10) AS DATE) - DATE '{EPOCH}')"
    return f"CASE WHEN {name}_plain OR regexp_full_match({cell}, '{DATE_FORM}') THEN {day} END"


def date_value(read: str) -> str:
    """What `date_read` found, where it lies in the years that days may lie in, else NULL."""
    return f"CASE WHEN {read} BETWEEN {YEARS_FROM} AND {LAST_DATE} THEN {read} END"


def date_faults(column: Column, value: str) -> list[str]:
    cell = quoted(column.name)
    condition = f"{cell} IS NOT NULL AND {value} IS NULL" if column.empty else f"{value} IS NULL"
    return [fault(condition, Code.TS_FORMAT)]


def instant_read(name: str) -> str:
    """Microseconds as written (BIGINT): UTC where an offset is written, else on the local clock; NULL where empty or
    of another form. Beside `is_zoned` of the column as NAME_zoned.
    """
    cell = quoted(name)
    zoned = f"{name}_zoned AND NOT ends_with({cell}, 'Z')"  # a plain TIMESTAMP is read faster, and no offset with it
    read = f"CASE WHEN {zoned} THEN TRY_CAST({cell} AS TIMESTAMPTZ)::TIMESTAMP ELSE TRY_CAST({cell} AS TIMESTAMP) END"
    return f"CASE WHEN {name}_plain OR regexp_full_match({cell}, '{TIME_FORM}') THEN epoch_us({read}) END"


def instant_value(read: str) -> str:
    """What `instant_read` found, where it lies in the years that instants may lie in, else NULL."""
    return f"CASE WHEN {read} BETWEEN {YEARS_FROM * DAY_US} AND {(YEARS_TO + 1) * DAY_US - 1} THEN {read} END"


def is_zoned(name: str) -> str:
    cell = quoted(name)  # most end with Z, which is seen much faster
    ends = f"(length({cell}) > 11 AND ends_with({cell}, 'Z'))"
    return f"coalesce({ends} OR regexp_matches(substr({cell}, 12), '[Z+-]'), false)"


def is_day(name: str) -> str:
    return f"coalesce(length({quoted(name)}) = 10, false)"


def instant_faults(column: Column, value: str) -> list[str]:
    cell = quoted(column.name)
    naive = f"{value} IS NOT NULL AND NOT {column.name}_zoned AND NOT {column.name}_is_day AND NOT zone_declared"
    return [*date_faults(column, value), fault(f"{cell} IS NOT NULL AND {naive}", Code.TS_NAIVE)]


def money_read(name: str) -> str:
    """Minor units (BIGINT) by the account's `decimals`, NULL where empty, unreadable or too fine."""
    cell = quoted(name)
    # Up to 14 characters fit a DECIMAL(18,4), four times as fast; both ways are exact.
    spare = "(CASE decimals WHEN 2 THEN 100 WHEN 0 THEN 10000 WHEN 3 THEN 10 ELSE 1 END)"
    short = f"(TRY_CAST({cell} AS DECIMAL(18,4)) * 10000)::BIGINT // {spare}"
    long = f"TRY_CAST(replace({cell}, '.', '') || repeat('0', greatest(decimals - {_decimals(cell)}, 0)) AS BIGINT)"
    minor = f"CASE WHEN length({cell}) <= 14 THEN {short} ELSE {long} END"
    readable = f"({name}_plain OR regexp_full_match({cell}, '{MONEY_FORM}')) AND {_decimals(cell)} <= decimals"
    return f"CASE WHEN {readable} THEN {minor} END"


def money_value(read: str) -> str:
    """What `money_read` found, where it is not too large, else NULL."""
    return f"CASE WHEN {read} BETWEEN -{MONEY_LIMIT} AND {MONEY_LIMIT} THEN {read} END"


def _decimals(cell: str) -> str:
    return f"(CASE WHEN contains({cell}, '.') THEN length({cell}) - strpos({cell}, '.') ELSE 0 END)::BIGINT"


def money_faults(column: Column, value: str) -> list[str]:
    cell = quoted(column.name)
    word = f"regexp_full_match({cell}, '{NOT_A_NUMBER}')"
    form = f"regexp_full_match({cell}, '{MONEY_FORM}')"
    faults = [
        fault(word, Code.AMT_NAN),
        fault(
            f"{cell} IS NOT NULL AND NOT {word} AND NOT {form}" + ("" if column.empty else f" OR {cell} IS NULL"),
            Code.AMT_FORMAT,
        ),
        fault(f"{form} AND {_decimals(cell)} > decimals", Code.AMT_SCALE),
        fault(f"{form} AND {_decimals(cell)} <= decimals AND {value} IS NULL", Code.LIMIT_AMOUNT),
    ]
    return faults if column.least is None else [*faults, fault(f"{value} < {column.least}", Code.AMT_SIGN)]


def whole_value(name: str) -> str:
    cell = quoted(name)
    return f"CASE WHEN regexp_full_match({cell}, '\\d{{1,6}}') THEN TRY_CAST({cell} AS INTEGER) END"


def whole_faults(column: Column, value: str) -> list[str]:
    wrong = f"{value} IS NULL" if column.least in (None, 0) else f"({value} IS NULL OR {value} < {column.least})"
    return [fault(f"{quoted(column.name)} IS NOT NULL AND {wrong}" if column.empty else wrong, Code.NUM_FORMAT)]


def share_value(name: str) -> str:
    """Millionths of 1 (INTEGER), NULL where empty or no share."""
    cell = quoted(name)
    form = f"regexp_full_match({cell}, '0?\\.\\d{{1,6}}|0|1(\\.0{{1,6}})?')"
    return f"CASE WHEN {form} THEN (TRY_CAST({cell} AS DECIMAL(9,6)) * {WHOLE_SHARE})::INTEGER END"


def share_faults(column: Column, value: str) -> list[str]:
    empty = f"{quoted(column.name)} IS NOT NULL AND " if column.empty else ""
    return [fault(f"{empty}{value} IS NULL", Code.SHARE_RANGE)]


def number_value(name: str) -> str:
    """The sender's own number (DOUBLE); words for "not a number" read as empty."""
    cell, number = quoted(name), f"TRY_CAST({quoted(name)} AS DOUBLE)"
    return f"CASE WHEN regexp_full_match({cell}, '{NUMBER_FORM}') AND isfinite({number}) THEN {number} END"


def not_a_number(name: str) -> str:
    cell = quoted(name)
    words = f"regexp_full_match({cell}, '{NOT_A_NUMBER}')"
    return f"({cell} IS NOT NULL AND NOT {words} AND {number_value(name)} IS NULL)"
