"""Several packs in one plan."""

from __future__ import annotations

import dataclasses

import pytest

from stablenew.config import PipelineConfig
from stablenew.errors import InputError
from stablenew.prompts.expansion import SlotValues
from stablenew.prompts.joined import plan_packs
from stablenew.prompts.pack import Pack, parse_pack
from stablenew.prompts.sidecar import Matrix, Sidecar


def pack(name: str, text: str, **slots: tuple[str, ...]) -> Pack:
    matrix = Matrix(slots=tuple(SlotValues(name=slot, values=values) for slot, values in slots.items()))
    return dataclasses.replace(parse_pack(text, name=name), sidecar=Sidecar(matrix=matrix))


def test_the_lines_of_all_packs_are_in_the_plan_under_their_own_names() -> None:
    """Two packs, three lines, in the order given."""
    plan = plan_packs(PipelineConfig(), [pack("one", "a cat\n\na dog"), pack("two", "a boat")])
    assert [(variant.line.pack_name, variant.prompt) for variant in plan] == [
        ("one", "a cat"),
        ("one", "a dog"),
        ("two", "a boat"),
    ]


def test_slots_of_several_packs_are_crossed_together() -> None:
    """Each line takes the slots it has; a slot both have with the same values is one slot."""
    packs = [pack("one", "a [[colour]] cat", colour=("red", "blue")), pack("two", "a boat, [[time]]", time=("dawn",))]
    assert {variant.prompt for variant in plan_packs(PipelineConfig(), packs)} == {
        "a red cat",
        "a blue cat",
        "a boat, dawn",
    }


def test_a_slot_that_means_two_things_is_an_error_that_names_both_packs() -> None:
    """The same name with other values: neither wins in silence."""
    packs = [pack("one", "a [[colour]] cat", colour=("red",)), pack("two", "a [[Colour]] dog", Colour=("blue",))]
    with pytest.raises(InputError, match="pack one than in pack two"):
        plan_packs(PipelineConfig(), packs)
