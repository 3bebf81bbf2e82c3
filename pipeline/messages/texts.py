"""The texts that machines send: read whole from one file, or refused with every fault, each with its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import get_args

import yaml

from features.errors import InputMissing, UsageError
from pipeline.law.overlay import law_of
from pipeline.law.rules import Note, Rules
from pipeline.messages.wording import PRESSES, SEARCHED, SUM, TELLS_OF_A_DEBT, segments
from pipeline.params import MOST_BYTES, MessageChannel, Params, Role, Step

SHIPPED = Path(__file__).parent / "messages.yaml"
MESSAGE_CHANNELS = get_args(MessageChannel)
OPEN_CHANNELS = ("sms", "social")  # a screen that lights up beside others; of an e-mail its subject
NO_WAY_OUT = ("letter", "portal")  # nobody opts out of them by a reply: they say how to object
SILENT = "silent"  # variant of debtors to whom nothing is said, so that it is known what messages add
BEFORE, OVERDUE = "before", "overdue"
TONES = ("reminder", "notice", "help")
MOST_SEGMENTS = 3  # of a text message, as networks bill it
LONGEST = {"email": 4000, "letter": 6000, "portal": 1500, "chat": 1500, "social": 500}  # characters, holes filled
LONGEST_SUBJECT = 78  # characters: what a mail program shows (RFC 5322, 2.1.1)
# What the sending system fills in -> the most characters of it that a length is counted with.
HOLES = {
    "debtor_name": 25,
    "sender": 25,
    "creditor": 40,
    "person": 20,
    "phone": 16,
    "link": 28,
    "opt_out": 24,
    "objection": 60,
    "help_link": 40,
    "reference": 20,
    "amount": 16,
    "due_on": 18,
    "days_past_due": 4,
}
NAMES = (
    "debtor_name",
    "sender",
    "creditor",
    "person",
)  # one letter of another alphabet more than halves a text message's room
OTHER_ALPHABET = "ő"
PRIVATE = ("amount", "due_on", "days_past_due", "reference", "creditor")  # nobody else's business
FOR_OTHERS = "third_party_collector"  # the role in which the sender is not who is owed
OBJECTS = ("objection", "phone", "link")  # ways to say that it is wrong
_HOLE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


class MessagesMissing(InputMissing):
    """Without texts no message goes out."""

    @classmethod
    def unreadable(cls, path: Path, error: OSError) -> MessagesMissing:
        return cls(f"Message file {str(path)!r} cannot be read ({error.strerror}). `messages` of the params names it.")


class MessagesRefused(UsageError):
    """A message file holds whole or not at all."""

    @classmethod
    def not_yaml(cls, path: Path, line: int | None) -> MessagesRefused:
        at = "" if line is None else f" at line {line}"
        return cls(f"Message file {str(path)!r} is no YAML in UTF-8{at}. Mend it.")

    @classmethod
    def faulty(cls, path: Path, faults: Iterable[tuple[int, str]]) -> MessagesRefused:
        """faults: (line of the file, or 0 where the params are at fault, what is wrong)."""
        told = " ".join(f"Line {line}: {fault}" if line else fault for line, fault in sorted(set(faults)))
        return cls(f"Message file {str(path)!r} is refused whole. {told}")


@dataclass(frozen=True)
class Text:
    """What is said on a channel in a language. subject: of e-mails alone; line: where the file says it."""

    body: str
    line: int
    subject: str = ""

    @property
    def whole(self) -> str:
        return f"{self.subject}\n{self.body}" if self.subject else self.body

    @property
    def holes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_HOLE.findall(self.whole)))


@dataclass(frozen=True)
class Message:
    """One thing to say. texts: variant -> (channel, language) -> Text; shares: variant -> its part of the debtors.

    about: `before` the due day, or `overdue`; places: where it may be sent, everywhere where empty; roles: of ours in
    which it may, in any where empty.
    """

    key: str
    about: str
    tone: str
    texts: Mapping[str, Mapping[tuple[str, str], Text]]
    shares: Mapping[str, float]
    line: int
    places: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels for which every variant has a text."""
        of = [{channel for channel, _ in texts} for texts in self.texts.values()]
        return tuple(name for name in MESSAGE_CHANNELS if all(name in channels for channels in of))

    def reaches(self, place: str) -> bool:
        """Whether it may be sent to a debtor there: US takes US-MA."""
        return not self.places or any(place == own or place.startswith((f"{own}-", f"{own}/")) for own in self.places)

    def speaks_as(self, role: str) -> bool:
        """Whether it may be sent for a book that is worked in a role."""
        return not self.roles or role in self.roles


