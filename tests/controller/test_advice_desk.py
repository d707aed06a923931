"""Advice through the controller and its desk: the learning part's own, without a run and without a backend."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.learning.archive import rate
from tests.learning.person import PROMPTS, VALUES, likes_heun_at_five, pictures, stars_for, store

from stablenew.controller.advice_desk import AdviceDesk
from stablenew.controller.pipeline_controller import PipelineController, Runner, RunnerParts
from stablenew.errors import InputError
from stablenew.learning.advice import Question, advise, advise_next
from stablenew.learning.learning_feedback import RatedPicture
from stablenew.workspace import Workspace

WORST = Question(baseline={"sampler": "Euler", "cfg_scale": 11.0})


def no_runner(parts: RunnerParts) -> Runner:
    raise AssertionError("no runner is needed for advice")


@pytest.fixture
def rated(workspace: Workspace) -> Workspace:
    """36 pictures of two samplers and three guidances, rated by somebody who loves Heun at 5."""
    records = pictures(VALUES, PROMPTS)
    store(workspace, records, stars_for(records, likes_heun_at_five))
    return workspace


def test_controller_and_desk_say_what_the_learning_part_says(rated: Workspace) -> None:
    """The same recommendation, with its sentences; compared with the worst it is Heun."""
    expected = advise(rated, WORST)
    controller = PipelineController(no_runner)
    assert controller.recommend(rated, WORST) == expected
    assert AdviceDesk(rated).recommend(WORST) == expected
    assert expected.settings["sampler"] == "Heun"


def test_the_next_row_has_as_many_pictures_as_are_asked_for(rated: Workspace) -> None:
    """Each different, the best known first, the same through controller and desk."""
    expected = advise_next(rated, WORST, images=4)
    assert PipelineController(no_runner).next_row(rated, WORST, images=4) == expected
    assert AdviceDesk(rated).next_row(WORST, images=4) == expected
    assert len({(row["sampler"], row["cfg_scale"]) for row in expected}) == 4


def test_two_settings_together_come_from_the_same_place(rated: Workspace) -> None:
    """Six combinations of six matched prompts each, best at what is loved; nothing else can be asked."""
    found = AdviceDesk(rated).settings_map(WORST, ("sampler", "cfg_scale"))
    assert PipelineController(no_runner).settings_map(rated, WORST, ("sampler", "cfg_scale")) == found
    assert len(found.cells) == 6
    assert {cell.images for cell in found.cells.values()} == {6}
    assert max(found.cells.values(), key=lambda cell: cell.mean).second == 5.0
    with pytest.raises(InputError, match="two of the settings that varied"):
        AdviceDesk(rated).settings_map(WORST, ("sampler", "vae"))


def test_purpose_and_time_are_passed_on(rated: Workspace) -> None:
    """What is asked for is asked for, not just the default."""
    assert AdviceDesk(rated).recommend(WORST, purpose="time") == advise(rated, WORST, purpose="time")
    by_time = AdviceDesk(rated).next_row(WORST, images=3, per_second=True)
    assert by_time == advise_next(rated, WORST, images=3, per_second=True)


def test_the_classes_of_rated_pictures_can_be_asked_about(workspace: Workspace) -> None:
    """By name, those of rated pictures alone, also where all that was said is which one is better."""
    faces = pictures(VALUES, PROMPTS, name="f", learning_tags=["demo", "class:portraits"])
    seas = pictures(VALUES, name="s", learning_tags=["class:seas"])
    unrated = pictures(VALUES, name="u", learning_tags=["class:unrated"])
    better = rate("s1", second=500, better_than=[RatedPicture(record_id="s0")])
    store(workspace, [*faces, *seas, *unrated], [*stars_for(faces, likes_heun_at_five), better])
    assert AdviceDesk(workspace).rated_classes() == ("portraits", "seas")
    assert AdviceDesk(workspace).recommend(Question(pack="portraits")).ratings == 36


def test_where_nothing_is_rated_both_say_so(workspace: Workspace) -> None:
    """An error with the words of the question, from either."""
    controller, about = PipelineController(no_runner), Question(model="nowhere")
    with pytest.raises(InputError, match="of model nowhere is rated yet"):
        controller.recommend(workspace, about)
    with pytest.raises(InputError, match="of model nowhere is rated yet"):
        controller.next_row(workspace, about, images=6)


def test_nothing_of_learning_is_imported_before_the_first_question() -> None:
    """The controller and the desk bring in neither the advice nor numpy."""
    code = (
        "import sys, stablenew.controller.pipeline_controller; "
        "found = {'numpy', 'stablenew.learning.advice', 'stablenew.learning.recommend'} & {*sys.modules}; "
        "sys.exit(', '.join(found) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
