"""What the store refuses, each sentence said once: damage, a folder that is no store,
rows that are not there or do not fit.
"""

from __future__ import annotations

from collections.abc import Iterable

from features.errors import CannotWrite, ContractError, InputMissing, LockHeld, ModelRefused, RecoupError, UsageError


class StoreDamaged(ContractError):
    """A file of the store is gone, or is not what was written."""

    @classmethod
    def gone(cls, where: str) -> StoreDamaged:
        return cls(f"Store file {where!r} is gone. Restore it from a backup, or ingest again into a new store.")

    @classmethod
    def gone_on_its_way(cls, where: str) -> StoreDamaged:
        return cls(f"Store file {where!r} is gone. Remove pending.json and ingest again.")

    @classmethod
    def differs(cls, where: str) -> StoreDamaged:
        return cls(
            f"Store file {where!r} is damaged: its sha256 differs. "
            "Restore it from a backup, or ingest again into a new store."
        )

    @classmethod
    def sealed(cls, name: str) -> StoreDamaged:
        return cls(f"Store file {name!r} is damaged. Restore it from a backup.")

    @classmethod
    def stage(cls, shard: str) -> StoreDamaged:
        return cls(
            f"Finished shard {shard} is not what was written. Run the night again; "
            "where it comes again, the disk or its memory is failing."
        )

    @classmethod
    def log(cls, table: str, store: str, version: int | None) -> StoreDamaged:
        at = "" if version is None else f" at version {version}"
        return cls(
            f"Table {table!r} of store {store!r} cannot be opened{at}: "
            "its log is damaged or gone. Restore it from a backup."
        )

    @classmethod
    def log_entry(cls, where: str) -> StoreDamaged:
        return cls(f"Store file {where!r} is damaged: its seal differs. Restore both from a backup.")

    @classmethod
    def seal_gone(cls, where: str) -> StoreDamaged:
        return cls(f"Store file {where!r} has lost its seal: nothing vouches for it. Restore the seal from a backup.")

    @classmethod
    def foreign(cls, table: str) -> StoreDamaged:
        return cls(
            f"The log of table {table!r} names a file that `recoup` did not write. Restore the store from a backup."
        )


class NotApproved(ModelRefused):
    """champion.json, or the model it names, is not what somebody approved."""

    @classmethod
    def model(cls, version: str, found: str, approved: str) -> NotApproved:
        return cls(
            f"The champion {version} has sha256 {found[:12]}, approved was {approved[:12]}. "
            "Put the approved files back, promote another run, or roll back with `recoup promote --rollback`."
        )

    @classmethod
    def damaged(cls, place: str) -> NotApproved:
        return cls(f"{place!r} is damaged. Put it back as it was, or promote a run again.")

    @classmethod
    def changed(cls, place: str) -> NotApproved:
        return cls(
            f"{place!r} is not what the newest approval wrote. Put it back as it was, or promote a run again. "
            "Find out who changed it: a model may score only as it was approved."
        )

    @classmethod
    def gone(cls, place: str) -> NotApproved:
        return cls(
            f"{place!r} is gone, though a model was approved in this store. Put it back, or promote a run again. "
            "Without it nothing may score: no other model was approved in its place."
        )

    @classmethod
    def lacking(cls, place: str, names: Iterable[str]) -> NotApproved:
        return cls(f"{place!r} is no approval: it lacks {', '.join(names) or 'approved_by'}. Promote a run.")

    @classmethod
    def outside(cls, place: str) -> NotApproved:
        return cls(f"{place!r} names a model outside the store. Promote a run again.")


class NoStore(UsageError):
    """The folder is no store, or not one for these params and this version."""

    @classmethod
    def card(cls, folder: str) -> NoStore:
        return cls(f"Folder {folder!r} is not a store: it lacks store.json. Name another with --store or paths.store.")

    @classmethod
    def not_empty(cls, folder: str) -> NoStore:
        return cls(f"Folder {folder!r} is not a store and not empty. Name an empty folder with --store or paths.store.")

    @classmethod
    def of_format(cls, store: str, found: object, read: int) -> NoStore:
        return cls(f"Store {store!r} has format {found}, this version reads {read}. Ingest into a new folder.")

    @classmethod
    def of_shards(cls, store: str, found: int, asked: int) -> NoStore:
        return cls(
            f"Store {store!r} has {found} shards, store.shards of the params says {asked}. "
            "The number cannot change: set it back, or ingest into a new folder."
        )


