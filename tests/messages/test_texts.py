"""The texts that machines send hold whole, or are refused with every fault and its line."""

from __future__ import annotations

import pytest
import yaml

from features.errors import InputMissing, UsageError
from pipeline.law.rule_file import load_rules
from pipeline.messages.texts import HOLES, SHIPPED, filled, messages_of, wording_lacks
from pipeline.messages.wording import segments
from pipeline.params import Params, load
from tests.worlds.commands import recoup
from tests.worlds.params import written_params

PLAIN = """schema_version: 1
languages: [en, fr]
messages:
  nudge:
    about: overdue
    tone: reminder
    texts:
      plain:
        sms:
          en: "{sender}: see {link}. {opt_out}"
          fr: "{sender} : voyez {link}. {opt_out}"
    roles: [creditor]
"""
STEP = {"name": "third_day", "day": 3, "channels": ["sms"], "message": "nudge"}


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.fixture
def written(tmp_path):
    """Params whose messages are this text, with these steps."""

    def write(text: str, *steps: dict, **others: object) -> Params:
        (tmp_path / "messages.yaml").write_text(text, encoding="utf-8")
        place = written_params(tmp_path / "params.yaml", tmp_path)
        raw = yaml.safe_load(place.read_text())
        raw["messages"] = str(tmp_path / "messages.yaml")
        raw["reminders"] = {"steps": list(steps), "language": {"default": "en"}, **others} if steps else None
        place.write_text(yaml.safe_dump(raw))
        return load(place)

    return write


def test_what_ships_speaks_four_languages_by_text_and_mail_and_can_be_read():
    known = messages_of(load(SHIPPED.parents[2] / "params.yaml"))
    assert known.languages == ("en", "fr", "es", "de")
    for message in known.messages.values():
        # Who collects for others must say so, and may not where others read it.
        assert message.channels == (("sms", "email") if message.speaks_as("creditor") else ("email",))
        for texts in message.texts.values():
            assert len(texts) == len(known.languages) * len(message.channels)


def test_every_language_of_a_text_has_the_same_holes():
    for message in messages_of(load(SHIPPED.parents[2] / "params.yaml")).messages.values():
        for variant, texts in message.texts.items():
            for channel in message.channels:
                holes = {language: set(text.holes) for (own, language), text in texts.items() if own == channel}
                assert len(set(map(frozenset, holes.values()))) == 1, (message.key, variant, channel)


def test_ours_name_a_plan_a_way_to_object_and_help_by_mail_once_a_debt_is_overdue():
    plan = {"en": "plan", "fr": "échéancier", "es": "plan", "de": "Plan"}
    for message in messages_of(load(SHIPPED.parents[2] / "params.yaml")).messages.values():
        for texts in message.texts.values():
            for (channel, language), text in texts.items():
                if channel == "email":
                    assert plan[language] in text.body
                    assert "{objection}" in text.body
                    assert message.about == "before" or "{help_link}" in text.body


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("see {link}.", "see {lnk}.", r"unknown placeholder 'lnk' \(nearest: 'link'\)"),
        ("see {link}.", "see {link.", r"a brace is left open"),
        ("see {link}.", "see {link}: {amount}.", r"amount must not stand where others may read it"),
        ("see {link}.", "see {link}: 12.50 EUR.", r"an amount must not stand where others may read it"),
        ("see {link}.", "EUR 120 is waiting at {link}.", r"an amount must not stand where others may read it"),
        ("see {link}.", "see {link}, your debt.", r"'debt' tells of a debt where others may read it"),
        ("see {link}.", "see {link}. Final warning!", r"'Final warning' presses or threatens"),
        ("see {link}.", "see us.", r"no way to object: name one of \{objection\}, \{phone\}, \{link\}"),
        (" {opt_out}", "", r"no way to opt out: name \{opt_out\}"),
        ("see {link}.", f"see {{link}}. {'x' * 140}", r"too long: 4 segments, 3 at most"),
        ("        sms:\n", "        smss:\n", r"'smss' is no channel of messages \(nearest: 'sms'\)"),
        ('          fr: "{sender} : voyez {link}. {opt_out}"\n', "", r"sms lacks the language 'fr'"),
        ("    tone: reminder\n", "", r"message 'nudge' lacks 'tone'"),
        (
            "    tone: reminder\n",
            "    tone: threat\n",
            r"tone of message 'nudge' must be one of reminder, notice, help",
        ),
        ("    tone:", "    tine: x\n    tone:", r"message 'nudge' has unknown 'tine' \(nearest: 'tone'\)"),
        (
            "      plain:\n",
            "      silent:\n",
            r"'silent' of message 'nudge' is the name of those to whom nothing is said",
        ),
        ("languages: [en, fr]", "languages: []", r"languages must hold one or more"),
    ],
)
def test_a_fault_is_named_with_its_line(written, old, new, sentence):
    assert old in PLAIN
    text = PLAIN.replace(old, new, 1)
    with pytest.raises(UsageError, match=rf"is refused whole\. .*Line \d+: .*{sentence}"):
        messages_of(written(text))


