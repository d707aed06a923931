"""A whole experiment on the model in the box, rated by its scorer: no server, no person."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from stablenew.cli import cli
from stablenew.workspace import Workspace


def stablenew(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    assert result.exception is None, result.output
    return result.stdout


def test_four_steps_at_high_guidance_ruin_pictures_and_the_scorer_sees_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cells on four prompts: the one everybody would choose has the better stars."""
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    prompts = ["a red circle on a white background", "a blue square on a yellow background", "a green star on white"]
    asked = [part for prompt in [*prompts, "a house on the grass by day"] for part in ("--prompt", prompt)]
    plan = ["--vary", "steps=4,12", "--vary", "cfg_scale=3,12", "--set", "sampler=DPM++ 2M", "--id", "toy"]
    stablenew("experiment", "new", *asked, *plan)
    stablenew("experiment", "run", "toy")
    stablenew("experiment", "rate", "toy", "--scorer", "tiny-world")
    shown = [json.loads(line) for line in stablenew("experiment", "show", "toy", "--json").splitlines()]
    mean = {cell["cell"]: cell["mean"] for cell in shown}
    assert mean["steps=12, cfg_scale=3"] > mean["steps=4, cfg_scale=12"]
    assert [cell["rated"] for cell in shown] == [4, 4, 4, 4]
