"""
Reading one plain value; where it is another than its key takes, saying which ones it takes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from holm_registry.oci.sizes import Size, parse_size

from .durations import Duration, parse_duration

#: No number that a key takes is larger: what it is given to later takes 32 bits, with a sign.
MAX_NUMBER = 2**31 - 1

#: What YAML calls true and false.
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}


def convert_scalar(hint: Any, value: Any) -> Any:
    """
    Give a plain value the type of its key.

    :raises ValueError: It is none of the values that the key takes, which the text says.
    """
    if hint is Duration:
        return parse_duration(value)
    if hint is Size:
        return parse_size(value)
    if hint is bool and isinstance(value, str):
        value = _BOOLEANS.get(value.lower(), value)
    try:
        found = msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError:
        raise ValueError(expected(hint)) from None
    # Not "larger": of what is no number, nothing is true.
    if isinstance(found, int | float) and not abs(found) <= MAX_NUMBER:
        raise ValueError(expected(hint))
    return found


def expected(hint: Any) -> str:
    """Say which values a type has."""
    bare, least = _split_bounds(hint)
    if get_origin(bare) is Literal:
        return f"expected one of {', '.join(each for each in get_args(bare) if each)}"
    if bare is bool:
        return "expected true or false"
    if bare in (int, float):
        number = "whole number" if bare is int else "number"
        lower = "" if least is None else f" of at least {least:g} and"
        return f"expected a {number}{lower} of at most {MAX_NUMBER}"
    return "expected a text"


def _split_bounds(hint: Any) -> tuple[Any, float | None]:
    """Give a type without its notes, and the least number that they allow."""
    if get_origin(hint) is not Annotated:
        return hint, None
    bare, *notes = get_args(hint)
    return bare, next((note.ge for note in notes if isinstance(note, msgspec.Meta)), None)