@dataclass(frozen=True)
class Wording:
    """What texts must hold where a rule binds. says: language -> phrases; "" stands for every language. line: where the
    file says it, 0 where the rule itself does.
    """

    rule: str
    channels: tuple[str, ...]
    says: Mapping[str, tuple[str, ...]]
    line: int = 0

    def lacks(self, text: Text, language: str) -> list[str] | None:
        """Phrases that a text lacks; None where nobody said what they are in its language."""
        phrases = self.says.get(language, self.says.get(""))
        if phrases is None:
            return None
        held = " ".join(text.whole.split()).casefold()
        return [each for each in phrases if " ".join(each.split()).casefold() not in held]


@dataclass(frozen=True)
class Messages:
    """All that may be said, and the sha256 of the file that says it."""

    path: Path
    languages: tuple[str, ...]
    messages: Mapping[str, Message]
    wording: tuple[Wording, ...]
    digest: str


def place_of(params: Params) -> Path:
    return SHIPPED if params.messages is None else params.file(params.messages)


def messages_of(params: Params) -> Messages:
    """The texts that the params name, fit for the steps of their reminders.

    Raises MessagesMissing where the file cannot be read, MessagesRefused with every fault of it and of the steps.
    """
    path = place_of(params)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise MessagesMissing.unreadable(path, error) from None
    known, faults = _read(path, raw)
    faults = [*faults, *_of_places(known, law_of(params)), *_of_wording(known, params)]
    faults += [*_of_creditor(known, params), *_of_steps(known, params)]
    if faults:
        raise MessagesRefused.faulty(path, faults)
    return known


# ---- the file --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _read(path: Path, raw: bytes) -> tuple[Messages, tuple[tuple[int, str], ...]]:
    try:
        text = raw.decode("utf-8")
        root = yaml.compose(text, yaml.SafeLoader) if len(raw) <= MOST_BYTES else None
    except UnicodeDecodeError as error:
        raise MessagesRefused.not_yaml(path, raw.count(b"\n", 0, error.start) + 1) from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise MessagesRefused.not_yaml(path, mark.line + 1 if mark else None) from None
    reading = _Reading()
    top = reading.fields(root, "The file", ("schema_version", "languages", "messages"), ("wording",))
    if reading.text(top.get("schema_version"), "schema_version") not in ("1", ""):
        reading.fault(top.get("schema_version"), "schema_version must be 1.")
    languages = reading.names(top.get("languages"), "languages", _LANGUAGE.fullmatch)
    found = {}
    for key, node in reading.map(top.get("messages"), "messages").items():
        if not _NAME.fullmatch(key):
            reading.fault(node, f"message {key!r} must be named by small letters, digits and _.")
        found[key] = reading.message(key, node, languages)
    if not found and "messages" in top:
        reading.fault(top["messages"], "messages must hold one message or more.")
    wording = tuple(reading.wording(node, languages) for node in reading.items(top.get("wording"), "wording"))
    known = Messages(path, languages, found, wording, hashlib.sha256(raw).hexdigest())
    return known, tuple(reading.faults)


