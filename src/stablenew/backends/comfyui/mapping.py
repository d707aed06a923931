"""Which inputs of a person's own workflow take our settings: as the person says, else where only one input fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stablenew.backends.comfyui.objects import COMBO, InputSpec, NodeClasses
from stablenew.backends.comfyui.settings import IGNORE
from stablenew.backends.comfyui.workflow import Workflow, is_link
from stablenew.errors import InvalidSetting, nearest_name

Target = tuple[str, str]
"""(node id, input name)."""

_KINDS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("STRING",),
    "negative_prompt": ("STRING",),
    "seed": ("INT",),
    "steps": ("INT",),
    "cfg_scale": ("FLOAT", "INT"),
    "denoise": ("FLOAT",),
    "sampler": (COMBO,),
    "scheduler": (COMBO,),
    "width": ("INT",),
    "height": ("INT",),
    "clip_skip": ("INT",),
    "model": (COMBO,),
    "vae": (COMBO,),
    "upscaler": (COMBO,),
    "image": (COMBO, "STRING"),
}
NAMES = tuple(_KINDS)
_INPUT_NAMES: Mapping[str, tuple[str, ...]] = {
    "seed": ("seed", "noise_seed"),
    "steps": ("steps",),
    "cfg_scale": ("cfg",),
    "denoise": ("denoise",),
    "sampler": ("sampler_name",),
    "scheduler": ("scheduler",),
    "clip_skip": ("stop_at_clip_layer",),
    "model": ("ckpt_name", "unet_name"),
    "vae": ("vae_name",),
    "upscaler": ("model_name",),
}
_SAVERS = ("SaveImage", "PreviewImage")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowMapping:
    """Where each of our settings goes (several inputs for one setting are allowed), and the node whose picture counts.

    `ignored` are settings the person said the workflow shall not take, with the workflow's own value where it is known.
    """

    targets: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    ignored: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""

    def own_value(self, workflow: Workflow, name: str) -> Any:
        """What the workflow itself has where a setting goes, None when it goes nowhere."""
        return _own_value(workflow, self.targets.get(name))


def map_workflow(
    workflow: Workflow, asked: Mapping[str, str | list[str]], classes: NodeClasses, *, needs: Sequence[str]
) -> WorkflowMapping:
    """The mapping a person wrote, checked, with what is left out found where only one input fits.

    `needs` are settings that must have a place.
    Raises InvalidSetting naming the entry, the node and the input.
    """
    _check_names(workflow, asked)
    output = _find_output(workflow, asked.get("output"), classes)
    scope = workflow.nodes_before(output)
    targets: dict[str, tuple[Target, ...]] = {}
    for name, where in asked.items():
        if name != "output" and where != IGNORE:
            targets[name] = tuple(_read_target(workflow, name, each, classes) for each in _each(where))
    guesses = _guesses(workflow, scope, classes)
    ignored = {name: _own_value(workflow, guesses.get(name)) for name, where in asked.items() if where == IGNORE}
    for name, found in guesses.items():
        if name not in targets and name not in ignored:
            targets[name] = found
    for name in needs:
        if name not in targets:
            raise InvalidSetting(
                f"mapping.{name}", None, f"the node and input of {workflow.where} that takes the {name}"
            )
    return WorkflowMapping(targets=targets, ignored=ignored, output=output)


def _check_names(workflow: Workflow, asked: Mapping[str, Any]) -> None:
    for name, where in asked.items():
        if name not in (*NAMES, "output"):
            nearest = nearest_name(name, NAMES)
            hint = f"a setting to map: {nearest or ', '.join(NAMES)}"
            raise InvalidSetting(f"mapping of {workflow.where}", name, hint)
        if where == IGNORE and name in ("prompt", "seed", "image", "output"):
            raise InvalidSetting(
                f"mapping.{name}", where, "a node and input: without it every picture would be the same"
            )


def _own_value(workflow: Workflow, targets: tuple[Target, ...] | None) -> Any:
    if targets is None:
        return None
    node_id, input_name = targets[0]
    return workflow.graph[node_id].inputs[input_name]


def _each(where: str | list[str]) -> list[str]:
    return [where] if isinstance(where, str) else where


def _read_target(workflow: Workflow, name: str, where: str, classes: NodeClasses) -> Target:
    node_name, dot, input_name = where.rpartition(".")
    node_id = workflow.find_node(node_name) if dot else None
    if node_id is None:
        there = ", ".join(workflow.node_name(each) for each in list(workflow.graph)[:12])
        raise InvalidSetting(f"mapping.{name}", where, f"NODE.INPUT with a node of {workflow.where}: {there}")
    node = workflow.graph[node_id]
    node_class = classes.get(node.class_type)
    inputs = node_class.inputs if node_class else {}
    if input_name not in inputs:
        there = ", ".join(key for key, spec in inputs.items() if spec.is_literal) or "none that takes a value"
        raise InvalidSetting(f"mapping.{name}", where, f"an input of {workflow.node_name(node_id)}: {there}")
    spec = inputs[input_name]
    if spec.kind not in (*_KINDS[name], "*"):
        allowed = f"an input of kind {' or '.join(_KINDS[name])}, and {input_name} of that node is {spec.kind}"
        raise InvalidSetting(f"mapping.{name}", where, allowed)
    if is_link(node.inputs.get(input_name)):
        source = workflow.node_name(node.inputs[input_name][0])
        raise InvalidSetting(f"mapping.{name}", where, f"an input with a value: this one is linked from {source}")
    return node_id, input_name


def _find_output(workflow: Workflow, asked: str | list[str] | None, classes: NodeClasses) -> str:
    savers = [node_id for node_id, node in workflow.graph.items() if node.class_type in _SAVERS]
    if asked is not None:
        node_id = workflow.find_node(asked) if isinstance(asked, str) else None
        if node_id is None:
            raise InvalidSetting("mapping.output", asked, f"one node: {_listed(workflow, savers)}")
        return node_id
    kept = [each for each in savers if workflow.graph[each].class_type == "SaveImage"] or savers
    if not kept:
        kept = [each for each in workflow.graph if _is_file_output(workflow, each, classes)]
    if len(kept) != 1:
        raise InvalidSetting("mapping.output", None, f"the node whose picture counts: {_listed(workflow, kept)}")
    return kept[0]


def _is_file_output(workflow: Workflow, node_id: str, classes: NodeClasses) -> bool:
    node_class = classes.get(workflow.graph[node_id].class_type)
    return node_class is not None and node_class.is_output and "filename_prefix" in node_class.inputs


def _listed(workflow: Workflow, node_ids: Iterable[str]) -> str:
    return ", ".join(workflow.node_name(each) for each in node_ids) or "the workflow needs a SaveImage node"


def _guesses(workflow: Workflow, scope: list[str], classes: NodeClasses) -> dict[str, tuple[Target, ...]]:
    found: dict[str, tuple[Target, ...]] = {}
    for name, input_names in _INPUT_NAMES.items():
        targets = _literals(workflow, scope, classes, input_names, _KINDS[name])
        # One seed for every sampler keeps a picture reproducible; anything else with several places is ambiguous.
        if len(targets) == 1 or (name == "seed" and targets):
            found[name] = targets
    found |= _guess_size(workflow, scope, classes) | _guess_texts(workflow, scope, classes)
    images = [
        target
        for target in _literals(workflow, scope, classes, ("image",), (COMBO,))
        if _spec(workflow, target, classes).upload
    ]
    if len(images) == 1:
        found["image"] = (images[0],)
    return found


def _spec(workflow: Workflow, target: Target, classes: NodeClasses) -> InputSpec:
    node_class = classes.get(workflow.graph[target[0]].class_type)
    found = node_class.inputs.get(target[1]) if node_class else None
    return found or InputSpec(kind="*")


def _literals(
    workflow: Workflow, scope: list[str], classes: NodeClasses, names: tuple[str, ...], kinds: tuple[str, ...]
) -> tuple[Target, ...]:
    return tuple(
        (node_id, name)
        for node_id in scope
        for name, value in workflow.graph[node_id].inputs.items()
        if name in names and not is_link(value) and _spec(workflow, (node_id, name), classes).kind in kinds
    )


def _guess_size(workflow: Workflow, scope: list[str], classes: NodeClasses) -> dict[str, tuple[Target, ...]]:
    empties = []
    for node_id in scope:
        node_class = classes.get(workflow.graph[node_id].class_type)
        takes_links = any(is_link(value) for value in workflow.graph[node_id].inputs.values())
        if node_class and "LATENT" in node_class.outputs and not takes_links:
            empties.append(node_id)
    sides = {side: _literals(workflow, empties, classes, (side,), ("INT",)) for side in ("width", "height")}
    return sides if all(len(targets) == 1 for targets in sides.values()) else {}


def _guess_texts(workflow: Workflow, scope: list[str], classes: NodeClasses) -> dict[str, tuple[Target, ...]]:
    found: dict[str, tuple[Target, ...]] = {}
    for name, link_name in (("prompt", "positive"), ("negative_prompt", "negative")):
        heads = [workflow.graph[node_id].inputs.get(link_name, None) for node_id in scope]
        sources = [head[0] for head in heads if isinstance(head, list) and is_link(head)]
        targets = {_text_before(workflow, source, classes) for source in sources} - {None}
        if len(targets) == 1:
            found[name] = tuple(target for target in targets if target is not None)
    if found.get("prompt") == found.get("negative_prompt"):
        texts = _literals(workflow, scope, classes, ("text",), ("STRING",))
        return {"prompt": texts} if len(texts) == 1 else {}
    return found


def _text_before(workflow: Workflow, node_id: str, classes: NodeClasses) -> Target | None:
    texts = _literals(workflow, workflow.nodes_before(node_id), classes, ("text",), ("STRING",))
    return texts[0] if len(texts) == 1 else None
