"""What a person does in the Learn tab, with keys and mouse: design, run, rate, see advice, apply; cards."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("ttkbootstrap", reason="the window needs the extra gui: pip install 'stablenew[gui]'")

from stablenew.app import App, AppOptions, open_app
from stablenew.backends.base import StageRequest
from stablenew.config import PipelineConfig
from stablenew.controller.advice_desk import AdviceDesk
from stablenew.errors import InputError
from stablenew.gui.events import BackendChoice
from stablenew.gui.main_window import TABS
from stablenew.gui.tabs.learn import LearnTab
from stablenew.gui.tabs.learn_draft import design_experiment
from stablenew.gui.tabs.learn_proof import Pair
from stablenew.gui.tabs.learn_rate import read_rows
from stablenew.learning.advice import Question
from stablenew.learning.card_store import current_card, make_card
from stablenew.learning.experiment_state import ExperimentState
from stablenew.learning.experiments import (
    list_experiments,
    new_experiment,
    read_experiment,
    records_of_experiment,
    save_experiment,
)
from stablenew.learning.learning_feedback import Rating, in_order, read_ratings
from stablenew.learning.learning_plan import make_learning_plan
from stablenew.learning.rating_fold import valid
from stablenew.learning.recommendation import Purpose, Recommendation
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.recorded_picture import picture_of
from stablenew.learning.settings_map import SettingsMap
from stablenew.pipeline.card_exports import export_card
from stablenew.pipeline.next_cells import cells_to_try
from stablenew.pipeline.presets import Preset, list_presets, read_preset, save_preset
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.workspace import Workspace
from tests.gui_v2 import made_advice
from tests.gui_v2.hand import PATIENCE_S, Gate, Hand, Held
from tests.learning.person import PROMPTS, VALUES, likes_heun_at_five, pictures, stars_for, store

if TYPE_CHECKING:
    from stablenew.gui.tabs.run import RunTab

OpenWindow = Callable[..., Hand]
Shot = Callable[..., Path]

QUICK = Script(native_size=(64, 64))


NEXT = ({"steps": 30, "cfg_scale": 4.0}, {"steps": 12, "cfg_scale": 6.0})


class MadeDesk(AdviceDesk):
    """Advice made by hand: enough of it once anything is rated."""

    def recommend(self, question: Question, *, purpose: Purpose = "quality") -> Recommendation:
        if not list(read_ratings(self.workspace.ratings)):
            return made_advice.no_advice()
        with RecordIndex.of(self.workspace) as index:
            ids = [record.run.record_id for record in index.records()][:4]  # type: ignore[union-attr]
        return made_advice.advice(proof=tuple(ids))

    def next_row(self, question: Question, *, images: int, per_second: bool = False) -> tuple[dict[str, Any], ...]:
        return NEXT

    def settings_map(self, question: Question, names: Sequence[str]) -> SettingsMap:
        return made_advice.settings_map(*names)


class AdvisedTab(LearnTab):
    """The tab with that desk."""

    def __init__(self, master: Any, window: Any) -> None:
        super().__init__(master, window, MadeDesk(window.workspace))


TOY_PACK = """a red circle on a white background

a blue square on a yellow background
"""

ADVISED = (*TABS[:-1], dataclasses.replace(TABS[-1], place=f"{__name__}:AdvisedTab"))


@pytest.fixture
def pack(workspace: Workspace) -> Path:
    """Three prompts, in the workspace's own folder of packs."""
    path = workspace.root / "packs" / "houses.txt"
    path.parent.mkdir(parents=True)
    path.write_text("a red house\n\na blue boat\n\na yellow tree\n")
    return path


def learn_tab(hand: Hand) -> LearnTab:
    """The tab in front, once the backend has answered and the packs are listed."""
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    hand.window.select("learn")
    tab: Any = hand.window.tab("learn")
    hand.wait(lambda: tab.design.packs.chosen, "the packs")
    return tab  # type: ignore[no-any-return]