def test_all_faults_are_named_at_once_each_with_its_own_line(written):
    text = PLAIN.replace('en: "{sender}', 'en: "{sendr}').replace("voyez {link}", "dette {link}")
    with pytest.raises(UsageError, match=r"Line 10: .*'sendr' .*Line 11: .*'dette' tells of a debt"):
        messages_of(written(text))


def test_a_step_must_have_its_words_on_its_channels_for_its_day(written):
    steps = [
        {**STEP, "message": "nudg"},
        {**STEP, "name": "by_mail", "channels": ["email"]},
        {**STEP, "name": "before", "day": -5},
    ]
    whole = (
        r"'third_day': there is no message 'nudg' \(nearest: 'nudge'\).*"
        r"Line 5: .*'before': message 'nudge' is for 'overdue', the step for 'before'.*"
        r"'by_mail': message 'nudge' says nothing by email"
    )
    with pytest.raises(UsageError, match=whole):
        messages_of(written(PLAIN, *steps))
    assert messages_of(written(PLAIN, STEP)).messages["nudge"].channels == ("sms",)


def test_a_step_without_a_channel_is_refused_with_its_line(written):
    with pytest.raises(UsageError, match=r"reminders\.steps\.0\.channels: must name the channels.*See line \d+"):
        written(PLAIN, {**STEP, "channels": []})


def test_an_unknown_key_of_a_step_is_named_with_the_nearest(written):
    with pytest.raises(UsageError, match=r"reminders\.steps\.0 has unknown 'chanels' \(nearest: 'channels'\)"):
        written(PLAIN, {**STEP, "chanels": ["sms"]})


def test_a_language_nobody_wrote_for_is_refused(written):
    with pytest.raises(UsageError, match=r"reminders speak 'es' to whom no language is recorded"):
        messages_of(written(PLAIN, STEP, language={"default": "es"}))


@pytest.mark.parametrize(("place", "near"), [("GB-EN", r" \(nearest: 'GB-ENG'\)"), ("EU", ""), ("US-tx", "")])
def test_a_place_of_a_message_in_which_no_account_can_lie_is_refused(written, place, near):
    text = PLAIN.replace("    tone:", f"    places: [{place}]\n    tone:")
    with pytest.raises(UsageError, match=rf"Line 5: message 'nudge': '{place}' is no place of the rule file{near}"):
        messages_of(written(text))


def test_places_of_the_rule_file_and_below_one_that_is_uniform_are_places(written):
    text = PLAIN.replace("    tone:", "    places: [GB, US, US-MA, FR-75]\n    tone:")
    assert messages_of(written(text)).messages["nudge"].places == ("GB", "US", "US-MA", "FR-75")


def test_a_key_of_the_languages_that_is_neither_book_nor_place_is_refused(written):
    with pytest.raises(UsageError, match=r"reminders\.language names 'loan_ue', neither .* \(nearest: 'loan_eu'\)"):
        messages_of(written(PLAIN, STEP, language={"default": "en", "loan_ue": "fr"}))
    kept = {"default": "en", "loan_eu": "fr", "FR": "fr", "US-MA": "en"}
    assert messages_of(written(PLAIN, STEP, language=kept)).languages == ("en", "fr")


