"""What a person does in the Run tab, with keys and mouse, on the fake backend."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stablenew.gui.tabs.run_launch import plan_wish
from stablenew.gui.tabs.run_packs import look_at_pack, preview_line
from stablenew.pipeline.presets import Preset, read_action, read_preset, save_preset
from stablenew.pipeline.run_list import list_runs
from stablenew.testing.fake_backend import Script, fail_every
from stablenew.variant import Deviation
from stablenew.workspace import Workspace
from tests.gui_v2.hand import Gate, Hand, Held

if TYPE_CHECKING:
    from stablenew.gui.tabs.run import RunTab

OpenWindow = Callable[..., Hand]
Shot = Callable[..., Path]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Three prompts, one of them with three texts."""
    path = tmp_path / "houses.txt"
    path.write_text("a red house\nneg: blurry\n\na {blue|green|white} boat\n\na yellow tree\n")
    return path


def run_tab(hand: Hand) -> RunTab:
    tab: Any = hand.window.tab("run")
    return tab  # type: ignore[no-any-return]


def ready(hand: Hand, pack: Path) -> RunTab:
    """The Run tab with the backend open, the pack added and chosen with the mouse, and the plan made."""
    tab = run_tab(hand)
    tab.packs.add([pack])
    tab.packs.choose([])
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    hand.wait(lambda: tab.packs.look(pack).lines, "the pack's lines")  # type: ignore[union-attr]
    left, top, width, height = tab.packs.packs.bbox(str(pack))
    hand.click(tab.packs.packs, left + width // 2, top + height // 2)
    hand.wait(lambda: tab.planned, "the plan")
    return tab


def wait_run(hand: Hand, tab: RunTab) -> None:
    """Until a run has begun and is over."""
    hand.wait(lambda: tab.view.result or tab.view.error, "the end of the run")
    hand.wait(lambda: not tab.view.busy, "the idle state")


def records(workspace: Workspace, run_id: str) -> list[dict[str, Any]]:
    path = workspace.records / f"{run_id}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_pack_is_run_and_recorded(open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot) -> None:
    """Choose a pack, press Run: every variant is made, shown, and recorded as made by the window."""
    hand = open_window()
    tab = ready(hand, pack)
    assert "5 variants" in tab.controls.estimate.cget("text")
    hand.click(hand.find("Run Full Pipeline"))
    wait_run(hand, tab)
    assert tab.view.progress.finished == 5
    hand.wait(lambda: "5/5" in tab.progress.counts.cget("text"), "the counts")
    kept = records(workspace, tab.view.progress.run_id)
    assert [record["run"]["source"] for record in kept] == ["StableNewGUI"] * 5
    assert any("5 made" in line for line in tab.log_panel.shown)
    shot(hand)


def test_without_learning_mode_nothing_is_recorded(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """With the switch off the pictures are made and there is no record."""
    hand = open_window(learning=False)
    tab = ready(hand, pack)
    hand.key("F5")
    wait_run(hand, tab)
    assert tab.view.result is not None
    assert tab.view.result.ok == 5
    assert records(workspace, tab.view.progress.run_id) == []


def test_learning_mode_is_asked_once_and_remembered(open_window: OpenWindow, pack: Path, shot: Shot) -> None:
    """The first start asks; the answer holds for the next start, which does not ask."""
    hand = open_window(learning=None)
    assert [notice.key for notice in hand.window.notices.notices] == ["learning"]
    shot(hand)
    hand.click(hand.find("Turn on"))
    assert hand.window.state.learning is True
    assert not hand.window.notices.notices
    hand.put_away()
    again = open_window()
    assert again.window.state.learning is True
    assert not again.window.notices.notices
    again.click(again.window.status_bar.learning_switch)
    assert again.window.state.learning is False


def test_stop_ends_after_the_picture_and_again_inside_it(open_window: OpenWindow, pack: Path) -> None:
    """One press lets the picture being made be finished; the second ends inside it; what is done is kept."""
    gate = Gate(1)
    hand = open_window(Script(before=gate, window=1))
    tab = ready(hand, pack)
    hand.click(tab.controls.run)
    hand.wait(lambda: tab.view.progress.finished == 1, "the first picture")
    hand.click(tab.controls.stop)
    hand.wait(lambda: tab.view.state == "stopping", "the stopping state")
    assert tab.controls.stop.cget("text") == "Stop now"
    gate.open.set()
    wait_run(hand, tab)
    first = tab.view.result
    assert first is not None
    assert (first.status, first.cancelled) == ("stopped", 0)
    assert first.ok == 2


def test_the_second_stop_does_not_wait_for_the_picture(open_window: OpenWindow, pack: Path) -> None:
    """A picture that takes ten minutes is ended by the second press."""
    hand = open_window(Script(delay_s=600.0, window=1))
    tab = ready(hand, pack)
    hand.click(tab.controls.run)
    hand.wait(lambda: tab.view.progress.run_id, "the run")
    hand.key("Shift-F5")
    hand.wait(lambda: tab.view.state == "stopping", "the stopping state")
    hand.key("Shift-F5")
    wait_run(hand, tab)
    assert tab.view.result is not None
    assert tab.view.result.ok == 0


def test_an_unfinished_run_is_offered_at_start_and_resumed(
    open_window: OpenWindow, workspace: Workspace, pack: Path
) -> None:
    """Stop a run, close, open: the window offers to resume; every variant ends with one picture and one record."""
    gate = Gate(2)
    hand = open_window(Script(before=gate, window=1))
    tab = ready(hand, pack)
    hand.key("F5")
    hand.wait(lambda: tab.view.progress.finished == 2, "two pictures")
    hand.key("Shift-F5")
    gate.open.set()
    wait_run(hand, tab)
    run_id, stopped = tab.view.progress.run_id, tab.view.result
    assert stopped is not None
    hand.put_away()
    again = open_window()
    again.wait(lambda: again.window.notices.notices, "the offer")
    again.wait(lambda: again.window.capabilities, "the backend's answer")
    assert f"{5 - stopped.ok} of 5 variants are left" in again.window.notices.notices[0].text
    again.click(again.find("Resume"))
    resumed = run_tab(again)
    wait_run(again, resumed)
    assert resumed.view.progress.run_id == run_id
    assert resumed.view.progress.done == 5
    again.wait(lambda: set(resumed.view.cells) == {2}, "the cells of all variants")
    assert len({record["run"]["record_id"] for record in records(workspace, run_id)}) == 5
    [summary] = list_runs(workspace)
    assert (summary.ok, summary.unfinished) == (5, 0)


def test_a_declined_run_is_not_offered_again(open_window: OpenWindow, pack: Path) -> None:
    """Not now means not at the next start either."""
    gate = Gate(1)
    hand = open_window(Script(before=gate, window=1))
    tab = ready(hand, pack)
    hand.key("F5")
    hand.wait(lambda: tab.view.progress.finished == 1, "a picture")
    hand.key("Shift-F5")
    gate.open.set()
    wait_run(hand, tab)
    hand.put_away()
    again = open_window()
    again.wait(lambda: again.window.notices.notices, "the offer")
    again.click(again.find("Not now"))
    again.put_away()
    third = open_window()
    third.wait(lambda: third.window.capabilities, "the backend's answer")
    third.wait_jobs()
    assert not third.window.notices.notices


def test_closing_in_the_middle_of_a_run_loses_nothing(
    open_window: OpenWindow, workspace: Workspace, pack: Path
) -> None:
    """The window waits for the picture being made; pictures, journal and records agree, and the run can be resumed."""
    gate = Gate(1)
    hand = open_window(Script(before=gate, window=1))
    tab = ready(hand, pack)
    hand.key("F5")
    hand.wait(lambda: tab.view.progress.finished == 1, "the first picture")
    hand.window.close()
    assert "Ending the run" in hand.window.notices.notices[0].text
    gate.open.set()
    hand.wait_closed()
    [summary] = list_runs(workspace)
    made = sorted((summary.folder / "images").glob("*.png"))
    assert summary.ok == len(made) == len(records(workspace, summary.manifest.run_id))
    assert summary.ok >= 1
    assert summary.failed == 0
    assert summary.ok + summary.unfinished == 5


def test_axes_are_typed_and_estimated(open_window: OpenWindow, pack: Path, shot: Shot) -> None:
    """Two rows cross with the pack; a limit makes a balanced part of it; a mistake is said and stops the start."""
    hand = open_window()
    tab = ready(hand, pack)
    hand.click(tab.axes.add_button)
    hand.type("cfg_scale", tab.axes.rows[0].name_field)
    hand.type("3,5,7", tab.axes.rows[0].values_field)
    hand.wait(lambda: "15 variants" in tab.controls.estimate.cget("text"), "the estimate")
    hand.click(tab.axes.add_button)
    hand.type("steps", tab.axes.rows[1].name_field)
    hand.type("5,500", tab.axes.rows[1].values_field)
    hand.wait(lambda: "500" in tab.controls.estimate.cget("text"), "the mistake")
    assert str(tab.controls.run.cget("state")) == "disabled"
    shot(hand, "mistake")
    hand.type("5,10", tab.axes.rows[1].values_field)
    hand.wait(lambda: "30 variants" in tab.controls.estimate.cget("text"), "the estimate")
    tab.axes._limit.set("8")
    hand.wait(lambda: "8 variants (a balanced part of 30)" in tab.controls.estimate.cget("text"), "the part")
    hand.key("F5")
    wait_run(hand, tab)
    assert tab.view.progress.finished == 8


def test_a_large_run_asks_first(open_window: OpenWindow, pack: Path) -> None:
    """Six hundred pictures are not started by one press; a balanced hundred can be chosen instead."""
    hand = open_window()
    tab = ready(hand, pack)
    tab.axes.add("seed", "1..200")
    hand.wait(lambda: "1,000 variants" in tab.controls.estimate.cget("text"), "the estimate")
    hand.key("F5")
    hand.wait(lambda: hand.window.notices.notices, "the question")
    assert "a lot" in hand.window.notices.notices[0].text
    hand.click(hand.find("Run 100 of it, balanced"))
    wait_run(hand, tab)
    assert tab.view.progress.finished == 100


def test_stages_are_switched_with_the_mouse(open_window: OpenWindow, pack: Path) -> None:
    """Switching upscale on makes it part of the run, twice as many pictures are made."""
    hand = open_window()
    tab = ready(hand, pack)
    hand.click(tab.stages.cards["upscale", ""].switch)
    assert tab.stages.stages == ("txt2img", "upscale")
    hand.wait(lambda: "10 images" in tab.controls.estimate.cget("text"), "the estimate")
    hand.key("F5")
    wait_run(hand, tab)
    assert tab.view.folder is not None
    assert len(list((tab.view.folder / "images").glob("*.png"))) == 10


def test_a_run_pauses_before_a_stage_and_goes_on(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """Pause before upscale: the first stage runs, the window offers to go on, and the pictures go through the rest."""
    hand = open_window()
    tab = ready(hand, pack)
    hand.click(tab.stages.cards["upscale", ""].switch)
    tab.controls.pause("upscale")
    hand.key("F5")
    wait_run(hand, tab)
    hand.wait(lambda: hand.window.notices.notices, "the offer")
    assert "paused before upscale" in hand.window.notices.notices[0].text
    first = tab.view.progress.run_id
    hand.click(hand.find("Go on with all"))
    hand.wait(lambda: tab.view.progress.run_id not in ("", first), "the second run")
    wait_run(hand, tab)
    manifests = [summary.manifest for summary in list_runs(workspace)]
    assert [manifest.promoted_from for manifest in manifests] == [None, first]
    assert tab.view.progress.finished == 5


def test_settings_are_saved_as_a_preset_and_taken_over_again(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot
) -> None:
    """Type steps, save them under a name, change them; choosing the preset shows the difference before it is done."""
    hand = open_window()
    tab = ready(hand, pack)
    steps = tab.stages.forms["txt2img", ""].fields["txt2img.steps"]
    hand.type("33", steps.widget)
    hand.click(hand.find("Save as preset..."))
    hand.type("quick", hand.entry())
    hand.key("Return")
    hand.wait(lambda: "quick" in tab.presets.presets.cget("values"), "the preset")
    assert read_preset(workspace, "quick").settings == {"txt2img.steps": 33}
    hand.type("10", steps.widget)
    tab.presets.presets.set("quick")
    tab.presets.presets.event_generate("<<ComboboxSelected>>")
    hand.wait(lambda: hand.shows("1 setting would change"), "the difference")
    assert steps.widget.get() == "10"
    shot(hand)
    hand.click(hand.find("Take over"))
    assert steps.widget.get() == "33"


def test_a_preset_is_not_replaced_without_being_asked(
    open_window: OpenWindow, workspace: Workspace, pack: Path
) -> None:
    """A name that is taken leads to a question."""
    hand = open_window()
    tab = ready(hand, pack)
    tab.take_settings({"txt2img.steps": 5})
    tab.orders.save_preset("mine")
    hand.wait(lambda: any("Saved" in notice.text for notice in hand.window.notices.notices), "the first save")
    tab.take_settings({"txt2img.steps": 6})
    tab.orders.save_preset("mine")
    hand.wait(lambda: hand.shows("Replace it"), "the question")
    assert read_preset(workspace, "mine").settings == {"txt2img.steps": 5}
    hand.click(hand.find("Replace it"))
    hand.wait(lambda: read_preset(workspace, "mine").settings == {"txt2img.steps": 6}, "the second save")


def test_what_is_being_saved_is_there_when_the_window_is_gone(
    open_window: OpenWindow, workspace: Workspace, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Save, and close at once: the disk takes longer than the closing."""
    begun = threading.Event()

    def slow(*asked: Any, **how: Any) -> Path:
        begun.set()
        threading.Event().wait(0.5)
        return save_preset(*asked, **how)

    monkeypatch.setattr("stablenew.gui.tabs.run_orders.save_preset", slow)
    hand = open_window()
    tab = ready(hand, pack)
    tab.take_settings({"txt2img.steps": 5})
    tab.orders.save_preset("mine")
    hand.wait(begun.is_set, "the saving")
    hand.put_away()
    assert read_preset(workspace, "mine").settings == {"txt2img.steps": 5}


def test_a_one_click_action_is_saved_and_pressed(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """Packs, settings and axes become a button; pressing it runs them under its label."""
    hand = open_window()
    tab = ready(hand, pack)
    tab.take_settings({"txt2img.steps": 4})
    tab.axes.add("cfg_scale", "3,5")
    hand.click(hand.find("Save as one click..."))
    hand.type("Heroic house", hand.entry())
    hand.key("Return")
    hand.wait(lambda: hand.shows("Heroic house"), "the button")
    assert read_action(workspace, "Heroic house").vary == ("cfg_scale=3,5",)
    tab.axes.take(type(tab.axes.axes)())
    hand.click(hand.find("Heroic house", "TButton"))
    wait_run(hand, tab)
    kept = records(workspace, tab.view.progress.run_id)
    assert len(kept) == 10
    assert {record["prompt"]["one_click_action"] for record in kept} == {"Heroic house"}
    assert {record["pipeline"]["steps"] for record in kept} == {4}


def test_a_picture_gives_its_settings_back(open_window: OpenWindow, workspace: Workspace, pack: Path) -> None:
    """Copy a picture's path, paste: the difference is shown, and settings, seed and prompt can be run again."""
    hand = open_window()
    tab = ready(hand, pack)
    tab.take_settings({"txt2img.steps": 9, "txt2img.cfg_scale": 4.5})
    hand.key("F5")
    wait_run(hand, tab)
    assert tab.view.newest_image is not None
    picture = workspace.root / tab.view.newest_image
    tab.stages.take_changes({})
    hand.root.clipboard_clear()
    hand.root.clipboard_append(str(picture))
    hand.key("Control-Shift-V")
    hand.wait(lambda: hand.shows("Take over"), "the difference")
    hand.click(hand.find("Take over"))
    assert tab.stages.changes["txt2img.steps"] == 9
    assert tab.stages.changes["txt2img.cfg_scale"] == 4.5
    hand.wait(lambda: [path for path in tab.packs.chosen if path.parent == workspace.root / "packs"], "the pack")
    before = tab.view.progress.run_id
    hand.wait(lambda: tab.planned and tab.planned.plan.count == 1, "the plan")
    hand.key("F5")
    hand.wait(lambda: tab.view.progress.run_id != before, "the second run")
    wait_run(hand, tab)
    assert (workspace.root / str(tab.view.newest_image)).read_bytes()
    old, new = records(workspace, before)[-1], records(workspace, tab.view.progress.run_id)[0]
    assert new["prompt"]["prompt"] == old["prompt"]["prompt"]
    assert new["prompt"]["seed"] == old["prompt"]["seed"]


def test_what_goes_wrong_in_a_run_is_shown(open_window: OpenWindow, pack: Path, shot: Shot) -> None:
    """Failures and deviations are in the counts, in the strip and in the log, which can show them alone."""

    def other_steps(_: object) -> tuple[Deviation, ...]:
        return (Deviation(setting="steps", asked=20, done=10),)

    hand = open_window(Script(before=fail_every(2), deviations=other_steps))
    tab = ready(hand, pack)
    hand.key("F5")
    wait_run(hand, tab)
    hand.wait(lambda: "2 failed" in tab.progress.counts.cget("text"), "the counts")
    assert "deviations" in tab.progress.counts.cget("text")
    hand.click(tab.log_panel.problems_box)
    shown = tab.log_panel.shown
    assert any("failed" in line for line in shown)
    assert any("asked 20, done 10" in line for line in shown)
    assert not any("variants" in line and "run" in line for line in shown[:1])
    hand.type("asked", tab.log_panel.filter_field)
    assert tab.log_panel.shown
    assert all("asked" in line for line in tab.log_panel.shown)
    shot(hand)


def test_lint_and_texts_of_a_pack_are_shown(open_window: OpenWindow, tmp_path: Path, shot: Shot) -> None:
    """A pack with a mistake is marked; choosing a prompt says what is wrong with it, or what it becomes."""
    path = tmp_path / "bad.txt"
    path.write_text("a {red|blue} house\n\na portrait, [[mood]]\n")
    hand = open_window()
    tab = run_tab(hand)
    tab.packs.add([path])
    hand.wait(lambda: tab.packs.look(path).lines, "the pack")  # type: ignore[union-attr]
    assert tab.packs.packs.set(str(path), "") == "✕"
    tab.packs.lines.selection_set("line 1")
    hand.wait(lambda: "2 texts" in tab.packs.detail.get("1.0", "end"), "the texts")
    assert "a blue house" in tab.packs.detail.get("1.0", "end")
    tab.packs.lines.selection_set("line 3")
    hand.wait(lambda: "[[mood]]" in tab.packs.detail.get("1.0", "end"), "the finding")
    shot(hand)


def test_what_stands_in_the_tab_survives_a_restart(open_window: OpenWindow, pack: Path) -> None:
    """Packs, settings, axes and the theme are there again in the next window."""
    hand = open_window()
    tab = ready(hand, pack)
    tab.take_settings({"txt2img.steps": 12, "stages": ("txt2img", "upscale")})
    tab.axes.add("cfg_scale", "3,5")
    hand.put_away()
    again = run_tab(open_window())
    assert again.packs.chosen == (pack,)
    assert again.stages.changes == {"txt2img.steps": 12, "stages": ("txt2img", "upscale")}
    assert again.axes.axes.vary == ("cfg_scale=3,5",)


def test_a_plan_that_comes_late_does_not_hide_what_is_missing_by_then(
    open_window: OpenWindow, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pack is chosen any more when the estimate of the one before arrives: it is not shown."""
    hand = open_window()
    tab = ready(hand, pack)
    held = Held(plan_wish)
    monkeypatch.setattr("stablenew.gui.tabs.run.plan_wish", held)
    tab.replan()
    hand.wait(held.begun.is_set, "the planning")
    tab.packs.choose([])
    hand.wait(lambda: "Choose a pack" in tab.controls.estimate.cget("text"), "what is missing")
    held.free.set()
    hand.wait_jobs()
    assert "Choose a pack" in tab.controls.estimate.cget("text")
    assert str(tab.controls.run.cget("state")) == "disabled"


def test_texts_of_a_prompt_that_come_late_are_not_shown_for_another(
    open_window: OpenWindow, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another pack was chosen meanwhile, which has a line of the same number."""
    other = tmp_path / "ships.txt"
    other.write_text("a grey ship\n")
    hand = open_window()
    tab = ready(hand, pack)
    held = Held(preview_line)
    monkeypatch.setattr("stablenew.gui.tabs.run_packs.preview_line", held)
    tab.packs.lines.selection_set("line 1")
    hand.wait(held.begun.is_set, "the texts")
    tab.packs.add([other])
    hand.wait(lambda: tab.packs.look(other).lines and tab.packs._shown == other, "the other pack")  # type: ignore[union-attr]
    held.free.set()
    hand.wait_jobs()
    assert "red house" not in tab.packs.detail.get("1.0", "end")


def test_of_two_presets_chosen_in_a_row_the_second_is_shown(
    open_window: OpenWindow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the first takes longer: its difference does not come on top of the other's."""
    for name, steps in (("slow", 5), ("quick", 6)):
        save_preset(workspace, name, Preset(settings={"txt2img.steps": steps}))
    hand = open_window()
    tab = run_tab(hand)
    held = Held(read_preset)
    monkeypatch.setattr("stablenew.gui.tabs.run_orders.read_preset", held)
    tab.orders.propose_preset("slow")
    hand.wait(held.begun.is_set, "the first")
    tab.orders.propose_preset("quick")
    hand.wait(lambda: hand.shows("1 setting would change"), "the difference")
    held.free.set()
    hand.wait_jobs()
    dialogs = [each.title() for each in hand.root.winfo_children() if each.winfo_class() == "Toplevel"]
    assert dialogs == ["Settings of preset quick"]


def test_of_two_readings_of_a_pack_the_newer_is_shown(
    open_window: OpenWindow, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the older one takes longer."""
    hand = open_window()
    tab = ready(hand, pack)
    held = Held(look_at_pack)
    monkeypatch.setattr("stablenew.gui.tabs.run_packs.look_at_pack", held)
    tab.packs.add([pack])
    hand.wait(held.begun.is_set, "the first reading")
    pack.write_text("one prompt alone\n")
    tab.packs.add([pack])
    hand.wait(lambda: len(tab.packs.look(pack).lines) == 1, "the second reading")  # type: ignore[union-attr]
    held.free.set()
    hand.wait_jobs()
    assert len(tab.packs.look(pack).lines) == 1  # type: ignore[union-attr]