def choose_pack(hand: Hand, tab: LearnTab, pack: Path) -> None:
    table = tab.design.packs.table
    left, top, width, height = table.bbox(str(pack))
    hand.click(table, left + width // 2, top + height // 2)


def design(hand: Hand, tab: LearnTab, pack: Path, steps: str = "10,20", cells: int = 4) -> None:
    """Test steps, typed, and a sampler beside the baseline's, pressed, on the pack."""
    choose_pack(hand, tab, pack)
    hand.click(tab.design.values.add_button)
    row = tab.design.values.rows[0]
    hand.type("steps", row.name_field)
    hand.type(steps, row.values_field)
    hand.click(tab.design.values.add_button)
    row = tab.design.values.rows[1]
    hand.type("sampler", row.name_field)
    for name in ("Euler a", "UniPC"):
        hand.click(hand.find(name, "TCheckbutton", row))
    hand.wait(lambda: f"{cells} cells" in tab.design.estimate.cget("text"), "the design")


def run_one(hand: Hand, tab: LearnTab, pack: Path) -> str:
    """An experiment of four cells on three prompts with two seeds, made."""
    design(hand, tab, pack)
    hand.click(tab.design.start_button)
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    hand.wait(lambda: tab.experiments.chosen and not tab.experiments.chosen.missing, "the cells' counts")
    return tab.view.experiment_id


def said(workspace: Workspace) -> list[Rating]:
    found = [line for line in read_ratings(workspace.ratings) if isinstance(line, Rating)]
    return [line for line in valid(in_order(found)) if line.undoes is None]


def dialog(hand: Hand) -> Any:
    """The small window over the main one."""
    hand.wait(lambda: [each for each in hand.root.winfo_children() if each.winfo_class() == "Toplevel"], "the dialog")
    return next(each for each in hand.root.winfo_children() if each.winfo_class() == "Toplevel")


def test_an_experiment_is_designed_and_run(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot
) -> None:
    """Choose values, see what it costs, start: every cell gets every row, recorded under the experiment's name."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    assert not tab.design.designed
    design(hand, tab, pack)
    assert "4 cells x 6 rows" in tab.design.estimate.cget("text")
    assert "24 images" in tab.design.estimate.cget("text")
    shot(hand, "design")
    hand.click(tab.design.start_button)
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    hand.wait(lambda: tab.experiments.chosen and not tab.experiments.chosen.missing, "the cells' counts")
    shot(hand, "made")
    with RecordIndex.of(workspace) as index:
        records = records_of_experiment(index, tab.view.experiment_id)
    assert len(records) == 24
    assert {record.run.source for record in records} == {"StableNewGUI"}
    assert len({(record.pipeline.steps, record.pipeline.sampler) for record in records}) == 4
    assert any("is complete" in notice.text for notice in hand.window.notices.notices)


def test_what_is_wrong_is_said_and_cannot_be_started(open_window: OpenWindow, pack: Path) -> None:
    """Steps out of range, then one value alone: in words, with the button off; right again, with it on."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    choose_pack(hand, tab, pack)
    hand.click(tab.design.values.add_button)
    row = tab.design.values.rows[0]
    hand.type("steps", row.name_field)
    for typed, words in (("0,20", "1 to 150"), ("20", "only one cell")):
        hand.type(typed, row.values_field)
        hand.wait(lambda words=words: words in tab.design.estimate.cget("text"), words)
        assert "disabled" in str(tab.design.start_button.cget("state"))
    hand.type("10..30:10", row.values_field)
    hand.wait(lambda: tab.design.designed, "the design")
    assert "3 cells" in tab.design.estimate.cget("text")
    hand.click(next(each for each in hand.all(row) if each.winfo_class() == "TButton"))
    hand.wait(lambda: "Choose a setting" in tab.design.estimate.cget("text"), "the empty design")


def test_a_preset_can_be_the_baseline(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """Else it is what stands in Run; both are found in the stored plan."""
    save_preset(workspace, "soft", Preset(settings={"txt2img.cfg_scale": 3.5}))
    hand = open_window(QUICK, tabs=ADVISED)
    hand.window.select("run")
    run: RunTab = hand.window.tab("run")  # type: ignore[assignment]
    run.take_settings({"txt2img.cfg_scale": 9.0})
    tab = learn_tab(hand)
    design(hand, tab, pack)
    hand.click(tab.design.keep_button)
    hand.wait(lambda: len(list(list_experiments(workspace))) == 1, "the stored plan")
    assert next(iter(list_experiments(workspace))).plan.baseline.txt2img.cfg_scale == 9.0
    hand.click(tab.page_buttons["design"])
    hand.wait(lambda: "preset soft" in tab.design.base_field.cget("values"), "the preset")
    before = tab.design.designed
    tab.design.base_field.set("preset soft")
    hand.wait(lambda: tab.design.designed is not before and tab.design.designed, "the other design")
    assert tab.design.designed is not None
    assert tab.design.designed.plan.baseline.txt2img.cfg_scale == 3.5


def test_a_stopped_experiment_goes_on_where_it_ended(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """Stop, close, open: Learn shows what is missing, and Go on makes just that."""
    gate = Gate(2)
    hand = open_window(Script(native_size=(64, 64), before=gate, window=1), tabs=ADVISED)
    tab = learn_tab(hand)
    design(hand, tab, pack)
    hand.click(tab.design.start_button)
    hand.wait(lambda: tab.view.progress and tab.view.progress.done >= 2, "two pictures")
    hand.wait(lambda: str(tab.experiments.stop_button.cget("state")) == "normal", "the button")
    hand.click(tab.experiments.stop_button)
    hand.wait(lambda: tab.view.stopping, "the stopping state")
    gate.open.set()
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the stop")
    made = len(tab.view.result.records)  # type: ignore[union-attr]
    assert 2 <= made < 24
    hand.wait(lambda: tab.experiments.chosen and tab.experiments.chosen.made == made, "the cells' counts")
    hand.put_away()
    again = open_window(QUICK, tabs=ADVISED)
    again.wait(lambda: again.window.capabilities, "the backend's answer")
    again.wait(lambda: any(n.key == "unfinished" for n in again.window.notices.notices), "the offer")
    again.click(again.find("Resume"))
    again.wait(lambda: again.window.tab("learn"), "the tab")
    tab = again.window.tab("learn")  # type: ignore[assignment]
    again.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    assert tab.view.result is not None
    assert tab.view.result.complete
    with RecordIndex.of(workspace) as index:
        assert len(records_of_experiment(index, tab.view.experiment_id)) == 24


def test_rows_are_rated_blind_with_keys(open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot) -> None:
    """Stars, the best, Return: one blind line a picture; U takes the row back; no setting is on the screen."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    shot(hand, "row")
    texts = {str(each.cget("text")) for each in hand.all(tab.rating) if "text" in each.keys()}  # noqa: SIM118
    assert not any(word in text for text in texts for word in ("steps", "sampler", "UniPC", "Euler"))
    for key in ("Key-4", "Key-2", "Key-b", "Key-5", "Key-1"):
        hand.key(key)
    assert tab.rating.sitting.stars == (4, 2, 5, 1)
    best = tab.rating.sitting.row.pictures[2].record_id  # type: ignore[union-attr]
    hand.key("Return")
    hand.wait(lambda: len(said(workspace)) == 4, "the answer on disk")
    lines = said(workspace)
    assert all(line.blind and line.surface == "experiment" for line in lines)
    assert sorted(line.score or 0 for line in lines) == [1, 2, 4, 5]
    (choice,) = [line for line in lines if line.better_than]
    assert choice.record_id == best
    assert len(choice.better_than) == 3
    hand.key("Key-u")
    hand.wait(lambda: said(workspace) == [], "the answer taken back")
    assert tab.rating.sitting.stars == (4, 2, 5, 1)
    hand.key("Return")
    hand.key("Key-s")
    assert tab.rating.sitting.place == 2
    hand.key("Key-z")
    assert tab.rating.large
    shot(hand, "large")
    hand.key("Escape")
    assert tab.page == "experiments"
    hand.wait(lambda: tab.experiments.chosen and tab.experiments.chosen.rated == 4, "the cells' stars")


def test_the_mouse_can_rate_too(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """Stars below a picture, its Best, and Next row do what their keys do."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    tile = tab.rating._tiles[1]
    hand.click(tile.stars[2])
    hand.click(tile.best)
    assert tab.rating.sitting.stars[1] == 3
    assert tab.rating.sitting.best == 1
    hand.click(hand.find("Next row  ⏎"))
    hand.wait(lambda: len(said(workspace)) == 1, "the answer on disk")
    assert len(said(workspace)[0].better_than) == 3


def test_advice_is_seen_and_applied_with_its_difference(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot
) -> None:
    """Rate, see the advice with proof, press Apply: Run shows what would change, and changes it once that is agreed."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.advice, "the advice")
    hand.find("Not enough evidence yet")
    assert "disabled" in str(tab.advice.apply_button.cget("state"))
    shot(hand, "not-enough")
    hand.click(tab.page_buttons["experiments"])
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    while tab.rating.sitting.row:
        for stars in "4352"[: len(tab.rating.sitting.stars)]:
            hand.key(f"Key-{stars}")
        hand.key("Return")
    hand.wait(lambda: said(workspace), "the answers on disk")
    hand.click(tab.rating.advice_button)
    hand.wait(lambda: tab.advice.advice and tab.advice.advice.enough, "the advice")
    hand.wait(lambda: tab.advice.strip and len(tab.advice.strip.labels) == 4, "the proof pictures")
    shot(hand, "advice")
    hand.click(tab.advice.apply_button)
    window = dialog(hand)
    hand.find("3 settings would change")
    run: RunTab = hand.window.tab("run")  # type: ignore[assignment]
    assert run.settings().txt2img.steps == 20
    hand.click(hand.find("Take over", under=window))
    now = run.settings().txt2img
    assert (now.steps, now.cfg_scale, now.sampler) == (30, 5.0, "UniPC")


def choose(hand: Hand, field: Any, value: str) -> None:
    """Choose a value of a list, as its arrow and Return do."""
    field.focus_force()
    field.set(value)
    field.event_generate("<<ComboboxSelected>>")
    hand.settle()


def words_of(canvas: Any) -> set[str]:
    return {str(canvas.itemcget(each, "text")) for each in canvas.find_all() if canvas.type(each) == "text"}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_two_settings_are_seen_together(
    open_window: OpenWindow, workspace: Workspace, shot: Shot, size: tuple[int, int], theme: Any
) -> None:
    """Those that explain most at first; others by choice, and they stay chosen; the other's name changes sides."""
    records = pictures({"sampler": ["Euler a", "DPM++ 2M", "UniPC"], "cfg_scale": [2.0, 5.0, 7.0], "steps": [20, 30]})
    store(workspace, records, stars_for(records, lambda settings: 5 - abs(settings["cfg_scale"] - 5)))
    hand = open_window(QUICK, tabs=ADVISED, size=size)
    hand.window.use_theme(theme)
    hand.window.select("learn")
    tab: Any = hand.window.tab("learn")
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.map and tab.advice.map.table.table.rows, "the map")
    panel = tab.advice.map
    assert (panel.table.table.rows, panel.table.table.columns) == ((3.0, 5.0, 7.0), (10, 20, 30))
    assert {"+0.9", "not tested", "no match"} <= {word.split(" ±")[0] for word in words_of(panel.table)}
    panel.fields[0].focus_force()
    hand.settle()
    shot(hand)
    choose(hand, panel.fields[0], "sampler")
    hand.wait(lambda: panel.table.table.rows == ("UniPC", "Euler"), "the other map")
    choose(hand, panel.fields[1], "sampler")
    hand.wait(lambda: panel.table.table.columns == ("UniPC", "Euler"), "the sides changed")
    assert panel.pair == ("steps", "sampler")
    tab.advice.changed()
    hand.wait(lambda: tab.advice.map and tab.advice.map is not panel and tab.advice.map.table.table.rows, "it again")
    assert tab.advice.map.pair == ("steps", "sampler")


def test_advice_can_be_about_a_class_of_prompts(open_window: OpenWindow, workspace: Workspace, shot: Shot) -> None:
    """The classes that rated pictures are tagged with stand below the packs; the advice is the class's own."""
    tagged = pictures(VALUES, PROMPTS, name="p", learning_tags=["class:portraits"], pack_name="faces")
    others = pictures(VALUES, PROMPTS[:2], name="o", pack_name="houses")
    store(workspace, [*tagged, *others], stars_for([*tagged, *others], likes_heun_at_five))
    hand = open_window(QUICK)
    hand.window.select("learn")
    tab: Any = hand.window.tab("learn")
    hand.click(tab.page_buttons["advice"])
    offered = ("any prompts", "faces", "houses", "class:portraits")
    field = tab.advice.bar.fields[1]
    hand.wait(lambda: tuple(field.cget("values")) == offered, "the classes")
    hand.wait(lambda: tab.advice.advice, "the advice of everything")
    assert sum(value.images for value in tab.advice.advice.effects[0].values) == 48
    choose(hand, field, "class:portraits")
    hand.wait(lambda: tab.advice.advice and tab.advice.advice.context == "portraits", "the advice for the class")
    assert sum(value.images for value in tab.advice.advice.effects[0].values) == 36
    hand.wait(lambda: tab.advice.map and tab.advice.map.table.table.rows, "the two settings together")
    shot(hand)


def test_what_to_try_next_becomes_a_design(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot
) -> None:
    """The cells that would change the advice most are tried as they stand; or one's own settings again."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    choose_pack(hand, tab, pack)
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.advice, "the advice")
    hand.click(tab.advice.next_button)
    hand.wait(lambda: tab.page == "design" and tab.design.designed, "the design")
    shot(hand)
    assert "2 cells" in tab.design.estimate.cget("text")
    hand.click(tab.design.start_button)
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    (experiment,) = list_experiments(workspace)
    assert [dict(cell) for cell in experiment.plan.cells] == list(NEXT)
    hand.click(tab.page_buttons["design"])
    hand.click(hand.find("Test settings of my own"))
    assert tab.design.values.winfo_ismapped()


def test_a_card_is_made_applied_saved_exported_and_withdrawn(
    open_window: OpenWindow, workspace: Workspace, pack: Path, tmp_path: Path, shot: Shot
) -> None:
    """From advice to a card; its preset goes back to the old settings with the card."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    hand.key("Key-4")
    hand.key("Return")
    hand.wait(lambda: said(workspace), "the answer on disk")
    hand.key("Escape")
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.advice and tab.advice.advice.enough, "the advice")
    hand.click(tab.advice.card_button)
    hand.wait(lambda: tab.page == "cards" and tab.cards.chosen, "the card")
    hand.find("any")
    shot(hand, "card")
    hand.click(tab.cards.preset_button)
    window = dialog(hand)
    entry = next(each for each in hand.all(window) if each.winfo_class() == "TEntry")
    hand.type("mine", entry)
    hand.key("Return", entry)
    hand.wait(lambda: list_presets(workspace) == ["mine"], "the preset")
    assert read_preset(workspace, "mine").settings["txt2img.steps"] == 30
    tab.cards.write(export_card(workspace, "any", "a1111-defaults"), tmp_path / "any.json")
    hand.wait(lambda: (tmp_path / "any.json").exists(), "the export")
    hand.click(tab.cards.withdraw_button)
    window = dialog(hand)
    entry = next(each for each in hand.all(window) if each.winfo_class() == "TEntry")
    hand.type("too slow", entry)
    hand.key("Return", entry)
    hand.wait(lambda: current_card(workspace, "any").state == "withdrawn", "the withdrawal")
    hand.wait(lambda: tab.cards.chosen and tab.cards.chosen.card.state == "withdrawn", "the card's new state")
    assert read_preset(workspace, "mine").settings["txt2img.steps"] == 20
    assert "disabled" in str(tab.cards.preset_button.cget("state"))


def test_a_card_is_proved_in_blind_pairs(open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot) -> None:
    """Pairs are made, judged by key, by mouse, and taken back; what was found stands in the card, stopped early too."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    made = make_card(workspace, adviser=lambda *_, **__: made_advice.advice())
    assert made.card is not None
    hand.click(tab.page_buttons["cards"])
    hand.wait(lambda: tab.cards.chosen, "the card")
    hand.click(tab.cards.prove_button)
    hand.wait(lambda: any(notice.key == "proof" for notice in hand.window.notices.notices), "the question")
    hand.click(hand.find("Make them"))
    hand.wait(lambda: hand.shows("Judge them"), "the pairs")
    hand.click(hand.find("Judge them"))
    hand.wait(lambda: not tab.proving.pair.over, "the first pair")
    shot(hand)
    first = tab.proving.pair
    hand.key("Right")
    hand.wait(lambda: tab.proving.pair.answered == 1, "the second pair")
    hand.key("Key-u")
    hand.wait(lambda: tab.proving.pair == first, "the first pair again")
    hand.click(tab.proving.tiles[0].canvas)
    hand.wait(lambda: tab.proving.pair.answered == 1, "the second pair")
    hand.key("Key-t")
    hand.wait(lambda: tab.proving.pair.answered == 2, "the third pair")
    hand.key("Escape")
    hand.wait(lambda: tab.page == "cards" and current_card(workspace, "any").measured, "the outcome")
    measured = current_card(workspace, "any").measured
    assert measured is not None
    assert measured.rate.pairs == 2


def liked(workspace: Workspace, tab: LearnTab) -> list[int]:
    """Stars for the row before the person, who likes many steps and UniPC."""
    row = tab.rating.sitting.row
    assert row is not None
    with RecordIndex.of(workspace) as index:
        made = [index.get(picture.record_id).pipeline for picture in row.pictures]
    return [1 + (each.steps or 0) // 10 + (each.sampler == "UniPC") for each in made]


def test_the_learning_part_advises_what_the_person_likes(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot
) -> None:
    """The whole circle with nothing made up: an experiment, its rows rated, the engine's advice, Run changed by it."""
    hand = open_window(QUICK)
    tab = learn_tab(hand)
    design(hand, tab, pack, steps="10,20,30", cells=6)
    hand.click(tab.design.start_button)
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    hand.wait(lambda: tab.experiments.chosen and not tab.experiments.chosen.missing, "the cells' counts")
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    while tab.rating.sitting.row:
        stars = liked(workspace, tab)
        for each in stars:
            hand.key(f"Key-{each}")
        hand.click(tab.rating._tiles[stars.index(max(stars))].best)
        hand.key("Return")
    hand.wait(lambda: len(said(workspace)) == 36, "the answers on disk")
    shot(hand, "rated")
    hand.click(tab.rating.advice_button)
    hand.wait(lambda: tab.advice.advice, "the advice")
    found = tab.advice.advice
    assert found is not None
    assert found.enough
    assert (found.settings["steps"], found.settings["sampler"]) == (30, "UniPC")
    hand.wait(lambda: tab.advice.strip and tab.advice.strip.labels, "the proof pictures")
    hand.wait(lambda: tab.advice.map and tab.advice.map.table.table.rows, "the two settings together")
    assert tab.advice.map is not None
    assert (tab.advice.map.table.table.rows, tab.advice.map.table.table.columns) == (("Euler a", "UniPC"), (10, 20, 30))
    shot(hand, "advice")
    hand.click(tab.advice.apply_button)
    hand.click(hand.find("Take over", under=dialog(hand)))
    run: RunTab = hand.window.tab("run")  # type: ignore[assignment]
    assert (run.settings().txt2img.steps, run.settings().txt2img.sampler) == (30, "UniPC")
    hand.window.select("learn")
    hand.click(tab.advice.next_button)
    hand.wait(lambda: tab.page == "design", "what to try next")
    hand.wait(lambda: tab.design.designed and tab.design.designed.plan.design == "listed", "the design")
    shot(hand, "next")
    hand.click(tab.page_buttons["advice"])
    tab.advice.bar.fields[2].set("every rated picture")
    tab.advice.bar.fields[2].event_generate("<<ComboboxSelected>>")
    hand.wait(lambda: tab.advice.advice is not found and tab.advice.advice, "the advice of everything")
    hand.click(tab.advice.card_button)
    hand.wait(lambda: tab.page == "cards" and tab.cards.chosen, "the card")
    shot(hand, "card")
    assert current_card(workspace, "any").settings["steps"] == 30


def test_an_experiment_on_the_embedded_model(open_window: OpenWindow, workspace: Workspace, shot: Shot) -> None:
    """Designed, run and rated on the model in the box: real pictures, without a server or a download."""
    pytest.importorskip("torch")
    path = workspace.root / "packs" / "toys.txt"
    path.parent.mkdir(parents=True)
    path.write_text(TOY_PACK)
    hand = open_window(tabs=ADVISED, open_app=open_app, backend=BackendChoice(name="local"))
    tab = learn_tab(hand)
    choose_pack(hand, tab, path)
    hand.click(tab.design.values.add_button)
    row = tab.design.values.rows[0]
    hand.type("steps", row.name_field)
    hand.type("4,12", row.values_field)
    hand.click(tab.design.baseline_box)
    hand.wait(lambda: "2 cells x 4 rows" in tab.design.estimate.cget("text"), "the design")
    hand.click(tab.design.start_button)
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    assert tab.view.result is not None
    assert tab.view.result.complete
    hand.wait(lambda: tab.experiments.chosen and tab.experiments.chosen.made == 8, "the cells' counts")
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    hand.wait(lambda: all(tile._photo for tile in tab.rating._tiles), "the pictures")
    shot(hand)
    while tab.rating.sitting.row:
        hand.key("Key-4")
        hand.key("Key-2")
        hand.key("Return")
    hand.wait(lambda: len(said(workspace)) == 8, "the answers on disk")


def test_the_design_survives_a_restart(open_window: OpenWindow, pack: Path) -> None:
    """Settings under test, packs and limits stand there again."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    design(hand, tab, pack)
    hand.put_away()
    again = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(again)
    assert tab.design.values.values == {"steps": "10,20", "sampler": "Euler a,UniPC"}
    assert tab.design.packs.chosen == (pack,)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_every_page_is_drawn_in_both_themes_and_sizes(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot, size: tuple[int, int], theme: Any
) -> None:
    """The pages are kept as pictures; nothing is a mistake while the theme changes under them."""
    hand = open_window(QUICK, tabs=ADVISED, size=size)
    tab = learn_tab(hand)
    hand.window.use_theme(theme)
    for page, button in tab.page_buttons.items():
        hand.click(button)
        assert tab.page == page
        hand.wait(lambda: page != "advice" or tab.advice.advice, "the advice")  # noqa: B023
        shot(hand, page)
    hand.window.use_theme("light" if theme == "dark" else "dark")
    hand.settle()


def test_an_experiment_is_run_on_its_own_backend(open_window: OpenWindow, pack: Path) -> None:
    """Another one is open when Start is pressed: the experiment waits for its own, also while that is being opened."""
    opened: list[str] = []

    @contextmanager
    def open_any(options: AppOptions) -> Iterator[App]:
        opened.append(options.backend)
        with open_app(options, backend=FakeBackend(script=QUICK, name=options.backend)) as app:
            yield app

    hand = open_window(tabs=ADVISED, open_app=open_any)
    tab = learn_tab(hand)
    design(hand, tab, pack)
    hand.click(tab.design.keep_button)
    hand.wait(lambda: tab.experiments.chosen, "the experiment")
    hand.window.choose_backend(BackendChoice(name="other"))
    hand.wait(lambda: hand.window.backend.choice.name == "other" and hand.window.capabilities, "the other backend")  # type: ignore[union-attr]
    hand.click(tab.experiments.run_button)
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    assert opened == ["fake", "other", "fake"]


def test_a_tab_made_during_an_experiment_knows_of_it(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """That something runs, what, and how far it is; nothing else can be started meanwhile."""
    may_paint = threading.Event()

    def when_told(request: StageRequest) -> None:
        assert may_paint.wait(PATIENCE_S)

    plan = make_learning_plan(baseline=PipelineConfig(), prompts=["a red house"], settings={"steps": [10, 20]})
    experiment = new_experiment(plan, backend="fake")
    save_experiment(workspace, experiment)
    hand = open_window(Script(native_size=(64, 64), before=when_told), tabs=ADVISED)
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    controller = hand.window.controller
    assert controller is not None
    controller.start_experiment(workspace, experiment.experiment_id)
    hand.wait(lambda: hand.window._so_far, "the experiment")
    hand.window.select("learn")
    tab: Any = hand.window.tab("learn")
    try:
        assert tab.view.busy
        assert tab.view.working
        assert tab.view.experiment_id == experiment.experiment_id
    finally:
        may_paint.set()
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    assert tab.view.result.complete


def test_what_was_edited_a_moment_ago_is_what_is_started(
    open_window: OpenWindow, workspace: Workspace, pack: Path
) -> None:
    """Start right after an edit starts nothing older; a double click starts one experiment."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    design(hand, tab, pack)
    tab.design._seeds.set("1")
    tab.design.start_button.invoke()
    hand.wait(lambda: tab.design.designed, "the new design")
    assert not list(list_experiments(workspace))
    hand.click(tab.design.start_button, double=True)
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")
    hand.wait_jobs()
    (experiment,) = list_experiments(workspace)
    assert experiment.plan.seeds == 1


@pytest.mark.parametrize("answer", ["Start it", "Keep for later"])
def test_a_large_design_is_asked_about_until_it_is_another(
    open_window: OpenWindow, workspace: Workspace, pack: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """The question goes when the design is edited, and when it is stored: it is about what stands there, once."""
    monkeypatch.setattr("stablenew.gui.tabs.learn_orders.is_large", lambda _: True)
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    design(hand, tab, pack)
    hand.click(tab.design.start_button)
    hand.find("Start it")
    tab.design._seeds.set("1")
    hand.wait(lambda: tab.design.designed, "the new design")
    assert not hand.shows("Start it")
    hand.click(tab.design.start_button)
    hand.wait(lambda: tab.design.designed, "the same design")
    hand.find("Start it")
    hand.click(hand.find(answer))
    hand.wait(lambda: tab.page == "experiments", "the experiment")
    assert not hand.shows("Start it")
    hand.wait(lambda: answer != "Start it" or (tab.view.result and not tab.view.busy), "the end of the experiment")
    assert [each.plan.seeds for each in list_experiments(workspace)] == [1]


def test_a_note_typed_last_is_kept_with_the_experiment(
    open_window: OpenWindow, workspace: Workspace, pack: Path
) -> None:
    """The design that is stored says what was written until it was."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    design(hand, tab, pack)
    tab.design._note.set("does it need so many steps?")
    hand.wait(lambda: tab.design.designed, "the design with the note")
    hand.click(tab.design.keep_button)
    hand.wait(lambda: list(list_experiments(workspace)), "the experiment")
    assert [each.plan.note for each in list_experiments(workspace)] == ["does it need so many steps?"]


def test_a_design_that_comes_late_does_not_hide_a_mistake(
    open_window: OpenWindow, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was right before it cannot be started while something wrong stands there."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    design(hand, tab, pack)
    held = Held(design_experiment)
    monkeypatch.setattr("stablenew.gui.tabs.learn_design.design_experiment", held)
    tab.design._seeds.set("3")
    hand.wait(held.begun.is_set, "the design")
    hand.type("0,20", tab.design.values.rows[0].values_field)
    hand.wait(lambda: "1 to 150" in tab.design.estimate.cget("text"), "the mistake")
    held.free.set()
    hand.wait_jobs()
    assert "1 to 150" in tab.design.estimate.cget("text")
    assert "disabled" in str(tab.design.start_button.cget("state"))


def test_keys_pressed_while_rows_are_read_do_nothing(
    open_window: OpenWindow, workspace: Workspace, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures of the sitting before are gone; who leaves meanwhile keeps the keyboard where they are."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    hand.key("Escape", tab.rating.table)
    held = Held(read_rows)
    monkeypatch.setattr("stablenew.gui.tabs.learn_rate.read_rows", held)
    hand.click(tab.experiments.rate_button)
    hand.wait(held.begun.is_set, "the reading")
    for key in ("Key-4", "Key-b", "Right", "Return", "Key-u"):
        hand.key(key, tab.rating.table)
    hand.key("Escape", tab.rating.table)
    field = tab.experiments.table
    field.focus_force()
    held.free.set()
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    assert str(hand.root.tk.call("focus")) == str(field)


class Slow:
    """A comparison of one pair whose answers take as long as they are held."""

    answers: Held

    def __init__(self, workspace: Workspace, proof: Any, who: str | None) -> None:
        if proof is None:
            raise InputError("there is no pair")

    def pair(self) -> Pair:
        return Pair(left=Path("left.png"), right=Path("right.png"), pairs=9)

    def answer(self, *_: object) -> Pair:
        return self.answers()  # type: ignore[no-any-return]

    def conclude(self) -> Any:
        raise InputError("it cannot be kept")


def test_escape_ends_a_comparison_at_any_moment(open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no pair can be opened, while an answer is on its way to the disk, and where what was found is not kept."""
    monkeypatch.setattr("stablenew.gui.tabs.learn_prove.Judging", Slow)
    Slow.answers = Held(lambda: Pair(left=Path("next.png"), right=Path("right.png"), pairs=9))
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    nothing: Any = None
    for proof in (nothing, object()):
        tab.show("prove")
        tab.proving.begin(proof)
        hand.wait_jobs()
        if proof is not None:
            hand.key("Left", tab.proving.table)
            hand.wait(Slow.answers.begun.is_set, "the answer")
        hand.key("Escape", tab.proving.table)
        Slow.answers.free.set()
        hand.wait(lambda: tab.page == "cards", "the cards")
    assert ["no pair" in each or "cannot be kept" in each for each in hand.mistakes] == [True, True]
    hand.mistakes.clear()


class Noted:
    """A comparison of nine pairs that notes what is done with it; its proof is its name."""

    done: list[str]
    answers: Held

    def __init__(self, workspace: Workspace, proof: Any, who: str | None) -> None:
        self.proof = proof
        self.done.append(f"{proof} opened")

    def pair(self) -> Pair:
        return Pair(left=Path(f"{self.proof}.png"), right=Path("right.png"), pairs=9)

    def answer(self, *_: object) -> Pair:
        pair: Pair = self.answers(self.pair)
        self.done.append(f"{self.proof} answered")
        return pair

    def close(self) -> None:
        self.done.append(f"{self.proof} closed")

    def conclude(self) -> Any:
        self.done.append(f"{self.proof} concluded")
        if self.proof == "lost":
            raise InputError("it cannot be kept")
        return SimpleNamespace(card=SimpleNamespace(name=self.proof), said=("noted",), presets=())


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done with comparisons."""
    done: list[str] = []
    monkeypatch.setattr(Noted, "done", done, raising=False)
    monkeypatch.setattr(Noted, "answers", Held(lambda pair: pair()), raising=False)
    monkeypatch.setattr("stablenew.gui.tabs.learn_prove.Judging", Noted)
    return done


@pytest.mark.parametrize("first", ["first", "lost"])
@pytest.mark.parametrize("answering", [False, True])
def test_a_comparison_is_concluded_before_the_next_one(
    open_window: OpenWindow, noted: list[str], first: Any, answering: bool
) -> None:
    """Another one's "Judge them" is pressed: what was found is kept, after the answer on its way, or that is said."""
    second: Any = "second"
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    tab._judge(first)
    hand.wait(lambda: not tab.proving.pair.over, "the first pair")
    if answering:
        hand.key("Left", tab.proving.table)
        hand.wait(Noted.answers.begun.is_set, "the answer")
    tab._judge(second)
    Noted.answers.free.set()
    hand.wait(lambda: tab.proving.pair.left == Path("second.png"), "the other's first pair")
    answered = [f"{first} answered"] if answering else []
    assert noted == [f"{first} opened", *answered, f"{first} concluded", "second opened"]
    assert tab.page == "prove"
    assert hand.shows("Card first: noted") == (first == "first")
    assert len(hand.mistakes) == (first == "lost")
    hand.mistakes.clear()
    hand.key("Escape", tab.proving.table)
    hand.wait(lambda: tab.page == "cards", "the cards")
    assert noted[-1] == "second concluded"


def test_a_comparison_left_while_it_opens_is_closed_and_no_more(
    open_window: OpenWindow, noted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is concluded or said, and the keyboard stays where it is."""
    held = Held(Noted)
    monkeypatch.setattr("stablenew.gui.tabs.learn_prove.Judging", held)
    left: Any = "left"
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    tab._judge(left)
    hand.wait(held.begun.is_set, "the opening")
    hand.key("Escape", tab.proving.table)
    assert tab.page == "cards"
    field = tab.page_buttons["cards"]
    field.focus_force()
    held.free.set()
    hand.wait(lambda: len(noted) == 2, "the end of the comparison")
    hand.wait_jobs()
    assert noted == ["left opened", "left closed"]
    assert not hand.window.notices.notices
    assert str(hand.root.tk.call("focus")) == str(field)


def test_what_comes_late_takes_nobody_away_from_where_they_are(
    open_window: OpenWindow, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to try next is found while somebody looks at something else: it is offered."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    choose_pack(hand, tab, pack)
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.advice, "the advice")
    held = Held(cells_to_try)
    monkeypatch.setattr("stablenew.gui.tabs.learn_advice.cells_to_try", held)
    hand.click(tab.advice.next_button)
    hand.wait(held.begun.is_set, "the search")
    hand.click(tab.page_buttons["experiments"])
    held.free.set()
    hand.wait(lambda: hand.shows("Design it"), "the offer")
    assert tab.page == "experiments"
    hand.click(hand.find("Design it"))
    hand.wait(lambda: tab.page == "design" and tab.design.designed, "the design")
    assert "2 cells" in tab.design.estimate.cget("text")


def test_stars_are_counted_also_where_the_disk_is_slow(
    open_window: OpenWindow, workspace: Workspace, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read from disk is read when they are there, and not when they were given."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    hand.wait(lambda: tab.experiments._due is None, "the last counting of the run")
    monkeypatch.setattr("stablenew.gui.tabs.learn_experiments.READ_AFTER_MS", 0)
    held = Held(hand.window._desk._writer.append, before=True)
    monkeypatch.setattr(hand.window._desk._writer, "append", held)
    with RecordIndex.of(workspace) as index:
        record = next(iter(index.records()))
    hand.window.ratings.say(picture_of(record), "review", score=4)  # type: ignore[arg-type]
    hand.wait(held.begun.is_set, "the disk")
    hand.settle()
    hand.wait_library()
    held.free.set()
    hand.wait(lambda: tab.experiments.chosen and tab.experiments.chosen.rated == 1, "the stars")


def test_nothing_is_done_with_advice_about_something_else(
    open_window: OpenWindow, workspace: Workspace, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another question was chosen and its answer takes a while: what is still shown cannot be applied for it."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    with RecordIndex.of(workspace) as index:
        record = next(iter(index.records()))
    hand.window.ratings.say(picture_of(record), "review", score=4)  # type: ignore[arg-type]
    hand.wait(lambda: said(workspace), "the stars on disk")
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.advice and tab.advice.advice.enough, "the advice")
    held = Held(tab.advice._desk.recommend)
    monkeypatch.setattr(tab.advice._desk, "recommend", held)
    tab.advice.bar.fields[3].set("good pictures sooner")
    tab.advice.bar.fields[3].event_generate("<<ComboboxSelected>>")
    hand.settle()
    states = [str(each.cget("state")) for each in (tab.advice.apply_button, tab.advice.card_button)]
    hand.wait(held.begun.is_set, "the question")
    held.free.set()
    hand.wait(lambda: str(tab.advice.apply_button.cget("state")) == "normal", "the answer")
    assert states == ["disabled", "disabled"]


def test_a_count_that_comes_during_a_reading_is_not_lost_to_it(
    open_window: OpenWindow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an experiment stood when the list was read is older than what was counted since."""
    plan = make_learning_plan(baseline=PipelineConfig(), prompts=["a red house"], settings={"steps": [10, 20]})
    save_experiment(workspace, new_experiment(plan, backend="fake"))
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    page = tab.experiments
    hand.click(tab.page_buttons["experiments"])
    hand.wait(lambda: page.chosen, "the experiment")
    older = page.chosen
    assert older is not None
    newer = dataclasses.replace(older, rows=older.rows + 1)

    def between(index: RecordIndex, workspace: Workspace) -> Iterator[ExperimentState]:
        yield older
        hand.window.bridge.call(lambda: page._counted(newer))

    monkeypatch.setattr("stablenew.gui.tabs.learn_experiments.read_states", between)
    page.read()
    hand.wait(lambda: page.states is page._coming, "the list")
    assert page.chosen is newer


def test_going_on_pressed_twice_starts_once(
    open_window: OpenWindow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second press comes while the experiment is still being read for the first."""
    plan = make_learning_plan(baseline=PipelineConfig(), prompts=["a red house"], settings={"steps": [10, 20]})
    save_experiment(workspace, new_experiment(plan, backend="fake"))
    gate = Gate(0)
    hand = open_window(Script(native_size=(64, 64), before=gate), tabs=ADVISED)
    tab = learn_tab(hand)
    hand.click(tab.page_buttons["experiments"])
    hand.wait(lambda: tab.experiments.chosen, "the experiment")
    held = Held(read_experiment)
    monkeypatch.setattr("stablenew.gui.tabs.learn_orders.read_experiment", held)
    hand.click(tab.experiments.run_button)
    hand.wait(held.begun.is_set, "the reading")
    hand.click(tab.experiments.run_button)
    hand.wait(lambda: tab.view.busy or tab.view.result, "the experiment")
    held.free.set()
    hand.wait_jobs()  # reading
    hand.wait_jobs()  # and starting
    gate.open.set()
    hand.wait(lambda: tab.view.result and not tab.view.busy, "the end of the experiment")


def test_a_row_rated_a_moment_ago_is_not_asked_again(
    open_window: OpenWindow, workspace: Workspace, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sitting is left and begun again before the stars are on disk."""
    hand = open_window(QUICK, tabs=ADVISED)
    tab = learn_tab(hand)
    run_one(hand, tab, pack)
    held = Held(hand.window._desk._writer.append, before=True)
    monkeypatch.setattr(hand.window._desk._writer, "append", held)
    hand.click(tab.experiments.rate_button)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    rows = len(tab.rating.sitting.rows)
    for key in ("Key-4", "Key-2", "Key-5", "Key-1", "Return", "Escape"):
        hand.key(key, tab.rating.table)
    hand.wait(held.begun.is_set, "the disk")
    tab.rate(tab.view.experiment_id)
    hand.wait(lambda: tab.rating.sitting.row, "the rows")
    held.free.set()
    assert len(tab.rating.sitting.rows) == rows - 1
