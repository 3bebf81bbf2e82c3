"""How often like collectors are told apart, and one who brings more is found: drawn worlds, printed as a table.

python -m benchmarks.like_for_like
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.like_for_like import like_for_like

DEBTORS_LEAST, EVENTS_LEAST = 30, 10
WORLDS = (  # collectors, contacts of each, chance that a contact brings money, spread of the sums' logarithm, times
    (12, 150, 0.08, 1.0, 1.0),
    (12, 400, 0.08, 1.0, 1.0),
    (12, 400, 0.2, 1.3, 1.0),
    (20, 1000, 0.08, 1.0, 1.0),
    (5, 200, 0.5, 0.0, 1.0),
    (12, 400, 0.08, 1.0, 2.0),
    (12, 1000, 0.08, 1.0, 2.0),
    (12, 400, 0.3, 0.0, 1.5),
)


def world(
    rng: np.random.Generator, collectors: int, contacts: int, chance: float, spread: float, times: float
) -> pd.DataFrame:
    """Contacts of six kinds that differ in what they bring; the first collector brings it `times` as often; debtors are
    met twice on average, and some of them pay more readily whoever asks.
    """
    size = collectors * contacts
    who, kind = np.repeat(np.arange(collectors), contacts), rng.integers(0, 6, size)
    debtor = rng.integers(0, size // 2, size)
    ready = rng.gamma(2.0, 0.5, size // 2)[debtor]
    brings = rng.random(size) < np.minimum(chance * (0.5 + kind / 5) * ready * np.where(who == 0, times, 1.0), 1.0)
    money = brings * np.rint(100 * np.exp(spread * rng.standard_normal(size)))
    names = {"who": [f"c{each:02}" for each in who], "debtor_id": debtor.astype(str)}
    return pd.DataFrame({**names, "kind": kind, "value": money})


def main(worlds: int = 100) -> None:
    print("collectors  contacts  chance  spread  times  worlds  with a false one  better one found")
    for collectors, contacts, chance, spread, times in WORLDS:
        rng, false, found = np.random.default_rng(20261130), 0, 0
        for _ in range(worlds):
            told = like_for_like(world(rng, collectors, contacts, chance, spread, times), DEBTORS_LEAST, EVENTS_LEAST)
            found += bool(told["low"].iloc[0] > 0)
            false += bool(((told["low"] > 0) | (told["high"] < 0)).any())
        # where one brings more, the others really lie below those whom they are set beside
        seen = ("-", str(found)) if times > 1 else (str(false), "-")
        cells = f"{collectors:10}  {contacts:8}  {chance:6}  {spread:6}  {times:5}  {worlds:6}"
        print(f"{cells}  {seen[0]:>16}  {seen[1]:>16}")


if __name__ == "__main__":
    main()
