"""The sentences of the reasons in other languages, by their English template; a template without an entry is said in English."""

from __future__ import annotations

_SPANS = {
    "in the last 7 days": "sur 7 jours",
    "in the last 30 days": "sur 30 jours",
    "in the last 90 days": "sur 90 jours",
    "in the last 180 days": "sur 180 jours",
    "in the last year": "sur un an",
    "so far": "à ce jour",
}

# Said with a span of _SPANS in place of {span}.
_SPANNED = {
    "Payments {span}: {value:count}": "Paiements {span} : {value:count}",
    "Paid {span}: {value:money}": "Payé {span} : {value:money}",
    "Largest payment {span}: {value:money}": "Plus gros paiement {span} : {value:money}",
    "Usual payment {span}: {value:money}": "Paiement habituel {span} : {value:money}",
    "Calendar months with a payment {span}: {value:count}": "Mois civils avec un paiement {span} : {value:count}",
    "Days between payments {span}, on average: {value:number}": "Jours entre deux paiements {span}, en moyenne : {value:number}",
    "Part payments {span}: {value:count}": "Paiements partiels {span} : {value:count}",
    "Payments taken back {span}: {value:count}": "Paiements annulés {span} : {value:count}",
    "Share of the debt paid {span}: {value:percent}": "Part de la dette payée {span} : {value:percent}",
    "Worst days past due {span}: {value:count}": "Plus long retard {span}, en jours : {value:count}",
    "Days overdue {span}: {value:count}": "Jours de retard {span} : {value:count}",
    "Times 30 days past due {span}: {value:count}": "Passages à 30 jours de retard {span} : {value:count}",
    "Times 60 days past due {span}: {value:count}": "Passages à 60 jours de retard {span} : {value:count}",
    "Times 90 days past due {span}: {value:count}": "Passages à 90 jours de retard {span} : {value:count}",
    "Times arrears were cleared by a payment {span}: {value:count}": "Arriérés soldés par un paiement {span} : {value:count} fois",
    "Fees {span}: {value:count}": "Frais {span} : {value:count}",
    "Got in touch {span}: {value:count} times": "Nous a contactés {span} : {value:count} fois",
    "Conversations {span}: {value:count}": "Conversations {span} : {value:count}",
    "Refusals to pay {span}: {value:count}": "Refus de payer {span} : {value:count}",
    "Promises made {span}: {value:count}": "Promesses faites {span} : {value:count}",
    "Broken promises {span}: {value:count}": "Promesses non tenues {span} : {value:count}",
    "Payment plans {span}: {value:count}": "Plans de paiement {span} : {value:count}",
}

