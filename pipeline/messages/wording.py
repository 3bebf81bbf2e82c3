"""What words do beyond their meaning: tell others of a debt, press, or take up room on a telephone."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Beginnings of words, in small letters; a language that is not here is not searched.
_DEBT = {
    "en": "debt owe overdue arrear unpaid past.due collection collector bailiff",
    "fr": "dette impay arriéré recouvrement créance huissier mise.en.demeure retard.de.paiement",
    "es": "deuda adeud impag moros cobranza vencid embarg atraso",
    "de": "schuld überfällig rückst mahn inkasso forderung säumig gerichtsvollzieher pfänd",
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
