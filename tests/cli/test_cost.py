"""What a run will cost is said before it starts, from what this machine really did."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.makers import make_config, make_variants

from stablenew.cli import cli
from stablenew.pipeline.cost import describe, is_large
from stablenew.pipeline.pace import recorded_pace
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.prompts.estimate import Estimate
from stablenew.testing.fake_backend import FakeBackend
from stablenew.workspace import Workspace


def estimate(**fields: object) -> Estimate:
    return Estimate(**{"variants": 1, "images": 1, "gigabytes": 0.0, "minutes": None} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "large"),
    [
        ({"images": 500}, False),
        ({"images": 501}, True),
        ({"images": 5000, "minutes": 3.0}, False),
        ({"images": 10, "minutes": 61.0}, True),
        ({"images": 10, "minutes": 1.0, "gigabytes": 5.1}, True),
    ],
)
def test_a_run_is_large_by_its_time_or_room_and_by_number_only_while_time_is_unknown(
    fields: dict[str, object], large: bool
) -> None:
    """Five thousand pictures in three minutes are not large; ten in an hour are."""
    assert is_large(estimate(**fields)) is large


def test_what_is_not_known_is_said_to_be_so() -> None:
    """Without recorded durations no time is made up."""
    assert describe(estimate(images=3)) == "3 images, time not known yet on this backend, up to 0 MB"
    assert "about 2.0 h" in describe(estimate(images=3, minutes=120.0, gigabytes=1.0))


def test_the_pace_comes_from_this_machines_own_runs(workspace: Workspace) -> None:
    """No runs, no pace; after a run, one for each of its stages, and the size of its files."""
    assert recorded_pace(workspace, "fake").seconds_per_work == {}
    config = make_config(stages="txt2img,upscale", steps=10)
    PipelineRunner(FakeBackend(), workspace=workspace).run(config, make_variants(config, 4))
    pace = recorded_pace(workspace, "fake")
    assert set(pace.seconds_per_work) == {"txt2img", "upscale"}
    assert pace.bytes_per_pixel is not None
    assert recorded_pace(workspace, "webui").seconds_per_work == {}


def test_a_large_run_is_not_started_unless_somebody_says_so(workspace: Workspace, tmp_path: Path) -> None:
    """600 pictures of unknown length: refused where nobody can be asked, nothing made; with --yes it runs."""
    (tmp_path / "pack.txt").write_text("a cat\n")
    arguments = [
        "run", str(tmp_path / "pack.txt"), "--backend", "fake", "--images-per-prompt", "600",
        "--workspace", str(workspace.root), "--set", "steps=1",
    ]  # fmt: skip
    refused = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert "give --yes" in str(refused.exception)
    assert not workspace.runs.exists()
    assert CliRunner().invoke(cli, [*arguments, "--yes"], standalone_mode=False).return_value == 0
