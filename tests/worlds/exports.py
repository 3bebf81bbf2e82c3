"""Made-up exports in the shape of other systems, and the rows of the contract that each must become."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from openpyxl import Workbook

LEDGER = """Belegnr;Kundennr;Name;Belegdatum;Fällig am;Betrag;Bezahlt am
R-1;K1;Müller GmbH;05.01.2026;04.02.2026;1.190,00;
R-2;K2;"Weiß; Sohn";10.01.2026;09.02.2026;238,50;12.02.2026
G-3;K2;"Weiß; Sohn";11.01.2026;11.01.2026;20,00-;
Summe;;;;;1.408,50;
"""
LOANS = """Account No,Client Id,Office,Product,Currency,Disbursed On,Principal
000001,7,Nairobi,group loan,KES,05 Jan 2026,12000.00
"""
SCHEDULE = """Account No,Installment,Disbursed On,Due Date,Total Due
000001,1,05 Jan 2026,05 Feb 2026,6300.00
000001,2,05 Jan 2026,05 Mar 2026,6300.00
"""
TRANSACTIONS = """Transaction Id,Account No,Transaction Date,Type,Amount
31,000001,05 Jan 2026,Disbursement,12000.00
32,000001,04 Feb 2026,Repayment,6000.00
33,000001,06 Feb 2026,Waive Interest,300.00
34,000001,20 Mar 2026,Write-Off,6300.00
"""
STATEMENT = """Buchungstag;Umsatz-Nr;Auftraggeber;Kundenreferenz;Betrag
03.02.2026;1;Max Muster;R-1;1.190,00
03.02.2026;2;Strom AG;V-77;-80,00
04.02.2026;3;Unbekannt;;15,00
"""
CALLS = """Call ID,Account,Start Time,Mode,Direction,Disposition,PTP Amount,PTP Date,Agent
c1,A1,2026-02-03 09:30:00,PREDICTIVE,OUT,NA,,,
c2,A1,2026-02-04 10:05:07,MANUAL,OUT,PTP,50.00,2026-02-20,ann
"""
XERO_INVOICES = """ContactName,InvoiceNumber,InvoiceDate,DueDate,Description,Total,Currency
Acme,INV-1,01/05/2026,02/04/2026,Desk,"$1,190.00",USD
Acme,INV-1,01/05/2026,02/04/2026,Chair,"$1,190.00",USD
"""
XERO_PAYMENTS = """PaymentID,InvoiceNumber,Date,Amount
P9,INV-1,02/10/2026,"$1,000.00"
"""
ERP_INVOICES = """ID,Customer,Company,Currency,Date,Payment Due Date,Grand Total
ACC-SINV-1,CUST-1,Acme,INR,2026-01-05,2026-02-04,1190.00
ACC-SINV-2,CUST-1,Acme,INR,2026-01-06,2026-02-05,500.00
"""
ERP_PAYMENTS = """ID,Posting Date,Mode of Payment,Reference DocType,Reference Name,Allocated
ACC-PAY-1,2026-02-10,Bank,Sales Invoice,ACC-SINV-1,1190.00
ACC-PAY-1,2026-02-10,Bank,Sales Invoice,ACC-SINV-2,310.00
ACC-PAY-2,2026-02-11,Bank,Sales Order,SAL-ORD-1,50.00
"""
ODOO_INVOICES = [
    ["Number", "Partner/ID", "Company", "Currency", "Invoice Date", "Due Date", "Total", "Status"],
    [
        "INV/2026/00001",
        "res.partner.7",
        "My Company",
        "EUR",
        dt.datetime(2026, 1, 5),
        dt.datetime(2026, 2, 4),
        1190.1,
        "Posted",
    ],
    ["/", "res.partner.7", "My Company", "EUR", dt.datetime(2026, 1, 6), dt.datetime(2026, 2, 5), 5, "Draft"],
]
ODOO_PAYMENTS = [
    ["Number", "Reconciled Invoices", "Date", "Amount", "Payment Method", "Status"],
    ["PBNK1/2026/00001", "INV/2026/00001", dt.datetime(2026, 2, 10), 1000, "Manual", "Paid"],
]
TEXTS = {
    "open_items": {"op.csv": (LEDGER, "cp1252")},
    "loan_schedule": {
        "loans.csv": (LOANS, "utf-8"),
        "schedule.csv": (SCHEDULE, "utf-8"),
        "transactions.csv": (TRANSACTIONS, "utf-8"),
    },
    "bank_statement": {"umsaetze.csv": (STATEMENT, "cp1252")},
    "dialler_log": {"log.csv": (CALLS, "utf-8")},
    "quickbooks": {"Invoices.csv": (XERO_INVOICES, "utf-8"), "Payments.csv": (XERO_PAYMENTS, "utf-8")},
    "erpnext": {"Sales Invoice.csv": (ERP_INVOICES, "utf-8"), "Payment Entry.csv": (ERP_PAYMENTS, "utf-8")},
}
BOOKS = {"odoo": {"account.move.xlsx": ODOO_INVOICES, "account.payment.xlsx": ODOO_PAYMENTS}}


def export(system: str, folder: Path) -> None:
    """The files that a system of this shape would hand over."""
    folder.mkdir(parents=True)
    for name, (text, encoding) in TEXTS.get(system, {}).items():
        (folder / name).write_bytes(text.encode(encoding))
    for name, rows in BOOKS.get(system, {}).items():
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(folder / name)


EXPECTED: dict[str, dict[str, list[tuple[str, ...]]]] = {
    "open_items": {
        "accounts": [
            ("R-1", "K1", "receivables", "invoice", "commercial", "EUR", "2026-01-05", "1190.00"),
            ("R-2", "K2", "receivables", "invoice", "commercial", "EUR", "2026-01-10", "238.50"),
            ("G-3", "K2", "receivables", "invoice", "commercial", "EUR", "2026-01-11", "20.00"),
        ],
        "charges": [
            ("R-1", "R-1", "2026-01-05", "2026-02-04", "1190.00", "invoice"),
            ("R-2", "R-2", "2026-01-10", "2026-02-09", "238.50", "invoice"),
            ("G-3", "G-3", "2026-01-11", "2026-01-11", "-20.00", "adjustment"),
        ],
        "payments": [("R-2/12.02.2026", "R-2", "R-2", "2026-02-12", "238.50", "payment")],
    },
    "loan_schedule": {
        "accounts": [("000001", "7", "Nairobi", "group loan", "consumer", "KES", "2026-01-05", "12000.00")],
        "charges": [
            ("000001/1", "000001", "2026-01-05", "2026-02-05", "6300.00", "instalment"),
            ("000001/2", "000001", "2026-01-05", "2026-03-05", "6300.00", "instalment"),
        ],
        "payments": [
            ("32", "000001", "2026-02-04", "6000.00", "payment"),
            ("33", "000001", "2026-02-06", "300.00", "credit"),
        ],
        "statuses": [("000001", "charged_off", "2026-03-20")],
    },
    "bank_statement": {"payments": [("03.02.2026/1", "R-1", "2026-02-03", "1190.00", "payment", "transfer")]},
    "dialler_log": {
        "contacts": [
            ("c1", "A1", "2026-02-03 09:30:00", "autodial", "outbound", "no_answer", "", "", ""),
            ("c2", "A1", "2026-02-04 10:05:07", "call", "outbound", "promise", "50.00", "2026-02-20", "ann"),
        ]
    },
    "quickbooks": {
        "accounts": [("INV-1", "Acme", "receivables", "invoice", "commercial", "USD", "2026-01-05")],
        "charges": [("INV-1", "INV-1", "2026-01-05", "2026-02-04", "1190.00", "invoice")],
        "payments": [("P9/INV-1", "INV-1", "INV-1", "2026-02-10", "1000.00", "payment")],
    },
    "erpnext": {
        "accounts": [
            ("ACC-SINV-1", "CUST-1", "Acme", "invoice", "commercial", "INR", "2026-01-05", "1190.00"),
            ("ACC-SINV-2", "CUST-1", "Acme", "invoice", "commercial", "INR", "2026-01-06", "500.00"),
        ],
        "charges": [
            ("ACC-SINV-1", "ACC-SINV-1", "2026-01-05", "2026-02-04", "1190.00", "invoice"),
            ("ACC-SINV-2", "ACC-SINV-2", "2026-01-06", "2026-02-05", "500.00", "invoice"),
        ],
        "payments": [
            ("ACC-PAY-1/ACC-SINV-1", "ACC-SINV-1", "ACC-SINV-1", "2026-02-10", "1190.00", "payment", "Bank"),
            ("ACC-PAY-1/ACC-SINV-2", "ACC-SINV-2", "ACC-SINV-2", "2026-02-10", "310.00", "payment", "Bank"),
        ],
    },
    "odoo": {
        "accounts": [
            ("INV/2026/00001", "res.partner.7", "My Company", "invoice", "commercial", "EUR", "2026-01-05", "1190.1")
        ],
        "charges": [("INV/2026/00001", "INV/2026/00001", "2026-01-05", "2026-02-04", "1190.1", "invoice")],
        "payments": [
            (
                "PBNK1/2026/00001/INV/2026/00001",
                "INV/2026/00001",
                "INV/2026/00001",
                "2026-02-10",
                "1000",
                "payment",
                "Manual",
            )
        ],
    },
}
