"""What the Learn tab knows, without a display: drafts, the experiment under way, a sitting, charts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("ttkbootstrap", reason="the window needs the extra gui: pip install 'stablenew[gui]'")

from stablenew.backends.base import Capabilities
from stablenew.config import PipelineConfig, replace_settings
from stablenew.controller.events import (
    ExperimentAdvanced,
    ExperimentFinished,
    RunStarted,
    StateChanged,
)
from stablenew.errors import InputError, InvalidPlan
from stablenew.gui.tabs.learn_advice import expected_bars, headline, sentences
from stablenew.gui.tabs.learn_charts import Bar, bars_of, scale_of
from stablenew.gui.tabs.learn_context import prompts_on_offer
from stablenew.gui.tabs.learn_curve import is_curve, named, places
from stablenew.gui.tabs.learn_draft import (
    Draft,
    design_experiment,
    names_to_test,
    problem_of,
    quoted,
    unquoted,
    values_on_offer,
)
from stablenew.gui.tabs.learn_fold import ExperimentView
from stablenew.gui.tabs.learn_map import cut
from stablenew.gui.tabs.learn_pairs import PairCell, cell_lines, first_pair, mappable, pair_after, pair_table
from stablenew.gui.tabs.learn_sitting import (
    Sitting,
    answered,
    back,
    begun,
    moved,
    passed_over,
    progress_text,
    starred,
    summary_text,
    with_best,
)
from stablenew.gui.tabs.learn_words import shared_settings
from stablenew.learning.learning_runner import LearningProgress, LearningResult
from stablenew.learning.matched_effects import MapCell
from stablenew.learning.rating_rows import RatingRow, RowPicture
from stablenew.learning.settings_map import SettingsMap
from stablenew.pipeline.next_cells import cells_to_try
from stablenew.workspace import Workspace
from tests.gui_v2.made_advice import advice, effect, estimate, no_advice

CAN = Capabilities(
    stages=frozenset({"txt2img", "img2img", "upscale"}), samplers=("Euler a", "Euler", "UniPC"), native_size=(512, 512)
)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "houses.txt"
    path.write_text("a red house\n\na {blue|green} boat\n")
    return path


def draft(pack: Path, **changes: object) -> Draft:
    asked = {"values": {"steps": "10,20"}, "packs": (pack,), "seeds": 2, "with_baseline": False}
    return Draft(**{**asked, **changes})  # type: ignore[arg-type]


def test_a_draft_becomes_a_plan_with_its_cost(workspace: Workspace, pack: Path) -> None:
    """Two values on three prompts with two seeds: twelve pictures, the same rows in both cells."""
    found = design_experiment(draft(pack), workspace, "fake", CAN)
    assert (len(found.whole.cells), len(found.whole.rows), found.estimate.images) == (2, 6, 12)
    assert found.estimate.minutes is None
    assert found.estimate.gigabytes == pytest.approx(12 * 512 * 512 * 3 / 1e9)


def test_shared_pictures_are_counted_once_a_row(workspace: Workspace, pack: Path) -> None:
    """An experiment on img2img makes one txt2img picture a row, and a cell's own for each cell."""
    current = replace_settings(PipelineConfig(), {"stages": ("txt2img", "img2img")})
    found = design_experiment(
        draft(pack, current=current, values={"img2img.denoise": "0.3,0.5,0.7"}), workspace, "fake", CAN
    )
    assert found.plan.shared_stages == ("txt2img",)
    assert found.estimate.images == 6 * 3 + 6


def test_a_draft_says_what_it_lacks(workspace: Workspace, pack: Path) -> None:
    """No setting, no pack, one cell alone, a name that the backend lacks: each in words for a person."""
    for changes, said in (
        ({"values": {}}, "Choose a setting"),
        ({"packs": ()}, "Choose a pack"),
        ({"values": {"steps": "10"}}, "only one cell"),
        ({"values": {"sampler": "Euler,Eulr"}}, "Eulr"),
    ):
        with pytest.raises(InputError, match=said):
            design_experiment(draft(pack, **changes), workspace, "fake", CAN)


def test_given_cells_take_the_place_of_values(workspace: Workspace, pack: Path) -> None:
    """A next batch is tried as it stands, and nothing else beside it."""
    cells = ({"steps": 30, "cfg_scale": 4.0}, {"steps": 12, "cfg_scale": 6.0})
    found = design_experiment(draft(pack, values={}, cells=cells, with_baseline=True), workspace, "fake", CAN)
    assert [dict(cell.settings) for cell in found.whole.cells] == [dict(cell) for cell in cells]


