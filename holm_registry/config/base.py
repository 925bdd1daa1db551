from __future__ import annotations

from msgspec import Struct


class Section(Struct, frozen=True):
    """A section of the configuration; its attributes have the names of the keys in the file."""
