"""The page of the messages: every text as it goes out, in each language of the manager, without a name or a script."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.columns import MESSAGE_COLUMNS
from pipeline.pages.language import languages, words
from pipeline.pages.messages_page import messages_page
from pipeline.pages.publication import Night
from tests.worlds.paper_nights import night


def with_messages(language: str) -> Night:
    own = night()
    row = {
        "account_id": "A1",
        "debtor_id": "D1",
        "channel": "sms",
        "message": "overdue",
        "language": "fr",
        "variant": "plain",
        "probability": 0.5,
        "send_from": "08:00",
        "send_until": "19:45",
        "step": "third_day",
        "why": "",
        "as_of": own.as_of,
        "valid_until": own.as_of,
        "portfolio": "b",
        "time_zone": "Europe/Paris",
    }
    text = {"message": "overdue", "variant": "plain", "share": 0.5, "language": "fr"}
    texts = [
        {**text, "channel": "sms", "subject": "", "body": "Voyez {link} <b>ici</b>."},
        {**text, "channel": "email", "subject": "Votre compte", "body": "Bonjour {debtor_name},\n\nvoyez {link}."},
    ]
    told = {"steps": {"third_day": 1}, "skipped": {"listed": 7, "engaged": 2}}
    frame = pd.DataFrame([row], columns=list(MESSAGE_COLUMNS))
    manifest = {**own.manifest, "messages": told}
    return replace(own, language=language, messages=frame, texts=texts, manifest=manifest)


@pytest.mark.parametrize("language", languages())
def test_every_language_of_the_manager_says_it_whole(language):
    page = messages_page(with_messages(language))
    said = words(language)["messages"]
    for text in (said["title"], said["skips"]["listed"], said["skips"]["engaged"], words(language)["channels"]["sms"]):
        assert text.replace("'", "&#39;") in page
    assert re.search(r">7<", page)
    assert "08:00–19:45" in page


def test_texts_are_shown_as_text_in_their_own_language_and_nobody_is_named():
    page = messages_page(with_messages("en"))
    assert '<p class="text" lang="fr">Voyez {link} &lt;b&gt;ici&lt;/b&gt;.</p>' in page
    assert "Bonjour {debtor_name},\n\nvoyez {link}." in page
    assert "A1" not in page
    assert "<script" not in page
    assert "style-src 'sha256-" in page.replace("&#39;", "'")


def test_a_night_that_says_nothing_to_anybody_has_a_page_that_says_so():
    own = with_messages("en")
    page = messages_page(replace(own, messages=own.messages.iloc[:0], manifest={**own.manifest, "messages": {}}))
    assert words("en")["messages"]["none"] in page
    assert words("en")["messages"]["nobody_left"] in page
