"""The params of books of one's own: the default ones, with what was found or said of the books in its place."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from features.currencies import DECIMALS
from features.errors import UsageError
from pipeline.intake.mapping_lines import Decided
from pipeline.intake.proposal import Proposal
from pipeline.law.rule_file import load_rules
from pipeline.messages.texts import SHIPPED as TEXTS
from pipeline.treatment.policy import SHIPPED as POLICY

PARAMS, MAPPING = "params.yaml", "mapping.yaml"
MESSAGES = TEXTS.name  # those that come with recoup, to be made one's own
TREATMENTS = POLICY.name  # the example that comes with recoup
SIGNATURES = "sign-offs.jsonl"  # begun empty, for `recoup rules sign` to add to
CAPACITY = 40  # debtors a night, where nobody says
ROLES = ("creditor", "third_party_collector", "debt_buyer")
_KEY = re.compile(r"( *)([\w-]+):(\s+(?:[^#\s][^#]*)?)?(#.*)?")


@dataclass(frozen=True)
class Answers:
    """What a user says of his books. rates: reporting units for one unit of each further currency."""

    decided: Decided = field(default_factory=Decided)
    role: str | None = None
    capacity: int | None = None
    signed_off: tuple[str, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnBooks:
    """What the params must say of the books that were found."""

    names: tuple[str, ...]
    currencies: tuple[str, ...]
    zone: str
    role: str
    delivers: tuple[str, ...]
    capacity: int
    signed_off: tuple[str, ...]
    rates: Mapping[str, float]
    place: str | None

    @classmethod
    def of(cls, proposal: Proposal, answers: Answers) -> OwnBooks:
        own = answers.decided.currency
        currencies = proposal.words("accounts", "currency") or ((own,) if own else ())
        return cls.named(proposal.words("accounts", "portfolio") or ("book",), currencies, proposal.tables, answers)

    @classmethod
    def named(
        cls, names: Sequence[str], currencies: tuple[str, ...], delivers: Sequence[str], answers: Answers
    ) -> OwnBooks:
        said = answers.decided
        unknown = [code for code in currencies if code not in DECIMALS]
        if unknown:
            raise UsageError(
                f"The files hold currencies that are no codes of ISO 4217: {', '.join(map(ascii, unknown[:5]))}. "
                "Correct them."
            )
        unrated = [code for code in currencies[1:] if code not in answers.rates]
        if unrated:
            raise UsageError(
                f"The books hold {', '.join(currencies)}: what is one unit worth in {currencies[0]}? "
                f"Say it by {' '.join(f'--rate {code}=...' for code in unrated)}."
            )
        return cls(
            names=tuple(names),
            currencies=currencies,
            zone=said.time_zone or "UTC",
            role=answers.role or ROLES[0],
            delivers=tuple(delivers),
            capacity=CAPACITY if answers.capacity is None else answers.capacity,
            signed_off=answers.signed_off,
            rates=answers.rates,
            place=said.place,
        )

    @property
    def reporting(self) -> str:
        return self.currencies[0] if self.currencies else "EUR"

    def changes(self, today: dt.date) -> dict[tuple[str, ...], Any]:
        """Key path -> value, for a params file."""
        own = {
            "time_zone": self.zone,
            "role": self.role,
        }  # a text dumped twice is written twice, a list would be referred to
        return {
            ("paths", "source"): "source",
            ("paths", "store"): "store",
            ("paths", "out"): "out",
            ("paths", "tracking_uri"): "sqlite:///mlflow.db",
            ("portfolio_defaults", "time_zone"): self.zone,
            ("portfolio_defaults", "role"): self.role,
            ("portfolio_defaults", "delivers"): list(self.delivers),
            ("portfolio_defaults", "dpd_tolerance"): {code: 1 if DECIMALS[code] else 100 for code in self.currencies},
            ("portfolios",): {name: {**own, "delivers": list(self.delivers)} for name in self.names},
            ("eligibility", "sign_offs"): None if self.signed_off else SIGNATURES,
            ("eligibility", "signed_off"): list(self.signed_off),
            ("worklist", "capacity"): {"default": self.capacity},
            ("money", "reporting_currency"): self.reporting,
            ("money", "rates"): {
                code: 1.0 if at == 0 else self.rates[code] for at, code in enumerate(self.currencies or ("EUR",))
            },
            ("money", "rates_date"): today,
            ("messages",): MESSAGES,
        }

    def _unsigned(self) -> list[str]:
        needed = (load_rules().chain(self.place) or ()) if self.place else ()
        return [place for place in needed if place not in self.signed_off]

    def to_sign(self) -> list[tuple[str, str]]:
        """The command that signs the law of the place off, where signatures are kept; and why."""
        if self.signed_off:
            return []
        each = " ".join(f"--place {place}" for place in self._unsigned() or ("PLACE",))
        return [(f"recoup rules sign {each} --by NAME", "once somebody of yours has read it: `recoup rules`")]

    def warnings(self) -> list[str]:
        told = []
        if self.place is None:
            told.append(
                "WARNING No place of the debtors is said: nobody may be contacted until accounts have a jurisdiction "
                f"(--place, or a column in {MAPPING})."
            )
        unsigned = self._unsigned()
        if unsigned or not self.signed_off:
            how = (
                f"eligibility.signed_off of {PARAMS} names each of them."
                if self.signed_off
                else f"has signed it: `{self.to_sign()[0][0]}`."
            )
            told.append(
                f"WARNING Not signed off: {', '.join(unsigned) or 'any place'}. Every list stays empty until somebody "
                f"of yours has read the contact law (`recoup rules`) and {how}"
            )
        lacking = [table for table in ("contacts", "statuses") if table not in self.delivers]
        if lacking:
            told.append(
                f"WARNING Not among what is delivered: {', '.join(lacking)}. What is unknown blocks: nobody is "
                "contacted until they are delivered and named in `delivers` of the params, or said to be empty "
                f"({', '.join(f'--none {table}' for table in lacking)})."
            )
        return told


def edited(text: str, changes: Mapping[tuple[str, ...], Any]) -> str:
    """The params with other values at these key paths; comments stay, what lay below a changed key goes."""
    lines: list[str] = []
    open_keys: list[tuple[int, str]] = []
    dropped: int | None = None  # depth of the key whose old content is passed over
    made = set()
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if dropped is not None and line.strip() and indent > dropped:
            continue
        dropped = None
        key = _KEY.fullmatch(line)
        if key is None:
            lines.append(line)
            continue
        open_keys = [(at, above) for at, above in open_keys if at < indent] + [(indent, key[2])]
        path = tuple(above for _, above in open_keys)
        if path not in changes:
            lines.append(line)
            continue
        made.add(path)
        dropped = indent
        lines += _lines_of(" " * indent, key[2], changes[path], key[4])
    assert made == set(changes), f"keys not in the default params: {sorted(set(changes) - made)}"
    return "\n".join(lines) + "\n"


def _lines_of(indent: str, key: str, value: Any, comment: str | None) -> list[str]:
    below: list[str] = []
    if isinstance(value, dict) and value:
        a_line_each = False if all(isinstance(one, str) for one in value.values()) else None
        dumped = yaml.safe_dump(value, sort_keys=False, default_flow_style=a_line_each, allow_unicode=True, width=1_000)
        below = [f"{indent}  {line}" for line in dumped.splitlines()]
        head = f"{indent}{key}:"
    else:
        head = f"{indent}{key}: {json.dumps(value) if isinstance(value, dict) else _flow(value)}"
    return [f"{head:<34} {comment}" if comment else head, *below]


def _flow(value: Any) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1_000)
        .removesuffix("\n")
        .removesuffix("\n...")
    )
