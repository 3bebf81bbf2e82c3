"""What is refused of a person's rights, each sentence said once. None of them names the person."""

from __future__ import annotations

from collections.abc import Sequence

from features.errors import ContractError, InputMissing, UsageError, some


class Unknown(InputMissing):
    """Nothing is kept of that debtor."""

    @classmethod
    def debtor(cls) -> Unknown:
        return cls("No debtor of that id is kept here. Check the id; ids are matched letter by letter.")


class Named(UsageError):
    """Who or why says nothing, or would keep what is to be forgotten."""

    @classmethod
    def nobody(cls) -> Named:
        return cls("Forgetting a debtor needs --by NAME and --why REASON: both are recorded.")

    @classmethod
    def in_record(cls, option: str) -> Named:
        return cls(f"{option} names the debtor, and is kept for ever. Say it without: a case number, a date.")


class Remains(ContractError):
    """Somewhere the person still stands."""

    @classmethod
    def places(cls, places: Sequence[str]) -> Remains:
        return cls(
            f"Still named in {some(places)}. All else is done. See to these by hand (an approved model: teach and "
            "promote another), then run the same command again."
        )


class FormUnknown(UsageError):
    """A file of that ending is not written."""

    @classmethod
    def of_file(cls) -> FormUnknown:
        return cls("--out must end in .html, to be read, or in .json, for a program.")


class VacuumRefused(ContractError):
    """Nobody can tell which versions of the store are needed."""

    @classmethod
    def no_nights(cls, outs: Sequence[str]) -> VacuumRefused:
        return cls(
            f"The store remembers nights, and none is kept in {', '.join(map(repr, outs))}. Name the folders of its "
            "nights with --out, each of them: files that only they need would go."
        )

    @classmethod
    def not_there(cls, out: str) -> VacuumRefused:
        return cls(
            f"Nights of the store were published into {out!r}, which is not there: files that only they need would go. "
            "Bring it back, or name it with --out as well if it is gone for good or has moved."
        )

    @classmethod
    def unreadable(cls, night: str) -> VacuumRefused:
        return cls(
            f"The manifest of night {night} cannot be read: nobody knows which versions of the store it needs. "
            "Run `recoup verify`, put the night's files back or remove its folder, then run again."
        )
