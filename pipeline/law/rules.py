"""Contact law as data: the kinds of rules, the places they hold in, and which of them reach a place.
Read by pipeline/law/rule_file.py.
"""

from __future__ import annotations

import datetime as dt
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from features.days import DAY_MINUTES
from features.errors import ContractError
from features.tables import STATUSES
from pipeline.law.holidays import WEEKDAYS, HolidayList
from pipeline.params import ContactChannel, MessageChannel, Role, Zone

CONTACT_CHANNELS = get_args(ContactChannel)
CALLS = ("call", "autodial", "voicemail")  # one family: what binds a call binds an autodialled one and a message left
OPT_OUT = {
    **dict.fromkeys(CALLS, "opt_out_call"),
    **{name: f"opt_out_{name}" for name in ("sms", "email", "letter", "visit")},
}
CONSENT = {**dict.fromkeys(CALLS, "consent_call"), "sms": "consent_sms", "email": "consent_email"}

DebtorType = Literal["consumer", "commercial"]
Channel = Literal[ContactChannel, "any"]
Windows = tuple[tuple[tuple[int, int], ...], ...]
_WINDOW = re.compile(r"([0-2]\d):([0-5]\d)-([0-2]\d):([0-5]\d)")


def _known_status(name: str) -> str:
    if name not in STATUSES:
        raise ValueError(f"must be a status of the contract{nearest(name, STATUSES)}. Got {name!r}")
    return name


Status = Annotated[str, AfterValidator(_known_status)]
Text = Annotated[str, Field(min_length=1)]


class Typed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Loosening(Typed):
    """Who answers for it that a rule of an overlay opens what ours keep shut, since when, and why."""

    why: Text
    who: Text
    date: dt.date


class Rule(Typed):
    """What every rule says of itself. `channels` are expanded: `any` to all, `call` to the whole family.
    Only a rule of an overlay may have `loosens`.
    """

    id: Text
    binds: Annotated[tuple[DebtorType, ...], Field(min_length=1)]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    citation: Text
    force: Literal[
        "statute",
        "regulation",
        "directive",
        "licence_rule",
        "presumption",
        "safe_harbour",
        "guidance",
        "official_interpretation",
        "industry_code",
        "code",
        "proposed",
        "product",
        "none",
    ]
    evidence: Literal["primary", "regulator", "secondary", "recall", "product"]
    verified: bool
    enforce: Literal["hard", "soft", "off"] = "hard"
    effective_from: dt.date | None = None
    effective_to: dt.date | None = None
    source: str | None = None
    notes: str | None = None
    loosens: Loosening | None = None

    @model_validator(mode="after")
    def _honest_about_its_evidence(self) -> Rule:
        if self.verified and self.evidence not in ("primary", "regulator"):
            raise ValueError(
                f"verified is true only where the text was read (evidence primary or regulator). Got {self.evidence!r}"
            )
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            raise ValueError(
                f"effective_to must not lie before effective_from. Got {self.effective_from} to {self.effective_to}"
            )
        return self

    def in_effect(self, day: dt.date) -> bool:
        return (self.effective_from is None or self.effective_from <= day) and (
            self.effective_to is None or day <= self.effective_to
        )

    @property
    @abstractmethod
    def says(self) -> str:
        """The rule in one English sentence, made from its own figures."""


