"""
How far something that takes long has come.
"""

from __future__ import annotations

from typing import Literal

from attrs import define

Step = Literal["tags", "belonging", "deleting"]


@define
class Progress:
    """
    The step of a deletion, or of the question before it, and how much of it is done.

    :ivar step: ``tags`` are read; or what is ``belonging`` to images is; or it is ``deleting``.
    :ivar total: How many there are; 0 while that is not known.
    """

    step: Step = "tags"
    done: int = 0
    total: int = 0

    def begin(self, step: Step, total: int) -> None:
        """Begin a step."""
        self.step, self.done, self.total = step, 0, total
