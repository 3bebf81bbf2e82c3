"""What words do beyond their meaning: tell others of a debt, press, or take up room on a telephone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from features.currencies import DECIMALS

# Beginnings of words, in small letters; a language that is not here is not searched.
_DEBT = {
    "en": "debt owe overdue arrear unpaid past.due is.due due.on late.pay missed legal courts?\\b lawsuit enforcement "
    "collection collector bailiff",
    "fr": "dette impay arriéré recouvrement créance huissier mise.en.demeure retard.de.paiement devez doit.encore "
    "redevable échéance poursuite judiciaire tribunal",
    "es": "deuda deudor adeud debe debid impag moros mora cobranza cobro vencid embarg atraso judicial juzgado demanda",
    "de": "schuld überfällig rückst mahn inkasso forderung säumig gerichtsvollzieher pfänd verzug zahlungsverzug "
    "zahlungsrückst restschuld fällig vollstreck zwangsvollstreck gericht rechtsweg",
}
_PRESS = {
    "en": "final.warning last.warning last.chance or.else immediately act.now will.sue take.you.to.court asham shame",
    "fr": "dernier.avertissement dernière.chance immédiatement sous.peine.de agissez.maintenant honte saisirons",
    "es": "último.aviso última.oportunidad inmediatamente de.lo.contrario actúe.ya vergüenza demandaremos",
    "de": "letzte.warnung letzte.chance unverzüglich sofort andernfalls verklagen schäm zwangsvollstreck",
}


def _any_of(words: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    joined = {
        language: "|".join(word.replace(".", r"\s+") for word in said.split()) for language, said in words.items()
    }
    return {language: re.compile(rf"\b(?:{said})\w*", re.IGNORECASE) for language, said in joined.items()}


TELLS_OF_A_DEBT, PRESSES = _any_of(_DEBT), _any_of(_PRESS)

SEARCHED = tuple(_DEBT)

# Currencies by sign (any that Unicode knows as one), code or name; a code is one in capitals, as `all` and `try` are.
_CODES = "|".join(sorted({*DECIMALS, "RMB", "CNH"}))
_NAMES = (
    r"eur|usd|gbp|chf|jpy|cad|aud|kr|rs|euros?|cents?|c[ée]ntimos?|centimes?|centavos?|dollars?|d[oó]lar(?:es)?|bucks?|"
    r"pounds?|quid|pence|pfund|libras?|livres?|sterling|francs?|franken|francos?|rappen|kron\w+|crowns?|korun\w*|yen|"
    r"yuan|rupees?|rupias?|roupies?|rupien|pesos?|z[łl]ot\w+|forint\w*|rou?bles?|rubel|reais|reales|rands?|lei|leva|"
    r"lira\w*|dinar\w*|dirhams?|shillings?|naira|baht|ringgit"
)
_SIGNS = "".join(chr(n) for n in range(0x11000) if unicodedata.category(chr(n)) == "Sc")
_CURRENCY = rf"(?:[{_SIGNS}]|(?-i:{_CODES})|{_NAMES})"
_BETWEEN = r"[\s.:,=~-]*"
# A digit beside a currency in either order, or a number with a decimal mark.
SUM = re.compile(
    rf"(?<![^\W\d_]){_CURRENCY}{_BETWEEN}\d|\d{_BETWEEN}{_CURRENCY}(?![^\W\d_])|\d[.,'’٫]\d|\d[.,][-–—]", re.IGNORECASE
)

# Characters of the 7-bit alphabet of text messages, and those that take two places there (3GPP TS 23.038).
_SEVEN_BITS = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWO_PLACES = frozenset("^{}\\[~]|€\f")


def segments(text: str) -> int:
    """Parts in which a network sends and bills a text message: 160 places alone or 153 each in seven bits, 70 or 67 of
    UTF-16 where one character is of another alphabet.
    """
    if set(text) <= _SEVEN_BITS | _TWO_PLACES:
        places, alone, each = sum(2 if letter in _TWO_PLACES else 1 for letter in text), 160, 153
    else:
        places, alone, each = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if places <= alone else -(-places // each)