@dataclass
class _Reading:
    """The walk over the file as it is written, so that every fault knows its line."""

    faults: list[tuple[int, str]] = field(default_factory=list)

    def fault(self, node: yaml.Node | None, said: str) -> None:
        self.faults.append((_line(node), said))

    def map(self, node: yaml.Node | None, where: str) -> dict[str, yaml.Node]:
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, f"{where} must be a map of names.")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if str(key.value) in found:
                self.fault(key, f"{where}: {key.value!r} stands a second time.")
            found[str(key.value)] = value
        return found

    def fields(
        self, node: yaml.Node | None, where: str, needed: Iterable[str], others: Iterable[str] = ()
    ) -> dict[str, yaml.Node]:
        found, known = self.map(node, where), (*needed, *others)
        for name in found.keys() - set(known):
            near = get_close_matches(name, known, n=1)
            told = f" (nearest: {near[0]!r})" if near else ""
            self.fault(found[name], f"{where} has unknown {name!r}{told}. Correct or remove it.")
        for name in needed:
            if name not in found:
                self.fault(node, f"{where} lacks {name!r}.")
        return found

    def items(self, node: yaml.Node | None, where: str) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, f"{where} must be a list.")
            return []
        return list(node.value)

    def text(self, node: yaml.Node | None, where: str) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
            self.fault(node, f"{where} must be a text.")
            return ""
        return str(node.value)

    def names(self, node: yaml.Node | None, where: str, fits: Callable[[str], object]) -> tuple[str, ...]:
        found = []
        for each in self.items(node, where):
            name = self.text(each, where)
            if name and (not fits(name) or name in found):
                self.fault(each, f"{where} must not hold {name!r}.")
            found.append(name)
        if node is not None and not found:
            self.fault(node, f"{where} must hold one or more.")
        return tuple(found)

    def one_of(self, node: yaml.Node | None, where: str, known: tuple[str, ...]) -> str:
        said = self.text(node, where)
        if said and said not in known:
            self.fault(node, f"{where} must be one of {', '.join(known)}. Got {said!r}.")
        return said

    def message(self, key: str, node: yaml.Node, languages: tuple[str, ...]) -> Message:
        where = f"message {key!r}"
        held = self.fields(node, where, ("about", "tone", "texts"), ("places", "roles", "shares"))
        about = self.one_of(held.get("about"), f"about of {where}", (BEFORE, OVERDUE))
        tone = self.one_of(held.get("tone"), f"tone of {where}", TONES)
        texts = {}
        for variant, under in self.map(held.get("texts"), f"texts of {where}").items():
            if not _NAME.fullmatch(variant):
                self.fault(under, f"variant {variant!r} of {where} must be named by small letters, digits and _.")
            if variant == SILENT:
                self.fault(under, f"variant {SILENT!r} of {where} is the name of those to whom nothing is said.")
            texts[variant] = self.variant(under, f"{where}, variant {variant!r}", languages)
        of = {variant: {channel for channel, _ in said} for variant, said in texts.items()}
        for variant, channels in of.items():
            if lacking := sorted(set().union(*of.values()) - channels):
                told = f"{where}, variant {variant!r} lacks {', '.join(lacking)}, which another has: all speak on all."
                self.fault(held.get("texts"), told)
        if "texts" in held and not any(of.values()):
            self.fault(held["texts"], f"{where} says nothing on any channel.")
        places = self.names(held.get("places"), f"places of {where}", bool)
        roles = self.names(held.get("roles"), f"roles of {where}", get_args(Role).__contains__)
        shares = self.shares(held.get("shares"), where, texts)
        return Message(key, about, tone, texts, shares, _line(node), places, roles)

    def shares(self, node: yaml.Node | None, where: str, variants: Iterable[str]) -> dict[str, float]:
        variants = list(variants)
        if node is None:
            return {name: 1 / len(variants) for name in variants}
        found: dict[str, float] = {}
        for name, each in self.map(node, f"shares of {where}").items():
            said = self.text(each, f"shares of {where}")
            share = float(said) if re.fullmatch(r"0?\.\d+|[01](?:\.0*)?", said) else 0.0
            if share <= 0:
                self.fault(each, f"share {name!r} of {where} must lie above 0 and at most at 1.")
            found[name] = share
        if set(found) != set(variants) or abs(sum(found.values()) - 1) > 1e-9:
            self.fault(node, f"shares of {where} must name {', '.join(variants)} and add up to 1.")
        return found

    def variant(self, node: yaml.Node, where: str, languages: tuple[str, ...]) -> dict[tuple[str, str], Text]:
        found = {}
        for channel, under in self.map(node, where).items():
            if channel not in MESSAGE_CHANNELS:
                near = get_close_matches(channel, MESSAGE_CHANNELS, n=1)
                told = f" (nearest: {near[0]!r})" if near else ""
                self.fault(under, f"{where}: {channel!r} is no channel of messages{told}.")
                continue
            here = self.map(under, f"{where}, {channel}")
            for language in languages:
                if language not in here:
                    self.fault(under, f"{where}, {channel} lacks the language {language!r}.")
            for language, said in here.items():
                if language not in languages:
                    self.fault(said, f"{where}, {channel}: {language!r} is not among languages.")
                text = self.said(said, f"{where}, {channel}, {language}", channel)
                found[channel, language] = text
                for why in _wrong(text, channel, language):
                    self.faults.append((text.line, f"{where}, {channel}, {language}: {why}"))
        return found

    def said(self, node: yaml.Node, where: str, channel: str) -> Text:
        if channel != "email":
            return Text(self.text(node, where), _line(node))
        held = self.fields(node, where, ("subject", "body"))
        subject, body = (self.text(held.get(name), f"{name} of {where}") for name in ("subject", "body"))
        return Text(body, _line(node), subject)

    def wording(self, node: yaml.Node, languages: tuple[str, ...]) -> Wording:
        held = self.fields(node, "wording", ("rule", "channels", "says"))
        rule = self.text(held.get("rule"), "rule of a wording")
        channels = self.names(held.get("channels"), f"channels of wording {rule!r}", MESSAGE_CHANNELS.__contains__)
        said = held.get("says")
        if isinstance(said, yaml.ScalarNode):
            return Wording(rule, channels, {"": (self.text(said, f"says of wording {rule!r}"),)}, _line(node))
        words = {name: (self.text(each, f"says of wording {rule!r}"),) for name, each in self.map(said, rule).items()}
        for language in languages:
            if said is not None and language not in words:
                self.fault(said, f"wording {rule!r} lacks the language {language!r}.")
        return Wording(rule, channels, words, _line(node))


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else node.start_mark.line + 1


