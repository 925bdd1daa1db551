"""
How an image was built, as far as it says: its history beside its layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

from .documents import Descriptor, HistoryEntry, ImageConfig, RunConfig

_NOP = re.compile(r"^(?:/bin/(?:ba)?sh -c|cmd /S /C)\s+#\(nop\)\s*")
_SHELL = re.compile(r"^(?:/bin/(?:ba|a|da)?sh|cmd) (?:-\w+ )*(?:-c|/S /C)\s+")
# What images say may be any text: these look at each character once, and never go back.
_ARGUMENTS = re.compile(r"^\|\d++ (?:[^\s=]++=(?:'[^']*+' |\"[^\"]*+\" |\S*+ ))*+(?=/bin/|cmd )")
_BUILDKIT = "# buildkit"
_RUN_SHELL = re.compile(
    r"^(RUN) (?:\|\d++ (?:[^\s=]++=\S*+ )*+)?/bin/(?:ba|a|da)?sh (?:-\w+ (?:pipefail )?)*?-c\s+"
)
_INSTRUCTION = re.compile(
    r"^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN"
    r"|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\b"
)


@frozen
class HistoryLayer:
    """
    A step, and the layer it made.

    :ivar instruction: As it stood in the Dockerfile, more or less; empty where nothing says.
    :ivar commands: The instruction in pieces, one for each command of a long RUN.
    :ivar part: The layer; None for a step that made none.
    """

    instruction: str
    commands: tuple[str, ...]
    part: Descriptor | None
    created: str
    comment: str


def join(history: Sequence[HistoryEntry], layers: Sequence[Descriptor]) -> list[HistoryLayer]:
    """
    Put steps and layers side by side.

    Tools that write no history, or too little, leave layers over: they come last, without a step.
    """
    remaining = iter(layers)
    joined = [_layer(step, None if step.empty_layer else next(remaining, None)) for step in history]
    return joined + [_layer(HistoryEntry(), part) for part in remaining]


def _layer(step: HistoryEntry, part: Descriptor | None) -> HistoryLayer:
    instruction = clean(step.created_by or "")
    return HistoryLayer(
        instruction, split_commands(instruction), part, step.created or "", step.comment or ""
    )


def clean(created_by: str) -> str:
    """Strip what builders wrap around an instruction."""
    text = created_by.strip().removesuffix(_BUILDKIT).rstrip()
    if _NOP.match(text):
        return _NOP.sub("", text).strip()
    if _RUN_SHELL.match(text):
        return _RUN_SHELL.sub(r"\1 ", text).strip()
    if _INSTRUCTION.match(text):
        return text
    bare = _SHELL.sub("", _ARGUMENTS.sub("", text))
    return f"RUN {bare.strip()}" if bare != text else text


def split_commands(instruction: str) -> tuple[str, ...]:
    """Split a long RUN where one command follows another."""
    if not instruction.startswith("RUN ") or len(instruction) < 80:
        return (instruction,)
    pieces = re.split(r"(?<=\S)\s+(?=&&\s)", re.sub(r"[ \t]{2,}", " ", instruction))
    return tuple(piece.strip() for piece in pieces)


def dockerfile(config: ImageConfig) -> str:
    """
    Rebuild a Dockerfile from an image's history.

    It is a likeness: what was copied, the base image's name and build stages are not in an image.
    """
    history = config.history or []
    lines = [" \\\n    ".join(layer.commands) for layer in join(history, []) if layer.instruction]
    if not any(line.startswith(("CMD", "ENTRYPOINT")) for line in lines):
        lines += _start(config.config or RunConfig())
    return "\n".join(["FROM scratch", *lines]) + "\n" if lines else ""


def _start(config: RunConfig) -> Iterable[str]:
    for name, value in (("ENTRYPOINT", config.entrypoint), ("CMD", config.cmd)):
        if value:
            yield f"{name} {command_text(value)}"


def command_text(command: Sequence[str] | str | None) -> str:
    """Write a command as a Dockerfile does."""
    if command is None or isinstance(command, str):
        return command or ""
    return "[" + ", ".join('"' + word.replace('"', '\\"') + '"' for word in command) + "]"


def shares(sizes: Sequence[int]) -> list[tuple[float, float]]:
    """
    Lay out a bar: where each part begins, and how wide it is, in percent.

    Parts too small to see are given a little room, at the expense of the others.
    """
    least = min(0.4, 50 / max(len(sizes), 1))
    total = sum(sizes) or 1
    widths = [max(size / total * 100, least) for size in sizes]
    scale = 100 / (sum(widths) or 1)
    laid, start = [], 0.0
    for width in widths:
        laid.append((round(start, 3), round(width * scale, 3)))
        start += width * scale
    return laid
