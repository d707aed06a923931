"""A person's own workflow in ComfyUI's API format: read from its file and validated against what the server has.

What is wrong is said with the node and the input, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from stablenew.backends.comfyui.graph import Graph, Node
from stablenew.backends.comfyui.objects import COMBO, InputSpec, NodeClass, NodeClasses
from stablenew.errors import InvalidSetting, NotFound, nearest_name

_SIZE_LIMIT = 20_000_000


class _RawNode(msgspec.Struct):
    class_type: str
    inputs: dict[str, Any] = {}
    meta: dict[str, Any] = msgspec.field(default_factory=dict, name="_meta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A graph as its file has it; `where` names it in errors."""

    where: str
    graph: Graph = field(default_factory=dict)

    def node_name(self, node_id: str) -> str:
        """The node as errors name it."""
        node = self.graph[node_id]
        title = f" {node.title!r}" if node.title and node.title != node.class_type else ""
        return f"node {node_id} ({node.class_type}{title})"

    def find_node(self, name: str) -> str | None:
        """The id of the node with this id or, when only one has it, this title or class; None otherwise."""
        if name in self.graph:
            return name
        for labels in (self._labels(lambda node: node.title), self._labels(lambda node: node.class_type)):
            found = labels.get(name.casefold(), [])
            if len(found) == 1:
                return found[0]
        return None

    def _labels(self, label: Callable[[Node], str]) -> dict[str, list[str]]:
        by_label: dict[str, list[str]] = {}
        for node_id, node in self.graph.items():
            by_label.setdefault(label(node).casefold(), []).append(node_id)
        return by_label

    def nodes_before(self, node_id: str) -> list[str]:
        """The node and everything its picture hangs on, nearest first."""
        seen: dict[str, None] = {}
        waiting = [node_id]
        while waiting:
            current = waiting.pop(0)
            if current in self.graph and current not in seen:
                seen[current] = None
                waiting += [value[0] for value in self.graph[current].inputs.values() if is_link(value)]
        return list(seen)


def is_link(value: object) -> bool:
    """Whether an input's value is a link to another node's output."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def read_workflow(path: Path) -> Workflow:
    """The workflow in the file at `path`. Raises NotFound, or InvalidSetting when it is not one in API format."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise NotFound("workflow", path.name, path.parent, exc.strerror or str(exc)) from exc
    return parse_workflow(data, where=str(path))


def parse_workflow(data: bytes, *, where: str) -> Workflow:
    """The workflow in JSON text. Raises InvalidSetting when it is not one in API format."""
    allowed = "a workflow in API format: in ComfyUI use Workflow > Export (API)"
    try:
        if len(data) > _SIZE_LIMIT:
            raise InvalidSetting(where, f"{len(data)} bytes", allowed)
        raw = msgspec.json.decode(data)
        if isinstance(raw, dict) and isinstance(raw.get("nodes"), list):
            raise InvalidSetting(where, "a workflow in the editor's own format", allowed)
        if isinstance(raw, dict) and isinstance(raw.get("prompt"), dict) and "class_type" not in raw["prompt"]:
            raw = raw["prompt"]
        nodes = msgspec.convert(raw, dict[str, _RawNode])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidSetting(where, str(exc), allowed) from exc
    if not nodes:
        raise InvalidSetting(where, "no nodes", allowed)
    return Workflow(where=where, graph={node_id: _node(node) for node_id, node in nodes.items()})


def validate_workflow(workflow: Workflow, classes: NodeClasses, *, values: bool = True) -> None:
    """Return when the server could run the workflow as it stands; raises InvalidSetting naming node and input.

    Without `values`, only the nodes and how they hang together are looked at.
    """
    for node_id, node in workflow.graph.items():
        node_class = classes.get(node.class_type)
        if node_class is None:
            nearest = nearest_name(node.class_type, classes)
            hint = f"a node class this server has{f', such as {nearest}' if nearest else ''}: is a custom node missing?"
            raise InvalidSetting(f"{workflow.where}: node {node_id} class_type", node.class_type, hint)
        _validate_node(workflow, node_id, node_class, classes, values)


def check_value(where: str, value: object, spec: InputSpec) -> None:
    """Return when `value` may stand in an input of this kind; raises InvalidSetting naming it as `where`."""
    if spec.kind == COMBO:
        _check_choice(where, value, spec)
    elif spec.kind in ("INT", "FLOAT"):
        _check_number(where, value, spec)
    elif spec.kind == "BOOLEAN" and not isinstance(value, bool | int):
        raise InvalidSetting(where, value, "true or false")
    elif spec.kind == "STRING" and not isinstance(value, str | int | float):
        raise InvalidSetting(where, value, "a text")


def _node(raw: _RawNode) -> Node:
    title = raw.meta.get("title")
    return Node(class_type=raw.class_type, inputs=raw.inputs, title=title if isinstance(title, str) else "")


def _validate_node(workflow: Workflow, node_id: str, node_class: NodeClass, classes: NodeClasses, values: bool) -> None:
    node = workflow.graph[node_id]
    for name, spec in node_class.inputs.items():
        where = f"{workflow.where}: {workflow.node_name(node_id)} input {name}"
        if name not in node.inputs:
            if spec.required:
                raise InvalidSetting(where, None, f"a {spec.kind} value; it is required and missing")
            continue
        value = node.inputs[name]
        if is_link(value):
            _check_link(where, workflow, value, spec, classes)
        elif values and spec.is_literal:
            check_value(where, value, spec)


def _check_link(where: str, workflow: Workflow, link: list[Any], spec: InputSpec, classes: NodeClasses) -> None:
    source = workflow.graph.get(link[0])
    if source is None:
        raise InvalidSetting(where, link, f"a link to a node of the workflow: there is no node {link[0]}")
    source_class = classes.get(source.class_type)
    outputs = source_class.outputs if source_class else ()
    if source_class is not None and not 0 <= link[1] < len(outputs):
        raise InvalidSetting(
            where, link, f"a link to an output of {workflow.node_name(link[0])}: it has {len(outputs)}"
        )
    given = outputs[link[1]] if source_class is not None else "*"
    if not _compatible(given, spec.kind):
        raise InvalidSetting(where, link, f"a link to {spec.kind}, and that output gives {given}")


def _compatible(given: str, wanted: str) -> bool:
    if "*" in (given, wanted) or COMBO in (given, wanted):
        return True
    return bool({part.strip() for part in given.split(",")} & {part.strip() for part in wanted.split(",")})


def _check_choice(where: str, value: object, spec: InputSpec) -> None:
    # Files for an upload appear on the server's list only once they are there.
    if spec.upload or str(value) in spec.choices or isinstance(value, list):
        return
    nearest = nearest_name(str(value), spec.choices)
    listed = ", ".join(spec.choices[:12]) or "nothing: the server has no such file"
    raise InvalidSetting(where, value, f"{nearest} (the nearest)" if nearest else f"one of: {listed}")


def _check_number(where: str, value: object, spec: InputSpec) -> None:
    kind: Callable[[Any], float] = int if spec.kind == "INT" else float
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidSetting(where, value, f"a number ({spec.kind})") from exc
    low, high = spec.minimum, spec.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise InvalidSetting(where, value, f"a number from {low} to {high}")


def with_values(graph: Mapping[str, Node], values: Mapping[tuple[str, str], Any]) -> Graph:
    """A copy of the graph with `values` ((node id, input) -> value) put in."""
    changed: Graph = dict(graph)
    for (node_id, name), value in values.items():
        node = changed[node_id]
        changed[node_id] = Node(class_type=node.class_type, inputs={**node.inputs, name: value}, title=node.title)
    return changed
