"""Pictures on their way to the screen: geometry, decoding, thumbnails on disk, decoding ahead; without a window."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from stablenew.gui.pictures.ahead import Ahead
from stablenew.gui.pictures.decode import Decoded, decode
from stablenew.gui.pictures.layout import Flow, Matrix
from stablenew.gui.pictures.loader import PictureLoader
from stablenew.gui.pictures.thumbnails import ThumbnailStore
from stablenew.gui.pictures.view import FIT, View, fit_scale, full_size, panned, placed, rendered, zoomed

PATIENCE_S = 180.0

sizes = st.tuples(st.integers(1, 4000), st.integers(1, 4000))
rooms = st.tuples(st.integers(40, 2000), st.integers(40, 2000))
views = st.builds(View, zoom=st.floats(1, 32), x=st.floats(0, 1), y=st.floats(0, 1))


@given(size=sizes, room=rooms, view=views)
def test_what_is_placed_is_part_of_the_picture_and_lies_on_the_canvas(
    size: tuple[int, int], room: tuple[int, int], view: View
) -> None:
    """Whatever the view, nothing outside the picture is asked for and nothing outside the canvas drawn."""
    place = placed(view, size, room)
    left, top, right, bottom = place.box
    assert -1e-6 <= left < right <= size[0] + 1e-6
    assert -1e-6 <= top < bottom <= size[1] + 1e-6
    assert place.left >= 0
    assert place.left + place.size[0] <= room[0] + 1
    assert place.top + place.size[1] <= room[1] + 1


@given(size=sizes, room=rooms, factor=st.floats(1.05, 4), at=st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)))
def test_zooming_in_keeps_the_point_under_the_pointer(
    size: tuple[int, int], room: tuple[int, int], factor: float, at: tuple[float, float]
) -> None:
    """Where the picture is larger than the canvas both before and after, the point stays within a pixel."""
    begin = View(zoom=4)
    scale = fit_scale(size, room) * begin.zoom
    assume(size[0] * scale > room[0] * 1.5)
    assume(size[1] * scale > room[1] * 1.5)
    point = (at[0] * room[0], at[1] * room[1])
    end = zoomed(begin, factor, point, size, room)

    def under(view: View) -> list[float]:
        place = placed(view, size, room)
        spans = ((place.box[0], place.box[2], room[0]), (place.box[1], place.box[3], room[1]))
        return [low + (high - low) * p / side for (low, high, side), p in zip(spans, point, strict=True)]

    for before, after in zip(under(begin), under(end), strict=True):
        assert abs(before - after) * scale < 1.5


def test_panning_ends_at_the_edge_and_zooming_out_at_the_whole_picture() -> None:
    """Nobody can lose the picture."""
    far = panned(View(zoom=2), -10_000, 0, (100, 100), (200, 200))
    assert placed(far, (100, 100), (200, 200)).box[2] == pytest.approx(100)
    assert zoomed(View(zoom=3), 0.001, (50, 50), (100, 100), (200, 200)).zoom == 1
    assert full_size(View(zoom=3), (4000, 3000), (800, 600)) == FIT
    assert full_size(FIT, (4000, 3000), (800, 600)).zoom == 5


def test_small_parts_enlarged_by_hand_show_their_pixels() -> None:
    """From four times on no colours are made up between pixels."""
    picture = Image.new("RGB", (4, 4), "black")
    picture.putpixel((2, 2), (255, 255, 255))
    made = rendered(picture, placed(View(zoom=2), (4, 4), (64, 64)), enlarged=True)
    assert {colour for _, colour in made.getcolors() or []} <= {(0, 0, 0), (255, 255, 255)}


def test_whatever_is_no_picture_says_why(tmp_path: Path) -> None:
    """A file that is gone, one that is none, one that is cut off: words for a person, no exception."""
    assert decode(tmp_path / "gone.png").problem == "the file is gone"
    (tmp_path / "text.png").write_text("no picture")
    assert "cannot be read" in decode(tmp_path / "text.png").problem
    Image.effect_noise((64, 64), 80).save(tmp_path / "cut.png")
    data = (tmp_path / "cut.png").read_bytes()
    for size in range(0, len(data), 97):
        (tmp_path / "cut.png").write_bytes(data[:size])
        assert decode(tmp_path / "cut.png").pixels is None


def test_a_thumbnail_is_made_once_and_again_when_the_picture_changed(tmp_path: Path) -> None:
    """The second look reads the small file; another picture in the same place gets its own."""
    path = tmp_path / "large.png"
    Image.new("RGB", (900, 600), "red").save(path)
    store = ThumbnailStore(tmp_path / "thumbs")
    first = store.get(path, 168)
    assert first.size == (168, 112)
    (kept,) = (tmp_path / "thumbs").rglob("*.jpg")
    Image.new("RGB", (192, 128), "green").save(kept)
    assert _colour(store.get(path, 168).pixels) == "green"
    Image.new("RGB", (901, 600), "blue").save(path)
    assert _colour(store.get(path, 168).pixels) == "blue"
    path.unlink()
    assert store.get(path, 168).problem == "the file is gone"


def test_where_thumbnails_cannot_be_kept_they_are_made_each_time(tmp_path: Path) -> None:
    """A file stands where the folder should be: pictures are seen all the same."""
    path = tmp_path / "large.png"
    Image.new("RGB", (900, 600), "red").save(path)
    (tmp_path / "thumbs").write_text("not a folder")
    assert _colour(ThumbnailStore(tmp_path / "thumbs").get(path, 168).pixels) == "red"


class Desk:
    """Tk's thread in a test: does what was handed over when it is asked to."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def deliver(self, act: Callable[[], None]) -> None:
        self.waiting.put(act)

    def next(self) -> None:
        self.waiting.get(timeout=PATIENCE_S)()


