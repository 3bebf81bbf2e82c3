"""Every failure has one sentence and the documented exit code."""

import errno

import click
import pytest

from features.errors import CannotWrite, ContractError, InputMissing
from pipeline.commands.ending import ending

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


def test_a_bug_is_named_by_its_place_and_not_by_what_it_met():
    with pytest.raises(KeyError, match="Beeblebrox") as met:
        {}["Beeblebrox"]
    sentence, code = ending(met.value)
    assert code == 70
    assert sentence.startswith("A bug: KeyError at test_ending.py:")
    assert "Beeblebrox" not in sentence