def test_what_advice_names_becomes_cells(workspace: Workspace) -> None:
    """What is not set is left out, loras may be none, and nothing is tried twice."""
    rows = (
        {"steps": 30, "vae": None, "scheduler": "none", "lora": "none"},
        {"steps": 30, "lora": "none"},
        {"steps": 9},
    )
    assert cells_to_try(workspace, rows) == ({"steps": 30, "lora": "none"}, {"steps": 9})


def test_a_budget_is_kept(workspace: Workspace, pack: Path) -> None:
    """At most so many pictures are planned."""
    found = design_experiment(draft(pack, budget=8), workspace, "fake", CAN)
    assert len(found.whole) <= 8


def test_values_are_checked_as_they_are_typed() -> None:
    """What is out of range, no setting, or no list is said; what is right is not."""
    assert problem_of("steps", "10..30:10") == ""
    assert problem_of("size", "512x768,768x512") == ""
    assert problem_of("lora", "none,ink:0.8") == ""
    assert problem_of("upscale.scale", "2,4") == ""
    assert "1 to 150" in problem_of("steps", "0,20")
    assert "no such setting" in problem_of("stepps", "")
    assert "no size" in problem_of("size", "large")


def test_names_and_values_on_offer_come_from_declarations_and_backend() -> None:
    """Samplers are the backend's, methods of upscaling the declared ones; seeds are no setting to test."""
    assert values_on_offer("sampler", CAN) == ("Euler a", "Euler", "UniPC")
    assert values_on_offer("sampler", None) == ()
    assert len(values_on_offer("upscale.method", None)) > 1
    assert values_on_offer("steps", CAN) == ()
    assert {"steps", "size", "lora", "img2img.denoise"} <= set(names_to_test(CAN))
    assert not {"seed", "stages", "images_per_prompt"} & set(names_to_test(CAN))


def test_values_with_commas_stay_whole() -> None:
    """What is picked is what is tested, whatever its name."""
    values = ("Euler", "model, second edition.safetensors")
    assert unquoted(quoted(values)) == values


def test_an_experiments_events_are_followed() -> None:
    """Shared pictures first, then the cells; records of an earlier start count; another run is not this experiment."""
    view = ExperimentView()

    def progress(done: int) -> ExperimentAdvanced:
        said = LearningProgress(experiment_id="e1", total=12, done=done, cells=3)
        return ExperimentAdvanced(experiment_id="e1", progress=said)

    def started(run_id: str, count: int) -> RunStarted:
        return RunStarted(run_id=run_id, folder=Path(run_id), variant_count=count, already_done=0, at_s=0.0)

    view.take(StateChanged(state="running", run_id="e1"))
    view.take(progress(4))
    view.take(started("e1-sources", 4))
    assert view.working
    assert view.text(1.0).startswith("shared pictures: 0 of 4")
    view.take(started("e1", 8))
    view.take(progress(6))
    assert view.fraction == 0.5
    assert view.text(1.0).startswith("6 of 12 pictures")
    view.take(StateChanged(state="stopping", run_id="e1"))
    assert "stopping" in view.text(1.0)
    view.take(ExperimentFinished(experiment_id="e1", result=LearningResult(experiment_id="e1", cells=())))
    view.take(StateChanged(state="idle"))
    assert not view.working
    view.take(StateChanged(state="running", run_id="r2"))
    view.take(started("r2", 5))
    assert view.busy
    assert not view.working
    assert view.experiment_id == ""


def row(prompt: str, count: int) -> RatingRow:
    pictures = tuple(RowPicture(record_id=f"{prompt}{n}", path=f"{prompt}{n}.png", sha256="") for n in range(count))
    return RatingRow(prompt=prompt, seed=1, pictures=pictures)


def test_stars_go_to_the_marked_picture_and_the_mark_goes_on() -> None:
    """To the next without stars, round the end; taken back, it stays."""
    sitting = begun([row("a", 3)])
    sitting = starred(sitting, 4)
    assert (sitting.stars, sitting.cursor) == ((4, None, None), 1)
    sitting = starred(sitting, 2, at=2)
    assert sitting.cursor == 1
    sitting = starred(sitting, 5)
    assert sitting.stars == (4, 5, 2)
    assert starred(sitting, None).stars == (4, None, 2)
    assert moved(sitting, 9).cursor == 2
    assert moved(sitting, -9).cursor == 0


def test_a_row_is_answered_passed_over_and_taken_back() -> None:
    """Back shows what was said, ready to be said otherwise; a row passed over is not come back to."""
    sitting = with_best(starred(begun([row("a", 2), row("b", 2), row("c", 2)]), 3))
    assert sitting.best == 1
    assert with_best(sitting).best is None
    sitting = answered(sitting)
    sitting = passed_over(sitting)
    assert progress_text(sitting) == "row 3 of 3"
    before = back(sitting)
    assert (before.place, before.stars, before.best, before.answered) == (0, (3, None), 1, ())
    done = answered(starred(sitting, 5))
    assert done.row is None
    assert summary_text(done) == "2 rows rated: 2 with stars, 1 choice of the best"
    assert back(Sitting()) == Sitting()


