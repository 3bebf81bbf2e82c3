"""Who signed the law of a place off, when, and over which rules: a rule that changed since makes it stale."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from features.errors import InputMissing, UsageError, is_said
from pipeline.law.causes import Cause
from pipeline.law.rules import Hours, Rule, Rules, nearest
from pipeline.params import Params
from pipeline.store.files import write_whole
from pipeline.store.locks import one_writer

# What a signature covers: the place's facts, its lists of holidays, its rules and ours, by id.
Covered = Mapping[str, Any]


class SignOffsMissing(InputMissing):
    """The file of signatures that the params name is not there."""

    @classmethod
    def unreadable(cls, path: Path, error: OSError) -> SignOffsMissing:
        how = "recoup rules sign --place PLACE --by NAME begins one"
        return cls(f"Sign-off file {str(path)!r} cannot be read ({error.strerror}), so no place is signed off: {how}.")


class SignOffRefused(UsageError):
    """A signature that would bind nothing, or one that cannot be trusted."""

    @classmethod
    def no_file(cls) -> SignOffRefused:
        return cls(
            "eligibility of the params names no file of sign-offs, so a signature would bind nothing. "
            "Put `sign_offs: sign-offs.jsonl` in the place of the list `signed_off`, then sign each place."
        )

    @classmethod
    def unknown(cls, place: str, rules: Rules) -> SignOffRefused:
        return cls(f"The place {place[:64]!r} is not in the rule file{nearest(place, rules.places)}.")

    @classmethod
    def nobody(cls) -> SignOffRefused:
        return cls("--by must be the name of the person who read the law and answers for it.")

    @classmethod
    def damaged(cls, path: Path, line: int, why: str) -> SignOffRefused:
        return cls(f"Sign-off file {str(path)!r}, line {line}: {why}. Take the line out and sign the place again.")


@dataclass(frozen=True)
class Signature:
    """One line of the file. at: UTC, to the second; sha256: of what is covered."""

    place: str
    by: str
    at: str
    sha256: str
    covers: Covered

    @property
    def on(self) -> str:
        return self.at[:10]


def covered(rules: Rules, code: str) -> Covered:
    """Everything a signature of a place covers: its facts, lists of holidays and rules, and the product's own rules."""
    place = rules.places[code]
    signed: tuple[Rule, ...] = (*place.rules, *rules.product)
    named = [rule.holidays for rule in signed if isinstance(rule, Hours) and isinstance(rule.holidays, tuple)]
    lists = sorted({*rules.holidays_of(code), *(name for names in named for name in names)})
    facts = place.model_dump(mode="json", exclude_none=True, exclude={"rules"})
    return {
        "place": facts,
        **{f"holidays.{name}": rules.holidays[name].model_dump(mode="json", exclude_none=True) for name in lists},
        **{rule.id: rule.model_dump(mode="json", exclude_none=True) | _scope(rule, rules) for rule in signed},
    }


def _scope(rule: Rule, rules: Rules) -> dict[str, list[str]]:
    """The portfolios that a rule binds, where it does not bind every one."""
    return {"portfolios": sorted(rules.scopes[rules.only[rule.id]])} if rule.id in rules.only else {}


@lru_cache(maxsize=1024)
def covered_sha256(rules: Rules, code: str) -> str:
    return _sha256(covered(rules, code))


