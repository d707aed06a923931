"""The report in a real headless Chromium, and what is written around it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stablenew.errors import InputError, NotFound
from stablenew.learning.execution_context import ExecutionContext, OutputImage
from stablenew.learning.learning_feedback import RatingWriter, new_rating
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.report.html_report import render_report, write_report
from stablenew.report.thumbnails import thumbnail, thumbnails
from stablenew.variant import EffectiveSettings, Failure, StageResult
from stablenew.workspace import Workspace
from tests.report.chromium import Page, chromium_page, find_chromium

NASTY = 'a cat</script><script>window.hacked = 1</script> <img src=x onerror="window.hacked = 1"> — ★'
PROMPTS = ("a red circle", "a blue house", NASTY)
CFGS = (3.0, 7.0)

needs_chromium = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium here: make test installs it (Debian: chromium)"
)


def make_records(workspace: Workspace, run_id: str = "demo") -> None:
    """Three prompts by two cfg scales by two seeds; the last variant failed; cfg 7 is rated higher than cfg 3."""
    writer, ratings = LearningRecordWriter(workspace.records), RatingWriter(workspace.ratings)
    folder = workspace.runs / run_id / "images"
    folder.mkdir(parents=True)
    cases = [(prompt, cfg, seed) for prompt in PROMPTS for cfg in CFGS for seed in (1, 2)]
    for index, (prompt, cfg, seed) in enumerate(cases):
        failed = index == len(cases) - 1
        path = folder / f"{index:05}.png"
        if not failed:
            Image.new("RGB", (64, 64), (20 * index, 80, 200)).save(path)
        failure = Failure(type="GenerationFailed", message="out of memory") if failed else None
        stage = StageResult(
            stage="txt2img",
            status="failed" if failed else "ok",
            seconds=1.0 + index,
            effective=EffectiveSettings(sampler="Euler a", cfg_scale=cfg, steps=20, width=64, height=64, model="tiny"),
            failure=failure,
        )
        context = ExecutionContext(
            run_id=run_id,
            record_id=f"record-{index}",
            timestamp="2026-11-23T00:00:00.000Z",
            prompt=prompt,
            negative_prompt="blurry",
            seed=seed,
            backend="fake",
            variant_index=index,
            axes={"txt2img.cfg_scale": cfg},
            stages=(stage,),
            status=stage.status,
            failure=failure,
            images=() if failed else (OutputImage(path=workspace.relative(path), width=64, height=64),),
            duration_s=stage.seconds,
        )
        writer.write_record(LearningRecord.from_pipeline_context({}, context))
        if seed == 1 and not failed:
            ratings.append(new_rating(f"record-{index}", score=5 if cfg == 7 else 2, add_tags=["sharp"]))
    writer.close()
    ratings.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = Workspace(root=tmp_path_factory.mktemp("workspace"))
    make_records(workspace)
    return write_report(workspace, "demo").path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium_page(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, report: Path) -> Iterator[Page]:
    """The report, freshly opened; the page must not have complained of anything by the end."""
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(report)
    yield browser
    assert browser.complaints == []


def shown(page: Page) -> list[int]:
    """The numbers of the pictures on the page, in order."""
    return [int(n) for n in page.run("[...document.querySelectorAll('#stage .card')].map((c) => c.dataset.number)")]


def focused(page: Page) -> int:
    return int(page.run("document.activeElement.dataset.number ?? -1"))


@needs_chromium
def test_every_picture_is_there_from_inside_the_file(page: Page) -> None:
    """Eleven thumbnails are really decoded, the failed one says why, and nothing but the file itself was asked for."""
    page.run("Promise.all([...document.images].map((i) => { i.loading = 'eager'; return i.decode(); }))")
    assert page.run("[...document.querySelectorAll('#stage img')].filter((i) => i.naturalWidth === 64).length") == 11
    assert page.texts("#stage .failed") == ["GenerationFailed: out of memory"]
    assert page.run("document.querySelector('#stage .failed').innerText") == "GenerationFailed: out of memory"
    asked = {url for url in page.requests if not url.startswith("data:")}
    assert asked == {page.run("location.href")}


@needs_chromium
def test_nothing_that_came_from_outside_runs(page: Page) -> None:
    """A prompt full of markup is shown as the text it is, and the policy lets no other script run."""
    page.run("for (const item of ITEMS) openDetail(item), document.querySelector('#detail').close()")
    assert page.run("window.hacked === undefined")
    assert NASTY in page.run("[...document.querySelectorAll('[data-filter=prompt]')].map((e) => e.title)")
    page.run("document.body.append(Object.assign(document.createElement('script'), { text: 'window.hacked = 2' }))")
    assert page.run("window.hacked === undefined")
    assert len(page.complaints) == 1  # the script the policy held back
    page.complaints.clear()


@needs_chromium
def test_filters_narrow_and_their_counts_follow(page: Page) -> None:
    """A click on a value shows its pictures alone, a second value adds its own; the other filters' counts follow."""
    page.click("[data-filter='cfg_scale'][data-value='7']")
    assert shown(page) == [2, 3, 6, 7, 10, 11]
    page.click("[data-filter='prompt'][data-value='a blue house']")
    assert shown(page) == [6, 7]
    assert page.texts("[data-filter='seed'] i") == ["1", "1"]
    page.click("[data-filter='cfg_scale'][data-value='3']")
    assert shown(page) == [4, 5, 6, 7]
    page.click("#clear")
    assert len(shown(page)) == 12


