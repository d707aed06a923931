"""Gates, presets and one-click actions from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stablenew.cli import cli
from stablenew.learning.learning_feedback import RatingWriter, new_rating
from stablenew.workspace import Workspace


@pytest.fixture
def run(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Runs a command in the workspace and returns what click says of it; the fake backend makes the pictures."""
    (tmp_path / "pack.txt").write_text("a red house\n\na blue boat\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))

    def invoke(*arguments: str):  # type: ignore[no-untyped-def]
        return CliRunner().invoke(cli, arguments, standalone_mode=False)

    return invoke


def records(workspace: Workspace, run_id: str) -> list[dict[str, dict[str, object]]]:
    return [json.loads(line) for line in (workspace.records / f"{run_id}.jsonl").read_text().splitlines()]


def paused(run) -> None:  # type: ignore[no-untyped-def]
    done = run(
        "run", "pack.txt", "--backend", "fake", "--run-id", "r", "--vary", "cfg_scale=3,5",
        "--stages", "txt2img,upscale", "--pause-before", "upscale",
    )  # fmt: skip
    assert done.return_value == 0, done.output


def test_a_gate_stops_before_the_expensive_stage_and_promotion_continues_the_chosen(  # type: ignore[no-untyped-def]
    run, workspace: Workspace
) -> None:
    """Four cheap pictures; two chosen ones are upscaled with their own seeds and prompts, and nothing else is made."""
    paused(run)
    assert len(list((workspace.runs / "r/images").glob("*-upscale.png"))) == 0
    done = run("runs", "promote", "r", "--variants", "2,3")
    assert done.return_value == 0, done.output
    first = {record["pipeline"]["variant_index"]: record for record in records(workspace, "r")}
    second = {record["pipeline"]["variant_index"]: record for record in records(workspace, "r-promoted")}
    assert set(second) == {1, 2}
    for index, record in second.items():
        assert record["prompt"]["seed"] == first[index]["prompt"]["seed"]
        assert record["prompt"]["prompt"] == first[index]["prompt"]["prompt"]
        assert [stage["stage"] for stage in record["pipeline"]["stages"]] == ["txt2img", "upscale"]  # type: ignore[union-attr,attr-defined]
        assert record["outcome"]["images"][0] == first[index]["outcome"]["images"][0]  # type: ignore[index]
    made = [path.name for path in (workspace.runs / "r-promoted/images").iterdir()]
    assert len(made) == 2
    assert all(name.endswith("-upscale.png") for name in made)


def test_promotion_by_rating_takes_what_is_rated_so_well(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """Of a 5, a 4 and a 2, --min-rating 4 continues two."""
    paused(run)
    writer = RatingWriter(workspace.ratings)
    for record, score in zip(records(workspace, "r"), (5, 2, 4), strict=False):
        writer.append(new_rating(str(record["run"]["record_id"]), score=score))
    writer.close()
    assert run("runs", "promote", "r", "--min-rating", "4").return_value == 0
    assert {record["pipeline"]["variant_index"] for record in records(workspace, "r-promoted")} == {0, 2}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--variants 3,7 or --min-rating 4"),
        (["--variants", "99"], "numbers from 1 to 4"),
        (["--variants", "x"], "takes numbers"),
        (["--min-rating", "4"], "rated 4 or better"),
        (["--variants", "1", "--stages", "txt2img"], "no stage left"),
    ],
)
def test_a_promotion_that_cannot_be_is_refused(run, arguments: list[str], says: str) -> None:  # type: ignore[no-untyped-def]
    """The message says what is wrong with the choice."""
    paused(run)
    assert says in str(run("runs", "promote", "r", *arguments).exception)


