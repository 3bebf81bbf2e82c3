"""Places that are addresses: `s3://bucket/prefix` where a folder could stand, and what a local copy of one is called.

A path has one slash where an address has two, and begins with its scheme: so it is known again.
"""

from __future__ import annotations

import re
from pathlib import Path

from features.errors import UsageError

SCHEME = "s3:"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # of one letter it would be a drive
_BUCKET, _PART = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"), re.compile(r"[A-Za-z0-9!_.*'()=-]+")
_copies: dict[Path, str] = {}  # local copy -> the address that it stands for, while this process works on it


class AddressRefused(UsageError):
    """An address that leads to no bucket of ours. It is not repeated: a key may stand in it."""

    @classmethod
    def form(cls) -> AddressRefused:
        return cls(
            "An address must be s3://bucket/prefix, of letters, digits and ! _ . * ' ( ) = -, and holds no keys: those "
            "come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the role of the machine."
        )

    @classmethod
    def scheme(cls, scheme: str) -> AddressRefused:
        return cls(f"Store and nights lie in folders, or at s3:// addresses. Got one of {scheme}//.")

    @classmethod
    def wants_folder(cls, option: str) -> AddressRefused:
        return cls(f"{option} must name a place on a disk. Only the store and the folder of nights may lie at s3://.")

    @classmethod
    def not_here(cls, command: str) -> AddressRefused:
        return cls(
            f"`recoup {command}` stays at work, and wants a store on a disk. Name a folder with --store; several "
            "machines may keep one each."
        )

    @classmethod
    def cluster(cls) -> AddressRefused:
        return cls(
            "engine.spark of the params wants a store that all machines see, and a copy of s3:// lies on one. Set it "
            "to null, or name a shared folder in paths.store."
        )

    @classmethod
    def twice(cls, url: str) -> AddressRefused:
        return cls(f"Store and nights cannot both lie at {url}. Give each a prefix of its own.")


def address_of(place: Path) -> str | None:
    """The address as which the place was given; None of a place on a disk. AddressRefused (2) where it is malformed,
    or of another scheme than s3, which may be written in capitals.
    """
    scheme, *parts = place.parts or ("",)
    if not _SCHEME.fullmatch(scheme):
        return None
    if scheme.lower() != SCHEME:
        raise AddressRefused.scheme(scheme)
    if (
        not parts
        or not _BUCKET.fullmatch(parts[0])
        or not all(_PART.fullmatch(part) and part != ".." for part in parts)
    ):
        raise AddressRefused.form()
    return f"s3://{'/'.join(parts)}"


def stands_for(copy: Path, url: str) -> None:
    """From now on the copy is called by its address."""
    _copies[copy.resolve()] = url


def called(place: Path) -> str:
    """What a folder is called in what is kept: the address of a copy, else its whole path."""
    whole = place.resolve()
    return _copies.get(whole, str(whole))


def retold(text: str) -> str:
    """A text in which copies have the names of what they stand for: a reader cannot go to a copy, which goes again."""
    for copy, url in _copies.items():
        text = text.replace(str(copy), url)
    return text
