"""Files as the spreadsheet programs of their readers open them."""

from __future__ import annotations

import io
import subprocess
import warnings
from pathlib import Path

import openpyxl

from tests.worlds.programs import program


def read_book(path: Path) -> openpyxl.Workbook:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* extension is not supported", UserWarning)  # newer data bars
        return openpyxl.load_workbook(io.BytesIO(path.read_bytes()))


def opened_by_libreoffice(source: Path, separators: str = "44") -> openpyxl.Workbook:
    """The file as LibreOffice reads it, formulas allowed: what it took for a formula comes back as one."""
    office, home = program("soffice"), source.parent / "office"
    reading = [
        f"--infilter=Text - txt - csv (StarCalc):{separators},34,76,1,,1033,false,true,false,false,false,-1,true"
    ]
    given = [
        office,
        "--headless",
        f"-env:UserInstallation=file://{home}",
        *(reading if source.suffix == ".csv" else []),
        "--convert-to",
        "xlsx",
    ]
    subprocess.run([*given, "--outdir", str(home / "out"), str(source)], check=True, capture_output=True, timeout=120)
    return read_book(home / "out" / f"{source.stem}.xlsx")


def kinds_of(book: openpyxl.Workbook) -> set[str]:
    return {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None}
