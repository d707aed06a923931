"""Which tool made a picture, and what it says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stablenew.learning.importing.a1111 import read_a1111
from stablenew.learning.importing.comfyui import read_comfyui
from stablenew.learning.importing.found import Found
from stablenew.learning.importing.json_tools import read_fooocus, read_invokeai, read_novelai, read_swarmui

OUR_CHUNK = "stablenew"

# The most telling first: a ComfyUI graph stands in pictures of SwarmUI too, and nodes write A1111's text beside it.
_READERS: tuple[Callable[[Mapping[str, str]], Found | None], ...] = (
    read_swarmui,
    read_invokeai,
    read_novelai,
    read_fooocus,
    read_a1111,
    read_comfyui,
)


def read_settings(texts: Mapping[str, str]) -> Found | None:
    """What the texts of a picture say, by the first reader that understands them; None where none does."""
    return next((found for reader in _READERS if (found := reader(texts)) is not None), None)
