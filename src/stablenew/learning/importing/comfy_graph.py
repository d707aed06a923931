"""A ComfyUI graph as its `prompt` chunk has it: nodes by id, links as [node id, output slot], followed backwards.

Every walk visits each node at most once, so neither a cycle nor a hostile graph can hold it up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

NODES_MAX = 20_000
TEXTS_MAX = 50
JOINED_MAX = 200_000
_JOINS_MAX = 1_000

# Where a literal stands in nodes that only hand a value on.
_HOLDERS = (
    "value",
    "Value",
    "int",
    "float",
    "string",
    "text",
    "seed",
    "noise_seed",
    "number",
    "prompt",
    "populated_text",
)


class ComfyGraph:
    """The nodes that were executed. Ids are texts."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self._nodes: dict[str, dict[str, Any]] = {}
        self._joins = 0
        for name, node in list(nodes.items())[:NODES_MAX]:
            if isinstance(node, dict) and isinstance(node.get("inputs"), dict):
                self._nodes[str(name)] = node

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __bool__(self) -> bool:
        return bool(self._nodes)

    def kind(self, name: str) -> str:
        """The class of a node."""
        return str(self._nodes[name].get("class_type", ""))

    def inputs(self, name: str) -> dict[str, Any]:
        """A node's inputs: literals, and links as lists."""
        found: dict[str, Any] = self._nodes[name]["inputs"]
        return found

    def link(self, value: object) -> str | None:
        """The node that `value` links to, None when it is a literal or leads nowhere."""
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], (str, int)):
            name = str(value[0])
            return name if name in self._nodes else None
        return None

    def literal(self, value: object) -> Any:
        """`value`, or what the node it links to hands on; None where that is not a plain value."""
        for _ in range(20):
            name = self.link(value)
            if name is None:
                return None if isinstance(value, (list, dict)) else value
            inputs = self.inputs(name)
            value = next((inputs[holder] for holder in _HOLDERS if holder in inputs), None)
        return None

    def upstream(self, start: str, avoid: Iterable[str] = ()) -> Iterator[str]:
        """`start` and every node it gets something from, nearest first, not through inputs named in `avoid`."""
        avoided = frozenset(avoid)
        seen, waiting = {start}, deque([start])
        while waiting:
            name = waiting.popleft()
            yield name
            for key, value in self.inputs(name).items():
                source = None if key in avoided else self.link(value)
                if source is not None and source not in seen:
                    seen.add(source)
                    waiting.append(source)

    def find(self, start: str | None, keys: Iterable[str], avoid: Iterable[str] = ()) -> Any:
        """The first literal under one of `keys` in `start` or upstream of it; None where there is none."""
        if start is None:
            return None
        wanted = tuple(keys)
        for name in self.upstream(start, avoid):
            inputs = self.inputs(name)
            for key in wanted:
                if key in inputs and (value := self.literal(inputs[key])) is not None:
                    return value
        return None

    def texts(self, value: object, side: str) -> list[str]:
        """The prompts that reach an input through conditionings; `side` is "positive" or "negative".

        A node that has both sides (ControlNet) is followed on its own side only.
        """
        other = "negative" if side == "positive" else "positive"
        found: list[str] = []
        seen: set[str] = set()
        waiting = deque([value])
        while waiting and len(found) < TEXTS_MAX:
            name = self.link(waiting.popleft())
            if name is None or name in seen or self.kind(name) == "ConditioningZeroOut":
                continue
            seen.add(name)
            inputs = self.inputs(name)
            said = self._said(inputs, side)
            if said:
                found += [text for text in said if text not in found]
                continue
            both = side in inputs and other in inputs
            waiting += [each for key, each in inputs.items() if self._leads_on(key, both, side)]
        return found

    def _said(self, inputs: Mapping[str, Any], side: str) -> list[str]:
        """The texts in a node that encodes some; SDXL and Flux have two, mostly the same."""
        names = ("text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", f"text_{side}", f"{side}_prompt", side)
        texts = [self._joined(inputs[name]) for name in names if name in inputs]
        return list(dict.fromkeys(text for text in texts if text))

    def _joined(self, value: object, depth: int = 0) -> str:
        """A text, or the texts of the string nodes it comes from, put together."""
        name = self.link(value)
        if name is None:
            return value.strip() if isinstance(value, str) else ""
        inputs = self.inputs(name)
        self._joins += 1
        if depth > 10 or self._joins > _JOINS_MAX or any(key in inputs for key in ("clip", "conditioning", "samples")):
            return ""
        separator = inputs.get("delimiter", inputs.get("separator", " "))
        keys = [key for key in inputs if key not in ("delimiter", "separator", "seed", "mode")]
        parts = [self._joined(inputs[key], depth + 1) for key in keys[:20]]
        return (separator if isinstance(separator, str) else " ").join(part for part in parts if part)[:JOINED_MAX]

    @staticmethod
    def _leads_on(key: str, both: bool, side: str) -> bool:
        if both:
            return key == side
        return key not in (
            "clip",
            "vae",
            "image",
            "images",
            "model",
            "control_net",
            "clip_vision",
            "style_model",
            "pixels",
        )