@needs_chromium
def test_search_looks_at_every_word(page: Page) -> None:
    """Words may stand anywhere in prompt or tags, all of them must be there."""
    page.press("/")
    page.type("blue SHARP")
    assert shown(page) == [4, 6]
    assert page.texts("#count") == ["2 of 12 pictures"]


@needs_chromium
def test_sorting_by_any_setting_keeps_what_has_no_value_last(page: Page) -> None:
    """By rating, best first: fives, twos, then those nobody rated; turned round, the unrated still come last."""
    page.run("state.sort = 'rating', state.ascending = false, draw()")
    ratings = page.run("current.map((item) => item.rating)")
    assert ratings == [5, 5, 5, 2, 2, 2] + [None] * 6
    page.press("r")
    assert page.run("current.map((item) => item.rating)") == [2, 2, 2, 5, 5, 5] + [None] * 6


@needs_chromium
def test_the_grid_has_any_two_settings_as_rows_and_columns(page: Page) -> None:
    """Each place of the grid holds exactly the pictures with its row's and its column's value."""
    page.press("2")
    assert page.texts(".axes thead th") == ["prompt \\ cfg scale", "3", "7"]
    places = page.run(
        "[...document.querySelectorAll('.axes tbody tr')].map((r) => [r.querySelector('th').innerText,"
        " [...r.querySelectorAll('td')].map((d) => [...d.querySelectorAll('.card')].map((c) => +c.dataset.number))])"
    )
    assert dict(places)["a blue house"] == [[4, 5], [6, 7]]
    page.run("state.rows = 'seed', draw()")
    assert page.texts(".axes tbody th") == ["1", "2"]
    page.press("x")
    assert page.texts(".axes thead th")[0] == "cfg scale \\ seed"


@needs_chromium
def test_the_heat_map_shows_mean_ratings_over_the_same_layout(page: Page) -> None:
    """Each place says the mean rating and of how many; a click on it shows its pictures."""
    page.run("state.rows = 'prompt', state.columns = 'cfg_scale', draw()")
    page.press("3")
    assert [cell.split() for cell in page.texts(".axes tbody td")] == [["2", "n", "1"], ["5", "n", "1"]] * 3
    low, high = page.run(
        "[...document.querySelectorAll('.heat')].slice(0, 2).map((d) => getComputedStyle(d).backgroundColor)"
    )
    assert low != high
    page.click(".axes tbody tr:first-child td:nth-child(3) button")
    assert len(shown(page)) == 2
    assert page.run("new Set(current.map((item) => item.values.cfg_scale)).size") == 1


