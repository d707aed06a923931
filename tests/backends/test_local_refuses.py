"""What the local backend cannot do is refused before the first picture, never left out in silence."""

from __future__ import annotations

from typing import Any

import pytest

from stablenew.backends.base import Txt2ImgRequest
from stablenew.backends.diffusers_local import open_backend
from stablenew.backends.registry import BackendOptions
from stablenew.config import Txt2ImgSettings
from stablenew.errors import UnsupportedStage


@pytest.mark.parametrize(
    ("prompt", "settings", "names"),
    [
        ("a cat <lora:detail:0.8>", {}, "<lora:detail:0.8>"),
        ("a cat, embedding:easynegative", {}, "embedding:easynegative"),
        ("a cat", {"hires_scale": 2.0}, "hires_scale"),
        ("a cat", {"restore_faces": True}, "restore_faces"),
        ("a cat", {"adetailer_model": "face_yolov8n.pt"}, "adetailer_model"),
    ],
)
def test_what_only_servers_do_is_refused_by_name(prompt: str, settings: dict[str, Any], names: str) -> None:
    """Loras, embeddings and server extras: the error names what, before anything is loaded."""
    backend = open_backend(BackendOptions(name="local"))
    request = Txt2ImgRequest(prompt=prompt, negative_prompt="", seed=1, settings=Txt2ImgSettings(**settings))
    with pytest.raises(UnsupportedStage) as caught:
        backend.check(request)
    assert names in str(caught.value)


def test_a_colon_in_a_prompt_is_no_network() -> None:
    """Ordinary words pass."""
    backend = open_backend(BackendOptions(name="local"))
    settings = Txt2ImgSettings()
    backend.check(Txt2ImgRequest(prompt="a cat: (red:1.2) <3", negative_prompt="", seed=1, settings=settings))
