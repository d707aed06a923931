"""`stablenew recommend` and `experiment next` as a person types them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.learning.person import PROMPTS, VALUES, likes_heun_at_five, pictures, stars_for, store

from stablenew.cli import cli
from stablenew.learning.experiments import read_experiment
from stablenew.learning.learning_feedback import RatingWriter
from stablenew.learning.learning_reader import read_current_records
from stablenew.workspace import Workspace

WORST = ("--set", "sampler=Euler", "--set", "cfg_scale=11")


@pytest.fixture(autouse=True)
def home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("STABLENEW_USER", raising=False)
    return workspace


@pytest.fixture
def rated(workspace: Workspace) -> Workspace:
    """36 pictures of two samplers and three guidances, timed and rated by somebody who loves Heun at 5."""
    records = pictures(VALUES, PROMPTS, duration_s=2.0)
    store(workspace, records, stars_for(records, likes_heun_at_five))
    return workspace


def stablenew(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    found = result.return_value if result.exception is None else 2
    assert (found or 0) == code, (result.output, result.exception)
    return result


def json_lines(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stablenew(*arguments, "--json").stdout.splitlines()]


@pytest.mark.usefixtures("rated")
def test_the_advice_in_sentences() -> None:
    """What to change, what it brings, the pictures that prove it, and how to go on."""
    said = stablenew("recommend", *WORST).output
    first = said.splitlines()[0]
    assert first.startswith("Change ")
    assert "sampler Euler -> Heun" in first
    assert "36 ratings" in said
    assert "Proof: " in said
    assert "Keep it with stablenew card" in said


@pytest.mark.usefixtures("rated")
def test_the_advice_as_json_has_the_same_sentences() -> None:
    """All of it on one line: settings, numbers, sentences."""
    said = json_lines("recommend", *WORST)[0]
    assert said["settings"]["sampler"] == "Heun"
    assert said["baseline"]["cfg_scale"] == 11
    assert said["enough"]
    text = stablenew("recommend", *WORST).output.splitlines()
    assert said["statements"] == text[: len(said["statements"])]


@pytest.mark.usefixtures("rated")
def test_where_there_is_no_advice_it_says_what_would_help() -> None:
    """Compared with what is loved already there is nothing better: the reason, and experiment next."""
    said = stablenew("recommend", "--set", "sampler=Heun", "--set", "cfg_scale=5").output
    assert said.startswith("Not enough evidence: ")
    assert "stablenew experiment next" in said
    assert "Change" not in said


@pytest.mark.usefixtures("rated")
def test_effects_value_by_value() -> None:
    """A table for each setting, tried values alone; how many more were not tried."""
    said = stablenew("recommend", "--effects").output
    assert "sampler:" in said
    assert "of what settings explain" in said
    assert "in matched pairs" in said
    row = next(line for line in said.splitlines() if line.strip(" │|").startswith("Heun"))
    assert "18" in row
    assert "more values were not tested" in said


@pytest.mark.usefixtures("rated")
def test_a_map_of_two_settings() -> None:
    """Every combination with its mean above the group and its pictures; the same numbers as JSON lines."""
    said = stablenew("recommend", "--map", "sampler,cfg_scale").output
    assert "sampler by cfg_scale" in said
    cells = [
        json.loads(line) for line in stablenew("recommend", "--map", "sampler, cfg_scale", "--json").stdout.splitlines()
    ]
    assert len(cells) == 6
    for cell in cells:
        assert f"{cell['mean']:+.2f} ({cell['images']})" in said
    best = max(cells, key=lambda cell: cell["mean"])
    assert (best["sampler"], best["cfg_scale"]) == ("Heun", 5.0)
    assert sum(cell["mean"] for cell in cells) == pytest.approx(0, abs=1e-9)


def test_a_map_says_what_was_not_tested(workspace: Workspace) -> None:
    """A combination nobody rated, and one that was rated without a picture like it, are told apart."""
    records = [
        *pictures({"sampler": ["Euler", "Heun"], "cfg_scale": [5.0]}),
        *pictures({"sampler": ["Heun"], "cfg_scale": [2.0]}, ["alone"], name="s"),
    ]
    store(workspace, records, stars_for(records, likes_heun_at_five))
    said = stablenew("recommend", "--map", "sampler,cfg_scale").output
    assert "not tested" in next(line for line in said.splitlines() if "Euler" in line)
    assert "no match" in next(line for line in said.splitlines() if "Heun" in line)


@pytest.mark.usefixtures("rated")
@pytest.mark.parametrize("pair", ["sampler", "sampler,stepz", "a,b,c"])
def test_a_map_of_what_did_not_vary_is_refused(pair: str) -> None:
    """With the settings that did."""
    error = stablenew("recommend", "--map", pair, code=2).exception
    assert "two of the settings that varied: " in str(error)
    assert "cfg_scale" in str(error)


def test_for_time_the_quicker_of_equals(workspace: Workspace) -> None:
    """Forty steps take four times as long as ten and look no better."""
    records = [
        each
        for steps in (10, 40)
        for each in pictures({**VALUES, "steps": [steps]}, PROMPTS, duration_s=steps / 10, name=f"s{steps}-")
    ]
    store(workspace, records, stars_for(records, likes_heun_at_five))
    said = json_lines("recommend", "--for", "time", *WORST, "--set", "steps=40")[0]
    assert said["enough"]
    assert said["settings"]["steps"] == 10
    assert said["settings"]["sampler"] == "Heun"
    assert said["cheapest"]["seconds"] < 2


def test_errors_say_what_to_do(workspace: Workspace) -> None:
    """Nothing rated, nothing of that model, no such experiment, no such setting, no such value."""
    assert "do so with stablenew rate" in str(stablenew("recommend", code=2).exception)
    records = pictures(VALUES, PROMPTS)
    store(workspace, records, stars_for(records, likes_heun_at_five))
    assert "of model nowhere" in str(stablenew("recommend", "--model", "nowhere", code=2).exception)
    assert "experiment nothing" in str(stablenew("recommend", "--experiment", "nothing", code=2).exception)
    assert "did you mean" in str(stablenew("recommend", "--set", "stepz=3", code=2).exception)
    assert "steps" in str(stablenew("recommend", "--set", "steps=many", code=2).exception)
    assert "--save-as needs an experiment" in str(stablenew("experiment", "next", "--save-as", "n", code=2).exception)


def run_experiment(workspace: Workspace, *, prompts: int = 6) -> None:
    """An experiment on the fake backend, rated by somebody who loves Heun at 5."""
    asked = [part for prompt in PROMPTS[:prompts] for part in ("--prompt", prompt)]
    plan = [
        "--vary",
        "sampler=Euler,Heun",
        "--vary",
        "cfg_scale=2,5,11",
        "--set",
        "cfg_scale=11",
        "--set",
        "sampler=Euler",
    ]
    stablenew("experiment", "new", "--backend", "fake", "--id", "e", *asked, *plan)
    stablenew("experiment", "run", "e")
    writer = RatingWriter(workspace.ratings)
    writer.append(*stars_for(read_current_records(workspace.records, "e"), likes_heun_at_five))
    writer.close()


def test_an_experiments_own_advice(workspace: Workspace) -> None:
    """Real records, compared with the plan's baseline."""
    run_experiment(workspace)
    said = json_lines("recommend", "--experiment", "e")[0]
    assert (said["baseline"]["sampler"], said["baseline"]["cfg_scale"]) == ("Euler", 11)
    assert said["settings"]["sampler"] == "Heun"
    assert said["ratings"] == 36


