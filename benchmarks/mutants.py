"""Builds that break one promise each, and the test that finds it out: python -m benchmarks.mutants [NAME ...].

Each is applied to a copy of the tree, in which the named test is run; it must fail there, and pass in the copy without
it. Prints a table; exit code 1 where one is not found out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).parents[1]
COPIED = ("features", "models", "pipeline", "tests", "benchmarks", "data", "params.yaml", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """does: what the build does wrong. before, after: one place of a file. test: what must fail."""

    does: str
    file: str
    before: str
    after: str
    test: str


MUTANTS = {
    "drops_a_row": Mutant(
        "drops one accepted row on the way to the store",
        "pipeline/intake/sql.py",
        "FROM standing_{name} ORDER BY",
        "FROM standing_{name} WHERE account_id <> 'A2' ORDER BY",
        "tests/intake/test_ingest.py::test_a_dry_run_writes_nothing",
    ),
    "loses_a_row_uncounted": Mutant(
        "loses the first row of every file before anything is counted",
        "pipeline/intake/ingest.py",
        "AS file_no, * FROM {scan}",
        "AS file_no, * FROM {scan} OFFSET 1",
        "tests/promises/test_deliveries.py::test_r09_every_row_and_cent_of_a_delivery_is_accepted_set_aside_or_a_duplicate",
    ),
    "publishes_first": Mutant(
        "gives a night its name before its files and its manifest are there",
        "pipeline/pages/publish.py",
        """            _write_all(night, staging, ran)
            with _creating(place):
                _put(staging, place)
""",
        """            staging.rename(place)
            _write_all(night, place, ran)
            with _creating(place):
                vouch(out, place.name, sha256_of(place / MANIFEST))
