"""Reading untrusted YAML: plain data with finite numbers, bounded in size, depth and aliases, without repeated keys."""

import math
import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from softal_bench.errors import SuiteError, shown

MAX_BYTES = 1_000_000
MAX_NODES = 200_000
MAX_DEPTH = 50
MAX_SCALAR = 20_000  # characters of one value
MAX_DIGITS = 400  # characters of a number, far more than any double needs
MAX_INTEGER = 2**63 - 1  # larger integers do not fit tensors and, from 309 digits on, do not fit doubles

_INTEGER = re.compile(r"[-+]?[0-9]+$")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """A SafeLoader that reads numbers as in YAML 1.2 and rejects repeated keys.

    `1e-3` is a number. `1:30`, `0x10` and `1_000` are strings. `010` is rejected, because YAML 1.1 reads it as 8 and
    YAML 1.2 as 10. Matching the patterns of numbers takes linear time, and the length of every scalar is checked before
    it is matched.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML defines this class attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NUMBER_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_scalar_node(self, anchor: Any) -> ScalarNode:
        """Return the next scalar, of bounded length."""
        event: yaml.ScalarEvent = self.peek_event()  # type: ignore[no-untyped-call]
        if len(event.value) > MAX_SCALAR:
            problem = f"a value of {len(event.value)} characters; at most {MAX_SCALAR} are read"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)  # type: ignore[arg-type]
        return super().compose_scalar_node(anchor)

    def construct_integer(self, node: ScalarNode) -> int:
        """Return a decimal integer of bounded size."""
        digits = self._number(node, _INTEGER, "an integer").lstrip("-+")
        if len(digits) > 1 and digits[0] == "0":
            short = digits.lstrip("0") or "0"
            problem = f"{shown(node.value)} begins with 0; write {shown(short)}, or put it in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        if not -MAX_INTEGER <= int(node.value) <= MAX_INTEGER:
            problem = f"{node.value[:20]}... is an integer of {len(digits)} digits; at most {MAX_INTEGER} is read"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(node.value)

    def construct_float(self, node: ScalarNode) -> float:
        """Return a decimal number of bounded length."""
        return float(re.sub("(?i)^([-+]?)\\.(inf|nan)$", "\\1\\2", self._number(node, _FLOAT, "a number")))

    def _number(self, node: ScalarNode, pattern: re.Pattern[str], noun: str) -> str:
        text = str(node.value)
        if len(text) > MAX_DIGITS:
            problem = f"a number of {len(text)} characters; at most {MAX_DIGITS} are read"
        elif not pattern.match(text):
            problem = f"{shown(text)} is not {noun}"
        else:
            return text
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key)} is not a string; put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown(key)} is repeated", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _constructor in zip(
    _NUMBER_TAGS, (_INTEGER, _FLOAT), (_Loader.construct_integer, _Loader.construct_float), strict=True
):
    _Loader.add_implicit_resolver(_tag, _pattern, list("-+.0123456789"))
    _Loader.add_constructor(_tag, _constructor)


def parse(text: str, where: str) -> Any:
    """Parse one YAML document into mappings, lists, strings, finite numbers, truth values and None.

    Args:
        text: the document.
        where: the name of the document in messages.

    Raises:
        SuiteError: if the text is not such a document; the message names the line, if known.
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
    except Exception as error:  # PyYAML's constructors raise many types of errors if a value does not fit its tag
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
        raise SuiteError(
            f"{where}: {shown(data)} is a {type(data).__name__}; put it in quotes if it is meant as a string"
        )


def _require_bounded(root: Node, where: str) -> None:
    """Raise SuiteError if there are too many nodes or levels.

    Nodes are counted as if every alias were expanded, so that nested aliases cannot exhaust the memory.
    """
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
