"""What a ComfyUI server says of its node classes (`GET /object_info`), decoded.

One server uses two encodings for an input that is chosen from a list (0.10.0): `[["a", "b"], {...}]` and
`["COMBO", {"options": ["a", "b"]}]`. Custom nodes add forms of their own: a class that cannot be understood is left
out, an input that cannot be understood has no limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

COMBO = "COMBO"
_LITERALS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", COMBO})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input of a node class: `kind` is COMBO, INT, FLOAT, STRING, BOOLEAN, or the type of a link (MODEL, ...).

    `choices` of a COMBO are texts; an empty list means that the server has no such file. None for what is not said.
    """

    kind: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default: Any = None
    required: bool = True
    upload: bool = False

    @property
    def is_literal(self) -> bool:
        """Whether a value can be written here; otherwise it takes a link from another node."""
        return self.kind in _LITERALS


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClass:
    """A node class: its inputs by name, the types of its outputs in order, and whether it ends a graph."""

    name: str
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    is_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClasses:
    """Every node class of a server by name."""

    by_name: Mapping[str, NodeClass] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def get(self, name: str) -> NodeClass | None:
        """The class called `name`, None when the server has none."""
        return self.by_name.get(name)

    def choices(self, class_name: str, input_name: str) -> tuple[str, ...]:
        """What may be chosen for an input; nothing when there is no such class or input."""
        found = self.by_name.get(class_name)
        spec = found.inputs.get(input_name) if found else None
        return spec.choices if spec else ()

    def default(self, class_name: str, input_name: str) -> Any:
        """The default of an input, None when there is none."""
        found = self.by_name.get(class_name)
        spec = found.inputs.get(input_name) if found else None
        return spec.default if spec else None


def decode_object_info(answer: object) -> NodeClasses:
    """The node classes in the decoded JSON of `/object_info`; whatever is no class is left out."""
    if not isinstance(answer, Mapping):
        return NodeClasses()
    classes = {str(name): _node_class(str(name), raw) for name, raw in answer.items() if isinstance(raw, Mapping)}
    return NodeClasses(by_name=classes)


def _node_class(name: str, raw: Mapping[str, Any]) -> NodeClass:
    inputs: dict[str, InputSpec] = {}
    groups = raw.get("input")
    for group in ("required", "optional"):
        members = groups.get(group) if isinstance(groups, Mapping) else None
        if isinstance(members, Mapping):
            inputs |= {str(key): _input_spec(value, group == "required") for key, value in members.items()}
    outputs = raw.get("output")
    return NodeClass(
        name=name,
        inputs=inputs,
        outputs=tuple(_type_name(each) for each in outputs) if isinstance(outputs, list) else (),
        is_output=raw.get("output_node") is True,
    )


def _input_spec(raw: object, required: bool) -> InputSpec:
    if not isinstance(raw, list) or not raw:
        return InputSpec(kind="*", required=required)
    options = raw[1] if len(raw) > 1 and isinstance(raw[1], Mapping) else {}
    kind = _type_name(raw[0])
    listed = raw[0] if isinstance(raw[0], list) else options.get("options")
    return InputSpec(
        kind=kind,
        choices=tuple(str(each) for each in listed) if kind == COMBO and isinstance(listed, list) else (),
        minimum=_number(options.get("min")),
        maximum=_number(options.get("max")),
        default=options.get("default"),
        required=required,
        upload=bool(options.get("image_upload")),
    )


def _type_name(raw: object) -> str:
    if isinstance(raw, list):
        return COMBO
    return raw if isinstance(raw, str) else "*"


def _number(raw: object) -> float | None:
    return raw if isinstance(raw, int | float) and not isinstance(raw, bool) else None