def test_a_sitting_without_rows_takes_no_answer() -> None:
    """Keys do no harm where there is nothing to rate."""
    empty = begun([])
    for act in (lambda s: starred(s, 3), with_best, passed_over, back, lambda s: moved(s, 1)):
        assert act(empty) == empty  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("low", "high"), [(1.0, 5.0), (-0.3, 0.2), (3.97, 4.03), (-4.0, 4.0), (2.0, 2.0)])
def test_a_scale_holds_every_interval_with_few_round_marks(low: float, high: float) -> None:
    """Every interval lies within the scale, and the marks are two to seven."""
    middle = (low + high) / 2
    own = estimate(middle, (high - low) / 2 / 1.96)
    scale = scale_of([Bar(label="x", estimate=own)])
    assert scale.low <= low + 1e-9
    assert scale.high >= high - 1e-9
    assert 2 <= len(scale.ticks) <= 7
    assert 0 <= scale.place(middle) <= 1


def test_the_best_tried_value_is_the_strong_one() -> None:
    """A value that was never tried is faded and never the best, whatever the model thinks of it."""
    bars = bars_of(effect("sampler", 0.5, {"UniPC": (0.1, 4), "Euler": (-0.1, 4), "DDIM": (0.9, 0)}))
    assert [bar.strong for bar in bars] == [True, False, False]
    assert [bar.faded for bar in bars] == [False, False, True]
    assert bars[2].note == "not tested"


def test_numbers_are_drawn_as_a_curve_on_their_own_scale() -> None:
    """Steps by their ratio, cfg by its difference; few values, and words, are rows."""
    steps = effect("steps", 0.5, {10: (0.0, 4), 14: (0.0, 0), 20: (0.1, 4), 28: (0.1, 0), 40: (0.2, 4)})
    assert is_curve(steps)
    assert places(steps)[2] == pytest.approx(0.5)
    cfg = dataclasses.replace(steps, name="cfg_scale")
    assert places(cfg)[2] == pytest.approx(1 / 3)
    assert not is_curve(effect("steps", 0.5, {10: (0.0, 4), 20: (0.1, 4)}))
    assert not is_curve(effect("sampler", 0.5, dict.fromkeys("ABCDEF", (0.0, 4))))


def test_tried_values_are_named_before_others() -> None:
    """What stands too near to a tried value goes without its name."""
    steps = effect("steps", 0.5, {10: (0.0, 4), 14: (0.0, 0), 20: (0.1, 4), 28: (0.1, 0), 40: (0.2, 4)})
    xs = [400 * place for place in places(steps)]
    assert named(steps, xs, 150) == [0, 2, 4]
    assert named(steps, xs, 90) == [0, 1, 2, 3, 4]


def test_the_two_settings_that_explain_most_are_mapped_first() -> None:
    """Numbers from left to right; a setting of one tried value is not offered, and with one setting there is none."""
    sampler = effect("sampler", 0.2, {"UniPC": (0.1, 4), "Euler": (0.0, 4)})
    steps = effect("steps", 0.5, {10: (0.0, 4), 20: (0.1, 4)})
    model = effect("model", 0.9, {"one": (0.0, 8), "other": (0.5, 0)})
    assert mappable([sampler, model, steps]) == ("steps", "sampler")
    assert first_pair([sampler, model, steps]) == ("sampler", "steps")
    assert first_pair([steps, effect("cfg_scale", 0.4, {1.0: (0.0, 4), 2.0: (0.0, 4)})]) == ("steps", "cfg_scale")
    assert first_pair([steps, model]) is None


def test_choosing_what_the_other_field_has_changes_sides() -> None:
    """Two settings are always two."""
    assert pair_after(("sampler", "steps"), 0, "model") == ("model", "steps")
    assert pair_after(("sampler", "steps"), 1, "model") == ("sampler", "model")
    assert pair_after(("sampler", "steps"), 0, "steps") == ("steps", "sampler")
    assert pair_after(("sampler", "steps"), 1, "sampler") == ("steps", "sampler")
    assert pair_after(("sampler", "steps"), 1, "steps") == ("sampler", "steps")


def mapped(**cells: tuple[float, float | None]) -> SettingsMap:
    """Samplers A and B at 10 and 20 steps; cells by name ("A10") as (mean, error)."""
    pairs = {name: (name[0], int(name[1:])) for name in ("A10", "A20", "B10", "B20")}
    found = {
        pairs[name]: MapCell(first=name[0], second=int(name[1:]), mean=mean, error=error, images=3)
        for name, (mean, error) in cells.items()
    }
    rated = {pairs["A10"]: 9, pairs["A20"]: 1, pairs["B20"]: 4}
    return SettingsMap(first="sampler", second="steps", firsts=("A", "B"), seconds=(10, 20), cells=found, rated=rated)


