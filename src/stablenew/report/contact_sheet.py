"""A contact sheet: many pictures on one, as a labelled grid of two axes or one after another with captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from PIL import Image, ImageDraw

from stablenew.report.sheet_text import draw_lines, line_height, wrap

CELL = 192
"""Pixels of a picture's square by default: three times the embedded model's 64."""
PIXELS_MAX = 90_000_000
WIDTH_MAX = 6_000
"""Pixels across a grid: columns beyond it go on below."""
ENTRIES_MAX = 20_000
_SMALLEST_CELL = 48
_NO_PICTURE = "no picture"

_PAPER, _INK, _QUIET, _FAINT = "#fbfaf8", "#23211e", "#7d7870", "#e4e0d9"
_FAILED_FILL, _FAILED_LINE, _FAILED_INK = "#f6ebe8", "#dfc4bd", "#9a4a3c"


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetEntry:
    """One picture of a sheet. A `path` of None, or one that holds no readable picture, is shown as failed.

    `row` and `column` are the labels of its place in a grid, None where the sheet has no grid. `caption` is shown below
    it, `note` below that in a quieter colour (for a failed one inside its place: say why).
    """

    path: Path | None
    caption: str = ""
    row: str | None = None
    column: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Pixels. A place is what one entry takes: its square and the text below."""

    cell: int
    gap: int
    margin: int
    text: int
    small: int
    heading: int

    @property
    def near(self) -> int:
        """Between pictures of one place."""
        return self.gap // 3

    @classmethod
    def of(cls, cell: int) -> _Layout:
        text = max(10, min(16, cell // 13))
        return cls(
            cell=cell,
            gap=max(6, cell // 14),
            margin=max(16, cell // 6),
            text=text,
            small=max(9, text - 2),
            heading=round(text * 1.6),
        )


def contact_sheet(
    entries: Sequence[SheetEntry], *, columns: int | None = None, cell: int = CELL, title: str = ""
) -> Image.Image:
    """The sheet of `entries`, 8-bit sRGB.

    A grid when every entry has a row and a column, both in the order they first come up, several entries of one place
    together in a block; columns beyond 6,000 pixels go on below, with the rows again. Else a sheet of `columns` a row
    (None: as wide as high) in the order given. `cell` is the side of a picture's square in pixels; it is made smaller
    where the sheet would grow beyond 90 million pixels. Of more than 20,000 entries the first are shown, and the title
    says so.
    """
    if len(entries) > ENTRIES_MAX:
        title = f"{title} (the first {ENTRIES_MAX:,} of {len(entries):,})".strip()
        entries = entries[:ENTRIES_MAX]
    is_grid = bool(entries) and all(entry.row is not None and entry.column is not None for entry in entries)
    while True:
        layout = _Layout.of(cell)
        sheet = _Grid(entries, layout, title) if is_grid else _Flow(entries, layout, title, columns)
        if sheet.width * sheet.height <= PIXELS_MAX or cell <= _SMALLEST_CELL:
            return sheet.draw()
        cell = max(_SMALLEST_CELL, int(cell * 0.85))


class _Sheet:
    """What both kinds share: the paper, the title, and one entry drawn in its place."""

    def __init__(self, entries: Sequence[SheetEntry], layout: _Layout, title: str) -> None:
        self.entries, self.layout, self.title = entries, layout, title
        self.width = self.height = 2 * layout.margin
        self._image: Image.Image | None = None

    @property
    def _title_height(self) -> int:
        return line_height(self.layout.heading) + self.layout.gap if self.title else 0

    def _open(self) -> ImageDraw.ImageDraw:
        layout = self.layout
        self._image = Image.new("RGB", (self.width, self.height), _PAPER)
        draw = ImageDraw.Draw(self._image)
        if self.title:
            room = self.width - 2 * layout.margin
            lines = wrap(self.title, layout.heading, room, 1)
            draw_lines(draw, lines, size=layout.heading, fill=_INK, left=layout.margin, top=layout.margin, width=room)
        return draw

    def draw(self) -> Image.Image:
        raise NotImplementedError

    def _text_height(self, entries: Sequence[SheetEntry]) -> int:
        """Pixels below the squares of `entries` for the longest of their texts."""
        return max((self._text_height_of(entry) for entry in entries), default=0)

    def _text_height_of(self, entry: SheetEntry) -> int:
        layout = self.layout
        height = len(self._caption(entry)) * line_height(layout.text) + len(self._note(entry)) * line_height(
            layout.small
        )
        return height + layout.gap // 2 if height else 0

    def _caption(self, entry: SheetEntry) -> list[str]:
        return wrap(entry.caption, self.layout.text, self.layout.cell, 3)

    def _note(self, entry: SheetEntry) -> list[str]:
        """The lines below the caption; a failed entry's note stands in its square instead."""
        return wrap(entry.note, self.layout.small, self.layout.cell, 2) if entry.path is not None else []

    def _draw_entry(self, draw: ImageDraw.ImageDraw, entry: SheetEntry, left: int, top: int) -> None:
        layout = self.layout
        picture = _fitted(entry.path, layout.cell)
        note = self._note(entry)
        if picture is None:
            _draw_failed(draw, entry.note, layout, left, top)
            note = []
        elif self._image is not None:
            x = left + (layout.cell - picture.width) // 2
            y = top + (layout.cell - picture.height) // 2
            # A hairline around it: a picture with a white ground would fade into the paper.
            draw.rectangle((x - 1, y - 1, x + picture.width, y + picture.height), outline=_FAINT)
            self._image.paste(picture, (x, y))
        caption = self._caption(entry)
        below = top + layout.cell + layout.gap // 2
        draw_lines(draw, caption, size=layout.text, fill=_INK, left=left, top=below, width=layout.cell)
        below += len(caption) * line_height(layout.text)
        draw_lines(draw, note, size=layout.small, fill=_QUIET, left=left, top=below, width=layout.cell)


class _Flow(_Sheet):
    """One after another, left to right."""

    def __init__(self, entries: Sequence[SheetEntry], layout: _Layout, title: str, columns: int | None) -> None:
        super().__init__(entries, layout, title)
        count = columns or math.ceil(math.sqrt(len(entries) * 1.4))
        self._columns = max(1, min(count, len(entries)))
        self._rows = [entries[i : i + self._columns] for i in range(0, len(entries), self._columns)]
        self._heights = [layout.cell + self._text_height(row) for row in self._rows]
        self.width += self._columns * layout.cell + (self._columns - 1) * layout.gap
        self.height += self._title_height + sum(self._heights) + max(0, len(self._rows) - 1) * layout.gap

    def draw(self) -> Image.Image:
        draw = self._open()
        top = self.layout.margin + self._title_height
        for row, height in zip(self._rows, self._heights, strict=True):
            for number, entry in enumerate(row):
                self._draw_entry(draw, entry, self.layout.margin + number * (self.layout.cell + self.layout.gap), top)
            top += height + self.layout.gap
        assert self._image is not None
        return self._image


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """Columns of a grid that stand side by side. `rows` are numbers of those with an entry here, `heights` theirs."""

    columns: list[str]
    labels: list[list[str]]
    header: int
    rows: list[int]
    heights: list[int]

    def height(self, gap: int) -> int:
        """Pixels from the top of the labels to the foot of the last row."""
        return self.header + sum(self.heights) + (len(self.rows) - 1) * gap


class _Grid(_Sheet):
    """Rows and columns with their labels; a place with several entries has them in a block."""

    def __init__(self, entries: Sequence[SheetEntry], layout: _Layout, title: str) -> None:
        super().__init__(entries, layout, title)
        self._rows = list(dict.fromkeys(entry.row or "" for entry in entries))
        self._every_column = list(dict.fromkeys(entry.column or "" for entry in entries))
        self._places: dict[tuple[str, str], list[SheetEntry]] = {}
        for entry in entries:
            self._places.setdefault((entry.row or "", entry.column or ""), []).append(entry)
        self._measure()

    def _measure(self) -> None:
        layout = self.layout
        most = max(len(place) for place in self._places.values())
        self._side_by_side = most if most <= 4 else math.ceil(math.sqrt(most))
        self._column_width = self._side_by_side * (layout.cell + layout.near) - layout.near
        self._label_width = round(layout.cell * 0.95) if any(self._rows) else 0
        self._label_gap = layout.gap if self._label_width else 0
        self._row_labels = [wrap(row, layout.text, self._label_width, self._row_lines) for row in self._rows]
        self._bands = [self._band(columns) for columns in self._folded_columns()]
        most_columns = max(len(band.columns) for band in self._bands)
        across = most_columns * (self._column_width + layout.gap) - layout.gap
        self.width += self._label_width + self._label_gap + across
        between = (len(self._bands) - 1) * 2 * layout.gap
        self.height += self._title_height + sum(band.height(layout.gap) for band in self._bands) + between

    def _folded_columns(self) -> list[list[str]]:
        """The columns in bands that are about equally wide, none beyond WIDTH_MAX unless a single column is."""
        room = WIDTH_MAX - self.width - self._label_width - self._label_gap
        most = max(1, room // (self._column_width + self.layout.gap))
        bands = math.ceil(len(self._every_column) / most)
        each = math.ceil(len(self._every_column) / bands)
        return [self._every_column[i : i + each] for i in range(0, len(self._every_column), each)]

    def _band(self, columns: list[str]) -> _Band:
        layout = self.layout
        labels = [wrap(column, layout.text, self._column_width, 3) for column in columns]
        header = max(len(label) for label in labels) * line_height(layout.text) + layout.gap // 2
        rows = [
            number for number, row in enumerate(self._rows) if any((row, column) in self._places for column in columns)
        ]
        heights = [sum(self._line_heights(self._rows[number], columns)) for number in rows]
        return _Band(columns=columns, labels=labels, header=header, rows=rows, heights=heights)

    @property
    def _row_lines(self) -> int:
        return max(1, self.layout.cell // line_height(self.layout.text))

    def _line_heights(self, row: str, columns: Sequence[str]) -> list[int]:
        """Pixels of each line of the blocks in one row of a band."""
        layout, count = self.layout, self._side_by_side
        blocks = [self._places.get((row, column), []) for column in columns]
        lines = range(0, max(len(block) for block in blocks), count)
        lined = [[entry for block in blocks for entry in block[start : start + count]] for start in lines]
        last = len(lined) - 1
        return [
            layout.cell + self._text_height(each) + (layout.near if n < last else 0) for n, each in enumerate(lined)
        ]

    def draw(self) -> Image.Image:
        draw, layout = self._open(), self.layout
        top = layout.margin + self._title_height
        for band in self._bands:
            self._draw_band(draw, band, top)
            top += band.height(layout.gap) + 2 * layout.gap
        assert self._image is not None
        return self._image

    def _draw_band(self, draw: ImageDraw.ImageDraw, band: _Band, top: int) -> None:
        layout = self.layout
        start = layout.margin + self._label_width + self._label_gap
        for number, label in enumerate(band.labels):
            left = start + number * (self._column_width + layout.gap)
            # Short labels stand on the pictures, not above a void.
            lower = band.header - layout.gap // 2 - len(label) * line_height(layout.text)
            draw_lines(
                draw,
                label,
                size=layout.text,
                fill=_INK,
                left=left,
                top=top + lower,
                width=self._column_width,
                centred=True,
            )
        top += band.header
        for number, height in zip(band.rows, band.heights, strict=True):
            label = self._row_labels[number]
            draw_lines(draw, label, size=layout.text, fill=_INK, left=layout.margin, top=top, width=self._label_width)
            self._draw_row(draw, self._rows[number], band.columns, start, top)
            top += height + layout.gap

    def _draw_row(self, draw: ImageDraw.ImageDraw, row: str, columns: Sequence[str], start: int, top: int) -> None:
        layout = self.layout
        tops = [top, *(top + below for below in accumulate(self._line_heights(row, columns)))]
        for number, column in enumerate(columns):
            left = start + number * (self._column_width + layout.gap)
            place = self._places.get((row, column), [])
            if not place:
                _draw_nothing(draw, layout, left, top, self._column_width)
            for position, entry in enumerate(place):
                line, across = divmod(position, self._side_by_side)
                self._draw_entry(draw, entry, left + across * (layout.cell + layout.near), tops[line])


def _fitted(path: Path | None, side: int) -> Image.Image | None:
    """The picture fitted into a square of `side` pixels, None when there is none that can be read.

    A small one is enlarged by a whole factor. Lanczos throughout: nearest neighbour makes stairs of smooth edges.
    """
    if path is None:
        return None
    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (side, side))
            picture = _on_paper(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    longest = max(picture.size)
    if longest * 2 <= side:
        factor = side // longest
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture


def _on_paper(picture: Image.Image) -> Image.Image:
    """As RGB; what is transparent shows the paper."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, _PAPER)
    paper.alpha_composite(picture.convert("RGBA"))
    return paper.convert("RGB")


def _draw_failed(draw: ImageDraw.ImageDraw, reason: str, layout: _Layout, left: int, top: int) -> None:
    edge = layout.cell - 1
    draw.rectangle((left, top, left + edge, top + edge), fill=_FAILED_FILL, outline=_FAILED_LINE)
    inset = layout.gap
    room = layout.cell - 2 * inset
    most = max(1, (room - line_height(layout.text)) // line_height(layout.small))
    lines = wrap(reason, layout.small, room, most) if reason != _NO_PICTURE else []
    height = line_height(layout.text) + len(lines) * line_height(layout.small)
    y = top + (layout.cell - height) // 2
    draw_lines(
        draw, [_NO_PICTURE], size=layout.text, fill=_FAILED_INK, left=left + inset, top=y, width=room, centred=True
    )
    y += line_height(layout.text)
    draw_lines(draw, lines, size=layout.small, fill=_FAILED_INK, left=left + inset, top=y, width=room, centred=True)


def _draw_nothing(draw: ImageDraw.ImageDraw, layout: _Layout, left: int, top: int, width: int) -> None:
    """A place of the grid that no entry is for."""
    draw.rectangle((left, top, left + width - 1, top + layout.cell - 1), outline=_FAINT)
