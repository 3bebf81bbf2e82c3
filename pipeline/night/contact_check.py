"""One question at the moment of contact, or a file of them: `recoup check`."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping
from pathlib import Path

from features.errors import ContractError, InputMissing
from pipeline.law.eligibility import Check
from pipeline.law.question import CannotDecide
from pipeline.night.desk import FIRST_YEAR, LAST_YEAR, Desk, microseconds
from pipeline.pages.csv_file import safe
from pipeline.params import Params
from pipeline.store.refusals import NotStored

ANSWERED = ("answer", "rule", "citation", "reason", "until", "first_permitted", "contacts_left")


def said(found: Check, at: dt.datetime) -> dict[str, object]:
    """An answer as data: times with the offset of the question; None where there is none."""

    def shown(moment: int) -> str | None:
        if moment <= 0:
            return None
        return dt.datetime.fromtimestamp(moment / 1_000_000, at.tzinfo).isoformat(timespec="seconds")

    return {
        "answer": found.group,
        "rule": found.rule,
        "citation": found.citation,
        "reason": found.reason,
        "until": shown(found.until),
        "first_permitted": shown(found.first_permitted),
        "contacts_left": found.contacts_left,
    }


def check_contact(store_path: Path, account_id: str, channel: str, at: dt.datetime, params: Params) -> str:
    """For `recoup check`: may this account be contacted on this channel at this moment? `at` carries its offset."""
    found = Desk(store_path, params, at).ask_once(account_id, channel, at)
    if found.permitted:
        until = dt.datetime.fromtimestamp(found.until / 1_000_000, at.tzinfo).strftime("%H:%M")
        return f"permitted until {until} by the clock of --at, {found.contacts_left} left today included"
    citation = f" ({found.citation})" if found.citation else ""
    return f"{found.group} by {found.rule}{citation}: {found.reason}"


def check_file(store_path: Path, questions: Path, at: dt.datetime, params: Params) -> str:
    """CSV of the questions (account_id, channel, at where the file has it) with their answers, in their order.

    at: of the questions that name no moment. A question that cannot be answered has the answer `unknown`, never
    permitted. Raises InputMissing where there is no file, BatchFaulty (65) where it holds no questions, UsageError
    where `at` lies outside the years that anything is known of.
    """
    microseconds(at)  # a moment that is none is refused before anything is read
    try:
        with questions.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            asked, lines = [], []
            for row in reader:
                asked.append(row)
                lines.append(reader.line_num)
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputMissing(f"The questions in {questions.name!r} cannot be read: {why}.") from None
    if not asked or not {"account_id", "channel"} <= asked[0].keys():
        raise BatchFaulty.heads()
    moments = [_moment(line, row.get("at"), at) for line, row in zip(lines, asked, strict=True)]
    by_day: dict[dt.date, list[int]] = {}
    for number, moment in enumerate(moments):
        by_day.setdefault(moment.astimezone(dt.UTC).date(), []).append(number)
    answers: list[dict[str, object]] = [{}] * len(asked)
    for numbers in by_day.values():  # one day's desk at a time
        desk = Desk(store_path, params, min((moments[number] for number in numbers), key=microseconds))
        for number in numbers:
            answers[number] = _answer(desk, asked[number], moments[number])
    written = io.StringIO()
    writer = csv.DictWriter(written, ["account_id", "channel", "at", *ANSWERED], lineterminator="\n")
    writer.writeheader()
    for told in answers:
        writer.writerow({name: safe(str(text)) if text is not None else "" for name, text in told.items()})
    return written.getvalue().rstrip("\n")


def _answer(desk: Desk, row: Mapping[str, str | None], moment: dt.datetime) -> dict[str, object]:
    account, channel = row["account_id"] or "", row["channel"] or ""  # a row may be short
    named: dict[str, object] = {"account_id": account, "channel": channel, "at": moment.isoformat()}
    try:
        return named | said(desk.ask(account, channel, moment), moment)
    except (CannotDecide, NotStored) as error:
        return named | {"answer": "unknown", "reason": str(error)}


def _moment(line: int, text: str | None, otherwise: dt.datetime) -> dt.datetime:
    if not text:
        return otherwise
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BatchFaulty.moment(line)
    return found


class BatchFaulty(ContractError):
    """A file of questions that is none."""

    @classmethod
    def heads(cls) -> BatchFaulty:
        return cls("A file of questions must be CSV with the columns account_id and channel, may have at, and ask one.")

    @classmethod
    def moment(cls, line: int) -> BatchFaulty:
        return cls(f"Line {line}: at must be ISO 8601 with an offset, such as 2026-11-02T10:15:00+01:00, or empty.")