# ---- one text --------------------------------------------------------------------------------------------------------


def _wrong(text: Text, channel: str, language: str) -> list[str]:
    """What must not be sent as it stands: holes that nobody fills, what others may read, length, no way out."""
    found, holes = [], text.holes
    if strange := [name for name in holes if name not in HOLES]:
        near = {name: get_close_matches(name, HOLES, n=1) for name in strange}
        told = ", ".join(f"{name!r} (nearest: {hit[0]!r})" if hit else repr(name) for name, hit in near.items())
        found.append(f"unknown placeholder {told}. Known: {', '.join(HOLES)}.")
    if text.whole.count("{") != len(_HOLE.findall(text.whole)) or text.whole.count("}") != text.whole.count("{"):
        found.append("a brace is left open.")
    open_to_others = text.body if channel in OPEN_CHANNELS else text.subject
    if shown := [name for name in PRIVATE if f"{{{name}}}" in open_to_others]:
        found.append(f"{', '.join(shown)} must not stand where others may read it.")
    if SUM.search(open_to_others):
        found.append("an amount must not stand where others may read it.")
    bare = _HOLE.sub(" ", open_to_others)
    if (telling := TELLS_OF_A_DEBT.get(language)) and (hit := telling.search(bare)):
        found.append(f"{hit[0]!r} tells of a debt where others may read it.")
    if (pressing := PRESSES.get(language)) and (hit := pressing.search(_HOLE.sub(" ", text.whole))):
        found.append(f"{hit[0]!r} presses or threatens: say what follows as a fact, or leave it out.")
    if text.body and not any(name in holes for name in OBJECTS):
        found.append(f"no way to object: name one of {', '.join(f'{{{name}}}' for name in OBJECTS)}.")
    if text.body and channel not in NO_WAY_OUT and "opt_out" not in holes:
        found.append("no way to opt out: name {opt_out}.")
    return [*found, *_too_long(text, channel)]


