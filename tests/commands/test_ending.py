"""Every failure has one sentence and the documented exit code."""

import ast
import errno
import itertools
import re
from pathlib import Path

import click
import pytest

from features.errors import CannotWrite, ContractError, InputMissing
from pipeline.commands.ending import BUG, INTERRUPTED, TERMINATED, ending

PLACE = "lists/worklist.csv"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Interrupted. Nothing was half-written; run it again."),
        (click.exceptions.Abort(), 130, "Interrupted. Nothing was half-written; run it again."),
        (click.UsageError("No such option:\n--no"), 2, "No such option: --no"),
        (ContractError("rows are faulty"), 65, "rows are faulty"),
        (InputMissing("it is late"), 66, "it is late"),
        (CannotWrite.creating("'out'", OSError(errno.EACCES, "")), 73, "'out' cannot be created (Permission denied)"),
        (OSError(errno.ENOSPC, "No space", PLACE), 74, f"The disk is full while writing '{PLACE}'. Free space"),
        (PermissionError(errno.EACCES, "Permission denied", PLACE), 73, f"No permission on '{PLACE}'. Grant it"),
        (FileNotFoundError(errno.ENOENT, "No such file", PLACE), 66, f"No such file: '{PLACE}'. Check the path"),
        (SystemExit(143), 143, ""),
        (SystemExit(), 0, ""),
    ],
)
def test_a_failure_ends_with_its_code_and_a_sentence(error, code, said):
    sentence, found = ending(error)
    assert found == code
    assert sentence.startswith(said)


HOUSE = Path(__file__).parents[2]
SAID = re.compile(r"\d+(?:, \d+)*")


def exit_codes() -> set[int]:
    """Every number that the code gives an exit code: as an attribute, or in the pair that `ending` hands back."""
    found = {0, INTERRUPTED, TERMINATED, BUG}
    for room in ("features", "models", "pipeline"):
        for place in (HOUSE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(place.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Constant):
                    continue
                names = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(getattr(name, "attr", getattr(name, "id", "")) == "exit_code" for name in names):
                    found.add(node.value.value)
    told = ast.parse((HOUSE / "pipeline" / "commands" / "ending.py").read_text(encoding="utf-8"))
    pairs = [
        node.value for node in ast.walk(told) if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)
    ]
    return found | {pair.elts[1].value for pair in pairs if isinstance(pair.elts[1], ast.Constant)}


@pytest.mark.parametrize(("place", "head"), [("docs/operations.md", "| exit |"), ("README.md", "| exit code |")])
def test_every_exit_code_has_a_row_that_says_what_to_do(place, head):
    lines = (HOUSE / place).read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(head)) + 2
    rows = list(itertools.takewhile(lambda line: line.startswith("|"), lines[start:]))
    told = [int(code) for row in rows for code in SAID.match(row.split("|")[1].strip()).group().split(", ")]
    assert sorted(told) == sorted(exit_codes())
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("|"))


def test_the_rows_are_held_against_the_codes_there_are():
    assert {2, 65, 66, 69, 70, 73, 74, 75, 77, 78, 130, 143} <= exit_codes()


def test_a_bug_is_named_by_its_place_and_not_by_what_it_met():
    with pytest.raises(KeyError, match="Beeblebrox") as met:
        {}["Beeblebrox"]
    sentence, code = ending(met.value)
    assert code == 70
    assert sentence.startswith("A bug: KeyError at test_ending.py:")
    assert "Beeblebrox" not in sentence
