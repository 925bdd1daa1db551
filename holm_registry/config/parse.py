from __future__ import annotations

import codecs
from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: The types that a plain scalar may have, besides string.
_RESOLVED_TAGS = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")

#: The maximum number of values (an alias counts each time it is used), and of levels.
_MAX_NODES = 20_000
_MAX_DEPTH = 50


class YamlInvalid(Exception):
    """
    Text that is not YAML, or that breaks a limit; the message is the reason.

    :ivar path: The key; empty if the error concerns the whole text.
    :ivar line: The line, counted from 1; None if it is not known.
    """

    def __init__(self, problem: str, line: int | None = None, path: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.line = line
        self.path = path


class _TextLoader(_Base):  # type: ignore[misc] # a loader in C where there is one
    """
    Loads plain scalars as strings.

    The key decides the type of a value: the value of a header, ``yes`` or ``1_000``, is a string.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's interface
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _RESOLVED_TAGS]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }


def decode_text(content: bytes) -> str:
    """
    Decode the bytes of a file: UTF-8, or UTF-16 if the file begins with its byte order mark.

    Invalid bytes are replaced by U+FFFD, which no key contains.
    """
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8-sig", "replace")


def parse_yaml(text: str) -> Any:
    """
    Parse YAML into mappings, lists, strings and None.

    :raises YamlInvalid: The text is not YAML, has a key twice, has an alias that contains itself,
        or too many values.
    """
    loader = None
    try:
        loader = _TextLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _NodeCheck().check(node, (), ())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as problem:
        raise YamlInvalid(str(problem.problem or problem.context), _line(problem)) from None
    except (yaml.YAMLError, ValueError) as problem:
        # Characters that YAML does not allow, such as control characters.
        raise YamlInvalid(str(problem).splitlines()[0]) from None
    except RecursionError:
        raise YamlInvalid("it is nested too deep") from None
    finally:
        if loader is not None:
            loader.dispose()


def _line(problem: yaml.MarkedYAMLError) -> int | None:
    mark = problem.problem_mark or problem.context_mark
    return None if mark is None else mark.line + 1


class _NodeCheck:
    """Checks nodes before values are built from them; repeats count each time."""

    def __init__(self) -> None:
        self._count = 0

    def check(self, node: yaml.Node, path: tuple[str, ...], above: tuple[yaml.Node, ...]) -> None:
        """
        Check a node and all nodes below it.

        :param above: The nodes that contain it.
        :raises YamlInvalid: A node contains itself, or a key twice, or there are too many nodes.
        """
        line = node.start_mark.line + 1
        self._count += 1
        if any(node is ancestor for ancestor in above):
            raise YamlInvalid("an alias leads back to itself", line, path)
        if self._count > _MAX_NODES:
            raise YamlInvalid("it has too many values; do aliases repeat one another?", line, path)
        if len(above) > _MAX_DEPTH:
            raise YamlInvalid("it is nested too deep", line, path)
        if isinstance(node, yaml.MappingNode):
            self._require_unique_keys(node, path)
            for key, value in node.value:
                self.check(key, path, (*above, node))
                self.check(value, (*path, str(key.value)[:100]), (*above, node))
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self.check(value, path, (*above, node))

    def _require_unique_keys(self, node: yaml.MappingNode, path: tuple[str, ...]) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                problem = f"given twice, in line {lines[key.value]} and in line {line}"
                raise YamlInvalid(problem, line, (*path, key.value))
            lines[key.value] = line
