"""Read untrusted YAML: plain data only, bounded in size, depth and aliases, without repeated keys, numbers finite."""

import math
import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from softal_bench.errors import SuiteError

MAX_BYTES = 1_000_000
MAX_NODES = 200_000
MAX_DEPTH = 50


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads `1e-3` as a number, like YAML 1.2, and refuses repeated keys."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not a string; put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is repeated", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def parse(text: str, where: str) -> Any:
    """Parse one YAML document into mappings, lists, strings, finite numbers, truth values and None.

    Args:
        text: the document.
        where: the name of the document in messages.

    Raises:
        SuiteError: if the text is not such a document; the message names the line if it is known.
    """
    if len(text) > MAX_BYTES:
        raise SuiteError(f"{where}: {len(text)} characters; at most {MAX_BYTES} are read")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _require_bounded(node, where)
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SuiteError(f"{where}: {place}invalid YAML: {error.problem or error.context}") from error
    except RecursionError as error:
        raise SuiteError(f"{where}: nested too deeply; at most {MAX_DEPTH} levels are read") from error
    except SuiteError:
        raise
    except Exception as error:  # PyYAML's constructors raise errors of many types for a value that does not fit its tag
        raise SuiteError(f"{where}: invalid YAML: {' '.join(str(error).split())}") from error
    require_plain(data, where)
    return data


def require_plain(data: Any, where: str) -> None:
    """Raise SuiteError unless data consists of mappings, lists, strings, finite numbers, truth values and None."""
    if isinstance(data, dict):
        for key, value in data.items():
            require_plain(value, f"{where}: {key}" if ": " not in where else f"{where}.{key}")
    elif isinstance(data, list):
        for number, value in enumerate(data):
            require_plain(value, f"{where}[{number}]")
    elif isinstance(data, float) and not math.isfinite(data):
        raise SuiteError(f"{where}: {data} is not a finite number")
    elif data is not None and not isinstance(data, str | int | float | bool):
        raise SuiteError(f"{where}: {data!r} is a {type(data).__name__}; put it in quotes if it is meant as a string")


def _require_bounded(root: Node, where: str) -> None:
    """Count nodes as if every alias were expanded, so that nested aliases cannot use up the memory."""
    sizes: dict[int, int] = {}

    def size(node: Node, above: tuple[int, ...]) -> int:
        if id(node) in above:
            raise SuiteError(f"{where}: line {node.start_mark.line + 1}: an anchor that contains itself")
        if len(above) > MAX_DEPTH:
            raise SuiteError(f"{where}: nested too deeply; at most {MAX_DEPTH} levels are read")
        if id(node) not in sizes:
            sizes[id(node)] = 1 + sum(size(child, (*above, id(node))) for child in _children(node))
        return sizes[id(node)]

    if size(root, ()) > MAX_NODES:
        raise SuiteError(f"{where}: more than {MAX_NODES} values after its aliases are expanded")


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return [] if isinstance(node, ScalarNode) else list(node.value) if isinstance(node, SequenceNode) else []
