"""Why a filled-in list cannot be read back, or a report not be made, each sentence said once.
What a row lacks is a code (entries).
"""

from __future__ import annotations

import datetime as dt

from features.errors import ContractError, InputMissing


class WorkbookRefused(ContractError):
    """The file is not a workbook of the list it is said to be of."""

    @classmethod
    def of_no_night(cls, name: str) -> WorkbookRefused:
        return cls(
            f"{name!r} does not say of which night it is: column as_of holds no date. Send back the published workbook."
        )

    @classmethod
    def of_another_night(cls, name: str, own: dt.date, wanted: dt.date) -> WorkbookRefused:
        return cls(
            f"{name!r} is of the night {own}, not {wanted}. Send the workbook of {wanted}, or name its own night."
        )

    @classmethod
    def list_altered(cls, night: dt.date) -> WorkbookRefused:
        return cls(
            f"The published list of {night} differs from its manifest. Publish the night again, then send the workbook."
        )

    @classmethod
    def no_list(cls, name: str, heads: tuple[str, ...]) -> WorkbookRefused:
        return cls(
            f"{name!r} holds no list: no sheet has {', '.join(heads)} in its first row. "
            "Send back the published workbook."
        )

    @classmethod
    def no_workbook(cls, name: str) -> WorkbookRefused:
        return cls(f"{name!r} is not an XLSX workbook. Save it as one (.xlsx) and send it again.")

    @classmethod
    def unreadable(cls, name: str) -> WorkbookRefused:
        return cls(f"{name!r} cannot be read as a workbook. Save it again as .xlsx and send it.")

    @classmethod
    def too_large(cls, name: str, unpacked: int) -> WorkbookRefused:
        return cls(f"{name!r} (LIMIT_SIZE) unpacks to {unpacked:,} bytes. Send back the published workbook, filled in.")

    @classmethod
    def too_long(cls, name: str, most: int) -> WorkbookRefused:
        return cls(f"{name!r} (LIMIT_ROWS) has more than {most:,} rows. Send back the published workbook.")

    @classmethod
    def too_many_cells(cls, name: str, most: int) -> WorkbookRefused:
        return cls(f"{name!r} (LIMIT_CELLS) has more than {most:,} cells. Send back the published workbook, filled in.")

    @classmethod
    def too_many_parts(cls, name: str, most: int) -> WorkbookRefused:
        return cls(f"{name!r} (LIMIT_PARTS) has more than {most:,} parts. Send back the published workbook, filled in.")

    @classmethod
    def harmful(cls, name: str) -> WorkbookRefused:
        return cls(
            f"{name!r} (LIMIT_MEMORY) took more memory or time than a list needs, or stopped the process that read it. "
            "Send back the published workbook, filled in."
        )


class ListMissing(InputMissing):
    """There is no such file, list or account."""

    @classmethod
    def file(cls, name: str) -> ListMissing:
        return cls(f"There is no file {name!r}. Name the filled-in workbook with --file.")

    @classmethod
    def unpublished(cls, night: dt.date, out: str) -> ListMissing:
        return cls(
            f"No list of {night} is published in {out!r}. Publish that night, or name the right folder with --out."
        )

    @classmethod
    def nobody(cls, as_of: dt.date) -> ListMissing:
        return cls(f"No account is known before {as_of}. Choose a later --as-of, or load the history first.")
