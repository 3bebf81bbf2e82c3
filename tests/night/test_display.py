"""Names, phone numbers and references of accounts: shown to who works the list, and in nothing else.

Also of details.py.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from features.errors import UsageError
from models.encoding import Encoder
from pipeline.intake.ingest import ingest
from pipeline.keeping.forget import forget
from pipeline.night.night import publish_night
from pipeline.outcomes.book_pages import write_reports
from pipeline.panel.panel import panel
from pipeline.params import load
from pipeline.simulate.portfolio import simulate
from pipeline.store.store import Store
from tests.worlds.afterwards import NIGHT, House, opened
from tests.worlds.panels import SCALE
from tests.worlds.params import written_params
from tests.worlds.traces import traces

pytestmark = pytest.mark.slow

NAME, PHONE, REFERENCE = "Quillon Vexworth", "+44 131 496 0", "DOSSIER-77-"
TOLD = (NAME, PHONE, REFERENCE)


@pytest.fixture(scope="module")
def named(tmp_path_factory, caplog_of_module) -> House:
    """A night of a small book whose accounts have names, numbers and references; what was logged beside it."""
    folder = tmp_path_factory.mktemp("named")
    simulate(150, 11, folder / "source", months=10)
    place = next((folder / "source").glob("accounts.csv*"))
    rows = pd.read_csv(place, dtype="str", keep_default_na=False)
    at = rows.index.astype("str")
    rows["display_name"], rows["display_phone"] = NAME + " " + at, PHONE + at.str.zfill(3)
    rows["display_reference"] = REFERENCE + at
    rows.to_csv(place, index=False)
    columns = {"account_id": "ref", "display_phone": "DIAL", "display_fax": "FAX"}
    params = load(written_params(folder / "params.yaml", folder, worklist={"dialler_columns": columns}))
    house = House(folder, params)
    ingest(folder / "source", house.store, params)
    publish_night(house.store, NIGHT, house.out, params)
    return house


@pytest.fixture(scope="module")
def caplog_of_module():
    """Every line that is logged while the module's house is made."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Kept(level=logging.DEBUG)
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def named_in(house: House, *folders: Path) -> set[str]:
    """Published files, and tables of the store, in which a name, a number or a reference stands."""
    found = traces(TOLD, *folders)
    return {place.name if house.out in place.parents else place.relative_to(house.store).parts[0] for place in found}


def test_they_are_on_page_workbook_and_dialler_and_in_no_other_file(named, caplog_of_module):
    assert named_in(named, named.out, named.store) == {"worklist.html", "worklist.xlsx", "dialler.csv", "accounts"}
    assert not [line for line in caplog_of_module if any(word in line for word in TOLD)]
    lines = (named.out / str(NIGHT) / "dialler.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "ref,DIAL,FAX"
    assert all(re.fullmatch(r"[^,]+,'?\+44 131 496 0\d{3},", line) for line in lines[1:])
    sheet = opened(named.workbook).worksheets[1]
    heads = [cell.value for cell in sheet[1]]
    assert heads[heads.index("Debtor") + 1 : heads.index("Debtor") + 4] == ["Name", "Phone", "Reference"]


def test_no_panel_and_no_report_holds_them(named):
    whole = panel(Store(named.store), named.params)
    for frame in (whole.cohort, whole.matrix, whole.labels):
        assert not [name for name in frame if name.startswith("display_")]
        assert not any(word in frame.to_csv() for word in TOLD)
    assert not [entry for entry in CATALOGUE if "display_" in entry.name]
    assert traces(TOLD, write_reports(named.store, named.out, NIGHT, 30, named.params)) == []


def test_a_matrix_that_holds_one_is_refused():
    matrix = pd.DataFrame({"display_name": ["a", "b"], "balance": [1.0, 2.0]})
    with pytest.raises(UsageError, match="Columns display_name are .* can never be features"):
        Encoder.learn(matrix, pd.DataFrame({"debtor_id": ["a", "b"]}), np.zeros(2), (), SCALE, seed=1)


def test_who_is_forgotten_is_named_nowhere_and_everybody_else_still_is(named, tmp_path):
    own = House(tmp_path / "own", named.params)
    shutil.copytree(named.folder, own.folder, symlinks=True)
    listed = own.worklist().iloc[0]
    dialled = (own.out / str(NIGHT) / "dialler.csv").read_text(encoding="utf-8").splitlines()[1]
    phone = dialled.split(",")[1].lstrip("'")
    assert phone.startswith(PHONE)
    forget(own.store, own.out, listed["debtor_id"], own.params, who="desk", why="asked", when=pd.Timestamp.now("UTC"))
    assert traces([phone], own.out, own.store) == []
    assert named_in(own, own.out) == {"worklist.html", "worklist.xlsx", "dialler.csv"}