@needs_chromium
def test_side_by_side_shows_only_what_differs(page: Page) -> None:
    """Two pictures that differ in cfg, rating and seconds show these rows alone; all settings on demand."""
    page.click(".card[data-number='0'] .tick")
    page.click(".card[data-number='2']", modifiers=8)
    page.press("c")
    assert page.texts("#comparison .differs tbody th") == ["cfg scale", "rating", "seconds"]
    assert page.texts("#comparison .differs tbody tr:first-child td") == ["3", "7"]
    page.click("#only-differing")
    assert "sampler" in page.texts("#comparison .differs tbody th")
    page.press("Escape")
    assert page.run("document.querySelector('dialog[open]')") is None


@needs_chromium
def test_the_keyboard_alone_is_enough(page: Page) -> None:
    """Arrows move, Enter opens, arrows in there go on, Escape comes back to the picture shown last, space selects."""
    page.press("ArrowRight")
    assert focused(page) == 0
    page.press("ArrowRight")
    assert focused(page) == 1
    page.press("Enter")
    assert page.run("document.querySelector('#detail').open")
    page.press("ArrowRight", 2)
    page.press("Escape")
    page.until("!document.querySelector('dialog[open]') && document.activeElement.dataset.number === '3'")
    page.press(" ")
    page.press("ArrowDown")
    assert focused(page) > 3
    page.press(" ")
    assert page.run("state.chosen.size") == 2
    page.press("c")
    assert page.run("document.querySelector('#comparison').open")
    page.press("Escape")
    page.press("u")
    assert page.run("state.chosen.size") == 0
    page.press("?")
    assert page.run("document.querySelector('#help').open")


@needs_chromium
def test_a_click_shows_the_full_settings_and_copies_them(page: Page) -> None:
    """The picture's own text, its --set options and its prompt can be copied; the original is linked and shown."""
    page.run("document.execCommand = (what) => { window.copied = document.activeElement.value; return true; }, 1")
    page.run("Object.defineProperty(navigator, 'clipboard', { value: undefined }), 1")
    page.click(".card[data-number='2']")
    assert "cfg_scale" in page.texts("#detail .settings dt")
    assert page.run("document.querySelector('#detail a').getAttribute('href')") == "./images/00002.png"
    page.until("document.querySelector('#detail img').src.endsWith('00002.png')")
    copied: list[Any] = []
    for number in (1, 2, 4):
        page.click(f"#detail .copies button:nth-child({number})")
        copied.append(page.run("window.copied"))
    assert copied[0].startswith("a red circle\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a,")
    assert "--set 'sampler=Euler a'" in copied[1]
    assert "--set cfg_scale=7" in copied[1]
    assert copied[1].endswith("--seed 1")
    assert copied[2] == "a red circle"


@needs_chromium
def test_it_follows_the_system_into_the_dark_and_can_be_turned(browser: Page, report: Path) -> None:
    """A dark system gives a dark page, a light one a light page, and t turns it round."""
    lightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    browser.run("localStorage.clear(), 1")
    browser.open(report, dark=True)
    assert browser.run(lightness) < 60
    browser.press("t")
    assert browser.run(lightness) > 200
    browser.run("localStorage.clear(), 1")
    browser.open(report, dark=False)
    assert browser.run(lightness) > 200


@needs_chromium
def test_a_thousand_pictures_cost_what_a_screenful_costs(browser: Page, tmp_path: Path) -> None:
    """All thousand are there, but only those near the window are laid out; cards are made once, not per view."""
    Image.new("RGB", (64, 64), (9, 99, 199)).save(tmp_path / "one.png")
    small = thumbnail(tmp_path / "one.png")
    assert small is not None
    items = [_item(number, small.uri) for number in range(1000)]
    (tmp_path / "many.html").write_text(render_report("Many", "", items, ["steps", "cfg_scale"]), "utf-8")
    browser.complaints.clear()
    browser.open(tmp_path / "many.html")
    laid_out = "c.checkVisibility({contentVisibilityAuto: true})"
    seen = f"[...document.querySelectorAll('#stage .thumb')].filter((c) => {laid_out}).length"
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert browser.run("document.querySelectorAll('#stage .card').length") == 1000
    assert 10 < browser.run(seen) < 150
    browser.run("window.first = document.querySelector('#stage .card'), window.first.mark = 1, 1")
    browser.press("2")
    assert browser.run("document.querySelectorAll('#stage .card').length") == 1000
    browser.press("1")
    assert browser.run("document.querySelector('#stage .card').mark") == 1
    browser.run("scrollTo(0, document.documentElement.scrollHeight), 1")
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert 10 < browser.run(seen) < 300
    assert browser.complaints == []