def filled(text: str) -> str:
    """With as many letters in each hole as may come to stand there, those of names of the alphabet that takes most."""

    def most(hole: re.Match[str]) -> str:
        return (OTHER_ALPHABET if hole[1] in NAMES else "x") * HOLES.get(hole[1], len(hole[0]))

    return _HOLE.sub(most, text)


def _too_long(text: Text, channel: str) -> list[str]:
    if channel == "sms":
        parts = segments(filled(text.body))
        return [] if parts <= MOST_SEGMENTS else [f"too long: {parts} segments, {MOST_SEGMENTS} at most."]
    found = []
    if len(filled(text.subject)) > LONGEST_SUBJECT:
        found.append(f"subject too long: {len(filled(text.subject))} characters, {LONGEST_SUBJECT} at most.")
    if (size := len(filled(text.body))) > LONGEST[channel]:
        found.append(f"too long: {size} characters, {LONGEST[channel]} at most.")
    return found


# ---- what binds the texts together -----------------------------------------------------------------------------------


def _is_place(law: Rules, code: str) -> bool:
    """Whether accounts may lie there: known to the rules, and none that only lies over others, as EU does."""
    known = code in law.places and not law.places[code].overlay_on
    return known or law.chain(code) is not None


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f" (nearest: {near[0]!r})" if near else ""


def _of_places(known: Messages, law: Rules) -> list[tuple[int, str]]:
    """Places of messages in which no account can lie: it would go to nobody, and nobody would know."""
    places = [name for name in law.places if _is_place(law, name)]
    return [
        (message.line, f"message {message.key!r}: {place!r} is no place of the rule file{_nearest(place, places)}.")
        for message in known.messages.values()
        for place in message.places
        if not _is_place(law, place)
    ]


def wordings_of(known: Messages, law: Rules) -> tuple[Wording, ...]:
    """What the rules want said, and what the file adds to them."""
    found = [
        Wording(rule.id, rule.wording.channels, {"" if name == "any" else name: said for name, said in words.items()})
        for rule in law.all_rules.values()
        if isinstance(rule, Note) and rule.enforce != "off" and rule.wording and (words := rule.wording.words)
    ]
    return (*found, *known.wording)


def _worked(params: Params) -> set[str]:
    """The roles in which books are worked."""
    return {params.portfolio_defaults.role, *(params.portfolio(name).role for name in params.portfolios)}


def _of_creditor(known: Messages, params: Params) -> list[tuple[int, str]]:
    """Texts for books that are worked for others that do not say whose account it is, where nobody else reads it."""
    if FOR_OTHERS not in _worked(params):
        return []
    return [
        (
            text.line,
            f"{message.key}, {variant}, {channel}, {language} does not say for whom it collects: name {{creditor}}, "
            "or name `roles` in which you are the creditor.",
        )
        for message in known.messages.values()
        if message.speaks_as(FOR_OTHERS)
        for variant, texts in message.texts.items()
        for (channel, language), text in texts.items()
        if channel not in OPEN_CHANNELS and "creditor" not in text.holes
    ]


def _of_wording(known: Messages, params: Params) -> list[tuple[int, str]]:
    """Texts that lack what a rule of a place wants said, in roles in which books are worked: those of the params, and
    one that they do not name, which is delivered all the same and worked as portfolio_defaults say.
    """
    law, found, worked = law_of(params), [], _worked(params)
    home = {rule.id: code for code, place in law.places.items() for rule in place.rules}
    for wording in wordings_of(known, law):
        if wording.rule not in law.all_rules:
            found.append((wording.line, f"wording names the rule {wording.rule!r}, which the rule file does not have."))
            continue
        bound, place = worked & set(law.all_rules[wording.rule].roles), home.get(wording.rule, "")
        for message in known.messages.values():
            if not _meets(message, place) or not any(message.speaks_as(role) for role in bound):
                continue
            for variant, texts in message.texts.items():
                for (channel, language), text in texts.items():
                    lacking = wording.lacks(text, language) if channel in wording.channels else []
                    if lacking or lacking is None:
                        told = "what" if lacking is None else f"{', '.join(map(repr, lacking))}, which"
                        says = f"{message.key}, {variant}, {channel}, {language} lacks {told}"
                        whom = f"{wording.rule} of {place or 'ours'} wants of {', '.join(sorted(bound))}"
                        remedy = "say it, or name `roles` or `places` that it does not bind."
                        found.append((text.line, f"{says} {whom}: {remedy}"))
    return found


