"""SQL text that reads a foreign cell exactly as its declared form says, NULL where it does not fit.
Nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from features.tables import Kind
from pipeline.intake.casting import TIME_FORM, literal
from pipeline.intake.mapping import EXCEL_DAYS, ISO, Form, date_pattern

NATIVE = "\ue000"  # begins a cell that a workbook keeps as a number, a day or an instant: a letter (n, d, t) follows
MONTH_LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")
EXCEL_FIRST, EXCEL_ZERO = 61, "1899-12-30"  # earlier serials fall on a leap day that never was
_BLANKS = r"[\x{00A0}\x{202F}\x{2009}\x{2007}]"


def bare(cell: str) -> str:
    """The cell as text, whatever a workbook kept it as."""
    return f"CASE WHEN starts_with({cell}, '{NATIVE}') THEN substr({cell}, 3) ELSE {cell} END"


def amount(cell: str, form: Form) -> str:
    """Decimal text with a point. A sign stands before or behind, or parentheses say it;
    without declared marks only digits are read.
    """
    plain = f"trim(translate(regexp_replace({cell}, '{_BLANKS}', ' ', 'g'), '\u2212\u2019', '-'''))"
    if form.currency_marks:
        marks = "|".join(re.escape(mark) for mark in form.currency_marks)
        before, behind = literal(rf"^([-+(]?) ?(?:{marks}) ?"), literal(rf" ?(?:{marks}) ?([-+)]?)$")
        plain = f"trim(regexp_replace(regexp_replace({plain}, {before}, '\\1'), {behind}, '\\1'))"
    body = _digits(form)
    signed = literal(rf"[-+]? ?{body}|{body} ?[-+]|\( ?{body} ?\)")
    fits = f"regexp_full_match({plain}, {signed})"
    digits = f"regexp_replace({plain}, '[-+() ]', '', 'g')"
    if form.thousands:
        digits = f"replace({digits}, {literal(form.thousands)}, '')"
    if form.decimal == ",":
        digits = f"replace({digits}, ',', '.')"
    minus = f"CASE WHEN regexp_matches({plain}, '[-(]') THEN '-' ELSE '' END"
    read = f"CASE WHEN {fits} THEN {minus} || {digits} END"
    return (
        f"CASE WHEN starts_with({cell}, '{NATIVE}n') THEN substr({cell}, "
        f"3) WHEN starts_with({cell}, '{NATIVE}') THEN NULL ELSE {read} END"
    )


def _digits(form: Form) -> str:
    whole = r"\d+"
    if form.thousands:
        mark = re.escape(form.thousands)
        grouped = (
            rf"\d{{1,2}}(?:{mark}\d{{2}})*{mark}\d{{3}}"
            if form.grouping == "indian"
            else rf"\d{{1,3}}(?:{mark}\d{{3}})+"
        )
        whole = rf"(?:\d+|{grouped})"
    if not form.decimal:
        return rf"(?:{whole})"
    mark = re.escape(form.decimal)
    return rf"(?:{whole}(?:{mark}\d+)?|{mark}\d+)"


def turned(amount_sql: str) -> str:
    """The amount with the other sign."""
    return f"CASE WHEN starts_with({amount_sql}, '-') THEN substr({amount_sql}, 2) ELSE '-' || {amount_sql} END"


def _may_group(amount_sql: str) -> str:
    """Whether three digits behind the mark may as well be a group of thousands: 1.500, and not 0.500 or 1500.000."""
    return f"regexp_full_match({amount_sql}, '-?[1-9]\\d{{0,2}}\\.\\d{{3}}')"


def exact(amount_sql: str) -> str:
    """The same amount without zeros behind the second decimal; without any where all of three and more are zeros.
    What may be a group of thousands keeps its three decimals: a currency of two refuses it.
    """
    led = f"regexp_replace({amount_sql}, '^(-?)\\.', '\\10.')"
    short = f"regexp_replace(regexp_replace({led}, '\\.0{{3,}}$', ''), '(\\.\\d\\d\\d*?)0+$', '\\1')"
    return f"CASE WHEN {_may_group(amount_sql)} THEN {amount_sql} ELSE {short} END"


def whole(amount_sql: str) -> str:
    """The same exact amount without decimals that are all zeros, for currencies that have none."""
    return f"regexp_replace({amount_sql}, '\\.0{{1,2}}$', '')"


def added_up(amounts: Sequence[str]) -> str:
    """The exact sum of amounts; an empty one adds nothing, NULL where all are empty or one has more than nine decimals.
    It has three decimals where those of an amount may be a group of thousands.
    """
    each = [f"TRY_CAST({amount_sql} AS DECIMAL(28,9))" for amount_sql in amounts]
    fine = " OR ".join(rf"regexp_matches({amount_sql}, '\.\d{{9}}\d*[1-9]')" for amount_sql in amounts)
    total = f"({' + '.join(f'coalesce({number}, 0)' for number in each)})::VARCHAR"
    may_group = " OR ".join(f"coalesce({_may_group(amount_sql)}, false)" for amount_sql in amounts)
    three = f"regexp_replace({total}, '(\\.\\d{{3}}\\d*?)0+$', '\\1')"
    return (
        f"CASE WHEN {fine} OR coalesce({', '.join(each)}) IS NULL THEN NULL "
        f"WHEN {may_group} THEN {three} ELSE {exact(total)} END"
    )


def is_zero(amount_sql: str) -> str:
    return f"coalesce(regexp_full_match({amount_sql}, '-?0*(\\.0*)?'), true)"


def moment(cell: str, form: Form, kind: Kind) -> str:
    """A day as YYYY-MM-DD; for an instant its time follows, in UTC where the form names a zone
    and the cell no offset.
    """
    native = f"WHEN starts_with({cell}, '{NATIVE}d') OR starts_with({cell}, '{NATIVE}t') THEN substr({cell}, 3)"
    if form.dates is None or form.dates == ISO:
        written = (
            f"CASE WHEN regexp_full_match({cell}, "
            f"{literal(TIME_FORM)}) AND {_is_day(f'substr({cell}, 1, 10)')} THEN {cell} END"
        )
    elif form.dates == EXCEL_DAYS:
        whole = literal(r"^(\d{1,6})(\.0+)?$")
        serial = f"TRY_CAST(regexp_extract({bare(cell)}, {whole}, 1) AS INTEGER)"
        written = f"CASE WHEN {serial} >= {EXCEL_FIRST} THEN (DATE '{EXCEL_ZERO}' + {serial})::VARCHAR END"
        native = f"WHEN starts_with({cell}, '{NATIVE}n') THEN {written} {native}"
    else:
        written = _by_pattern(cell, form.dates)
    read = f"(CASE {native} WHEN starts_with({cell}, '{NATIVE}') THEN NULL ELSE {written} END)"
    if kind is Kind.DATE:
        return f"substr({read}, 1, 10)"
    return read if form.zone is None else _in_zone(read, form.zone)


def _by_pattern(cell: str, form: str) -> str:
    pattern = date_pattern(form)
    names = re.findall(r"\?<(\w+)>", pattern)
    plain = literal(re.sub(r"\?<\w+>", "", pattern))
    part = {name: f"regexp_extract({cell}, {plain}, {number})" for number, name in enumerate(names, 1)}
    year = part.get("year") or f"'20' || {part['short']}"
    month = f"lpad({part['month']}, 2, '0')" if "month" in part else _month(part["name"])
    day = f"{year} || '-' || {month} || '-' || lpad({part['day']}, 2, '0')"
    time = ""
    if "hour" in part:
        minute, second = (part.get(name, "'00'") for name in ("minute", "second"))
        time = f" || ' ' || {part['hour']} || ':' || {minute} || ':' || {second}"
    read = f"{day}{time}"
    sound = f"TRY_CAST({read} AS TIMESTAMP) IS NOT NULL" if time else _is_day(day)
    return f"CASE WHEN regexp_full_match({cell}, {plain}) AND {sound} THEN {read} END"


def _is_day(text: str) -> str:
    return f"TRY_CAST({text} AS DATE) IS NOT NULL"


def _month(name: str) -> str:
    cases = " ".join(f"WHEN {literal(word)} THEN '{number:02d}'" for word, number in month_words().items())
    return f"CASE rtrim(lower({name}), '.') {cases} END"


@cache
def month_words() -> dict[str, int]:
    """Names and short names of months in the languages of the trade's exports; no word is two months."""
    from babel import Locale

    words: dict[str, int] = {}
    for language in MONTH_LANGUAGES:
        for width in ("abbreviated", "wide"):
            for number, name in Locale(language).months["format"][width].items():
                words.setdefault(name.lower().rstrip("."), number)
    return words | {"sept": 9, "mär": 3, "mrz": 3}


def _in_zone(read: str, zone: str) -> str:
    """UTC of a local time. An hour that the clock leaves out is unreadable;
    of one that comes twice the first is taken.
    """
    local = f"TRY_CAST({read} AS TIMESTAMP)"
    utc = f"({local} AT TIME ZONE {literal(zone)})"
    back = f"({utc} AT TIME ZONE {literal(zone)})"
    naive = f"length({read}) > 10 AND NOT regexp_matches(substr({read}, 11), '[Z+-]')"
    shown = f"strftime({utc} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S') || 'Z'"
    return f"CASE WHEN {naive} THEN CASE WHEN {back} = {local} THEN {shown} END ELSE {read} END"
