"""A card as one HTML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from stablenew.errors import InputError
from stablenew.learning.card_store import card_history
from stablenew.learning.learning_reader import read_current_records
from stablenew.report.card_page import render_card, write_card_page
from stablenew.workspace import Workspace
from tests.cards import advice, animals, card


def test_the_page_holds_everything_and_fetches_nothing(workspace: Workspace) -> None:
    """Settings old and new, what is known, pictures inside; no address is in it."""
    animals(workspace)
    records = tuple(record.run.record_id for record in read_current_records(workspace.records))
    card(workspace, advice(proof=records))
    page = render_card(workspace, card_history(workspace, "any"))
    assert page.count("data:image/") == 4
    for said in ("DPM++ 2M", "Euler a", "48 ratings and 6 choices", "a cat on a wall", "not proved yet", "version 1"):
        assert said in page, said
    for address in ("http:", "https:", "src='/", "href"):
        assert address not in page


def test_what_came_from_outside_is_text(workspace: Workspace) -> None:
    """A model's name with markup in it stands there as it is called, and runs nothing."""
    card(workspace, advice({"sampler": "<script>alert(1)</script>"}, {"sampler": "Euler"}), model="<b>m</b>")
    (name,) = (path.stem for path in workspace.cards.glob("*.jsonl"))
    page = render_card(workspace, card_history(workspace, name))
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_picture_that_is_gone_is_said_to_be(workspace: Workspace) -> None:
    """The card stands without it."""
    animals(workspace, 1)
    (record,) = read_current_records(workspace.records)
    card(workspace, advice(proof=(record.run.record_id,)))
    (workspace.root / record.outcome.images[-1].path).unlink()
    assert "the picture is gone" in render_card(workspace, card_history(workspace, "any"))


def test_a_page_that_cannot_be_written_says_so(workspace: Workspace, tmp_path: Path) -> None:
    """A file in the place of its folder is an error that names the path."""
    card(workspace)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"card\.html"):
        write_card_page(workspace, card_history(workspace, "any"), tmp_path / "file" / "card.html")
