"""What a night of an account teaches of the effect of work, in plain loops over the rows of a world."""

from __future__ import annotations

from features.terms import LabelTerms

NO_WORK = ("debit", "legal", "other")


def landmark(
    rows: dict,
    account_id: str,
    portfolio: str,
    as_of: int,
    label: LabelTerms,
    contacts_through: int,
    permitted: bool,
    labels: dict,
    days: int,
    without_log: tuple[str, ...] = (),
) -> tuple[float | None, float | None, float | None, str]:
    """(worked, paid, promised, missing); labels: the judge's own of the same account and night."""
    known_before = as_of + label.horizon_days + label.maturity_days
    ours = [row for row in _last_versions(rows.get("contacts", []), account_id, known_before) if _is_ours(row)]
    attempts = [row["occurred_on"] for row in ours]
    promised = any(
        row.get("outcome") == "promise" and as_of <= row["occurred_on"] < as_of + label.horizon_days for row in ours
    )
    early = any(as_of <= day < as_of + days for day in attempts)
    late = any(as_of + days <= day < as_of + label.horizon_days for day in attempts)
    missing = ""
    if not early and late:
        missing = "worked_later"
    for row in rows.get("payments", []):
        own = row["account_id"] == account_id and row["kind"] == "payment"
        if own and as_of <= row["occurred_on"] < as_of + days and row["known_on"] < known_before:
            missing = "paid_early"
    missing = labels["recovered_missing"] or missing
    if as_of + label.horizon_days - 1 > contacts_through:
        missing = "immature"
    if "contacts" not in rows or portfolio in without_log:
        missing = "no_contacts"
    if not permitted:
        missing = "not_permitted"
    return (None, None, None, missing) if missing else (float(early), float(labels["recovered"]), float(promised), "")


def _is_ours(row: dict) -> bool:
    return row["direction"] != "inbound" and row["channel"] not in NO_WORK


def _last_versions(contacts: list[dict], account_id: str, known_before: int) -> list[dict]:
    newest: dict[str, dict] = {}
    for row in contacts:
        if row["account_id"] == account_id and row["known_on"] < known_before:
            held = newest.get(row["contact_id"])
            if held is None or row["known_at"] > held["known_at"]:
                newest[row["contact_id"]] = row
    return list(newest.values())
