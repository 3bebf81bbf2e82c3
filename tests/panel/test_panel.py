"""A panel that no model can be taught on is refused at the door, with all that is wrong and no value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import ContractError
from pipeline.panel.panel import check_panel
from pipeline.training.train import train
from tests.worlds.deliveries import PARAMS
from tests.worlds.panels import COLUMNS, made_panel

PANEL = made_panel(60, nights=(0, 30, 60))
ROWS = len(PANEL.cohort)


def changed(frame: str, **columns):
    return replace(PANEL, **{frame: getattr(PANEL, frame).assign(**columns)})


def one_cell(frame: str, column: str, value):
    """The panel with one cell of a column changed."""
    cells = getattr(PANEL, frame)[column].copy()
    cells.iloc[3] = value
    return changed(frame, **{column: cells})


def test_a_good_panel_passes():
    check_panel(PANEL)
    why = {
        "recovered_missing": "",
        "defaulted_missing": PANEL.labels["defaulted"].isna().map({True: "in_default", False: ""}),
    }
    check_panel(changed("labels", **why))


@pytest.mark.parametrize(
    ("panel", "match"),
    [
        (
            replace(PANEL, matrix=PANEL.matrix.iloc[1:]),
            "must hold the same rows. Got .* of cohort, .* of matrix, .* of labels",
        ),
        (replace(PANEL, cohort=PANEL.cohort.drop(columns="debtor_id")), "'panel.cohort' lacks 'debtor_id'"),
        (replace(PANEL, cohort=PANEL.cohort.iloc[::-1]), "'account_no' must rise within each as_of"),
        (
            one_cell("cohort", "account_no", PANEL.cohort["account_no"][2]),
            "'account_no' must rise within each as_of.* Got 1 rows",
        ),
        (one_cell("cohort", "debtor_id", None), "'debtor_id' must not be empty. Got 1 rows"),
        (one_cell("cohort", "currency", "XYZ"), "'currency' must be codes of ISO 4217. Got 1 rows"),
        (one_cell("cohort", "balance", -5), "'balance' must be from 0 on. Got 1 rows"),
        (changed("cohort", balance=1.5), "'balance' must be int64. Got float64"),
        (one_cell("cohort", "as_of", 9_000_000), "'as_of' must be a day between 1900 and 9999. Got 1 rows"),
        (changed("matrix", noise="loud"), "'panel.matrix': column 'noise' must be float64. Got str"),
        (replace(PANEL, labels=PANEL.labels.drop(columns="recovered")), "'panel.labels' lacks 'recovered'"),
        (one_cell("labels", "recovered", 0.5), "'recovered' must be 0, 1 or missing. Got 1 rows"),
        (
            one_cell("labels", "recovered_amount", np.nan),
            "'recovered_amount' must be missing where recovered is, and nowhere else",
        ),
        (one_cell("labels", "recovered_amount", 1e15), "'recovered_amount' must be from 0 to the balance. Got 1 rows"),
        (
            changed("labels", recovered_missing="sold"),
            "'recovered_missing' must say why a label is missing, and nothing where it is not",
        ),
    ],
)
def test_each_kind_of_failure_is_named(panel, match):
    with pytest.raises(ContractError, match=match):
        check_panel(panel)


def test_all_that_is_wrong_comes_at_once_and_no_value_is_told():
    wrong = replace(one_cell("cohort", "currency", "Zaphod"), labels=one_cell("labels", "recovered", 47.11).labels)
    wrong = replace(wrong, matrix=wrong.matrix.assign(noise=pd.Series(["Arthur"] * ROWS)))
    with pytest.raises(ContractError, match="'currency'") as refused:
        check_panel(wrong)
    said = str(refused.value)
    assert all(part in said for part in ("'currency'", "'recovered'", "'noise'"))
    assert not [secret for secret in ("Zaphod", "47.11", "Arthur") if secret in said]


@pytest.mark.slow
def test_no_training_begins_with_such_a_panel(tmp_path):
    params = PARAMS.model_copy(
        update={"paths": PARAMS.paths.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}"})}
    )
    with pytest.raises(ContractError, match="'balance' must be from 0 on"):
        train(one_cell("cohort", "balance", -5), params, COLUMNS, tmp_path / "store")
    assert not (tmp_path / "store").exists()