def _meets(message: Message, place: str) -> bool:
    """Whether a message may reach where a rule of a place binds."""
    return not place or message.reaches(place) or any(own.startswith(f"{place}-") for own in message.places)


def wording_lacks(known: Messages, law: Rules, place: str, role: str, text: Text, channel: str, language: str) -> bool:
    """Whether a text lacks what a rule that reaches a place wants said in a role."""
    reach = {rule.id: rule for code in law.reach(place) for rule in law.places[code].rules}
    reach |= {rule.id: rule for rule in (*law.everywhere, *law.product)}
    return any(
        channel in wording.channels
        and wording.rule in reach
        and role in reach[wording.rule].roles
        and wording.lacks(text, language) != []
        for wording in wordings_of(known, law)
    )


def _of_steps(known: Messages, params: Params) -> list[tuple[int, str]]:
    """Steps of the reminders for which the file has no fitting words; none where there are no reminders."""
    if params.reminders is None:
        return []
    found = []
    for step in params.reminders.steps:
        found += [(line, f"The params' reminders step {step.name!r}: {why}") for line, why in _of_step(step, known)]
    otherwise = params.worklist.language
    languages = {params.reminders.language_of(name, "", otherwise) for name in params.portfolios}
    languages |= set(params.reminders.language.values())
    law = law_of(params)
    for key in params.reminders.language:
        if key != "default" and key not in params.portfolios and not _is_place(law, key):
            near = _nearest(
                key, ("default", *params.portfolios, *(name for name in law.places if _is_place(law, name)))
            )
            found.append((0, f"The params' reminders.language names {key!r}, neither book, place nor default{near}."))
    for language in sorted(languages - set(known.languages)):
        found.append(
            (0, f"The params' reminders speak {language!r} to whom no language is recorded for, and no text does.")
        )
    return found


def _of_step(step: Step, known: Messages) -> list[tuple[int, str]]:
    message = known.messages.get(step.message)
    if message is None:
        near = get_close_matches(step.message, known.messages, n=1)
        return [(0, f"there is no message {step.message!r}{f' (nearest: {near[0]!r})' if near else ''}.")]
    found = []
    if lacking := [name for name in step.channels if name not in message.channels]:
        found.append((message.line, f"message {step.message!r} says nothing by {', '.join(lacking)}."))
    wanted = BEFORE if step.day is not None and step.day <= 0 else OVERDUE
    if message.about != wanted:
        found.append((message.line, f"message {step.message!r} is for {message.about!r}, the step for {wanted!r}."))
    return found


def table_of(known: Messages) -> str:
    """Every text with its length, as `recoup messages` prints it."""
    head = ("message", "variant", "share", "channel", "language", "characters", "segments")
    rows = [
        (
            message.key,
            variant,
            f"{message.shares[variant]:.2f}",
            channel,
            language,
            str(len(filled(text.whole))),
            str(segments(filled(text.body))) if channel == "sms" else "",
        )
        for message in known.messages.values()
        for variant, texts in message.texts.items()
        for (channel, language), text in texts.items()
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join([*(line.rstrip() for line in lines), *_searched(known.languages)])


def _searched(languages: tuple[str, ...]) -> list[str]:
    """In which languages words are looked for, and in which nobody has looked."""
    words = "words that tell of a debt or press"
    looked = [name for name in languages if name in SEARCHED]
    blind = [name for name in languages if name not in SEARCHED]
    told = [f"Searched for {words}: {', '.join(looked)}."] if looked else []
    return [*told, *([f"NOT searched for {words}: {', '.join(blind)}. Read these texts yourself."] if blind else [])]