def _sha256(covers: Covered) -> str:
    return hashlib.sha256(json.dumps(covers, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def signatures(path: Path) -> Mapping[str, Signature]:
    """The last signature of each place. Raises SignOffsMissing, or SignOffRefused naming a damaged line."""
    found, damage = _parsed(_bytes(path))
    if damage is not None:
        raise SignOffRefused.damaged(path, *damage)
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SignOffsMissing.unreadable(path, error) from None


@lru_cache(maxsize=4)
def _parsed(raw: bytes) -> tuple[Mapping[str, Signature], tuple[int, str] | None]:
    found = {}
    for number, line in enumerate(raw.splitlines(), 1):
        try:
            signature = Signature(**json.loads(line))
        except (ValueError, TypeError):
            return {}, (number, "it is no signature")
        if _sha256(signature.covers) != signature.sha256:
            return {}, (number, f"what {signature.place!r} covers does not have its sha256: it was altered")
        found[signature.place] = signature
    return found, None


def signed_by(params: Params) -> Mapping[str, Signature]:
    """The signatures that the params go by; none where they go by a list of places, or nobody has signed yet."""
    named = params.eligibility.sign_offs
    return signatures(params.file(named)) if named is not None and params.file(named).exists() else {}


def unsigned(place: str, rules: Rules, params: Params) -> Cause | None:
    """Why a place is blocked for want of a signature; None where it is signed off.

    Raises SignOffsMissing, SignOffRefused.
    """
    if params.eligibility.sign_offs is None:
        return None if place in params.eligibility.signed_off else Cause.not_signed_off(place)
    signature = signatures(params.file(params.eligibility.sign_offs)).get(place)
    if signature is None:
        return Cause.not_signed_off(place)
    return Cause.sign_off_stale(place, signature.on) if _is_stale(signature, rules) else None


def stale_places(rules: Rules, params: Params) -> list[str]:
    """The places whose rules changed since they were signed."""
    found = signed_by(params).values()
    return [one.place for one in found if one.place in rules.places and _is_stale(one, rules)]


def _is_stale(signature: Signature, rules: Rules) -> bool:
    return signature.sha256 != covered_sha256(rules, signature.place)


def signed_sha256(params: Params) -> str | None:
    """sha256 of the file of signatures: a night records it. None where the params go by a list of places."""
    named = params.eligibility.sign_offs
    return None if named is None else hashlib.sha256(_bytes(params.file(named))).hexdigest()


def standing(place: str, rules: Rules, params: Params) -> tuple[str, list[str]]:
    """(how a place stands, in words; where its rules changed since it was signed, what changed)."""
    if params.eligibility.sign_offs is None:
        listed = place in params.eligibility.signed_off
        return ("signed off by the list in the params" if listed else "not signed off: blocked"), []
    signature = signed_by(params).get(place)
    if signature is None:
        return "not signed off: blocked", []
    if not _is_stale(signature, rules):
        return f"signed off by {signature.by} on {signature.on}", []
    told = f"changed since {signature.by} signed it off on {signature.on}: blocked"
    return told, differences(signature.covers, covered(rules, place))


def differences(before: Covered, now: Covered) -> list[str]:
    """What changed between a signature and today, a line each: rules that came, went, or say otherwise."""
    lines = [f"+ {name}: {_in_short(now[name])}" for name in now if name not in before]
    lines += [f"- {name}: {_in_short(before[name])}" for name in before if name not in now]
    for name in (name for name in now if name in before and now[name] != before[name]):
        for key in dict.fromkeys((*before[name], *now[name])):
            was, is_now = (one[name].get(key) for one in (before, now))
            if was != is_now:
                lines.append(f"~ {name}: {key} was {_shown(was)}, is {_shown(is_now)}")
    return lines


def sign(places: Sequence[str], by: str, at: dt.datetime, rules: Rules, params: Params) -> str:
    """Adds a signature for each place, and tells what changed since the last one and whose law is still unsigned above.

    Raises SignOffRefused where the params name no file, a place is not known, or nobody is named.
    """
    if params.eligibility.sign_offs is None:
        raise SignOffRefused.no_file()
    if not is_said(by):
        raise SignOffRefused.nobody()
    for code in places:
        if code not in rules.places:
            raise SignOffRefused.unknown(code, rules)
    path = params.file(params.eligibility.sign_offs)
    moment = f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    lines = []
    with one_writer(path):  # whoever signs at the same time adds to what stands there then
        before, told = signed_by(params), path.read_text(encoding="utf-8") if path.exists() else ""
        for code in dict.fromkeys(places):
            covers = covered(rules, code)
            made = Signature(code, by.strip(), moment, _sha256(covers), covers)
            told += json.dumps(asdict(made), sort_keys=True, ensure_ascii=False) + "\n"
            lines += _told_of(made, before.get(code), rules)
        write_whole(path, told)
    above = [code for place in places for code in rules.chain(place) or ()]
    lacking = [code for code in dict.fromkeys(above) if unsigned(code, rules, params) is not None]
    if lacking:
        lines.append(f"Blocked until signed too, for the places lie under them: {', '.join(lacking)}.")
    return "\n".join(lines)


def _told_of(made: Signature, before: Signature | None, rules: Rules) -> list[str]:
    """What was signed, and what changed since the place was signed last."""
    own = rules.places[made.place].rules
    unread = sum(not rule.verified for rule in own)
    line = (
        f"{made.place}: signed by {made.by} at {made.at}: {len(own)} rules of the place, {unread} of them "
        f"not verified, and {len(rules.product)} of the product; sha256 {made.sha256[:16]}"
    )
    if before is None or before.sha256 == made.sha256:
        return [line]
    changed = [f"    {each}" for each in differences(before.covers, made.covers)]
    return [line, f"  changed since {before.by} signed on {before.on}:", *changed]


def _in_short(body: Mapping[str, Any]) -> str:
    return str(body.get("citation") or body.get("source") or body.get("name"))


def _shown(value: object) -> str:
    text = "not there" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."
