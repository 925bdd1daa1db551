"""
JSON's ``null`` as Go reads it: for what has another type, the zero value of that type.

Most of what writes manifests and configs is written in Go, and registries take what Go does.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

_ZEROES: dict[type[inspect.Type], Any] = {
    inspect.StrType: "",
    inspect.IntType: 0,
    inspect.BoolType: False,
}


def without_nulls(content: bytes, kind: type[Any]) -> bytes:
    """
    Write a document again so that it can be read as a type that has no ``null`` in places.

    A field that is null is left out; a null in a list or map becomes the zero value.

    :param kind: The type it is to be read as.
    :raises msgspec.MsgspecError: It is no JSON.
    :raises RecursionError: It is nested too deep.
    """
    document = msgspec.json.decode(content)
    if document is None:
        return content
    return msgspec.json.encode(_filled(document, inspect.type_info(kind)))


def _filled(value: Any, expected: inspect.Type) -> Any:
    """Replace nulls in a decoded value."""
    if value is None:
        return _zero(expected)
    for member_type in expected.types if isinstance(expected, inspect.UnionType) else (expected,):
        if isinstance(value, dict) and isinstance(member_type, inspect.StructType):
            types = {field.encode_name: field.type for field in member_type.fields}
            return {
                name: _filled(member, types[name]) if name in types else member
                for name, member in value.items()
                if member is not None or name not in types
            }
        if isinstance(value, dict) and isinstance(member_type, inspect.DictType):
            return {name: _filled(member, member_type.value_type) for name, member in value.items()}
        if isinstance(value, list) and isinstance(member_type, inspect.ListType):
            return [_filled(member, member_type.item_type) for member in value]
    return value


def _zero(expected: inspect.Type) -> Any:
    if isinstance(expected, inspect.StructType | inspect.DictType):
        return {}
    return _ZEROES.get(type(expected))