_PLAIN = {
    "Last payment {value:days} ago": "Dernier paiement il y a {value:days}",
    "No payment yet": "Aucun paiement à ce jour",
    "First payment {value:days} ago": "Premier paiement il y a {value:days}",
    "Share of the last year's payments made from the 25th to the 5th: {value:percent}": (
        "Part des paiements de l'année faits du 25 au 5 : {value:percent}"
    ),
    "Share of the last year's payments made from the 14th to the 16th: {value:percent}": (
        "Part des paiements de l'année faits du 14 au 16 : {value:percent}"
    ),
    "Paid in the last 90 days: {payments_sum_90d:money}; in the 90 days before: {payments_sum_90_180d:money}": (
        "Payé sur 90 jours : {payments_sum_90d:money} ; les 90 jours d'avant : {payments_sum_90_180d:money}"
    ),
    "Last payment: {value:money}": "Dernier paiement : {value:money}",
    "Balance: {value:money}": "Solde : {value:money}",
    "Arrears: {value:money}": "Arriérés : {value:money}",
    "{value:days} past due": "{value:days} de retard",
    "Arrears last cleared by a payment {value:days} ago": "Arriérés soldés par un paiement il y a {value:days}",
    "Falling due in the next 7 days: {value:money}": "À échoir dans les 7 jours : {value:money}",
    "Falling due in the next 30 days: {value:money}": "À échoir dans les 30 jours : {value:money}",
    "Next charge due in {value:days}": "Prochaine échéance dans {value:days}",
    "Account opened {value:months} ago": "Compte ouvert il y a {value:months}",
    "Placed {value:months} ago": "Confié au recouvrement il y a {value:months}",
    "Placed {value:days} ago": "Confié au recouvrement il y a {value:days}",
    "Not yet placed": "Pas encore confié au recouvrement",
    "Last conversation {value:days} ago": "Dernière conversation il y a {value:days}",
    "Last got in touch {value:days} ago": "Nous a contactés il y a {value:days}",
    "Open promises to pay: {promises_open:count}": "Promesses de paiement en cours : {promises_open:count}",
    "Promised and still open: {value:money}": "Promis et encore attendu : {value:money}",
    "Promised to pay in {value:days}": "A promis de payer dans {value:days}",
    "Paid {promises_sum_paid_judged_365d:money} of {promises_sum_judged_365d:money} promised in the last year": (
        "A payé {promises_sum_paid_judged_365d:money} sur {promises_sum_judged_365d:money} promis en un an"
    ),
    "Last promise made {value:days} ago": "Dernière promesse faite il y a {value:days}",
    "Last kept promise made {value:days} ago": "Dernière promesse tenue faite il y a {value:days}",
    "Last broken promise made {value:days} ago": "Dernière promesse non tenue faite il y a {value:days}",
    "A payment plan is in force for {value:days}": "Plan de paiement en vigueur depuis {value:days}",
    "In default for {value:days}": "En défaut depuis {value:days}",
    "Charged off for {value:days}": "Passé en perte depuis {value:days}",
    "Overdue or placed accounts of the same debtor: {value:count}": "Comptes échus ou confiés du même débiteur : {value:count}",
    "Arrears on overdue or placed accounts: {value:money}": "Arriérés sur les comptes en retard ou placés : {value:money}",
    "Last payment on overdue or placed accounts {value:days} ago": (
        "Dernier paiement sur les comptes en retard ou placés il y a {value:days}"
    ),
    "Accounts of the same debtor settled before: {value:count}": "Comptes du même débiteur déjà soldés : {value:count}",
    "Earlier accounts settled late: {debtor_accounts_settled_late:count} of {debtor_accounts_settled_dated:count}": (
        "Comptes antérieurs soldés en retard : {debtor_accounts_settled_late:count} sur {debtor_accounts_settled_dated:count}"
    ),
    "Latest settlement of an earlier account, days after it was due: {value:count}": (
        "Plus grand retard à solder un compte antérieur, en jours : {value:count}"
    ),
    "Last settled an account {value:days} ago": "Dernier compte soldé il y a {value:days}",
    "Most days past due today on overdue or placed accounts: {value:count}": (
        "Plus long retard actuel sur les comptes en retard ou placés, en jours : {value:count}"
    ),
    "Days past due today: {value:count}": "Retard actuel, en jours : {value:count}",
    "Newest open placement {value:days} ago": "Dernier dossier ouvert confié il y a {value:days}",
    "Amount lent or billed: {value:money}": "Montant prêté ou facturé : {value:money}",
    "Amount placed: {value:money}": "Montant confié : {value:money}",
    # The age-band table's own sentences.
    "{span} past due": "{span} de retard",
    "{span} past due; of such accounts about {rate} paid within {horizon}": (
        "{span} de retard ; environ {rate} des comptes semblables ont payé sous {horizon}"
    ),
    "Placed {span} ago": "Confié au recouvrement il y a {span}",
}

# Said with "en" for the "sur" of _SPANS, where the sentence has a "sur" of its own.
_OVER_SOME = {
    "Paid on overdue or placed accounts {span}: {value:money}": "Payé {span} sur les comptes en retard ou placés : {value:money}",
    "Payments on overdue or placed accounts {span}: {value:count}": "Paiements {span} sur les comptes en retard ou placés : {value:count}",
    "Broken promises on overdue or placed accounts {span}: {value:count}": (
        "Promesses non tenues {span} sur les comptes en retard ou placés : {value:count}"
    ),
}
_PROMISES = {
    f"{verb} {{value:count}} of {{{made}:count}} promises {{span}}": f"{verbe} {{value:count}} promesses sur {{{made}:count}} {{span}}"
    for made in ("promises_made_90d", "promises_made_180d", "promises_made_365d", "promises_made_ever")
    for verb, verbe in (("Kept", "A tenu"), ("Broke", "N'a pas tenu"))
} | {
    f"Kept {{promises_kept_{over}:count}} of {{promises_made_{over}:count}} promises {{span}}": (
        f"A tenu {{promises_kept_{over}:count}} promesses sur {{promises_made_{over}:count}} {{span}}"
    )
    for over in ("180d", "365d", "ever")
}

FRENCH: dict[str, str] = _PLAIN | {
    english.replace("{span}", span): french.replace("{span}", duree.replace("sur ", said_with, 1))
    for sentences, said_with in ((_SPANNED, "sur "), (_OVER_SOME | _PROMISES, "en "))
    for english, french in sentences.items()
    for span, duree in _SPANS.items()
}