class ChannelRule(Rule):
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]

    @field_validator("channels")
    @classmethod
    def _whole_families(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "any" in names:
            return CONTACT_CHANNELS
        meant = set(names) | (set(CALLS) if "call" in names else set())
        return tuple(name for name in CONTACT_CHANNELS if name in meant)

    @property
    def by(self) -> str:
        if self.channels == CONTACT_CHANNELS:
            return "any channel"
        return ", ".join(
            name for name in self.channels if not (name in ("autodial", "voicemail") and "call" in self.channels)
        )


class Hours(ChannelRule):
    """When a channel may be used. windows: per weekday from Monday, minutes [from, until), ascending and apart."""

    kind: Literal["hours"]
    clock: Literal["debtor"] | Zone
    windows: Windows
    holidays: Literal["allowed", "place", "unknown"] | tuple[str, ...]

    @field_validator("windows", mode="before")
    @classmethod
    def _windows_of_every_weekday(cls, raw: object) -> Windows:
        if not isinstance(raw, dict):
            raise ValueError("must map weekdays (mon, mon-fri, daily) to lists of HH:MM-HH:MM")
        days: dict[int, tuple[tuple[int, int], ...]] = {}
        for name, texts in raw.items():
            for number in _weekdays(str(name)):
                if number in days:
                    raise ValueError(f"names {WEEKDAYS[number]} twice")
                days[number] = _minutes(WEEKDAYS[number], texts)
        missing = [WEEKDAYS[number] for number in range(7) if number not in days]
        if missing:
            raise ValueError(f"must name every weekday, [] for none. Got nothing for {', '.join(missing)}")
        return tuple(days[number] for number in range(7))

    @property
    def says(self) -> str:
        week = "; ".join(f"{days} {written(windows)}" for days, windows in self._spans())
        where = "the debtor's clock" if self.clock == "debtor" else f"the clock of {self.clock}, and the debtor's"
        free = {"allowed": "holidays included", "unknown": "holidays not recorded: blocked"}.get(
            str(self.holidays), "not on holidays"
        )
        return f"Contact by {self.by}: {week} on {where}, {free}."

    def _spans(self) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
        """Runs of weekdays with the same windows."""
        runs: list[tuple[list[str], tuple[tuple[int, int], ...]]] = []
        for name, windows in zip(WEEKDAYS, self.windows, strict=True):
            if runs and runs[-1][1] == windows:
                runs[-1][0].append(name)
            else:
                runs.append(([name], windows))
        return [(names[0] if len(names) == 1 else f"{names[0]}-{names[-1]}", windows) for names, windows in runs]


class Rolling(Typed):
    """Any so many consecutive days, ending today."""

    days: Annotated[int, Field(ge=1, le=366)]


class Cap(ChannelRule):
    """At most `max` counted contacts per window and grain. What counts: see COUNTED in pipeline/law/caps.py."""

    kind: Literal["cap"]
    counts: Literal["attempts", "dials", "contacts_made", "conversations"]
    max: Annotated[int, Field(ge=0)]
    window: Rolling | Literal["calendar_month"]
    per: Literal["account", "debtor", "person", "endpoint"]
    requested_exempt_days: Annotated[int, Field(ge=1)] | None = None

    @property
    def says(self) -> str:
        days = (
            "a calendar month"
            if self.window == "calendar_month"
            else "a day"
            if self.window.days == 1
            else f"{self.window.days} days"
        )
        return f"At most {self.max} {self.counts.replace('_', ' ')} by {self.by} in {days} per {self.per}."


class Wait(ChannelRule):
    """Days of silence after a conversation (a call) or an exchange (any medium). Its day is day 1:
    permitted again on that day + days.
    """

    kind: Literal["wait"]
    days: Annotated[int, Field(ge=1, le=366)]
    per: Literal["account", "debtor", "person"]
    after: Literal["conversation", "exchange"] = "conversation"
    requested_exempt_days: Annotated[int, Field(ge=1)] | None = None

    @property
    def says(self) -> str:
        event = {"conversation": "a conversation", "exchange": "an exchange"}[self.after]
        return f"No contact by {self.by} for {self.days} days after {event}, whose day is day 1, per {self.per}."


class Stop(ChannelRule):
    kind: Literal["stop"]
    statuses: Literal["always"] | Annotated[tuple[Status, ...], Field(min_length=1)]
    per: Literal["account", "debtor"]

    @property
    def says(self) -> str:
        if self.statuses == "always":
            return f"No contact by {self.by} at all."
        where = {"account": "the account", "debtor": "any account of the debtor"}[self.per]
        return f"No contact by {self.by} while {' or '.join(self.statuses)} is recorded on {where}."


class Precondition(ChannelRule):
    kind: Literal["precondition"]
    needs: Annotated[tuple[Literal["consent", "notice_sent"], ...], Field(min_length=1)]
    notice_days: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _days_of_a_notice(self) -> Precondition:
        if self.notice_days is not None and "notice_sent" not in self.needs:
            raise ValueError("notice_days needs notice_sent among needs")
        return self

    @property
    def says(self) -> str:
        days = f" at least {self.notice_days} days ago" if self.notice_days else ""
        words = {"consent": "consent to the channel", "notice_sent": f"a written notice sent{days}"}
        return f"Contact by {self.by} only with {' and '.join(words[need] for need in self.needs)} on record."


class OptOut(ChannelRule):
    kind: Literal["opt_out"]

    @property
    def says(self) -> str:
        return f"A debtor who opts out of a channel is not contacted by it ({self.by})."


class TimeBarred(Rule):
    """years: the low end; an older debt is kept from legal treatment. contact_once_barred:
    False stops contact with a prescribed debt.
    """

    kind: Literal["time_barred"]
    effect: Literal[
        "extinguished",
        "no_suit",
        "no_suit_no_threat",
        "suit_barred",
        "suit_doubtful",
        "defence_if_raised",
        "stop_on_statement",
        "unknown",
    ]
    years: Annotated[int, Field(ge=1)] | None
    contact_once_barred: bool

    @property
    def says(self) -> str:
        after = f"A debt of {self.years} years" if self.years else "A prescribed debt"
        then = "contact may go on, legal treatment may not" if self.contact_once_barred else "contact stops"
        return f"{after}: {self.effect.replace('_', ' ')}; {then}."


class Wording(Typed):
    """What every message by these channels must say. words: language -> phrases that stand in it, whatever their case;
    `any` for every language. A language that is not named cannot be written in.
    """

    channels: Annotated[tuple[MessageChannel, ...], Field(min_length=1)]
    words: Annotated[dict[str, Annotated[tuple[Text, ...], Field(min_length=1)]], Field(min_length=1)]


class Note(Rule):
    """A duty that no column of the contract can show: printed for whoever signs the place off, decides nothing.
    wording: what it wants said in messages, which their texts are held to.
    """

    kind: Literal["note"]
    topic: Text
    duty: Text
    wording: Wording | None = None

    @property
    def says(self) -> str:
        if self.wording is None:
            return self.duty
        words = "; ".join(f"{name}: {', '.join(said)}" for name, said in self.wording.words.items())
        return f"{self.duty} Words of messages by {', '.join(self.wording.channels)}: {words}."


class Pause(ChannelRule):
    """Minutes between two attempts at a debtor on one day. A night's list cannot hold it:
    the check at the moment of contact does.
    """

    kind: Literal["pause"]
    minutes: Annotated[int, Field(ge=1, le=DAY_MINUTES)]

    @property
    def says(self) -> str:
        return f"At least {self.minutes} minutes between two attempts by {self.by} at a debtor."


RULE_KINDS = (Hours, Cap, Wait, Pause, Stop, Precondition, OptOut, TimeBarred, Note)
AnyRule = Annotated[
    Hours | Cap | Wait | Pause | Stop | Precondition | OptOut | TimeBarred | Note, Field(discriminator="kind")
]


class Place(Typed):
    """A country, subdivision or locality, or an overlay on several countries.

    zones         the clocks of the place; an account whose zone reads otherwise is held to both
    subdivisions  of a country: `required` (a bare country code is no place), `union` (a bare code takes the rules of
                  all known ones), `uniform` (law is made at this level: any subdivision code means the country)
    holidays      lists meant by `holidays: place`; a subdivision without its own takes its parent's
    """

    name: Text
    zones: tuple[Zone, ...] = ()
    subdivisions: Literal["required", "union", "uniform"] | None = None
    holidays: tuple[str, ...] | None = None
    overlay_on: tuple[str, ...] = ()
    law: str | None = None
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, eq=False)
class Rules:
    """The rule file as read, and what overlays laid over it (pipeline/law/overlay.py).

    digest      sha256 of the file: a night records it; bodies: the rules as they were written, by id
    everywhere  rules of overlays that bind in every place
    overlays    file as the params name it -> its sha256
    added       ids of rules of overlays before which none of ours gives way
    scopes      overlay that binds some portfolios only -> those; only: rule id -> the overlay by which it binds;
                unless: rule id -> the overlays under which another stands in its place
    """

    as_of: dt.date
    product: tuple[Rule, ...]
    places: dict[str, Place]
    holidays: dict[str, HolidayList]
    digest: str
    bodies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    everywhere: tuple[Rule, ...] = ()
    overlays: Mapping[str, str] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    scopes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    unless: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def unknown(self, place: str) -> ContractError:
        return ContractError(f"The place {place[:64]!r} is not in the rule file. Known: {', '.join(self.places)}.")

    def chain(self, jurisdiction: str) -> tuple[str, ...] | None:
        """The places whose sign-off an account there needs, nearest first with overlays last;
        None where the place is not known.
        """
        code = jurisdiction
        if code not in self.places:
            country = code.split("-")[0]
            known = country in self.places and self.places[country].subdivisions == "uniform"
            if not known or not re.fullmatch(r"[A-Z]{2}-[A-Z0-9]{1,3}", code):
                return None
            code = country
        if self.places[code].subdivisions == "required" or self.places[code].overlay_on:
            return None
        own = [code]
        while (above := parent(own[-1])) is not None:
            own.append(above)
        overlays = [name for name, place in self.places.items() if own[-1] in place.overlay_on]
        return tuple(own + overlays)

    def chains(self, jurisdiction: str) -> tuple[tuple[str, ...], ...]:
        """The chains that may hold an account there: its own, and below a bare country of kind `union` besides those
        of all its known subdivisions.
        """
        own = self.chain(jurisdiction) or ()
        if own and self.places[own[0]].subdivisions == "union":
            parts = (name for name in self.places if name.startswith((f"{own[0]}-", f"{own[0]}/")))
            return (own, *(self.chain(name) or () for name in parts))
        return (own,)

    def reach(self, jurisdiction: str) -> tuple[str, ...]:
        """The places whose rules bind an account there, nearest first."""
        return tuple(dict.fromkeys(code for chain in self.chains(jurisdiction) for code in chain))

    def holidays_of(self, place: str) -> tuple[str, ...]:
        named = self.places[place].holidays
        above = parent(place)
        return named if named is not None else self.holidays_of(above) if above else ()

    def scope_of(self, portfolio: str) -> frozenset[str]:
        """The overlays that bind this portfolio and not every one."""
        return frozenset(name for name, portfolios in self.scopes.items() if portfolio in portfolios)

    def in_scope(self, rule: Rule, scope: frozenset[str]) -> bool:
        """Whether a rule binds portfolios of a scope."""
        own = self.only.get(rule.id)
        return (own is None or own in scope) and not self.unless.get(rule.id, frozenset()) & scope

    def gives_way_to(self, rule: Rule) -> bool:
        """Whether ours may give way to a rule: somebody read the law, or answers for it."""
        return rule.verified and rule.id not in self.added

    @cached_property
    def all_rules(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self._rules()}

    @cached_property
    def nearest_first(self) -> tuple[str, ...]:
        """Rule ids in the order in which a cause is named: the law of localities and subdivisions, of countries,
        what overlays say everywhere, ours.
        """
        places = sorted(self.places, key=lambda code: -len(code.replace("/", "-").split("-")))
        law = (rule for code in places for rule in self.places[code].rules)
        return tuple(rule.id for rule in (*law, *self.everywhere, *self.product))

    def _rules(self) -> Iterator[Rule]:
        yield from self.product
        for place in self.places.values():
            yield from place.rules
        yield from self.everywhere


