from __future__ import annotations


class StorageError(Exception):
    """Something the store could not do."""


class NotFound(StorageError):
    """Nothing lies at this path."""


class UploadBusy(StorageError):
    """Another request is writing to this upload."""


class AlreadyLocked(StorageError):
    """Another holder has this lock."""


class StorageUnavailable(StorageError):
    """The store itself fails: no space left, no permission, a lost volume."""


class StorageFull(StorageUnavailable):
    """The storage is full. Its content can be read and removed."""


class VolumeLost(StorageError):
    """
    Another folder is where the store was: its volume is not mounted, or another one is.

    It is never passed over as one bad entry: all that is read and written would be wrong.
    """
