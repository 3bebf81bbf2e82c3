"""Learn on schedule: teach a challenger, compare it with the champion, promote it only through the gates, and say what
was decided. One at a time: a timer that fires twice teaches once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.params import Params
from pipeline.store.locks import only_run
from pipeline.training import registry
from pipeline.training.refusals import NotPromoted
from pipeline.training.run_evidence import RUNS
from pipeline.training.train import Run


@dataclass(frozen=True)
class Retrained:
    """run: what was taught; promoted: whether it is the champion now; says: the decision, with its figures."""

    run: Run
    promoted: bool
    says: str

    def text(self) -> str:
        decided = "Promoted" if self.promoted else "Not promoted"
        return f"{self.run.text()}\n\n{decided}: {self.says}"


def retrain(store_path: Path, params: Params, teach: Callable[[], Run], *, who: str, why: str, when: str) -> Retrained:
    """teach: makes the challenger (training.train_from_store). Who, why and when are recorded where it is promoted, as
    for `promote`.

    Raises LockHeld where another one teaches there, and all that teaching raises; a challenger that the gates or the
    comparison refuse, or that a person has taken back, is no error.
    """
    (store_path / RUNS).mkdir(parents=True, exist_ok=True)
    with only_run(store_path / RUNS):  # not that of the models: a person may decide meanwhile
        run = teach()
        taken_back = registry.taken_back(store_path)
        if run.version in taken_back:
            act = taken_back[run.version]
            says = (
                f"{run.version} was taken back by {act['by']}: {act['why']}. `recoup promote` is a person's to decide."
            )
            return Retrained(run, False, says)
        before = registry.standing_version(store_path)
        try:
            says = registry.promote(store_path, run.run_id, params, who=who, why=why, when=when)
        except NotPromoted as refusal:
            return Retrained(run, False, str(refusal))
    return Retrained(run, before != run.version, says)