def parent(code: str) -> str | None:
    """US-NY/NYC -> US-NY -> US -> None."""
    return code.rsplit("/", 1)[0] if "/" in code else code.rsplit("-", 1)[0] if "-" in code else None


def written(windows: tuple[tuple[int, int], ...]) -> str:
    return (
        ", ".join(f"{first // 60:02}:{first % 60:02}-{last // 60:02}:{last % 60:02}" for first, last in windows)
        or "none"
    )


def nearest(name: str, candidates: Iterable[str]) -> str:
    hit = get_close_matches(name, map(str, candidates), n=1)
    return f" (nearest: {hit[0]!r})" if hit else ""


def _weekdays(name: str) -> range:
    if name == "daily":
        return range(7)
    ends = name.split("-")
    if not 1 <= len(ends) <= 2 or any(end not in WEEKDAYS for end in ends):
        raise ValueError(f"names {name!r}, which is not daily, a weekday (mon) or a span of them (mon-fri)")
    first, last = WEEKDAYS.index(ends[0]), WEEKDAYS.index(ends[-1])
    if last < first:
        raise ValueError(f"names {name!r}, which runs backwards")
    return range(first, last + 1)


def _minutes(day: str, texts: object) -> tuple[tuple[int, int], ...]:
    if not isinstance(texts, list):
        raise ValueError(f"{day} must be a list of HH:MM-HH:MM, [] for none")
    spans = []
    for text in texts:
        match = _WINDOW.fullmatch(str(text))
        if match is None:
            raise ValueError(f"{day} must be written HH:MM-HH:MM. Got {text!r}")
        hour, minute, last_hour, last_minute = (int(part) for part in match.groups())
        first, last = hour * 60 + minute, last_hour * 60 + last_minute
        if not first < last <= DAY_MINUTES:
            raise ValueError(f"{day} must end after it begins and by 24:00. Got {text!r}")
        if spans and first < spans[-1][1]:
            raise ValueError(f"{day} has overlapping windows or windows out of order. Got {texts!r}")
        spans.append((first, last))
    return tuple(spans)