def test_the_most_urgent_is_made_first_and_what_is_no_longer_wanted_is_not_made() -> None:
    """While the first is being made the person goes elsewhere: only what is wanted then is made after it."""
    begun, free = threading.Event(), threading.Event()
    made: list[str] = []
    desk = Desk()

    def make(key: str) -> str:
        made.append(key)
        if key == "a":
            begun.set()
            assert free.wait(PATIENCE_S)
        return key.upper()

    got: list[tuple[str, str]] = []
    ahead = Ahead(make, lambda key, value: got.append((key, value)), desk.deliver, threads=1)
    ahead.want(["a", "b", "c"])
    assert begun.wait(PATIENCE_S)
    ahead.want(["d", "a", "e"])
    free.set()
    for _ in range(3):
        desk.next()
    ahead.close()
    assert made == ["a", "d", "e"]
    assert got == [("a", "A"), ("d", "D"), ("e", "E")]


def test_a_mistake_in_a_worker_is_raised_where_it_is_seen_and_the_worker_goes_on() -> None:
    """On Tk's thread, where the window shows it; the next thing is made."""
    desk = Desk()
    got: list[int] = []
    ahead = Ahead(lambda key: 1 // key, lambda key, value: got.append(key), desk.deliver, threads=1)
    ahead.want([0, 1])
    with pytest.raises(ZeroDivisionError):
        desk.next()
    desk.next()
    ahead.close()
    assert got == [1]


def test_memory_stays_within_its_budget_whatever_is_looked_at(tmp_path: Path) -> None:
    """40 pictures through a budget for about four: never more are held than fit, and the wanted ones are among them."""
    paths = [tmp_path / f"{n}.png" for n in range(40)]
    for path in paths:
        Image.new("RGB", (200, 100)).save(path)
    desk = Desk()
    each = 200 * 100 * 3 + 100 * 50 * 3
    loader = PictureLoader(desk.deliver, lambda path: None, memory_bytes=4 * each, threads=2)
    most = 0
    for n in range(0, 40, 2):
        loader.want(paths[n : n + 2], (100, 50))
        for _ in range(2):
            desk.next()
        most = max(most, loader.held_bytes)
        assert loader.get(paths[n]) is not None
        assert loader.get(paths[n + 1]) is not None
    assert most <= 4 * each
    assert loader.held <= 4
    loader.close()


def test_a_picture_larger_than_the_budget_is_shown_all_the_same(tmp_path: Path) -> None:
    """The one on screen is never thrown out."""
    path = tmp_path / "large.png"
    Image.new("RGB", (300, 300)).save(path)
    desk = Desk()
    loader = PictureLoader(desk.deliver, lambda path: None, memory_bytes=10)
    loader.want([path], (100, 100))
    desk.next()
    loaded = loader.get(path)
    loader.close()
    assert loaded is not None
    assert loaded.fitted is not None
    assert loaded.fitted.size == (100, 100)


def test_of_one_picture_for_two_rooms_the_one_that_is_wanted_now_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canvas grew while it was decoded for the smaller one, and that comes last."""
    path = tmp_path / "one.png"
    Image.new("RGB", (300, 300)).save(path)
    begun, free = threading.Event(), threading.Event()

    def slow(path: Path) -> Decoded:
        first = not begun.is_set()
        begun.set()
        assert not first or free.wait(PATIENCE_S)
        return decode(path)

    monkeypatch.setattr("stablenew.gui.pictures.loader.decode", slow)
    desk, ready = Desk(), list[Path]()
    loader = PictureLoader(desk.deliver, ready.append, threads=2)
    loader.want([path], (100, 100))
    assert begun.wait(PATIENCE_S)
    loader.want([path], (200, 200))
    desk.next()
    free.set()
    desk.next()
    loaded = loader.get(path)
    loader.close()
    assert loaded is not None
    assert loaded.room == (200, 200)
    assert ready == [path]


@given(
    count=st.integers(0, 500),
    width=st.integers(1, 2000),
    tile=st.tuples(st.integers(20, 300), st.integers(20, 300)),
    top=st.integers(0, 50_000),
)
def test_of_a_flow_exactly_what_is_in_sight_is_named(count: int, width: int, tile: tuple[int, int], top: int) -> None:
    """Every tile that the box shows, and none a whole row away from it."""
    flow = Flow(count=count, width=width, tile=tile, gap=8)
    box = (0, top, width, top + 600)
    named = set(flow.within(box))
    for number in range(count):
        place = flow.place(number)
        assert place is not None
        seen = place[1] < box[3] and place[1] + tile[1] > box[1]
        assert not seen or number in named
        near = place[1] < box[3] + tile[1] + 8 and place[1] + 2 * tile[1] + 8 > box[1]
        assert near or number not in named


cells = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), st.integers(1, 5), min_size=1)


@given(counts=cells)
def test_tiles_of_a_matrix_do_not_overlap_and_arrows_reach_every_one(counts: dict[tuple[int, int], int]) -> None:
    """Each tile has its own place; from any cell with tiles the arrow keys lead to all tiles of its row and column."""
    numbers = iter(range(1000))
    table = {cell: [next(numbers) for _ in range(count)] for cell, count in counts.items()}
    matrix = Matrix(rows=5, columns=5, cells=table, tile=(50, 60), gap=8, left=100, top=30)
    places = {number: matrix.place(number) for cell in table.values() for number in cell}
    boxes = sorted((p[0], p[1]) for p in places.values() if p is not None)
    assert len(boxes) == len(places)
    for one in boxes:
        near = [other for other in boxes if abs(one[0] - other[0]) < 50 and abs(one[1] - other[1]) < 60]
        assert near == [one]
    assert set(matrix.within((0, 0, *matrix.size))) == set(places)
    start = next(iter(places))
    row = next(cell[0] for cell, held in table.items() if start in held)
    reached = _walk(matrix, start, ((1, 0), (-1, 0), (0, 1), (0, -1)))
    same_row = {number for cell, held in table.items() if cell[0] == row for number in held}
    assert same_row <= reached


def _walk(matrix: Matrix, start: int, ways: tuple[tuple[int, int], ...]) -> set[int]:
    reached, waiting = {start}, [start]
    while waiting:
        at = waiting.pop()
        for dx, dy in ways:
            to = matrix.neighbour(at, dx, dy)
            if to not in reached:
                reached.add(to)
                waiting.append(to)
    return reached


def _colour(pixels: Image.Image | None) -> str:
    assert pixels is not None
    red, green, blue = pixels.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    return max({"red": red, "green": green, "blue": blue}.items(), key=lambda each: each[1])[0]
