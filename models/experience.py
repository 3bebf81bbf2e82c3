"""What a house's own offers, plans and placements have taught: kept beside a model as a file that anyone can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from models.belief import PLACEMENTS, POLICY, Belief, Curve
from models.folder import card_bytes
from models.routes import Bands, Party, Recovered, Share, shares_by


@dataclass(frozen=True)
class Experience:
    """acceptance: chance by discount that a settlement is accepted and paid within pay_within_days; agreement: chance
    by number of instalments that a plan offered is agreed; breaks: chance of a break in a month by burden, the
    supported amount being share_of_usual of the usual payment. Each may still be the policy's table (source `policy`),
    and says why. parties: what was learnt of each, in the order of names.

    facts: known_before (the day), policy (its sha256), and counts, for the reader
    """

    acceptance: Belief | None
    agreement: Belief | None
    breaks: Belief | None
    pay_within_days: int | None
    share_of_usual: float | None
    parties: Mapping[str, PartyRecord] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def learned(self, rows: pd.DataFrame, parties: tuple[Party, ...]) -> dict[str, Share]:
        """Party -> what it brings back of each row's balance, of those whose placements taught it for the same number
        of days. rows: kind, days_past_due, balance, unit (reporting units per minor unit)."""
        found = {}
        for party in parties:
            held = self.parties.get(party.name)
            if held is not None and held.recovered is not None and held.horizon_days == party.horizon_days:
                found[party.name] = shares_by(rows, held.believed, held.recovered)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """For the reader, one a belief: what, source, cases (whose time is over), why it is still the policy's."""
        found = [
            {"what": what, "source": held.source, "cases": sum(held.matured.values()), "why": held.why}
            for what, held in (("acceptance", self.acceptance), ("agreement", self.agreement), ("breaks", self.breaks))
            if held is not None
        ]
        for name, held in self.parties.items():
            source = POLICY if held.recovered is None else PLACEMENTS
            found.append({"what": name, "source": source, "cases": held.placements, "why": held.why})
        return found

    def text(self) -> bytes:
        return card_bytes(
            {
                "acceptance": _told(self.acceptance),
                "agreement": _told(self.agreement),
                "breaks": _told(self.breaks),
                "pay_within_days": self.pay_within_days,
                "share_of_usual": self.share_of_usual,
                "parties": {name: held.told() for name, held in self.parties.items()},
                "facts": dict(self.facts),
            }
        )

    @classmethod
    def from_text(cls, text: bytes) -> Experience:
        told = json.loads(text)
        return cls(
            _read(told["acceptance"]),
            _read(told["agreement"]),
            _read(told["breaks"]),
            told["pay_within_days"],
            told["share_of_usual"],
            {name: PartyRecord.read(held) for name, held in told["parties"].items()},
            told["facts"],
        )


@dataclass(frozen=True)
class PartyRecord:
    """believed: share that comes back by kind and age, as it was when recovered ÷ believed was learnt; recovered: None
    where too few placements have matured, and `why` says so. placements: matured ones, horizon_days: after which they
    have.
    """

    believed: Bands
    horizon_days: int
    placements: int
    recovered: Recovered | None
    why: str = ""

    def told(self) -> dict[str, Any]:
        default = self.believed.default
        return {
            "believed": {kind: asdict(curve) for kind, curve in self.believed.by_kind.items()},
            "believed_of_others": None if default is None else asdict(default),
            "horizon_days": self.horizon_days,
            "placements": self.placements,
            "recovered": None if self.recovered is None else _told_of(self.recovered),
            "why": self.why,
        }

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> PartyRecord:
        default, held = told["believed_of_others"], told["recovered"]
        bands = Bands(
            {kind: _curve(held) for kind, held in told["believed"].items()},
            None if default is None else _curve(default),
        )
        learnt = None if held is None else _read_of(held)
        return cls(bands, told["horizon_days"], told["placements"], learnt, told["why"])


def _told(belief: Belief | None) -> dict[str, Any] | None:
    if belief is None:
        return None
    matured = [[point, count] for point, count in belief.matured.items()]
    return {"curve": asdict(belief.curve), "source": belief.source, "why": belief.why, "matured": matured}


def _read(told: Mapping[str, Any] | None) -> Belief | None:
    if told is None:
        return None
    matured = dict(told["matured"])
    return Belief(_curve(told["curve"]), told["source"], told["why"], matured)


def _curve(told: Mapping[str, Any]) -> Curve:
    return Curve(*(tuple(told[name]) for name in ("at", "middle", "low", "high")))


def _told_of(learnt: Recovered) -> dict[str, Any]:
    return {**asdict(learnt), "kinds": dict(learnt.kinds), "covariance": learnt.covariance.tolist()}


def _read_of(told: Mapping[str, Any]) -> Recovered:
    centres, slopes = (tuple(told[name]) for name in ("centres", "slopes"))
    return Recovered(told["start"], centres, slopes, told["kinds"], np.array(told["covariance"]))
