"""Advice and cards for tests that are not about how advice comes about."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from stablenew.config import PipelineConfig
from stablenew.learning.card_store import MadeCard, make_card
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.learning.recommendation import Change, Estimate, Recommendation
from stablenew.learning.taste_card import TasteCard
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.pipeline.proof import proof_config, proof_variants
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.variant import Variant
from stablenew.workspace import Workspace
from tests.makers import make_config, make_variants

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
OLD: dict[str, Any] = {"sampler": "Euler a", "steps": 20, "cfg_scale": 7.0}
NEW: dict[str, Any] = {"sampler": "DPM++ 2M", "steps": 28, "cfg_scale": 5.0}


def estimate(mean: float, half: float = 0.4, images: int = 30) -> Estimate:
    """An estimate whose 95 % interval is `half` to either side."""
    return Estimate(
        mean=mean, sd=half / 1.96, low=mean - half, high=mean + half, low80=mean - 0.65 * half,
        high80=mean + 0.65 * half, images=images,
    )  # fmt: skip


def advice(
    new: Mapping[str, Any] = NEW, old: Mapping[str, Any] = OLD, *, proof: tuple[str, ...] = (), **said: Any
) -> Recommendation:
    """An advice to go from `old` to `new`."""
    changes = tuple(
        Change(name=name, before=old.get(name), after=value, gain=estimate(0.3), tested=True, images=12)
        for name, value in new.items()
        if old.get(name) != value
    )
    made = Recommendation(
        settings=dict(new), baseline=dict(old), context="fake-model | animals", enough=True, reason="",
        changes=changes, expected=estimate(4.2), baseline_expected=estimate(3.4), gain=estimate(0.8),
        more_possible=0.2, alternatives=(), cheapest=None, effects=(), seed_share=0.4, not_tested=("sampler=DDIM",),
        warnings=(), proof=proof, ratings=48, choices=6, statements=("expected 4.2 stars (3.8..4.6, 30 images)",),
    )  # fmt: skip
    return dataclasses.replace(made, **said)


def adviser(given: Recommendation) -> Callable[..., Recommendation]:
    """In the place of `advice.advise`."""
    return lambda workspace, question, **asked: given


def made(workspace: Workspace, given: Recommendation | None = None, **said: Any) -> MadeCard:
    """What making a card of `given` gives."""
    return make_card(workspace, adviser=adviser(given or advice()), **{"now": NOW, **said})


def card(workspace: Workspace, given: Recommendation | None = None, **said: Any) -> TasteCard:
    """The card that `given` makes."""
    found = made(workspace, given, **said).card
    assert found is not None
    return found


def run_variants(workspace: Workspace, config: PipelineConfig, variants: list[Variant], **options: Any) -> FakeBackend:
    """Run on the fake backend, with records; `script` and `resume` may be given."""
    backend = FakeBackend(script=options.get("script") or Script())
    writer = LearningRecordWriter(workspace.records, durability="none")
    PipelineRunner(backend, writer, workspace=workspace).run(config, variants, resume=options.get("resume", False))
    writer.close()
    return backend


def animals(workspace: Workspace, count: int = 4, **settings: object) -> None:
    """A run of `count` pictures of the pack "animals", as people make them before there is a card."""
    config = make_config(run_id="before", **settings)
    run_variants(workspace, config, make_variants(config, count))


def make_pairs(workspace: Workspace, proof: Any, **options: Any) -> FakeBackend:
    """Make a proof's pictures on the fake backend."""
    return run_variants(workspace, proof_config(proof), list(proof_variants(proof)), **options)