def test_a_stage_between_those_done_is_promoted_in_its_place(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """img2img named after txt2img and upscale: txt2img's picture is kept, the other two are made in their order."""
    assert run("run", "pack.txt", "--backend", "fake", "--run-id", "r", "--stages", "txt2img,upscale").return_value == 0
    done = run("runs", "promote", "r", "--variants", "1", "--stages", "img2img")
    assert done.return_value == 0, done.output
    assert [each["stage"] for each in records(workspace, "r-promoted")[0]["pipeline"]["stages"]] == [  # type: ignore[union-attr,attr-defined]
        "txt2img",
        "img2img",
        "upscale",
    ]
    made = sorted(path.name.rpartition("-")[2] for path in (workspace.runs / "r-promoted/images").iterdir())
    assert made == ["img2img.png", "upscale.png"]


def test_a_preset_is_applied_by_name_and_set_overrides_it(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """The preset's steps hold, its guidance is overridden."""
    assert "saved" in run("preset", "save", "mine", "--set", "steps=33", "--set", "cfg_scale=9").output
    run("run", "pack.txt", "--backend", "fake", "--preset", "mine", "--set", "cfg_scale=2", "--run-id", "r")
    pipeline = records(workspace, "r")[0]["pipeline"]
    assert (pipeline["steps"], pipeline["cfg_scale"]) == (33, 2.0)


def test_a_one_click_actions_label_is_in_the_records(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """`go` runs the pack with its settings, and says in each record which button it was."""
    run("go", "--save", "Heroic portrait", "--pack", "pack.txt", "--set", "steps=7", "--backend", "fake")
    assert run("go", "heroic portrait").return_value == 0
    found = [json.loads(line) for path in workspace.records.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(found) == 2
    assert {record["prompt"]["one_click_action"] for record in found} == {"Heroic portrait"}
    assert {record["pipeline"]["steps"] for record in found} == {7}


def test_a_preset_keeps_what_was_named_even_where_it_is_the_default(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """steps=20 is the default, and named: the preset holds it; with nothing named there is nothing to save."""
    assert "saved" in run("preset", "save", "plain", "--set", "steps=20").output
    assert run("preset", "show", "plain").output == "txt2img.steps = 20\n"
    assert "nothing to save" in str(run("preset", "save", "empty").exception)


def test_go_refuses_what_it_would_ignore(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """--set and --limit are for --save: without it they are named and nothing runs."""
    run("go", "--save", "a", "--pack", "pack.txt", "--backend", "fake")
    said = str(run("go", "a", "--set", "steps=3", "--limit", "1").exception)
    assert "--set, --limit would be ignored" in said
    assert not workspace.runs.exists()


def test_a_broken_action_file_does_not_stop_the_others(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """A file that sorts first and is no action: the other action runs; a label not found names the file."""
    run("go", "--save", "b", "--pack", "pack.txt", "--backend", "fake")
    (workspace.actions / "a.json").write_text("{")
    assert run("go", "b").return_value == 0
    assert "not readable: a.json" in str(run("go", "c").exception)
    assert "is not a one-click action" in str(run("go", "a").exception)


def test_a_start_picture_is_found_again_from_another_folder(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """The manifest and a saved action hold its whole path, however it was typed."""
    from PIL import Image

    Image.new("RGB", (64, 64)).save("start.png")
    whole = str(Path("start.png").absolute())
    settings = ("--set", "img2img.init_image=start.png")
    done = run("run", "pack.txt", "--backend", "fake", "--run-id", "r", "--stages", "img2img", *settings)
    assert done.return_value == 0, done.output
    manifest = json.loads((workspace.runs / "r/manifest.json").read_text())
    assert manifest["config"]["img2img"]["init_image"] == whole
    run("go", "--save", "a", "--pack", "pack.txt", *settings)
    assert json.loads((workspace.actions / "a.json").read_text())["set"] == [f"img2img.init_image={whole}"]


def test_an_empty_pack_is_named(run) -> None:  # type: ignore[no-untyped-def]
    """The error has the file, not the inside of the planner."""
    Path("empty.txt").write_text("# nothing\n")
    assert str(run("run", "empty.txt", "--backend", "fake").exception) == "empty.txt: there is no prompt in it"


def test_deleting_a_run_says_which_promoted_runs_lose_pictures(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """The promoted run is named before the question."""
    paused(run)
    run("runs", "promote", "r", "--variants", "2")
    assert "r-promoted went on with pictures of this run" in run("runs", "delete", "r", "--yes").output


def test_nothing_to_retry_is_json_when_asked(run) -> None:  # type: ignore[no-untyped-def]
    """`retry-failed --json` of a run without failures prints an object."""
    run("run", "pack.txt", "--backend", "fake", "--run-id", "r")
    done = run("runs", "retry-failed", "r", "--json")
    assert json.loads(done.output) == {"event": "nothing_failed", "run_id": "r"}


def test_a_large_run_has_a_sheet_of_its_first_pictures(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """600 values of one setting, 500 on the sheet: no wider than 6,000 pixels, and not a single endless row."""
    from PIL import Image

    from stablenew.report import contact_sheet

    done = run("run", "pack.txt", "--backend", "fake", "--run-id", "r", "--vary", "cfg_scale=1..15.95:0.05", "--yes")
    assert done.return_value == 0, done.output
    from stablenew.report.run_sheet import write_run_sheet

    path = write_run_sheet(workspace, "r")
    assert path is not None
    sheet = Image.open(path)
    assert sheet.width <= contact_sheet.WIDTH_MAX
    assert sheet.height > 2000