def test_wording_that_a_rule_wants_must_stand_in_every_text_that_may_come_there(written):
    wording = (
        "wording:\n  - {rule: US.electronic_opt_out, channels: [sms], says: {en: Free way out, fr: Sortie libre}}\n"
    )
    anyone = PLAIN.replace("    roles: [creditor]\n", "")
    with pytest.raises(UsageError, match=r"sms, en lacks 'Free way out', which US.electronic_opt_out of US wants"):
        messages_of(written(anyone + wording))
    elsewhere = anyone.replace("    tone:", "    places: [GB]\n    tone:") + wording
    known = messages_of(written(elsewhere))
    text = known.messages["nudge"].texts["plain"]["sms", "en"]
    law = load_rules()
    assert wording_lacks(known, law, "US-TX", "debt_buyer", text, "sms", "en")
    assert not wording_lacks(known, law, "US-TX", "creditor", text, "sms", "en")  # the rule does not bind him
    assert not wording_lacks(known, law, "GB-ENG", "debt_buyer", text, "sms", "en")
    with pytest.raises(UsageError, match=r"names the rule 'US.nothing', which the rule file does not have"):
        messages_of(written(PLAIN + wording.replace("electronic_opt_out", "nothing")))


def test_a_file_that_is_none_is_refused(written, tmp_path):
    params = written(PLAIN)
    (tmp_path / "messages.yaml").write_bytes(b"schema_version: 1\nlanguages: \xff")
    with pytest.raises(UsageError, match=r"is no YAML in UTF-8 at line 2"):
        messages_of(params)
    (tmp_path / "messages.yaml").write_text("a: [1\nb: {")
    with pytest.raises(UsageError, match=r"is no YAML in UTF-8 at line \d"):
        messages_of(params)
    (tmp_path / "messages.yaml").unlink()
    with pytest.raises(InputMissing, match=r"cannot be read \(No such file or directory\)"):
        messages_of(params)


def test_a_length_is_counted_with_its_holes_filled():
    assert len(filled("{sender} {amount}")) == HOLES["sender"] + 1 + HOLES["amount"]


def test_a_text_message_is_counted_in_the_alphabet_that_names_may_be_written_in():
    assert segments(filled("{reference}" + "a" * 140)) == 1
    assert segments(filled("{sender}" + "a" * 45)) == 1
    assert segments(filled("{debtor_name}" + "a" * 46)) == 2  # of 70 letters, not of 160


def test_the_command_prints_every_text_with_its_length(written, tmp_path, capsys):
    written(PLAIN, STEP)
    assert recoup(tmp_path, "messages") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == ["message", "variant", "share", "channel", "language", "characters", "segments"]
    assert [line.split()[4] for line in told[1:-1]] == ["en", "fr"]
    assert told[-1] == "Searched for words that tell of a debt or press: en, fr."


def test_the_command_says_which_language_nobody_searched(written, tmp_path, capsys):
    written(PLAIN.replace("[en, fr]", "[en, it]").replace("  fr: ", "  it: "), STEP)
    assert recoup(tmp_path, "messages") == 0
    told = capsys.readouterr().out.splitlines()[-2:]
    assert told[0].endswith("press: en.")
    assert told[1] == ("NOT searched for words that tell of a debt or press: it. Read these texts yourself.")


def test_reminders_that_are_not_set_leave_the_params_as_they_were(tmp_path):
    params = load(written_params(tmp_path / "params.yaml", tmp_path))
    assert "reminders" not in params.kept()
    assert "messages" not in yaml.safe_load(params.kept())
    assert params.of_kept(params.kept()).digest() == params.digest()


