"""Learn on schedule: teach a challenger, compare it with the champion, promote it only through the gates, and say what
was decided. One at a time: a timer that fires twice teaches once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.params import Params
from pipeline.store.champion import MODELS
from pipeline.store.locks import only_run
from pipeline.training import registry
from pipeline.training.refusals import NotPromoted
from pipeline.training.train import Run


@dataclass(frozen=True)
class Retrained:
    """run: what was taught; promoted: whether it is the champion now; says: the decision, with its figures."""

    run: Run
    promoted: bool
    says: str

    def text(self) -> str:
        decided = "Promoted" if self.promoted else "The champion stays"
        return f"{self.run.text()}\n\n{decided}: {self.says}"


def retrain(store_path: Path, params: Params, teach: Callable[[], Run], *, who: str, why: str, when: str) -> Retrained:
    """teach: makes the challenger (training.train_from_store). Who, why and when are recorded where it is promoted, as
    for `promote`.

    Raises LockHeld where another one teaches or approves there, and all that teaching raises; a challenger that the
    gates or the comparison refuse is no error.
    """
    (store_path / MODELS).mkdir(parents=True, exist_ok=True)
    with only_run(store_path / MODELS):
        run = teach()
        before = registry.standing_version(store_path)
        try:
            says = registry.promote(store_path, run.run_id, params, who=who, why=why, when=when)
        except NotPromoted as refusal:
            return Retrained(run, False, str(refusal))
    return Retrained(run, before != run.version, says)
