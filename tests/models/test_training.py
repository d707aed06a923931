"""The training code: its world, its drawings, and every phase for a few steps, stopped and taken up again."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("safetensors")

# ruff: noqa: E402  # all of this needs torch, and without it the file is skipped
from training import captions, drawing, labels, optim, phases, progress, report, settings, world
from training.judge import write_scorer

from stablenew.backends.tiny_scorer import TinyWorldScorer, asked_for


def test_drawing_repeats() -> None:
    """The same lot gives the same picture, caption and pixels."""
    one, other = (world.pick_picture(random.Random("7:0")) for _ in range(2))
    assert one == other
    assert np.array_equal(drawing.draw(one), drawing.draw(other))
    assert captions.describe(one, random.Random(1)) == captions.describe(other, random.Random(1))


def test_unseen_combinations_stay_out() -> None:
    """No training picture has a colour and shape that the evaluation calls unseen; the evaluation's have one."""
    rng = random.Random(5)
    for _ in range(3000):
        picture = world.pick_picture(rng)
        if isinstance(picture, world.Objects):
            assert not {(thing.colour, thing.shape) for thing in picture.things} & world.UNSEEN
    single = world.pick_single(rng, unseen=True).things[0]
    assert (single.colour, single.shape) in world.UNSEEN


def test_objects_stay_inside_the_picture() -> None:
    """No object leaves the picture's edge, whatever its size and place."""
    rng = random.Random(6)
    for _ in range(2000):
        picture = world.pick_picture(rng)
        for thing in picture.things if isinstance(picture, world.Objects) else ():
            for x, y in drawing.outline(thing.shape, thing.width):
                assert -1.5 <= thing.x + x <= 65.5
                assert -1.5 <= thing.y + y <= 65.5


def test_captions_state_only_what_is_there() -> None:
    """Whatever a caption says can be seen in the picture, and the scorer reads the caption as it was meant."""
    rng = random.Random(8)
    at = {name: i for i, name in enumerate(labels.SEEN)}
    for _ in range(2000):
        picture = world.pick_picture(rng)
        caption = captions.describe(picture, rng)
        stated = {name for name in caption.said if name in at}
        assert stated <= labels.seen_in(picture)
        assert asked_for(caption.text, at) == stated


def test_muon_makes_steps_orthogonal() -> None:
    """All singular values of an orthogonalized matrix are near one, tall or wide."""
    for shape in ((2, 24, 200), (3, 64, 16)):
        values = torch.linalg.svdvals(optim.orthogonalized(torch.randn(shape, generator=torch.manual_seed(1)), 5))
        assert float(values.min()) > 0.5
        assert float(values.max()) < 1.3


def test_rate_rises_holds_and_falls() -> None:
    """The learning rate starts low, stays, and ends near zero."""
    assert progress.rate(0.0) < 0.1
    assert progress.rate(0.3) == 1.0
    assert progress.rate(1.0) == pytest.approx(0.02)


def test_every_phase_runs_stops_and_resumes(tmp_path: Path) -> None:
    """A few steps of all phases make a folder that loads; a second run goes on counting instead of starting over."""
    small = settings.small(settings.Settings(out=tmp_path), steps=2)
    made = phases.run(small)
    assert (tmp_path / "model" / "model_index.json").is_file()
    weights = {name: value.clone() for name, value in made.unet.state_dict().items()}

    longer = replace(small, steps=4)
    again = phases.run(longer)
    kept = progress.load(tmp_path / "denoiser.pt")
    assert kept["steps"] == 4
    assert any(not torch.equal(value, weights[name]) for name, value in again.unet.state_dict().items())

    finished = progress.load(tmp_path / "denoiser.pt")
    phases.run(longer)  # nothing left to do
    assert progress.load(tmp_path / "denoiser.pt")["steps"] == finished["steps"]

    write_scorer(report.train_judge(small), report.JUDGE_WIDTH, tmp_path / "scorer")
    loaded = phases.snapshot(longer)
    loaded.set_progress_bar_config(disable=True)
    picture = loaded("a red circle", num_inference_steps=2, height=64, width=64).images[0]
    assert picture.size == (64, 64)
    assert 0 <= TinyWorldScorer(tmp_path / "scorer").score(picture, "a red circle") <= 1
