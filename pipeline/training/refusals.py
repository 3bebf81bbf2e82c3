"""Why a run cannot be found, judged again or promoted, each sentence said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from features.errors import InputMissing, ModelRefused, RegistryAway


class RunMissing(InputMissing):
    """The registry or the store does not hold the run, or what it is to be judged by."""

    @classmethod
    def unfinished(cls, run_id: str) -> RunMissing:
        return cls(
            f"Run {run_id[:64]!r} is not a finished run of this registry. Give a run id that `recoup train` printed."
        )

    @classmethod
    def elsewhere(cls, run_id: str, lives: str, store_path: Path) -> RunMissing:
        return cls(
            f"Run {run_id[:64]!r} lives in the store {lives!r}, not in {str(store_path)!r}. "
            "Name that one with --store, or train here."
        )

    @classmethod
    def without_evidence(cls, run_id: str, store_path: Path) -> RunMissing:
        return cls(
            f"Run {run_id[:64]!r} left no evidence in the store {str(store_path)!r}. "
            "Give a run id that `recoup train` printed here."
        )

    @classmethod
    def no_truth(cls, truth: Path) -> RunMissing:
        return cls(f"No truth in {str(truth)!r}. Give the truth folder that `recoup simulate` wrote.")

    @classmethod
    def rows_without_truth(cls, rows: int, truth: Path) -> RunMissing:
        return cls(
            f"{rows:,} rows of the test nights have no truth in {str(truth)!r}. "
            "Give the truth of the source the store was fed from."
        )


class NotPromoted(ModelRefused):
    """A challenger, or a former champion, that may not score; the champion stays."""

    @classmethod
    def beyond_gates(cls, version: str, told: Sequence[str]) -> NotPromoted:
        return cls(
            f"{version} is not promoted: {'; '.join(told)}. Mend the calibration or the data and train again; "
            "the champion stays."
        )

    @classmethod
    def champion_taught_on_all(cls, version: str, champion: str, through: str) -> NotPromoted:
        return cls(
            f"{_against(version, champion)} was taught on nights through {through}, "
            "too near every test night to be compared. Train on newer data."
        )

    @classmethod
    def champion_needs(cls, version: str, champion: str, features: Sequence[str]) -> NotPromoted:
        return cls(
            f"{_against(version, champion)} needs {', '.join(features[:5])}, which this catalogue lacks. "
            "Keep the features for one more run."
        )

    @classmethod
    def champion_reaches_more(
        cls, version: str, champion: str, rows: int, capacity: float, found: Mapping[str, float], allowed: float
    ) -> NotPromoted:
        """found: gain, gain_low, gain_high: of the challenger's money, as shares."""
        gain, low, high = (f"{found[name]:+.1%}" for name in ("gain", "gain_low", "gain_high"))
        return cls(
            f"{_against(version, champion)} reaches more: on the same {rows:,} rows at {capacity:.0%} capacity the "
            f"challenger's money differs by {gain} [{low}, {high}]; it must be at least {allowed:+.1%} and not surely "
            "below it. The champion stays."
        )

    @classmethod
    def nothing_before(cls) -> NotPromoted:
        return cls("There is no previous champion to go back to. Promote a run instead.")

    @classmethod
    def other_rows(cls, folder: Path) -> NotPromoted:
        return cls(f"The test rows in {str(folder)!r} are not those of the run. Train again.")


class TrackingAway(RegistryAway):
    """The tracking store of MLflow."""

    @classmethod
    def silent(cls, address: str, error: Exception) -> TrackingAway:
        return cls(
            f"The tracking store {address} does not answer as it should ({type(error).__name__}). "
            "Start it, or set MLFLOW_TRACKING_URI or paths.tracking_uri to one that runs."
        )

    @classmethod
    def cannot_be_written(cls, place: Path, error: OSError) -> TrackingAway:
        return cls(f"The tracking store {str(place)!r} cannot be written ({error.strerror}). Set paths.tracking_uri.")


def _against(version: str, champion: str) -> str:
    return f"{version} is not promoted: the champion {champion}"
