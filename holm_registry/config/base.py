from __future__ import annotations

from msgspec import Struct


class Section(Struct, frozen=True):
    """Part of the tree: its attributes are named as the keys of the file are."""
