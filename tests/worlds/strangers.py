"""Two made-up books as strangers bring them: a German ledger of invoices, and a loan book with its schedule."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
from openpyxl import Workbook

LAST = dt.date(2026, 9, 30)
LEDGER_HEAD = ("Belegnr", "Kundennr", "Firma", "Belegdatum", "Fällig am", "Betrag", "Bezahlt am")


def _invoices(seed: int, customers: int, months: int) -> list[tuple]:
    """Each firm is billed about once a month and pays in its own way: early, late, or not."""
    draw = np.random.default_rng(seed)
    late = draw.gamma(2.0, 12.0, customers)
    never = draw.uniform(0, 0.15, customers)
    found = []
    for back in range(months, 0, -1):
        for firm in range(customers):
            if draw.random() < 0.25:
                continue
            issued = LAST - dt.timedelta(days=30 * back - int(draw.integers(0, 28)))
            due = issued + dt.timedelta(days=30)
            paid = None if draw.random() < never[firm] else due + dt.timedelta(days=int(draw.normal(late[firm], 8)))
            amount = round(float(draw.lognormal(6.5, 1.0)), 2)
            name = f"RE-{len(found) + 10_000}"
            found.append(
                (
                    name,
                    f"K{firm:04d}",
                    f"Müller & Söhne {firm} GmbH",
                    issued,
                    due,
                    amount,
                    paid if paid and paid <= LAST else None,
                )
            )
    return found


def german(amount: float) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def german_ledger(folder: Path, customers: int = 90, months: int = 24, seed: int = 5) -> None:
    """Windows-1252, semicolons, decimal commas, two lines above the header and a total below."""
    rows = _invoices(seed, customers, months)
    lines = ["Mandant 100;;;;;;", "Offene und ausgeglichene Posten zum 30.09.2026;;;;;;", ";".join(LEDGER_HEAD)]
    for name, firm, called, issued, due, amount, paid in rows:
        days = [f"{day:%d.%m.%Y}" if day else "" for day in (issued, due, paid)]
        lines.append(";".join([name, firm, f'"{called}"', days[0], days[1], german(amount), days[2]]))
    lines.append(f"Summe;;;;;{german(sum(row[5] for row in rows))};")
    folder.mkdir(parents=True)
    (folder / "OP-Liste.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))


def german_workbook(folder: Path, customers: int = 90, months: int = 24, seed: int = 5) -> None:
    """The same ledger, saved by Excel: numbers and days as a workbook keeps them."""
    book = Workbook()
    book.active.title = "Offene Posten"
    for line in (("Mandant 100",), ("Offene und ausgeglichene Posten zum 30.09.2026",), LEDGER_HEAD):
        book.active.append(line)
    for name, firm, called, *days_and_amount in _invoices(seed, customers, months):
        book.active.append((name, firm, called, *days_and_amount))
    folder.mkdir(parents=True)
    book.save(folder / "OP-Liste.xlsx")


def ledger_in_sql(customers: int = 90, months: int = 24, seed: int = 5) -> list[str]:
    """The same ledger as a table of a database, with the time at which each row was last written."""
    cells = (
        (name, firm, issued, due, amount, paid, f"{paid or issued} 18:00+00")
        for name, firm, _, issued, due, amount, paid in _invoices(seed, customers, months)
    )
    rows = ", ".join(f"({', '.join('NULL' if cell is None else repr(str(cell)) for cell in row)})" for row in cells)
    columns = "no text, firm text, issued date, due date, total numeric(12,2), paid date, written timestamptz"
    return [f"CREATE TABLE invoices ({columns})", f"INSERT INTO invoices VALUES {rows}"]


def loan_book(folder: Path, loans: int = 260, seed: int = 11) -> None:
    """Loans of twelve instalments, their schedule, and what was paid, disbursed, waived and written off."""
    draw = np.random.default_rng(seed)
    listed = ["Loan No,Borrower ID,Branch,Product,Currency,Disbursed On,Loan Amount"]
    schedule = ["Loan No,Period,Due Date,Total Due"]
    transactions = ["Receipt No,Loan No,Transaction Date,Transaction Type,Amount"]

    def happened(loan: str, day: dt.date, kind: str, amount: float) -> None:
        if day <= LAST:
            transactions.append(f"T{len(transactions)},{loan},{day:%d %b %Y},{kind},{amount:.2f}")

    for number in range(loans):
        loan = f"{number:06d}"
        begun = LAST - dt.timedelta(days=int(draw.integers(60, 720)))
        amount = float(draw.integers(5, 60)) * 100
        due_each, slow, fails = round(amount * 1.1 / 12, 2), draw.gamma(1.5, 8.0), draw.uniform(0, 0.3)
        branch = ("Sevilla", "Granada")[number % 2]
        listed.append(f'{loan},B{number // 2:05d},{branch},group loan,EUR,{begun:%d %b %Y},"{amount:,.2f}"')
        happened(loan, begun, "Disbursement", amount)
        for period in range(1, 13):
            due = begun + dt.timedelta(days=30 * period)
            schedule.append(f"{loan},{period},{due:%d %b %Y},{due_each:.2f}")
            if draw.random() > fails:
                happened(loan, due + dt.timedelta(days=int(draw.exponential(slow))), "Repayment", due_each)
            elif draw.random() < 0.2:
                happened(loan, due + dt.timedelta(days=20), "Waive Interest", round(due_each / 11, 2))
        if number % 40 == 7:
            happened(loan, begun + dt.timedelta(days=300), "Write-Off", due_each)
    folder.mkdir(parents=True)
    for name, lines in (("loans", listed), ("schedule", schedule), ("transactions", transactions)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


CREDITED = """Debitorenposten per 27.11.2026;;;;;;
Kundennr;Belegnr;Belegart;Belegdatum;Fälligkeit;Betrag;Bezug
K1;R-1;RE;05.01.2026;04.02.2026;1.190,00;
K1;G-2;GU;11.01.2026;11.01.2026;-238,50;R-1
K2;R-3;RE;12.01.2026;11.02.2026;47,11;
Summe;;;;;998,61;
"""
SERVICED = {
    "loans": """id,account_no,client_id,product_name,currency_code,principal_amount,disbursedon_date,loan_status
7000,00007000,C5000,Salary,USD,3900.000000,2026-01-03,Active
7001,00007001,C5001,SME,USD,2000.000000,2026-01-24,Active
""",
    "schedule": """loan_id,installment,duedate,principal_amount,interest_amount,fee_charges_amount
7000,1,2026-02-03,216.670000,78.000000,0.000000
7000,2,2026-03-03,216.670000,78.000000,1.500000
7001,1,2026-02-24,166.660000,40.000000,0.000000
""",
    "transactions": """id,loan_id,transaction_type,transaction_date,amount,is_reversed,reversed_on
1,7000,Disbursement,2026-01-03,3900.000000,0,
2,7000,Repayment,2026-02-05,294.670000,1,2026-02-09
3,7001,Repayment,2026-02-24,206.660000,0,
""",
    "merged_clients": "client_id,merged_into,merged_on\nC5000,C5001,2026-02-03\n",
}


def credited_ledger(folder: Path, text: str = CREDITED) -> None:
    """A ledger of open items with a credit note that names its invoice."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Debitorenposten.csv").write_bytes(text.encode("cp1252"))


def serviced_loans(folder: Path) -> None:
    """Loans as a servicing system's tables hold them: parts of an instalment, reversed repayments, merged clients."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in SERVICED.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