def test_the_next_pictures_can_be_made_and_rated_in_turn(workspace: Workspace) -> None:
    """Said, stored as an experiment on the same prompts, and really run; the advice then has more behind it."""
    run_experiment(workspace, prompts=3)
    said = stablenew("experiment", "next", "e", "--images", "4").output
    assert said.count("\n") == 5
    assert "(the best known so far)" in said.splitlines()[0]
    assert "experiment next e --save-as NAME" in said
    rows = [
        json.loads(line) for line in stablenew("experiment", "next", "e", "--images", "4", "--json").stdout.splitlines()
    ]
    assert len(rows) == 4
    stored = stablenew("experiment", "next", "e", "--images", "4", "--save-as", "f").output
    assert "run it with: stablenew experiment run f" in stored
    plan = read_experiment(workspace, "f").plan
    assert [prompt.prompt for prompt in plan.prompts] == [
        prompt.prompt for prompt in read_experiment(workspace, "e").plan.prompts
    ]
    stablenew("experiment", "run", "f")
    made = list(read_current_records(workspace.records, "f"))
    assert len(made) == 3 * len(plan.cells)
    before = {each.prompt.seed for each in read_current_records(workspace.records, "e")}
    assert before.isdisjoint(each.prompt.seed for each in made)
    wanted = {(row["sampler"], row["cfg_scale"]) for row in rows}
    assert {(each.pipeline.sampler, each.pipeline.cfg_scale) for each in made} == wanted
    writer = RatingWriter(workspace.ratings)
    writer.append(*stars_for(made, likes_heun_at_five, 500))
    writer.close()
    assert json_lines("recommend")[0]["ratings"] == 18 + len(made)


@pytest.mark.usefixtures("rated")
def test_next_without_an_experiment_goes_by_all_pictures() -> None:
    """Six by default, each different."""
    rows = json_lines("experiment", "next")
    assert len(rows) == 6
    assert len({(row["sampler"], row["cfg_scale"]) for row in rows}) == 6
