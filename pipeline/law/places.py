"""Every place's contact law in words, for whoever signs it off."""

from __future__ import annotations

from pathlib import Path

from pipeline.law.holidays import HolidayList
from pipeline.law.rules import Note, Place, Rule, Rules
from pipeline.law.sign_off import signed_by, standing
from pipeline.params import Params


def evidence(rule: Rule) -> str:
    dates = "".join(
        f"; from {rule.effective_from}" * bool(rule.effective_from)
        + f"; until {rule.effective_to}" * bool(rule.effective_to)
    )
    told = f"; loosened by {rule.loosens.who} on {rule.loosens.date}: {rule.loosens.why}" if rule.loosens else ""
    if rule.evidence == "product":
        return f"{rule.citation}{dates}{told}"
    verified = "verified" if rule.verified else "NOT verified"
    return f"{rule.citation} [{rule.force}; {rule.evidence}, {verified}{dates}{told}]"


SIGN_OFF = (
    "What a sign-off means: a qualified person of yours has read the law of that place as it stands today, "
    "compared it with the\n"
    "rules below, mended what differs, and answers for it. Recoup holds every rule except the notes for "
    "people, which it cannot check and which\n"
    "are part of what is signed. A place that is not signed off is blocked, and so is every place that lies "
    "in it."
)


LISTED = (
    "The params sign places off by a list (signed_off): nobody answers for it, and no change of a rule is noticed. "
    "Put `sign_offs: FILE`\nin its place, and sign each place: recoup rules sign --place PLACE --by NAME."
)


def places(rules: Rules, params: Params | None = None, only: str | None = None) -> str:
    """Every place with its rules, what is not verified, and what a sign-off means.
    Raises ContractError for an unknown place.
    """
    if only is not None and only not in rules.places:
        raise rules.unknown(only)
    found = list(rules.all_rules.values())
    lines = [
        f"Contact rules as gathered up to {rules.as_of}; sha256 {rules.digest[:16]}. Not legal advice.",
        f"{len(rules.places)} places, {len(found)} rules, {sum(rule.verified for rule in found)} of them verified.",
        *_overlays(rules),
        "",
        SIGN_OFF,
    ]
    signed = (*params.eligibility.signed_off, *signed_by(params)) if params else ()
    unknown = [code for code in signed if code not in rules.places]
    if unknown:
        lines += ["", f"Signed off but not in the rule file (no effect): {', '.join(unknown)}."]
    if params and params.eligibility.signed_off:
        lines += ["", LISTED]
    for code, place in rules.places.items():
        if only is None or code == only:
            lines += _place(code, place, standing(code, rules, params) if params else ("", []), rules)
    if only is not None:
        lines += [
            "",
            f"A signature covers these rules and the {len(rules.product)} of the product, which recoup rules prints.",
        ]
    else:
        lines += [
            "",
            (
                "Product rules: ours, not law. Stops always bind; "
                "numbers until law of the place that was read sets its own."
            ),
        ]
        lines += [line for rule in rules.product for line in _rule(rule)]
        if rules.everywhere:
            lines += ["", "Rules of overlays that bind in every place, beside ours."]
            lines += [line for rule in rules.everywhere for line in _rule(rule)]
    return "\n".join(lines)


def _overlays(rules: Rules) -> list[str]:
    lines = []
    for name, digest in rules.overlays.items():
        bound = rules.scopes.get(Path(name).stem)
        whom = f"portfolios {', '.join(sorted(bound))}" if bound else "every portfolio"
        lines.append(f"Overlay {name} binds {whom}; sha256 {digest[:16]}.")
    return lines


def _place(code: str, place: Place, stands: tuple[str, list[str]], rules: Rules) -> list[str]:
    state, changed = f"  {stands[0]}" if stands[0] else "", [f"    {line}" for line in stands[1]]
    unverified = sum(not rule.verified for rule in place.rules)
    lines = ["", f"{code}  {place.name}{state}", *changed]
    lines.append(f"  {len(place.rules)} rules, {unverified} of them not verified.")
    if place.law:
        lines.append(f"  {place.law}")
    kind = {
        "required": "A bare country code is no place here: the state or province decides.",
        "union": "A bare country code is held to the rules of all its known parts.",
        "uniform": "Any subdivision code means the country.",
    }
    if place.subdivisions:
        lines.append(f"  {kind[place.subdivisions]}")
    if place.overlay_on:
        lines.append(f"  Binds also in {', '.join(name for name in place.overlay_on if name in rules.places)}.")
    if place.zones:
        lines.append(f"  Clocks: {', '.join(place.zones)}")
    named = rules.holidays_of(code)
    lines.append(f"  Holidays: {'; '.join(_holidays(rules.holidays[name]) for name in named) or 'none recorded'}")
    return lines + [line for rule in place.rules for line in _rule(rule)]


def _holidays(known: HolidayList) -> str:
    return f"{known.source}, known through {known.known_through}" if known.known_through else known.source


def _rule(rule: Rule) -> list[str]:
    held = {"hard": "", "soft": " (shown, not enforced)", "off": " (not in force)"}[rule.enforce]
    by_hand = " (for people: not checked by machine)" if isinstance(rule, Note) else ""
    who = f"binds {', '.join(rule.roles)}; {', '.join(rule.binds)} debts"
    lines = [f"  - {rule.id}{held}{by_hand}: {rule.says}", f"      {who}", f"      {evidence(rule)}"]
    return lines + ([f"      {rule.notes}"] if rule.notes else [])
