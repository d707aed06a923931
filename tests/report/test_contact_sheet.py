from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from stablenew.report import contact_sheet as module
from stablenew.report.contact_sheet import CELL, SheetEntry, contact_sheet
from stablenew.report.sheet_text import text_width, wrap

RED, BLUE = (220, 30, 30), (20, 40, 220)


@pytest.fixture
def red(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 64), RED).save(tmp_path / "red.png")
    return tmp_path / "red.png"


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 64), BLUE).save(tmp_path / "blue.png")
    return tmp_path / "blue.png"


def count(image: Image.Image, colour: tuple[int, int, int]) -> int:
    return sum(n for n, each in image.getcolors(image.width * image.height) or [] if each == colour)


def centre_of(image: Image.Image, colour: tuple[int, int, int]) -> tuple[float, float]:
    found = [(i % image.width, i // image.width) for i, p in enumerate(image.get_flattened_data()) if p == colour]
    return sum(x for x, _ in found) / len(found), sum(y for _, y in found) / len(found)


def test_a_grid_puts_each_picture_in_its_row_and_column(red: Path, blue: Path) -> None:
    """Rows run down and columns across in the order they first come up, whatever the order of entries."""
    sheet = contact_sheet(
        [
            SheetEntry(path=red, row="first", column="left"),
            SheetEntry(path=blue, row="second", column="right"),
        ]
    )
    (red_x, red_y), (blue_x, blue_y) = centre_of(sheet, RED), centre_of(sheet, BLUE)
    assert red_x < blue_x
    assert red_y < blue_y


def test_small_pictures_are_enlarged_by_a_whole_factor(red: Path) -> None:
    """A 64x64 picture fills a 192x192 square, and a 60x30 one is enlarged three times, not stretched."""
    sheet = contact_sheet([SheetEntry(path=red)])
    assert count(sheet, RED) == CELL * CELL
    Image.new("RGB", (60, 30), RED).save(red)
    assert count(contact_sheet([SheetEntry(path=red)]), RED) == 180 * 90


def test_large_pictures_are_fitted_into_the_square(tmp_path: Path) -> None:
    """A 1000x500 picture becomes 192x96."""
    Image.new("RGB", (1000, 500), RED).save(tmp_path / "large.png")
    assert count(contact_sheet([SheetEntry(path=tmp_path / "large.png")]), RED) == 192 * 96


@pytest.mark.parametrize("broken", ["missing", "text", "cut", "none"])
def test_what_cannot_be_shown_is_shown_as_failed(broken: str, red: Path, tmp_path: Path) -> None:
    """A missing, wrong or cut file, or no path, gives a failed place and the other pictures are there."""
    path: Path | None = tmp_path / "broken.png"
    assert path is not None
    if broken == "text":
        path.write_text("not a picture")
    elif broken == "cut":
        noisy = Image.effect_noise((200, 200), 90)
        noisy.save(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif broken == "none":
        path = None
    sheet = contact_sheet([SheetEntry(path=path, note="out of memory"), SheetEntry(path=red)], columns=2)
    assert count(sheet, RED) == CELL * CELL
    failed_fill = tuple(int(module._FAILED_FILL[i : i + 2], 16) for i in (1, 3, 5))
    assert count(sheet, failed_fill) > CELL * CELL / 2  # type: ignore[arg-type] # three values


def test_several_pictures_of_one_place_are_all_shown(red: Path) -> None:
    """Seven pictures of the same row and column stand in a block, none over another."""
    sheet = contact_sheet([SheetEntry(path=red, row="a", column="b", caption=str(n)) for n in range(7)])
    assert count(sheet, RED) == 7 * CELL * CELL


def test_text_is_wrapped_into_its_width_and_cut_with_dots() -> None:
    """No line is wider than asked, no more lines than asked come out, and what is cut ends in dots."""
    lines = wrap("a very long prompt " * 20 + "x" * 500, 14, 150, 3)
    assert len(lines) == 3
    assert all(text_width(line, 14) <= 150 for line in lines)
    assert lines[-1].endswith("...")
    assert wrap("short", 14, 150, 3) == ["short"]
    assert all(text_width(line, 14) <= 150 for line in wrap("x" * 100, 14, 150, 9))


def test_other_scripts_leave_something_to_see(red: Path) -> None:
    """A caption in a script no font here has is drawn as boxes: not a crash, not nothing."""
    plain = contact_sheet([SheetEntry(path=red, caption=" ")], title="")
    written = contact_sheet([SheetEntry(path=red, caption="プロンプト Привет 🎨")], title="")
    background = plain.getpixel((0, 0))
    assert count(written, background) < written.width * written.height - CELL * CELL - 50  # type: ignore[arg-type] # RGB


def test_an_empty_sheet_and_a_title_alone_are_drawn() -> None:
    """No entries is no error."""
    assert contact_sheet([], title="nothing yet").width > 0


def test_a_sheet_never_grows_beyond_its_limit(red: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares shrink until the sheet is within the pixel limit; without the limit it would be larger."""
    entries = [SheetEntry(path=red) for _ in range(60)]
    free = contact_sheet(entries)
    monkeypatch.setattr(module, "PIXELS_MAX", 1_000_000)
    held = contact_sheet(entries)
    assert free.width * free.height > 1_000_000 >= held.width * held.height


def test_transparent_pictures_show_the_paper(tmp_path: Path) -> None:
    """Transparency is not black."""
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert count(contact_sheet([SheetEntry(path=tmp_path / "clear.png")]), (0, 0, 0)) == 0
