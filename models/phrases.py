"""The sentences of the reasons in other languages, by their English template; a template without an entry is said in English."""

from __future__ import annotations

FRENCH: dict[str, str] = {
    "{span} past due": "{span} de retard",
    "{span} past due; of such accounts about {rate} paid within {horizon}": (
        "{span} de retard ; environ {rate} des comptes semblables ont payé sous {horizon}"
    ),
    "Not placed yet": "Pas encore confié au recouvrement",
    "Placed {span} ago": "Confié au recouvrement il y a {span}",
}
