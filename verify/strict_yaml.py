"""YAML for settings: plain data, no duplicate keys, and the line of every value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence


class YamlError(ValueError):
    """The text is not the YAML this project accepts; the message names the line."""


def load(text: str) -> tuple[Any, yaml.Node | None]:
    """Parse one YAML document.

    Args:
        text: The document.

    Returns:
        The plain data, and the node tree for `line_of` (None for an empty document).

    Raises:
        YamlError: The syntax is wrong, a key appears twice, or a tag asks for more than data.
    """
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, None
        _reject_duplicate_keys(root)
        return loader.construct_document(root), root
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise YamlError(f"line {line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise YamlError(str(error)) from error
    finally:
        loader.dispose()


def line_of(root: yaml.Node | None, path: Sequence[str | int]) -> int:
    """Find the line of the deepest existing element on a path.

    Args:
        root: The node tree `load` returned.
        path: Keys and list positions from the top.

    Returns:
        Line number from 1.
    """
    node, line = root, 1
    for step in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            pair = next((kv for kv in node.value if kv[0].value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        else:
            break
    return line


def _reject_duplicate_keys(root: yaml.Node) -> None:
    pending, visited = [root], set()
    while pending:
        node = pending.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            seen: set[Any] = set()
            for key, value in node.value:
                if key.value.__hash__ and key.value in seen:
                    line = key.start_mark.line + 1
                    raise YamlError(f"line {line}: key {key.value!r} appears twice; remove one")
                if key.value.__hash__:
                    seen.add(key.value)
                pending.append(value)