def _item(number: int, thumb: str) -> dict[str, Any]:
    settings = {"steps": 10 + number % 5, "cfg_scale": number % 7 + 0.5}
    words = {"prompt": f"prompt {number % 9}", "negative": "", "notes": "", "error": "", "infotext": "", "tags": []}
    where = {"id": str(number), "run": "r", "made": "", "backend": "", "status": "ok", "image": None, "file": ""}
    rest = {"seed": number, "bindings": {}, "set": {}, "seconds": 1.0, "rating": None, "width": 64, "height": 64}
    return {**words, **where, **rest, "settings": settings, "thumb": thumb}


@needs_chromium
def test_a_report_of_nothing_says_so(browser: Page, tmp_path: Path) -> None:
    """No pictures is no error."""
    (tmp_path / "empty.html").write_text(render_report("Empty", "", [], []), "utf-8")
    browser.complaints.clear()
    browser.open(tmp_path / "empty.html")
    for view in "123":
        browser.press(view)
        assert browser.texts("#stage") == ["There is nothing to show."]
    assert browser.complaints == []


def test_a_report_of_an_experiment_has_its_records_of_every_run(workspace: Workspace) -> None:
    """A name that is no run's is looked for among experiments; one that is neither is an error that says so."""
    writer = LearningRecordWriter(workspace.records)
    for run_id in ("one", "two"):
        context = ExecutionContext(run_id=run_id, experiment_id="my-experiment", prompt="p", seed=1)
        writer.write_record(LearningRecord.from_pipeline_context({}, context))
    writer.close()
    written = write_report(workspace, "my-experiment")
    assert (written.records, written.without_picture) == (2, 2)
    assert written.path == workspace.runs / "my-experiment" / "report.html"
    with pytest.raises(NotFound):
        write_report(workspace, "neither")


def test_a_limit_leaves_out_and_says_so(workspace: Workspace) -> None:
    """More records than the limit: the first are shown, and how many were left out is known and written."""
    make_records(workspace)
    written = write_report(workspace, "demo", limit=5)
    assert (written.records, written.left_out) == (5, 7)
    assert "only the first 5 are shown" in written.path.read_text("utf-8")


def test_a_report_that_cannot_be_written_is_an_input_error(workspace: Workspace, tmp_path: Path) -> None:
    """The error names the path."""
    make_records(workspace)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        write_report(workspace, "demo", tmp_path / "file" / "report.html")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_file_names_cannot_become_addresses(workspace: Workspace) -> None:
    """A picture called like a script address is linked as the file it is."""
    name = "javascript:alert(1)#?.png"
    workspace.root.mkdir()
    Image.new("RGB", (8, 8)).save(workspace.root / name, "PNG")
    context = ExecutionContext(run_id="odd", prompt="p", seed=1, images=(OutputImage(path=name),))
    writer = LearningRecordWriter(workspace.records)
    writer.write_record(LearningRecord.from_pipeline_context({}, context))
    writer.close()
    page = write_report(workspace, "odd", workspace.root / "odd.html").path.read_text("utf-8")
    assert '"image":"./javascript%3Aalert%281%29%23%3F.png"' in page


def test_thumbnails_come_in_order_and_pass_over_what_is_no_picture(tmp_path: Path) -> None:
    """One for each path, the size is the original's, None where nothing can be read."""
    paths: list[Path | None] = []
    for number in range(70):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (300 + number, 300), (number, 0, 0)).save(path)
        paths.append(path)
    paths[3] = None
    (tmp_path / "5.png").write_bytes(b"no picture")
    made = list(thumbnails(paths, 64))
    assert [None if each is None else each.size[0] - 300 for each in made] == [
        None if number in (3, 5) else number for number in range(70)
    ]
