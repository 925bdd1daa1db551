from __future__ import annotations


class StorageError(Exception):
    """Something the store could not do."""


class NotFound(StorageError):
    """Nothing lies at this path."""


class UploadBusy(StorageError):
    """Somebody else is writing to this upload."""


class AlreadyLocked(StorageError):
    """Somebody else has this lock."""


class StorageUnavailable(StorageError):
    """The store itself fails: no space left, no permission, a lost volume."""


class StorageFull(StorageUnavailable):
    """Nothing more fits. What is there can be read, and removed."""


class VolumeLost(StorageError):
    """
    Another folder is where the store was: its volume is not mounted, or another one is.

    Nobody passes it over as one bad entry: all that is read and written would be wrong.
    """
