"""A report page as a message to send: what it says first as text, the page attached. Nothing is sent."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from markupsafe import Markup

from pipeline.outcomes.ahead import CASES
from pipeline.outcomes.teller import Teller

BOUNDARY_DIGITS = 32


def attached_to(
    file: str, page: str, title: str, text: str, sender: str | None, to: Sequence[str], told: Mapping[str, Any]
) -> bytes:
    """The message, RFC 5322 with lines as they are sent: dated by the night, and the same bytes for the same page.

    It is marked as not sent (X-Unsent), so that a mail program opens it to be looked at and sent by a person. Without
    sender or `to` these lines are left out.
    """
    made = EmailMessage(SMTP)
    made["X-Unsent"] = "1"
    night = dt.datetime.combine(dt.date.fromisoformat(told["as_of"]), dt.time(), dt.UTC)
    made["Date"] = format_datetime(night)
    if sender is not None:
        made["From"] = sender
    if to:
        made["To"] = ", ".join(to)
    made["Subject"] = " ".join(f"{title} {told['as_of']}".split())
    made.set_content(text, cte="base64")
    content = page.encode("utf-8")
    made.add_attachment(content, maintype="text", subtype="html", filename=file, params={"charset": "utf-8"})
    digest = hashlib.sha256(b"\0".join((text.encode("utf-8"), content))).hexdigest()
    made.set_boundary(f"==={digest[:BOUNDARY_DIGITS]}")
    return made.as_bytes()


def client_text(teller: Teller, portfolio: str) -> str:
    """The first sentences of a client's page, and what waits for a decision."""
    own, held = teller.within("portfolios", portfolio), teller.held("portfolios", portfolio)
    lines: list[str] = [
        teller.fill(
            "lead",
            attempts=own.count("worked", "attempts"),
            debtors=own.count("worked", "debtors"),
            spoken=own.count("answers", "debtors_spoken"),
            promises=own.count("answers", "promises"),
        )
    ]
    for code in held["currencies"]:
        lines.append(
            own.say(
                "came_in",
                amount=own.money(code, "recovered", code, "amount"),
                debtors=own.count("recovered", code, "debtors"),
                worked=own.money(code, "source", code, "worked"),
                ordinary=own.money(code, "source", code, "ordinary"),
            )
        )
        lines += _cases(own, held["cases"][code], code)
    return _plain(teller, lines)


def _cases(own: Teller, rows: Sequence[Sequence[Any]], code: str) -> list[str]:
    said, speech = own.words["client"], own.speech
    lines = []
    for case in CASES:
        kind = [row for row in rows if row[0] == case]
        if kind:
            accounts, balance = (sum(row[place] for row in kind) for place in (3, 4))
            lines.append(
                f"{said['case_' + case]}: {speech.count(accounts)} ({speech.money(balance, code, short=True)})"
            )
    return [f"{said['cases_title']}, {code}:", *(f"- {line}" for line in lines)] if lines else []


def collectors_text(teller: Teller) -> str:
    """What the collectors' page says first."""
    own, held = teller.within("collectors"), teller.held("collectors")
    said = own.words["collectors"]
    if not held["contacts"]:
        return _plain(teller, [said["no_log"]])
    if not held["rows"]:
        return _plain(teller, [own.say("nobody", "collectors", unnamed=own.count("unnamed"))])
    count = own.speech.count(len(held["rows"]))
    parts = {"spoken": said["spoken_title"], "kept": said["kept_title"]}
    parts |= {code: said["money_title"].format(currency=code) for code in held["money"]}
    lines: list[str] = [
        own.say("lead", "collectors", n=count, contacts=own.count("made"), unnamed=own.count("unnamed"))
    ]
    for part, title in parts.items():
        tally = {name: own.count("readings", part, at) for at, name in enumerate(("more", "less", "alike", "few"))}
        lines.append(f"{title}: {Markup(own.say('readings', 'collectors', **tally)).striptags()}")
    return _plain(teller, lines)


def _plain(teller: Teller, lines: Sequence[str]) -> str:
    """Lines without marks, under the span and above where the rest is."""
    told = teller.told
    last = dt.date.fromisoformat(told["as_of"]) - dt.timedelta(1)
    span = teller.words["report"]["span"].format(first=teller.speech.day(told["first"]), last=teller.speech.day(last))
    whole = [span, *(Markup(line).striptags() if isinstance(line, Markup) else line for line in lines)]
    return "\n\n".join([*whole, teller.words["mail"]["attached"]]).replace("\n\n- ", "\n- ") + "\n"
