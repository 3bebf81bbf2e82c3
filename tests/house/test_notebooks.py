"""The notebooks run from their first cell to their last on a small portfolio, and are kept without outputs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HOUSE = Path(__file__).parents[2]
NOTEBOOKS = sorted((HOUSE / "notebooks").glob("*.ipynb"))

# The kernel's own plumbing speaks of event loops and transports; what our code says is caught inside the kernel.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def place(house, tmp_path_factory) -> Path:
    """A folder as `make run` leaves it, with small models: params, store, champion, one night; and the notebooks."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copytree(house, folder, symlinks=True, dirs_exist_ok=True)
    whole = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    whole["paths"] = {"source": "source", "store": "store", "out": "out", "tracking_uri": "sqlite:///mlflow.db"}
    (folder / "params.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    shutil.copytree(HOUSE / "notebooks", folder / "notebooks")
    return folder


def executed(notebook: nbformat.NotebookNode, place: Path) -> str:
    """What its cells print and show as text."""
    here = {"metadata": {"path": str(place / "notebooks")}}
    told = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=here).execute()
    outputs = [held for cell in told.cells for held in cell.get("outputs", [])]
    assert not [
        held for held in outputs if held.output_type == "stream" and held.name == "stderr" and "Warning" in held.text
    ]
    pictures = sum("image/png" in held.get("data", {}) for held in outputs)
    assert pictures >= 4
    return "\n".join(held.get("text", "") or str(held.get("data", {}).get("text/plain", "")) for held in outputs)


def test_there_are_four_and_they_are_kept_without_outputs():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert not [cell for cell in code if cell.outputs or cell.execution_count is not None], path.name
        words = sum(len(re.findall(r"\w+", cell.source)) for cell in notebook.cells if cell.cell_type == "markdown")
        assert words > 120, f"{path.name} tells no story"


@pytest.mark.parametrize(
    ("path", "said"),
    list(zip(NOTEBOOKS, ("rows of", "worse than the champion", "debtors listed for", "old enough"), strict=True)),
    ids=[path.stem for path in NOTEBOOKS],
)
def test_a_notebook_runs_to_its_end(path, said, place):
    assert said in executed(nbformat.read(path, as_version=4), place)


def test_a_cell_that_fails_is_noticed(place):
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        executed(broken, place)