AGENCY = """schema_version: 1
languages: [en, de]
messages:
  nudge:
    about: overdue
    tone: reminder
    roles: [debt_buyer]
    texts:
      plain:
        email:
          en: {subject: Your account, body: "This is an attempt to
            collect a debt by a Debt collector, and any information obtained will be used for that purpose.
            {creditor} {objection} {opt_out}"}
          de: {subject: Ihr Konto, body: "Von einem Inkassounternehmen, um eine Schuld einzuziehen;
            alle erlangten Angaben werden dazu verwendet. {creditor} {objection} {opt_out}"}
"""


def test_who_collects_what_he_bought_says_so_in_every_message_that_may_come_where_the_law_wants_it(written):
    assert messages_of(written(AGENCY)).messages["nudge"].roles == ("debt_buyer",)
    unsaid = AGENCY.replace("a Debt collector", "us").replace("used for", "kept for")
    wanted = r"email, en lacks 'any information .*', 'debt collector', which US\.debt_collector_disclosure of US wants"
    with pytest.raises(UsageError, match=wanted + r" of debt_buyer, third_party_collector: say it, or name `roles`"):
        messages_of(written(unsaid))
    with pytest.raises(UsageError, match=r"email, it lacks what US\.debt_collector_disclosure of US wants"):
        messages_of(written(AGENCY.replace("[en, de]", "[en, it]").replace("  de: ", "  it: ")))
    for elsewhere in ("roles: [creditor]", "places: [GB]"):
        assert messages_of(written(unsaid.replace("roles: [debt_buyer]", elsewhere))).messages


def test_a_book_that_no_params_name_is_worked_in_the_role_of_the_defaults_and_its_texts_must_say_so(written):
    params = written(AGENCY.replace("a Debt collector", "us"))
    owned = {name: book.model_copy(update={"role": "creditor"}) for name, book in params.portfolios.items()}
    bought = params.portfolio_defaults.model_copy(update={"role": "debt_buyer"})
    assert messages_of(params.model_copy(update={"portfolios": owned})).messages
    with pytest.raises(UsageError, match=r"which US\.debt_collector_disclosure of US wants of debt_buyer: say it"):
        messages_of(params.model_copy(update={"portfolios": owned, "portfolio_defaults": bought}))


def test_who_collects_for_others_says_for_whom_and_only_where_nobody_else_reads_it(written):
    """`invoices_jp` of the params is worked for clients."""
    silent = AGENCY.replace("{creditor} ", "")
    for_clients = silent.replace("[debt_buyer]", "[debt_buyer, third_party_collector]")
    for without in (for_clients, silent.replace("    roles: [debt_buyer]\n", "    places: [JP]\n")):
        line = line_of(without, "          en: {")
        wanted = (
            rf"Line {line}: nudge, plain, email, en does not say for whom it collects: name \{{creditor\}}, or name"
        )
        with pytest.raises(UsageError, match=wanted):
            messages_of(written(without))
    params = written(for_clients)
    owned = {name: book.model_copy(update={"role": "creditor"}) for name, book in params.portfolios.items()}
    for text in (silent, AGENCY.replace("[debt_buyer]", "[third_party_collector]")):
        assert messages_of(written(text)).messages  # who bought it is owed himself; and who names the creditor
    assert messages_of(params.model_copy(update={"portfolios": owned})).messages
    with pytest.raises(UsageError, match="creditor must not stand where others may read it"):
        messages_of(written(PLAIN.replace("see {link}", "see {link} of {creditor}")))


def test_what_ships_never_says_that_an_agency_s_client_s_account_is_its_own():
    for message in messages_of(load(SHIPPED.parents[2] / "params.yaml")).messages.values():
        for texts in message.texts.values():
            for (channel, language), text in texts.items():
                owns = any(
                    f"{word} {{sender}}" in text.whole for word in ("account with", "chez", "cuenta con", "Konto bei")
                )
                named = "{creditor}" in text.body
                assert named == ("creditor" not in message.roles), (message.key, channel, language)
                assert not (owns and named), (message.key, channel, language)


def test_a_role_that_is_none_is_refused(written):
    with pytest.raises(UsageError, match=r"roles of message 'nudge' must not hold 'owner'"):
        messages_of(written(AGENCY.replace("debt_buyer", "owner")))
