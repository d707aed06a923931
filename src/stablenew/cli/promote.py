"""`stablenew runs promote`: which pictures were chosen, and for which stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from stablenew.config import StageName, parse_value, resolve_setting
from stablenew.errors import InputError
from stablenew.pipeline.promotion import rated_at_least

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


def chosen_indices(workspace: Workspace, run_id: str, variants: str | None, min_rating: float | None) -> frozenset[int]:
    """The variant indices (from 0) that `variants` (numbers from 1) and `min_rating` name together.

    Raises click.UsageError when neither is given or a number is none, InputError when nothing is rated that well.
    """
    if variants is None and min_rating is None:
        raise click.UsageError("say which: --variants 3,7 or --min-rating 4")
    chosen = frozenset(_numbers(variants or ""))
    if min_rating is None:
        return chosen
    rated = rated_at_least(workspace, run_id, min_rating)
    if not rated and not chosen:
        raise InputError(f"nothing in run {run_id} is rated {min_rating:g} or better")
    return chosen | rated


def named_stages(text: str | None) -> tuple[StageName, ...]:
    """The stages of `--stages`, none where it was not given."""
    if text is None:
        return ()
    return cast("tuple[StageName, ...]", parse_value(resolve_setting("stages"), text))


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) - 1 for part in text.split(",") if part.strip()]
    except ValueError as exc:
        raise click.UsageError(f"--variants takes numbers such as 3,7, not {text!r}") from exc