class NotStored(InputMissing):
    """What is asked for is not in the store, or not yet whole."""

    @classmethod
    def store(cls, folder: str) -> NotStored:
        return cls(f"There is no store at {folder!r}. Run `recoup ingest` first, or name the store with --store.")

    @classmethod
    def delivery(cls, store: str) -> NotStored:
        return cls(f"Store {store!r} holds no delivery. Run `recoup ingest` first.")

    @classmethod
    def cut_off(cls, store: str) -> NotStored:
        return cls(f"An ingest into store {store!r} was cut off. Run `recoup ingest` again; it ends what was begun.")

    @classmethod
    def rows(cls, table: str) -> NotStored:
        return cls(f"The store holds no rows of {table!r}. Deliver that table.")

    @classmethod
    def table(cls, name: str) -> NotStored:
        return cls(f"Table {name!r} is not delivered. Deliver it, or ask for another.")

    @classmethod
    def vacuumed(cls, table: str, version: int) -> NotStored:
        return cls(
            f"Version {version} of table {table!r} is no longer kept: no kept night needs it, "
            "so `recoup compact --vacuum` or retention.versions of the params let it go."
        )

    @classmethod
    def account(cls, account_id: str) -> NotStored:
        return cls(f"Account {account_id[:64]!r} is not in the store. Check the id; ids are matched letter by letter.")


class Busy(LockHeld):
    """Somebody else works there."""

    @classmethod
    def folder(cls, folder: str) -> Busy:
        return cls(f"Another run works on {folder!r}. Wait until it has ended, then run again.")


class Lost(LockHeld):
    """Another run came in at the address since this one read it."""

    @classmethod
    def to_another(cls, url: str) -> Lost:
        return cls(f"Another run changed {url} meanwhile, and nothing of this one came in there. Run again.")

    @classmethod
    def while_sweeping(cls, url: str) -> Lost:
        return cls(
            f"Other runs changed {url} while it was looked for what nothing names, and none of that was deleted. What "
            "this run changed is in force. Run again."
        )


class LeadsOut(CannotWrite):
    """A link that another machine could not follow: no generation may name it."""

    @classmethod
    def link(cls, where: str) -> LeadsOut:
        return cls(
            f"{where} would be a link out of its folder, which no other machine can follow, so nothing came in there. "
            "Remove the folder of copies (RECOUP_COPIES), and run again."
        )


class ObjectDamaged(ContractError):
    """An object of the bucket is gone, or is not what was put."""

    @classmethod
    def differs(cls, where: str) -> ObjectDamaged:
        return cls(
            f"Object {where} is damaged: its sha256 differs. Put it back from a backup or an older version of it."
        )

    @classmethod
    def gone(cls, where: str) -> ObjectDamaged:
        return cls(f"Object {where} is gone. Put it back from a backup or an older version of it.")

    @classmethod
    def form(cls, where: str) -> ObjectDamaged:
        return cls(f"Object {where} is not what was put there. Put it back from a backup or an older version of it.")


class Away:
    """Why a bucket cannot be read or written. No sentence repeats what the server answered: keys may stand in it."""

    @classmethod
    def no_bucket(cls, bucket: str, changes: bool) -> RecoupError:
        told = f"There is no bucket {bucket!r}. Make it, or correct the address, AWS_ENDPOINT_URL or AWS_REGION."
        return cls._creating(told) if changes else InputMissing(told)

    @classmethod
    def permission(cls, url: str) -> RecoupError:
        return cls._creating(
            f"No permission on {url}. Grant s3:GetObject, s3:PutObject and s3:DeleteObject below it and s3:ListBucket "
            "on its bucket, then run again."
        )

    @classmethod
    def credentials(cls, url: str, code: str) -> RecoupError:
        return cls._creating(
            f"{url} does not take these credentials ({code}). Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
            "AWS_SESSION_TOKEN, or the role of this machine."
        )

    @classmethod
    def no_credentials(cls, url: str) -> RecoupError:
        return cls._creating(
            f"There are no credentials for {url}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this "
            "machine a role."
        )

    @classmethod
    def clock(cls, url: str) -> RecoupError:
        return cls._creating(f"The clocks of this machine and of {url} disagree. Set this machine's, then run again.")

    @classmethod
    def silent(cls, url: str, code: str, puts: bool) -> RecoupError:
        why = f" ({code})" if code else ""
        if puts:
            return CannotWrite(f"{url} cannot be written: it does not answer as it should{why}. Run again.")
        return InputMissing(
            f"{url} cannot be read: it does not answer as it should{why}. Check the network, run again."
        )

    @staticmethod
    def _creating(told: str) -> RecoupError:
        refusal = CannotWrite(told)
        refusal.exit_code = 73
        return refusal


class NightRefused(UsageError):
    """Rows of a night cannot be kept under this table."""

    @classmethod
    def table(cls, name: str) -> NightRefused:
        return cls(f"Table {name!r} is not one that nights write. Delivered tables come in by `recoup ingest`.")

    @classmethod
    def other_nights(cls, table: str, as_of: int) -> NightRefused:
        return cls(f"Rows for table {table!r} must all have as_of {as_of}, the night they replace.")


class NightUnlike(ContractError):
    """Rows of a night are not like those the table was first written with."""

    @classmethod
    def types(cls, table: str, columns: Iterable[str]) -> NightUnlike:
        return cls(f"Table {table!r}: columns {', '.join(columns)} must keep the types they were first written with.")
