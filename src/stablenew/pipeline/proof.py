"""Measured gain, first half: a card's blind pairs planned, and made as an ordinary run.

    proof = plan_proof(workspace, card, pairs=60)          written before the first picture
    controller.start(proof_config(proof), list(proof_variants(proof)))

What is judged then, and what follows from it, is in proof_outcome.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from stablenew.atomic_file import write_atomically
from stablenew.config import PipelineConfig, apply_settings, config_from_dict, config_to_dict
from stablenew.errors import InputError, NotFound
from stablenew.learning.blind_pairs import Proof, ProofTask
from stablenew.learning.learning_feedback import rating_time
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.prompt_class import ANY, TAG, is_about
from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.safe_name import safe_name
from stablenew.learning.taste_card import TasteCard, difference
from stablenew.pipeline.card_settings import asked_model, config_changes, lora_of, model_asked_for
from stablenew.pipeline.run_folder import read_manifest
from stablenew.variant import PromptLine, Variant, derived_seed, lora_tags
from stablenew.workspace import Workspace

PAIRS = 60
PAIRS_MAX = 5000
LOOKED_AT = 5000
TAG_OF_PROOFS = "prove"
_BLOCK = 8
"""So many pictures of one side are made together, so that a backend can make them in one batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What both sides of a comparison start from."""

    config: PipelineConfig
    backend: str | None
    backend_url: str | None
    records: tuple[LearningRecord, ...]


def plan_proof(
    workspace: Workspace,
    card: TasteCard,
    *,
    pairs: int = PAIRS,
    variants: Sequence[Variant] = (),
    config: PipelineConfig | None = None,
    backend: str | None = None,
    backend_url: str | None = None,
    default_backend: str = "local",
    now: datetime | None = None,
) -> Proof:
    """Plan `pairs` pairs for the card and write the plan down.

    Prompts are those of `variants` (a pack's), else those of the card's own records; seeds are new ones, so that no
    picture the card was made from is judged again. `config` and `backend` are those of the newest such run unless
    given. Raises InputError where card and old settings do not differ, or there is no prompt.
    """
    if not 1 <= pairs <= PAIRS_MAX:
        raise InputError(f"{pairs} pairs cannot be compared: 1 to {PAIRS_MAX:,}")
    if not difference(card.baseline, card.settings):
        raise InputError(f"card {card.name} changes nothing against the old settings: there is nothing to compare")
    start = _start(workspace, card)
    proof_id = _new_id(workspace, card)
    tasks = _tasks(proof_id, pairs, variants, start.records)
    proof = Proof(
        proof_id=proof_id,
        card=card.name,
        made_at=rating_time(now or datetime.now(UTC)),
        old=_with_asked_model(workspace, card.baseline, card.settings),
        new=_with_asked_model(workspace, card.settings, card.baseline),
        tasks=tasks,
        order_seed=derived_seed(proof_id, [task.prompt for task in tasks]),
        config=config_to_dict(dataclasses.replace(config or start.config, run_id=None)),
        backend=backend or start.backend or default_backend,
        backend_url=backend_url or (None if backend else start.backend_url),
        tags=[TAG_OF_PROOFS, *([f"{TAG}{card.prompt_class}"] if card.prompt_class != ANY else [])],
    )
    for _ in proof_variants(proof):  # raises for a setting that cannot be
        break
    workspace.proofs.mkdir(parents=True, exist_ok=True)
    write_atomically(_path(workspace, proof_id), msgspec.json.encode(proof), durable=True)
    return read_proof(workspace, proof_id)


def read_proof(workspace: Workspace, proof_id: str) -> Proof:
    """The plan of a proof. Raises NotFound, UnsafeName, or InputError when it cannot be read."""
    path = _path(workspace, proof_id)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Proof)
    except FileNotFoundError as exc:
        raise NotFound("comparison", proof_id, workspace.proofs) from exc
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise InputError(f"{path} is not a planned comparison: {exc}") from exc


def newest_proof(workspace: Workspace, card: TasteCard) -> Proof | None:
    """The newest plan that compares the very settings of `card`, None where there is none."""
    found = [proof for proof in _proofs_of(workspace, card.name) if compares(workspace, proof, card)]
    return max(found, key=lambda proof: proof.made_at, default=None)


def compares(workspace: Workspace, proof: Proof, card: TasteCard) -> bool:
    """Whether `proof` is about the very settings, old and new, that `card` has."""
    old = _with_asked_model(workspace, card.baseline, card.settings)
    new = _with_asked_model(workspace, card.settings, card.baseline)
    return (proof.old, proof.new) == (old, new)


def proof_config(proof: Proof) -> PipelineConfig:
    """The config of the run that makes the pairs."""
    base = config_from_dict(proof.config)
    return dataclasses.replace(
        base, run_id=proof.proof_id, one_click_action=None, learning_enabled=True, learning_tags=list(proof.tags)
    )


def proof_variants(proof: Proof) -> Iterator[Variant]:
    """Both pictures of every pair, in blocks of one side after the other; cells "old" and "new"."""
    sides = {"old": _Side(proof, proof.old), "new": _Side(proof, proof.new)}
    count, index = 2 * len(proof.tasks), 0
    for block in range(0, len(proof.tasks), _BLOCK):
        for cell, side in sides.items():
            for task in proof.tasks[block : block + _BLOCK]:
                yield side.variant(task, index=index, count=count, cell=cell)
                index += 1


class _Side:
    """One side of the comparison: the shared config with its settings put in."""

    def __init__(self, proof: Proof, settings: Mapping[str, Any]) -> None:
        changes, _ = config_changes(settings)
        self._config = apply_settings(proof_config(proof), changes)
        self._lora = lora_of(settings)
        differing = difference(config_changes(proof.old)[0], config_changes(proof.new)[0])
        self._axes = {path: changes.get(path) for path in differing}
        if proof.old.get("lora") != proof.new.get("lora"):
            self._axes["lora"] = self._lora or "none"
        self._proof_id = proof.proof_id

    def variant(self, task: ProofTask, *, index: int, count: int, cell: str) -> Variant:
        """This side's picture of `task`."""
        return Variant(
            index=index,
            count=count,
            line=PromptLine(
                pack_id=task.pack_id,
                pack_name=task.pack_name,
                line_number=task.line_number,
                prompt=task.prompt,
                negative_prompt=task.negative_prompt,
            ),
            prompt=f"{task.prompt} {lora_tags(self._lora)}".strip() if self._lora else task.prompt,
            negative_prompt=task.negative_prompt,
            seed=task.seed,
            config=self._config,
            axes=self._axes,
            experiment_id=self._proof_id,
            cell=cell,
        )


def _start(workspace: Workspace, card: TasteCard) -> _Start:
    """Config and backend of the newest run that the card is about, and the records it is about, newest first."""
    ok = parse_condition("status=ok")
    with RecordIndex.of(workspace) as index:
        records = tuple(
            record
            for record in index.records(Query(where=(ok,), limit=LOOKED_AT))
            if isinstance(record, LearningRecord) and is_about(record, card.model, card.prompt_class)
        )
    for record in records:
        try:
            manifest = read_manifest(workspace, record.run.run_id)
        except InputError:  # imported, or deleted
            continue
        config = config_from_dict(manifest.config)
        config = dataclasses.replace(config, model=model_asked_for(workspace, record))
        return _Start(config=config, backend=manifest.backend, backend_url=manifest.backend_url, records=records)
    return _Start(config=PipelineConfig(), backend=None, backend_url=None, records=records)


def _tasks(
    proof_id: str, pairs: int, variants: Sequence[Variant], records: Sequence[LearningRecord]
) -> tuple[ProofTask, ...]:
    """`pairs` tasks that go round the prompts, with seeds nobody has seen."""
    prompts = dict.fromkeys([_of_variant(each) for each in variants] or [_of_record(each) for each in records])
    if not prompts:
        raise InputError("there is no prompt to compare with: name a PACK, as in: stablenew prove CARD pack.txt")
    around = list(prompts)[:pairs]
    return tuple(
        dataclasses.replace(
            task,
            seed=derived_seed("prove", proof_id, task.prompt, task.negative_prompt, number // len(around)),
        )
        for number in range(pairs)
        for task in (around[number % len(around)],)
    )


def _of_variant(variant: Variant) -> ProofTask:
    return ProofTask(
        prompt=variant.prompt,
        negative_prompt=variant.negative_prompt,
        seed=0,
        pack_id=variant.line.pack_id,
        pack_name=variant.line.pack_name,
        line_number=variant.line.line_number,
    )


def _of_record(record: LearningRecord) -> ProofTask:
    """The record's prompt, without the loras that its run put there."""
    prompt, lora = record.prompt, record.pipeline.axes.get("lora")
    return ProofTask(
        prompt=prompt.prompt.removesuffix(lora_tags(str(lora))).strip() if lora else prompt.prompt,
        negative_prompt=prompt.negative_prompt,
        seed=0,
        pack_id=prompt.pack_id,
        pack_name=prompt.pack_name,
        line_number=prompt.line_number or 1,
    )


def _with_asked_model(workspace: Workspace, settings: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with the model by the name it is asked for; left to the shared config where both have the same."""
    found = dict(settings)
    if found.get("model") == others.get("model"):
        found.pop("model", None)
    elif found.get("model") is not None:
        found["model"] = asked_model(workspace, str(found["model"]))
    return found


def _proofs_of(workspace: Workspace, card: str) -> Iterator[Proof]:
    if not workspace.proofs.is_dir():
        return
    for path in sorted(workspace.proofs.glob("*.json")):
        try:
            proof = read_proof(workspace, path.stem)
        except InputError:
            continue
        if proof.card == card:
            yield proof


def _new_id(workspace: Workspace, card: TasteCard) -> str:
    number = 1
    while True:
        proof_id = f"prove-{card.name}-{number}"
        if not _path(workspace, proof_id).exists() and not (workspace.runs / proof_id).exists():
            return proof_id
        number += 1


def _path(workspace: Workspace, proof_id: str) -> Path:
    return workspace.proofs / f"{safe_name(proof_id, workspace.proofs)}.json"