def test_a_cell_says_its_mean_and_how_many_or_what_is_missing() -> None:
    """Measured with its margin and colour; rated without a match; not tested. Smaller differences are paler."""
    table = pair_table(mapped(A10=(0.5, 0.1), B20=(-0.25, 0.2)), 9, 9)
    measured, unmatched = table.cells[0]
    untested, below = table.cells[1]
    assert (measured.said, measured.spread, measured.pictures) == ("+0.5", "±0.2", 3)
    assert (measured.tint, measured.sure) == (0.5, True)
    assert (below.tint, below.sure) == (-0.25, False)
    assert (unmatched.said, unmatched.pictures, unmatched.tint) == ("no match", 1, None)
    assert (untested.said, untested.pictures, untested.tint) == ("not tested", 0, None)
    assert table.left_out == ""


def test_a_narrow_cell_has_its_spread_below_and_words_as_far_as_they_fit() -> None:
    """Beside the mean where there is room; at the least the number of pictures."""
    cell = PairCell(said="+0.5", spread="±0.2", pictures=1200, tint=0.5)
    assert cell_lines(cell, lambda _: True, wide=True) == ("+0.5 ±0.2", "1,200 pictures")
    assert cell_lines(cell, lambda _: True, wide=False) == ("+0.5", "±0.2 · 1,200")
    assert cell_lines(cell, lambda _: False, wide=False) == ("+0.5", "1,200")
    alone = PairCell(said="+0.5", pictures=1, tint=0.5)
    assert cell_lines(alone, lambda _: True, wide=False) == ("+0.5", "1 picture")
    assert cell_lines(PairCell(said="not tested"), lambda _: True, wide=False) == ("not tested", "")


def test_the_strongest_cell_of_large_differences_has_the_full_colour() -> None:
    """And one picture alone has no margin, and is not sure."""
    cell = pair_table(mapped(A10=(2.0, None)), 9, 9).cells[0][0]
    assert (cell.tint, cell.spread, cell.sure) == (1.0, "", False)


def test_where_values_do_not_fit_those_with_the_most_pictures_are_shown() -> None:
    """In their order, and it is said."""
    table = pair_table(mapped(), 1, 1)
    assert (table.rows, table.columns) == (("A",), (10,))
    assert "1 of 2 values of sampler" in table.left_out
    assert "1 of 2 values of steps" in table.left_out


def test_a_long_name_keeps_both_its_ends() -> None:
    """As much as fits; what fits is whole."""
    assert cut("dreamshaper_8", 13, len) == "dreamshaper_8"
    assert cut("dreamshaper_8_lcm", 9, len) == "drea…_lcm"
    assert cut("dreamshaper", 0, len) == "d…"


def test_classes_are_offered_as_tagged_and_asked_for_by_name() -> None:
    """After the packs; one that is called as a pack is no choice of its own."""
    found = prompts_on_offer(["heroes", "houses"], ["heroes", "portraits"])
    assert found == {"any prompts": None, "heroes": "heroes", "houses": "houses", "class:portraits": "portraits"}


def test_what_cells_have_in_common_is_said_once() -> None:
    """Only what differs stands in a cell's own line."""
    assert shared_settings([{"steps": 1, "cfg_scale": 7}, {"steps": 2, "cfg_scale": 7}]) == {"cfg_scale": 7}
    assert shared_settings([]) == {}


def test_advice_is_said_with_its_numbers() -> None:
    """The headline has the gain with its interval; what the sentences say already is not said twice."""
    assert headline(advice()) == "Change 2 settings: +0.7 (+0.3 to +1.1) stars"
    assert headline(no_advice()) == "Not enough evidence yet"
    assert headline(advice(changes=())) == "Keep the settings you use"
    warned = advice(statements=("Change steps.", f"Note: {advice().warnings[0]}."))
    assert sentences(warned) == ["Change steps."]
    short = no_advice()
    told = dataclasses.replace(short, statements=(f"Not enough evidence: {short.reason}.", "More."))
    assert sentences(told) == ["More."]
    labels = [bar.label for bar in expected_bars(advice())]
    assert labels == ["as now", "as advised", "or sampler Euler", "cheapest: steps 10"]
    assert [bar.label for bar in expected_bars(no_advice())] == ["as now"]


def test_a_plan_that_names_what_is_wrong_is_an_invalid_plan(workspace: Workspace, pack: Path) -> None:
    """The page tells what is missing from what is wrong."""
    with pytest.raises(InvalidPlan):
        design_experiment(draft(pack, values={"sampler": "Nothing,Euler"}), workspace, "fake", CAN)