""",
        "tests/pages/test_publish.py::test_a_kill_at_any_step_leaves_whole_lists_and_the_next_run_heals",
    ),
    "shows_a_night_unwritten": Mutant(
        "leads readers to a night while it is being written",
        "pipeline/pages/publish.py",
        "            staging.mkdir()\n",
        "            staging.mkdir()\n            _point(out, staging.name)\n",
        "tests/promises/test_nights.py::test_r01_a_night_killed_at_any_moment_is_never_torn_and_ends_undisturbed",
    ),
    "marks_nothing": Mutant(
        "does not mark the last list when a night begins",
        "pipeline/run.py",
        "    _mark(out, as_of, None, params.worklist.language)\n",
        "",
        "tests/promises/test_nights.py::test_r22_every_failure_ends_with_its_code_and_a_sentence_under_cron",
    ),
    "believes_a_log": Mutant(
        "does not hold a table's log against its seals",
        "pipeline/store/delta.py",
        "            or sha256_of(entry) != seal",
        "            or not seal",
        "tests/promises/test_damage.py::test_r07_no_flipped_bit_and_no_lost_end_gets_into_a_list",
    ),
    "takes_too_few_rows": Mutant(
        "takes a delivery of too few rows",
        "pipeline/intake/acceptance.py",
        "    if found.accepted < low * usual or fresh > high * most:\n",
        "    if fresh > high * most:\n",
        "tests/promises/test_deliveries.py::test_r08_a_file_cut_off_anywhere_is_refused_or_warned_of",
    ),
    "forgets_why_a_volume_was_taken": Mutant(
        "does not say in the manifest why an unusual volume was taken",
        "pipeline/night/night.py",
        '        "accepted_volume": delivered.accepted_volume,\n',
        '        "accepted_volume": None,\n',
        "tests/promises/test_nights.py::test_r19_a_night_whose_inputs_are_not_there_is_refused_and_marks_the_old_list",
    ),
    "writes_formulas_into_the_workbook": Mutant(
        "lets a text of the workbook be a formula",
        "pipeline/pages/workbook.py",
        "sheet.write_string(line, place, value, look)",
        '(sheet.write_formula if value.startswith("=") else sheet.write_string)(line, place, value, look)',
        "tests/pages/test_csv_file.py::test_s23_libreoffice_evaluates_nothing_in_the_hostile_csv_and_workbook",
    ),
    "skips_a_hash": Mutant(
        "does not hold a data file against its sha256",
        "pipeline/store/files.py",
        "    if digest != place.stem:\n",
        "    if False:\n",
        "tests/store/test_delta.py::test_a_flipped_bit_in_a_data_file_is_noticed_before_anything_is_read",
    ),
    "reads_a_stage_unchecked": Mutant(
        "reads a finished shard without its seal",
        "pipeline/night/shards.py",
        'if sha256_of(place / f"{name}.arrow") != seals[name]["sha256"]:',
        "if False:",
        "tests/night/test_night.py::test_every_flipped_bit_of_a_finished_shard_is_noticed",
    ),
    "knows_statuses_early": Mutant(
        "ignores known_at in one feed, the statuses",
        "pipeline/law/question.py",
        "        seen = frame[self.sees(frame)]\n",
        '        seen = frame[self.sees(frame) | (table == "statuses")]\n',
        "tests/law/test_eligibility.py::test_stop_statuses_exclude_while_they_are_in_force",
    ),
    "loses_the_control": Mutant(
        "does not hold sums against the control file",
        "pipeline/intake/acceptance.py",
        "    if control is None or control.sums is None:\n",
        "    if True:\n",
        "tests/intake/test_delivery.py::test_a_control_file_that_differs_refuses",
    ),
    "counts_a_duplicate_twice": Mutant(
        "counts a duplicate as accepted as well",
        "pipeline/intake/table.py",
        "            rows[group] += count\n",
        "            rows[group] += count\n            rows[0] += count if group == 2 else 0\n",
        "tests/promises/test_deliveries.py::test_r10_the_same_delivery_again_changes_no_byte_and_a_contradiction_is_set_aside",
    ),
    "forgets_a_file": Mutant(
        "leaves one file of a table out of the proof that a night is finished",
        "pipeline/night/pins.py",
        "        for place in places:\n            store.delta.check_sound(place)\n        found[name]",
        "        for place in places[1:]:\n            store.delta.check_sound(place)\n        found[name]",
        "tests/night/test_reproduce.py::test_a_damaged_file_of_the_store_proves_nothing",
    ),
    "swallows_a_late_feed": Mutant(
        "ranks a night though every book is late",
        "pipeline/night/feeds.py",
        "        raise NightMissing.late(as_of, late)\n",
        "        late = {}\n",
        "tests/night/test_feeds.py::test_the_night_is_refused_where_all_books_are_late",
    ),
    "lets_others_read": Mutant(
        "writes files that others can read",
        "pipeline/store/files.py",
        "    before = os.umask(0o077)\n",
        "    before = os.umask(0o022)\n",
        "tests/store/test_files.py::test_only_the_owner_reads_what_is_made_meanwhile",
    ),
    "locks_nobody_out": Mutant(
        "lets two runs work on one folder",
        "pipeline/store/locks.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "tests/store/test_locks.py::test_another_process_is_turned_away_at_once_and_a_killed_one_frees_the_lock",
    ),
    "takes_any_approval": Mutant(
        "takes an altered approval of a model",
        "pipeline/store/champion.py",
        "    if history and hashlib.sha256(text).hexdigest() not in history[-1].values():\n",
        "    if False:\n",
        "tests/store/test_verify.py::test_whatever_bit_of_the_approval_flips_is_noticed_and_said_in_a_sentence",
    ),
    "takes_the_forgotten_back": Mutant(
        "takes rows of forgotten people in again",
        "pipeline/intake/dropped.py",
        "            JOIN {hashes} h ON h.hash =",
        "            JOIN {hashes} h ON 'x' || h.hash =",
        "tests/intake/test_dropped.py::test_a_new_account_of_a_forgotten_person_is_left_out_then_and_later",
    ),
    "writes_formulas": Mutant(
        "lets a text begin a formula",
        "pipeline/pages/csv_file.py",
        "    return _CONTROL_FIRST.sub",
        "    return text if text else _CONTROL_FIRST.sub",
        "tests/pages/test_csv_file.py::test_every_hostile_text_is_made_safe_and_survives",
    ),
    "believes_a_manifest": Mutant(
        "does not hold manifests against the record that vouches for them",
        "pipeline/pages/verify.py",
        "        if record and sha256_of(folder / MANIFEST) not in vouched(record, folder.name):\n",
        "        if False:\n",
        "tests/pages/test_verify.py::test_a_manifest_rewritten_with_its_files_is_found_by_the_record",
    ),
    "names_small_classes": Mutant(
        "names classes of a few debtors in a model",
        "models/encoding.py",
        "LEAST_DEBTORS = 20",
        "LEAST_DEBTORS = 1",
        "tests/promises/test_strangers.py::test_s28_people_stand_nowhere_but_in_rows",
    ),
    "writes_metrics_in_place": Mutant(
        "writes the metrics file in its place",
        "pipeline/metrics.py",
        "with whole_file(place) as draft:",
        "for draft in (place,):",
        "tests/promises/test_nights.py::test_r22_every_failure_ends_with_its_code_and_a_sentence_under_cron",
    ),
    "asks_for_more_than_is_there": Mutant(
        "asks at once for more than own payments support",
        "pipeline/treatment/bounds.py",
        "most = np.full(len(rows), np.nan) if own.months_of_support is None else own.months_of_support * support",
        "most = np.full(len(rows), np.nan)",
        "tests/treatment/test_proposals.py::test_no_proposal_lies_outside_policy_or_law",
    ),
    "offers_under_a_status": Mutant(
        "offers plans and settlements to specialists' debtors",
        "pipeline/treatment/proposals.py",
        "lawful = ~specialist & ~barred & contact",
        "lawful = ~barred & contact",
        "tests/treatment/test_proposals.py::test_specialists_are_told_apart_and_are_offered_nothing",
    ),
    "contradicts_an_offer": Mutant(
        "lets an agency call for one debt of a debtor who has an offer on another",
        "pipeline/treatment/household.py",
        "waits = (np.bincount(who, offered, many) > 0)[who] & ~offered",
        "waits = np.zeros(len(rows), bool)",
        "tests/treatment/test_household.py::test_the_other_account_waits_while_the_offer_gains_more_than_its_leaving",
    ),
    "loses_the_rest_of_a_plan": Mutant(
        "makes the last instalment as large as the others",
        "models/plans.py",
        "return regular, owed - (count - 1) * regular, count",
        "return regular, regular, count",
        "tests/models/test_plans.py::test_instalments_always_add_up",
    ),
}


def main(names: list[str]) -> int:
    return 0 if all(found["killed"] for found in examined(names or list(MUTANTS)).values()) else 1


def examined(names: list[str]) -> dict[str, dict[str, Any]]:
    """Mutant -> whether its test finds it out, and in how many seconds. SystemExit where a test fails without any, or
    the place of one is gone.
    """
    with tempfile.TemporaryDirectory(prefix="recoup-mutants-") as folder:
        tree = Path(folder)
        for name in COPIED:
            whole = HOUSE / name
            shutil.copytree(whole, tree / name) if whole.is_dir() else shutil.copy2(whole, tree / name)
        passes(tree, sorted({MUTANTS[name].test for name in names}), must=True)
        found = {}
        for name in names:
            mutant = MUTANTS[name]
            place = tree / mutant.file
            honest = place.read_text(encoding="utf-8")
            if honest.count(mutant.before) != 1:
                raise SystemExit(f"{name}: its place in {mutant.file} is there {honest.count(mutant.before)} times.")
            place.write_text(honest.replace(mutant.before, mutant.after), encoding="utf-8")
            began = time.perf_counter()
            killed = not passes(tree, [mutant.test])
            found[name] = {"killed": killed, "seconds": round(time.perf_counter() - began, 1)}
            place.write_text(honest, encoding="utf-8")
            print(f"{name:<26}{'killed' if killed else 'ALIVE':<8}{mutant.test}", flush=True)
    return found


def passes(tree: Path, tests: list[str], must: bool = False) -> bool:
    """must: what fails without any mutant is to be mended first; SystemExit with what it said."""
    command = [sys.executable, "-m", "pytest", *tests, "-n", "0", "-x", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in ((0,) if must else (0, 1)):
        raise SystemExit(done.stdout + done.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
