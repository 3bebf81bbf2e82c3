"""Why an account is not worked: rule, citation and an English sentence, each kept once and referred to by a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.law.rules import Rule

OURS = "product rule, not law"


class Causes:
    """Number 0 is no cause."""

    def __init__(self) -> None:
        self._texts: list[tuple[str, str, str]] = [("", "", "")]
        self._code: dict[tuple[str, str, str], int] = {self._texts[0]: 0}

    def code(self, rule: str, reason: str, citation: str = OURS) -> int:
        text = (rule, citation, reason)
        if text not in self._code:
            self._code[text] = len(self._texts)
            self._texts.append(text)
        return self._code[text]

    def of(self, rule: Rule) -> int:
        return self.code(rule.id, rule.says, rule.citation)

    def texts(self, code: int) -> tuple[str, str, str]:
        """(rule, citation, reason)."""
        return self._texts[code]

    def columns(self, codes: np.ndarray, names: Sequence[str]) -> dict[str, pd.Categorical]:
        """Columns named among rule, citation, reason for an array of numbers."""
        columns = {}
        for name in names:
            column = [text[("rule", "citation", "reason").index(name)] for text in self._texts]
            distinct, place = np.unique(column, return_inverse=True)
            columns[name] = pd.Categorical.from_codes(place.astype(np.int32)[codes], list(distinct))
        return columns
