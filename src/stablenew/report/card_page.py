"""A card as one HTML file: settings, evidence, measured gain and proof pictures, with nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from stablenew.atomic_file import write_atomically
from stablenew.errors import InputError
from stablenew.learning.card_text import card_lines, evidence_line, history_lines, settings_rows, state_line
from stablenew.learning.taste_card import TasteCard
from stablenew.report.thumbnails import thumbnails
from stablenew.workspace import Workspace

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } .state { font-weight: 600; } .withdrawn { color: #b00020; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { text-align: left; padding: .25rem 1rem .25rem 0; }
.images { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; max-width: 256px; }
figcaption { font-size: .85rem; } img { display: block; max-width: 100%; }
small { opacity: .75; } @media print { body { margin: 0; } }
"""


def write_card_page(workspace: Workspace, history: Sequence[TasteCard], path: Path) -> None:
    """Write the page of the card with these versions (the last is shown) to `path`. Raises InputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, render_card(workspace, history).encode())
    except OSError as exc:
        raise InputError(f"the card cannot be written to {path}: {exc.strerror or exc}") from exc


def render_card(workspace: Workspace, history: Sequence[TasteCard]) -> str:
    """The page's text. Whatever came from outside stands in it as text."""
    card = history[-1]
    withdrawn = " withdrawn" if card.state == "withdrawn" else ""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src data:; "
        "style-src 'unsafe-inline'\">",
        f"<title>Card {escape(card.name)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(card.name)}</h1>",
        f"<p class='state{withdrawn}'>{escape(state_line(card))}</p>",
        f"<p><small>{escape(evidence_line(card))}</small></p>",
        _settings_table(card),
        _listed("What is known", card_lines(card)),
        _images(workspace, card),
        _listed("History", history_lines(history)),
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _settings_table(card: TasteCard) -> str:
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in settings_rows(card))
    return f"<table><tr><th>setting</th><th>old</th><th>new</th><th>brings, in stars</th></tr>{rows}</table>"


def _listed(title: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if items else ""


def _images(workspace: Workspace, card: TasteCard) -> str:
    figures = []
    small = thumbnails(workspace.root / image.path for image in card.images)
    for image, picture in zip(card.images, small, strict=True):
        stars = "" if image.stars is None else f"{image.stars:g} stars · "
        shown = f"<img alt='' src='{picture.uri}'>" if picture else "<em>the picture is gone</em>"
        caption = f"<figcaption>{escape(stars + image.prompt)}</figcaption>"
        figures.append(f"<figure>{shown}{caption}</figure>")
    return f"<h2>Pictures</h2><div class='images'>{''.join(figures)}</div>" if figures else ""
