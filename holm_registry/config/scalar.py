"""Convert a single value to the type of its key; errors say which values the key takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from holm_registry.oci.sizes import Size, parse_size

from .durations import Duration, parse_duration

#: The maximum of all numbers: system calls and libraries take signed 32-bit integers.
MAX_NUMBER = 2**31 - 1

#: What YAML calls true and false.
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}


def convert_scalar(hint: Any, value: Any) -> Any:
    """
    Convert a single value to the type of its key.

    :raises ValueError: The key does not take the value; the message says what it takes.
    """
    if hint is Duration:
        return parse_duration(value)
    if hint is Size:
        return parse_size(value)
    if hint is bool and isinstance(value, str):
        value = _BOOLEANS.get(value.lower(), value)
    try:
        converted = msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError:
        raise ValueError(expected_values(hint)) from None
    # Not ``abs(…) > MAX_NUMBER``: comparisons with NaN are always false.
    if isinstance(converted, int | float) and not abs(converted) <= MAX_NUMBER:
        raise ValueError(expected_values(hint))
    return converted


def expected_values(hint: Any) -> str:
    """Return the values of a type, for a message."""
    plain_type, minimum = _split_bounds(hint)
    if get_origin(plain_type) is Literal:
        return f"expected one of {', '.join(choice for choice in get_args(plain_type) if choice)}"
    if plain_type is bool:
        return "expected true or false"
    if plain_type in (int, float):
        number = "whole number" if plain_type is int else "number"
        lower = "" if minimum is None else f" of at least {minimum:g} and"
        return f"expected a {number}{lower} of at most {MAX_NUMBER}"
    return "expected a string"


def _split_bounds(hint: Any) -> tuple[Any, float | None]:
    """Return a type without its bounds, and its minimum."""
    if get_origin(hint) is not Annotated:
        return hint, None
    plain_type, *notes = get_args(hint)
    return plain_type, next((note.ge for note in notes if isinstance(note, msgspec.Meta)), None)
