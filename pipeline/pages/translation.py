"""Catalogues for translators: `python -m pipeline.pages.translation` brings every text of the product into each of
them, `python -m pipeline.pages.translation nl_NL` begins one.

A text that changed keeps its former translation, marked fuzzy: it is said in English until somebody has read it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from babel import Locale
from babel.core import UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from features.catalogue import ON_RHYTHM, TREATED
from features.errors import UsageError
from models.explain import of_one_account
from models.phrases import OWN_SENTENCES
from pipeline.languages import SOURCE, WORDS_FOLDER, languages
from pipeline.pages.language import REASONS, catalogue, words
from pipeline.store.files import write_whole

NOT_TRANSLATED = ("locale",)  # the head of a catalogue says its own


def texts() -> dict[tuple[str, str], None]:
    """(context, English) of every text to translate, in the order in which the product keeps them."""
    spoken = [
        form(text)
        for entry in (*TREATED, *ON_RHYTHM)
        for text in (entry.says, entry.says_missing)
        if text
        for form in (str, of_one_account)
    ]
    by_key = {name: text for name, text in words(SOURCE).items() if name not in NOT_TRANSLATED}
    return dict.fromkeys([*_leaves(by_key), *((REASONS, text) for text in (*spoken, *OWN_SENTENCES))])


def template(locale: str) -> Catalog:
    """A catalogue without a translation. Raises UsageError for a locale that is none."""
    try:
        made = Catalog(Locale.parse(locale), fuzzy=False, header_comment="# Words of Recoup. {placeholders} stay.")
    except (UnknownLocaleError, ValueError):
        raise UsageError(f"{locale!r} is no locale. Give language and territory, such as nl_NL.") from None
    for context, text in texts():
        made.add(text, context=context)
    return made


def written(made: Catalog) -> str:
    """As the file says it: without days and names, so that only a changed text changes it."""
    stream = io.BytesIO()
    write_po(stream, made, width=0, no_location=True, omit_header=True)
    language = f'msgid ""\nmsgstr ""\n"Language: {made.locale}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    return f"{made.header_comment}\n{language}\n{stream.getvalue().decode()}".rstrip("\n") + "\n"


def updated(language: str) -> Catalog:
    """The catalogue of a language with every text of the product, those that it translated as they were."""
    old = catalogue(language)
    new = template(str(old.locale))
    old.update(new)
    old.header_comment = new.header_comment
    return old


def main(begun: Sequence[str]) -> None:
    made = {Locale.parse(locale).language: template(locale) for locale in begun if template(locale)}
    taken = sorted(set(made) & set(languages()))
    if taken:
        raise UsageError(f"There are words of {', '.join(taken)} already.")
    made |= {} if begun else {language: updated(language) for language in languages() if language != SOURCE}
    for language, catalog in made.items():
        write_whole(WORDS_FOLDER / f"{language}.po", written(catalog))
        lacking = sum(not entry.string or entry.fuzzy for entry in catalog if entry.id)
        print(f"{language}: {len(catalog)} texts, {lacking} to translate")


def _leaves(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


if __name__ == "__main__":
    main(sys.argv[1:])
