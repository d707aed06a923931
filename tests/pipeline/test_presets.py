"""Named settings and ready-made runs: kept, found again, never replaced unasked."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stablenew.config import PipelineConfig
from stablenew.errors import InputError, InvalidSetting, NotFound, StableNewError, UnsafeName
from stablenew.pipeline.presets import (
    OneClickAction,
    Preset,
    import_preset,
    list_presets,
    preset_of,
    read_action,
    read_preset,
    save_action,
    save_preset,
)
from stablenew.workspace import Workspace
from tests.makers import make_config


def test_a_preset_holds_only_what_differs_from_the_defaults() -> None:
    """Two changed settings, two entries."""
    preset = preset_of(make_config(steps=30, img2img__denoise=0.25))
    assert preset.settings == {"txt2img.steps": 30, "img2img.denoise": 0.25}
    assert preset_of(PipelineConfig()).settings == {}


def test_a_saved_preset_is_read_back_as_it_was(workspace: Workspace) -> None:
    """What was saved is what is read, and it is listed."""
    preset = Preset(settings={"txt2img.steps": 30, "txt2img.sampler": "Euler"}, note="for faces")
    save_preset(workspace, "faces", preset)
    assert read_preset(workspace, "faces") == preset
    assert list_presets(workspace) == ["faces"]


def test_a_preset_is_never_replaced_unasked(workspace: Workspace) -> None:
    """A second save under the name is refused, and works when asked for."""
    save_preset(workspace, "a", Preset(settings={"txt2img.steps": 30}))
    with pytest.raises(InputError, match="--replace"):
        save_preset(workspace, "a", Preset(settings={"txt2img.steps": 40}))
    assert read_preset(workspace, "a").settings == {"txt2img.steps": 30}
    save_preset(workspace, "a", Preset(settings={"txt2img.steps": 40}), replace=True)
    assert read_preset(workspace, "a").settings == {"txt2img.steps": 40}


def test_a_missing_preset_names_those_there_are(workspace: Workspace) -> None:
    """The error lists the presets."""
    save_preset(workspace, "faces", Preset(settings={"txt2img.steps": 30}))
    with pytest.raises(NotFound, match="faces"):
        read_preset(workspace, "facez")


@pytest.mark.parametrize("name", ["../x", "a/b", "", "CON"])
def test_a_preset_never_leaves_its_folder(workspace: Workspace, name: str) -> None:
    """Hostile names are refused."""
    with pytest.raises(UnsafeName):
        save_preset(workspace, name, Preset(settings={}))


def test_a_preset_with_a_value_that_is_not_allowed_is_an_error(workspace: Workspace) -> None:
    """A file edited by hand is checked when it is read."""
    workspace.presets.mkdir(parents=True)
    (workspace.presets / "bad.json").write_text('{"settings": {"txt2img.steps": 9000}}')
    with pytest.raises(InvalidSetting, match="1 to 150"):
        read_preset(workspace, "bad")


def test_a_one_click_action_is_found_by_its_label_however_it_is_typed(workspace: Workspace) -> None:
    """Case, spaces and punctuation do not matter."""
    action = OneClickAction(label="Heroic Portrait!", packs=("heroes.txt",), set=("steps=30",))
    save_action(workspace, "Heroic Portrait!", action)
    for typed in ("heroic portrait", "HEROIC-PORTRAIT", "Heroic Portrait!"):
        assert read_action(workspace, typed) == action
    with pytest.raises(NotFound):
        read_action(workspace, "villain")


def test_the_ancestors_presets_are_imported_with_a1111_names() -> None:
    """sampler_name, denoising_strength and cfg_scale are what they mean in their stage; the rest is named."""
    data = {
        "txt2img": {"steps": 28, "sampler_name": "Euler", "cfg_scale": 6.5, "enable_hr_magic": True},
        "img2img": {"denoising_strength": 0.35, "steps": 15},
        "upscale": {"upscaler": "R-ESRGAN 4x+"},
    }
    preset, passed_over = import_preset(json.dumps(data).encode(), "old.json")
    assert preset.settings == {
        "txt2img.steps": 28,
        "txt2img.sampler": "Euler",
        "txt2img.cfg_scale": 6.5,
        "img2img.denoise": 0.35,
        "img2img.steps": 15,
        "upscale.upscaler": "R-ESRGAN 4x+",
    }
    assert passed_over == ("txt2img.enable_hr_magic",)


def test_labels_in_any_script_are_told_apart(workspace: Workspace) -> None:
    """Two labels that differ only in letters beyond a to z are two actions."""
    for label in ("東京 1", "大阪 1", "Château"):
        save_action(workspace, label, OneClickAction(label=label, packs=("p.txt",)))
    assert [read_action(workspace, name).label for name in ("東京1", "大阪-1", "CHÂTEAU")] == [
        "東京 1",
        "大阪 1",
        "Château",
    ]


def test_a_packs_sidecar_is_imported_for_its_preset_data() -> None:
    """Only `preset_data` of a sidecar is settings."""
    data = {"pack_data": {"matrix": {"enabled": True}}, "preset_data": {"txt2img": {"steps": 12}}}
    assert import_preset(json.dumps(data).encode(), "pack.json")[0].settings == {"txt2img.steps": 12}


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["txt2img", "steps", "img2img", "x", "sampler"]), inner, max_size=4)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_bytes_are_a_preset_or_a_clear_error(data: bytes) -> None:
    """Never a traceback of another kind."""
    with contextlib.suppress(StableNewError):
        import_preset(data, "file.json")
