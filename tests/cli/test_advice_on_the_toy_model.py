"""From an experiment on the model in the box to a proved card: no server, no person."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from click.testing import CliRunner

from stablenew.cli import cli
from stablenew.config import PipelineConfig
from stablenew.workspace import Workspace

PROMPTS = (
    "a red circle on a white background",
    "a blue square on a yellow background",
    "a green star on a white background",
    "a house on the grass by day",
    "a yellow triangle on a black background",
    "a white circle on a blue background",
    "a black square on a white background",
    "a boat on the sea at sunset",
)
OLD = {"sampler": "DPM++ 2M SDE", "steps": 3, "cfg_scale": 14}


def stablenew(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    assert result.exception is None, (result.output, result.exception)
    return result.stdout


def last_line(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stablenew(*arguments, "--json").splitlines()[-1])
    return found


def test_an_experiment_finds_better_settings_and_blind_pairs_confirm_them(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve cells on eight prompts, good and ruinous ones, rated by the toy world's scorer: the advice leaves the bad
    settings, the card says so, and on new seeds it wins more than half of its pairs, interval included.
    """
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    monkeypatch.delenv("STABLENEW_USER", raising=False)
    asked = [part for prompt in PROMPTS for part in ("--prompt", prompt)]
    varied = ["--vary", "sampler=Euler,DPM++ 2M SDE", "--vary", "steps=3,10", "--vary", "cfg_scale=3,7,14"]
    old = [part for name, value in OLD.items() for part in ("--set", f"{name}={value}")]
    stablenew("experiment", "new", *asked, *varied, *old, "--id", "toy")
    stablenew("experiment", "run", "toy")
    stablenew("experiment", "rate", "toy", "--scorer", "tiny-world")
    advice = last_line("recommend", "--experiment", "toy")
    assert advice["baseline"] == {**advice["baseline"], **OLD}
    assert advice["enough"], advice["reason"]
    assert advice["settings"]["steps"] > OLD["steps"]
    assert advice["settings"]["cfg_scale"] < OLD["cfg_scale"]
    assert advice["gain"]["low"] > 0
    baseline = [part for name, value in OLD.items() for part in ("--baseline", f"{name}={value}")]
    made = last_line("card", "make", "tiny", *baseline)
    assert made["stored"], made["said"]
    proved = last_line("prove", made["card"]["name"], "--pairs", "12", "--scorer", "tiny-world")
    assert proved["state"] == "proved"
    assert proved["low"] > 0.5


def test_the_programs_defaults_are_beaten_on_the_model_in_the_box(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four values of guidance on twenty prompts of the demo pack: less than the default 7 is advised, and wins."""
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    monkeypatch.delenv("STABLENEW_USER", raising=False)
    pack = str(files("stablenew.models") / "demo_pack.txt")
    stablenew("experiment", "new", pack, "--prompts", "20", "--vary", "cfg_scale=2,3,5,7", "--id", "guidance")
    stablenew("experiment", "run", "guidance")
    stablenew("experiment", "rate", "guidance", "--scorer", "tiny-world")
    advice = last_line("recommend", "--experiment", "guidance")
    assert advice["baseline"]["cfg_scale"] == PipelineConfig().txt2img.cfg_scale
    assert advice["enough"], advice["reason"]
    assert advice["settings"]["cfg_scale"] < advice["baseline"]["cfg_scale"]
    made = last_line("card", "make", "tiny")
    proved = last_line("prove", made["card"]["name"], "--pairs", "30", "--scorer", "tiny-world")
    assert proved["state"] == "proved"
