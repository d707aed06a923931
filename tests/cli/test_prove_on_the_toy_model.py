"""Measured gain on the model in the box, judged by its scorer: no server, no person."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cards import advice, card

from stablenew.cli import cli
from stablenew.pipeline.presets import read_preset
from stablenew.workspace import Workspace

GOOD = {"sampler": "Euler", "steps": 12, "cfg_scale": 4.0}
BAD = {"sampler": "DPM++ 2M SDE", "steps": 4, "cfg_scale": 15.0}


def stablenew(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    assert result.exception is None, result.output
    return result.stdout


def test_a_good_card_is_proved_and_a_bad_one_is_withdrawn(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve pairs each: settings that draw what was asked for win, ruinous ones lose, and their preset goes back."""
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    pack = tmp_path / "shapes.txt"
    pack.write_text(
        "a red circle on a white background\n\na blue square on a yellow background\n\na green star on white\n"
    )
    card(workspace, advice(GOOD, BAD), model="good")
    card(workspace, advice(BAD, GOOD), model="bad")
    stablenew("card", "apply", "bad", "--to", "mine", "--yes")
    found = {}
    for name in ("good", "bad"):
        out = stablenew("prove", name, str(pack), "--pairs", "12", "--scorer", "tiny-world", "--json")
        found[name] = json.loads(out.splitlines()[-1])
    assert (found["good"]["state"], found["bad"]["state"]) == ("proved", "withdrawn")
    assert found["good"]["low"] > 0.5 > found["bad"]["rate"]
    assert read_preset(workspace, "mine").settings["txt2img.cfg_scale"] == 4.0
