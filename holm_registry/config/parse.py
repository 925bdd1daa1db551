from __future__ import annotations

from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: What a plain scalar may be beside text.
_KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _TextLoader(_Base):  # type: ignore[misc] # a loader in C where there is one
    """
    Leaves plain scalars the text they are.

    What a value is, its key knows: a header's value ``yes`` or ``1_000`` is text, and stays it.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's interface
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }


def parse_yaml(text: str) -> Any:
    """
    Read YAML as mappings, lists, texts and None.

    :raises yaml.YAMLError: It is not YAML.
    """
    return yaml.load(text, _TextLoader)  # noqa: S506 - it is a safe loader
