from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import Factory, define, frozen
from msgspec import Struct

from holm_registry.oci.digest import Digest
from holm_registry.storage.errors import NotFound, StorageError


class ReportedProblem(Struct):
    """
    Something damaged, as it is told.

    :ivar where: What it is: a blob, or a tag, link or manifest of a repository.
    :ivar images: The images that cannot be pulled for it, as ``repository:tag``, or by digest where
        no tag leads to one.
    :ivar remedy: What a repair does about it, or did, and what else helps.
    :ivar repaired: Whether a repair did that, and nothing is left to do.
    """

    where: str
    problem: str
    images: list[str]
    remedy: str
    repaired: bool = False


@frozen
class Repair:
    """
    What can be done about damage.

    :ivar plan: What it does, as a sentence for people.
    :ivar done: The same when it was done.
    """

    plan: str
    done: str
    do: Callable[[], None]


@define(eq=False)
class Problem:
    """
    Something damaged, while more is found out about it.

    :ivar repair: What mends what can be mended here; None where nothing can be.
    :ivar advice: What else helps.
    :ivar needs_push: Whether images that need it lack it even then, until they are pushed again.
    """

    where: str
    problem: str
    repair: Repair | None = None
    advice: str = ""
    needs_push: bool = False
    images: set[str] = Factory(set)
    is_repaired: bool = False

    def apply_repair(self) -> None:
        """Repair it if that can be done; what fails is added to the problem."""
        if self.repair is None:
            return
        try:
            self.repair.do()
        except NotFound:
            self.problem += "; it could not be repaired: its bytes are gone"
        except StorageError as problem:
            self.problem += f"; it could not be repaired: {problem}"
        else:
            self.is_repaired = True

    def finding(self) -> ReportedProblem:
        """Tell of it."""
        is_whole = self.is_repaired and not (self.needs_push and self.images)
        return ReportedProblem(
            self.where, self.problem, sorted(self.images), "; ".join(self._steps()), is_whole
        )

    def _steps(self) -> Iterator[str]:
        if self.repair is not None:
            yield self.repair.done if self.is_repaired else self.repair.plan
        if self.advice:
            yield self.advice
        if self.needs_push:
            yield "push one of these images again" if self.images else "no image needs it"


class ProblemSet:
    """All that was found damaged, each thing once."""

    def __init__(self) -> None:
        self._found: dict[str, Problem] = {}

    def add(self, damage: Problem) -> Problem:
        """Note damage; give what is known of it, if it is known already."""
        return self._found.setdefault(damage.where, damage)

    def find(self, where: str) -> Problem | None:
        """Return what is known to be damaged."""
        return self._found.get(where)

    def all(self) -> Iterable[Problem]:
        """Return all of it, in the order it was found."""
        return self._found.values()


def blob(digest: Digest) -> str:
    """Name a blob as damage does."""
    return f"blob {digest}"


def missing(digest: Digest) -> Problem:
    """Tell that a blob has no bytes."""
    return Problem(blob(digest), "its bytes are missing", needs_push=True)
