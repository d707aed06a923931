"""Cards for other tools: what they read, and nobody's file overwritten."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest

from stablenew.backends.comfyui.workflow import parse_workflow
from stablenew.errors import InputError, InvalidSetting
from stablenew.learning.card_store import current_card, keep_version
from stablenew.pipeline.card_exports import CARD_FORMS, export_card, write_export
from stablenew.pipeline.card_presets import apply_card, card_difference
from stablenew.pipeline.card_settings import asked_model, config_changes
from stablenew.pipeline.presets import import_preset, read_preset
from stablenew.workspace import Workspace
from tests.cards import NEW, NOW, OLD, advice, animals, card


def test_a1111_defaults_are_its_own_keys(workspace: Workspace) -> None:
    """Sampler, schedule and steps under the sampler script's keys (since 1.7), the rest under the tab's; options."""
    new = {**NEW, "scheduler": "Karras", "size": "512x768", "clip_skip": 2, "vae": "ft.pt", "img2img.denoise": 0.4}
    card(workspace, advice(new, {**OLD, "model": "a"}), model="dream.safetensors")
    exported = export_card(workspace, "dream", "a1111-defaults")
    assert json.loads(exported.text) == {
        "ui-config.json": {
            "customscript/sampler.py/txt2img/Sampling method/value": "DPM++ 2M",
            "customscript/sampler.py/txt2img/Schedule type/value": "Karras",
            "customscript/sampler.py/txt2img/Sampling steps/value": 28,
            "txt2img/CFG Scale/value": 5.0,
            "txt2img/Width/value": 512,
            "txt2img/Height/value": 768,
            "img2img/Denoising strength/value": 0.4,
        },
        "config.json": {
            "CLIP_stop_at_last_layers": 2,
            "sd_vae": "ft.pt",
            "sd_model_checkpoint": "dream.safetensors",
        },
    }
    assert exported.left_out == ()


def test_an_a1111_style_is_a_row_of_styles_csv(workspace: Workspace) -> None:
    """Name, prompt with its place for the person's own, negative prompt; the loras, as styles hold words alone."""
    card(workspace, advice({**NEW, "lora": "ink:0.8+paper"}, OLD))
    exported = export_card(workspace, "any", "a1111-styles")
    (row,) = csv.DictReader(io.StringIO(exported.text))
    assert row == {
        "name": "StableNew any",
        "prompt": "{prompt} <lora:ink:0.8> <lora:paper:1>",
        "negative_prompt": "",
    }
    assert exported.left_out == ("sampler", "steps", "cfg_scale")


def test_comfyui_gets_nodes_in_api_format_by_its_own_names(workspace: Workspace) -> None:
    """What ComfyUI calls them, in a text that reads as a workflow; Automatic is the schedule the WebUI would take."""
    card(workspace, advice({**NEW, "width": 512, "height": 768, "upscale.scale": 2.0}, OLD), model="dream.safetensors")
    exported = export_card(workspace, "dream", "comfyui")
    nodes = {
        node.class_type: dict(node.inputs) for node in parse_workflow(exported.text.encode(), where="x").graph.values()
    }
    assert nodes == {
        "CheckpointLoaderSimple": {"ckpt_name": "dream.safetensors"},
        "EmptyLatentImage": {"width": 512, "height": 768},
        "KSampler": {"sampler_name": "dpmpp_2m", "scheduler": "karras", "steps": 28, "cfg": 5.0},
    }
    assert exported.left_out == ("upscale.scale",)


def test_what_comfyui_has_no_name_for_is_left_out_by_name(workspace: Workspace) -> None:
    """A sampler or schedule of the WebUI alone is said to be left out; the rest is there."""
    card(workspace, advice({"sampler": "Restart", "steps": 28}, OLD))
    exported = export_card(workspace, "any", "comfyui")
    assert exported.left_out == ("txt2img.sampler",)
    assert "28" in exported.text
    card(workspace, advice({"sampler": "Euler", "scheduler": "Turbo", "steps": 28}, OLD))
    exported = export_card(workspace, "any", "comfyui")
    assert exported.left_out == ("txt2img.scheduler",)
    assert '"euler"' in exported.text


def test_a_preset_of_a_card_is_read_back_as_one(workspace: Workspace) -> None:
    """The exported preset imports again with the same settings."""
    card(workspace)
    exported = export_card(workspace, "any", "preset")
    found, passed_over = import_preset(exported.text.encode(), "x.json")
    assert found.note == "card any"
    assert dict(found.settings) == {f"txt2img.{name}": value for name, value in NEW.items()}
    assert passed_over == ()


@pytest.mark.parametrize("form", CARD_FORMS)
def test_a_withdrawn_card_exports_the_old_settings(workspace: Workspace, form: str) -> None:
    """In every form, what was withdrawn is not what leaves the house."""
    lost = dataclasses.replace(card(workspace), state="withdrawn")
    keep_version(workspace, lost, "withdrawn", now=NOW)
    text = export_card(workspace, "any", form).text  # type: ignore[arg-type]
    assert "28" not in text
    assert ("20" in text) is (form != "a1111-styles")


def test_no_file_is_overwritten(workspace: Workspace, tmp_path: Path) -> None:
    """A file that is there stays as it is, and the error says to merge by hand."""
    card(workspace)
    path = tmp_path / "ui-config.json"
    path.write_text("theirs")
    exported = export_card(workspace, "any", "a1111-defaults")
    with pytest.raises(InputError, match="merge by hand"):
        write_export(exported, path)
    assert path.read_text() == "theirs"
    write_export(exported, tmp_path / "new" / "card.json")
    assert (tmp_path / "new" / "card.json").read_text() == exported.text


def test_a_card_is_applied_as_a_difference(workspace: Workspace) -> None:
    """Before -> after per setting, against defaults or a preset; what is the same already is no change."""
    card(workspace, advice({**NEW, "scheduler": "Automatic"}, OLD))
    against_defaults = card_difference(workspace, "any")
    assert [(each.path, each.before, each.after) for each in against_defaults.changes] == [
        ("txt2img.sampler", "Euler a", "DPM++ 2M"),
        ("txt2img.steps", 20, 28),
        ("txt2img.cfg_scale", 7.0, 5.0),
    ]
    assert against_defaults.same == ("txt2img.scheduler",)
    against_preset = card_difference(workspace, "any", {"txt2img.steps": 28, "txt2img.sampler": "DDIM"})
    assert [(each.path, each.before) for each in against_preset.changes] == [
        ("txt2img.sampler", "DDIM"),
        ("txt2img.cfg_scale", 7.0),
    ]


def test_applied_twice_a_preset_still_knows_what_it_was_before(workspace: Workspace) -> None:
    """A newer version applied to the same preset: taking it back gives what was there before the first."""
    card(workspace)
    apply_card(workspace, "any", "p")
    card(workspace, advice({**NEW, "steps": 30}, OLD))
    applied = apply_card(workspace, "any", "p", replace=True)
    assert read_preset(workspace, "p").settings["txt2img.steps"] == 30
    assert applied.before is None
    assert [each.name for each in current_card(workspace, "any").presets] == ["p"]


def test_a_preset_that_is_there_is_not_replaced_unasked(workspace: Workspace) -> None:
    """Applying to a taken name without `replace` is an error, and neither preset nor card changes."""
    card(workspace)
    apply_card(workspace, "any", "p")
    before = current_card(workspace, "any")
    with pytest.raises(InputError, match="already a preset"):
        apply_card(workspace, "any", "p")
    assert current_card(workspace, "any") == before


def test_settings_a_run_cannot_be_told_are_named(workspace: Workspace) -> None:
    """Slots and what a backend did on its own are passed over by name; a value out of range is an error."""
    changes, passed_over = config_changes({"steps": 20, "[[light]]": "dusk", "device": "cpu", "vae": None})
    assert (changes, passed_over) == ({"txt2img.steps": 20}, ("[[light]]", "device"))
    with pytest.raises(InvalidSetting):
        config_changes({"steps": 0})
    with pytest.raises(InvalidSetting):
        config_changes({"size": "big"})


def test_a_model_is_asked_for_as_its_run_asked(workspace: Workspace) -> None:
    """Records carry short names; the run's own word for it is what a backend finds again."""
    animals(workspace, model="fake-model-b")
    assert asked_model(workspace, "fake-model-b") == "fake-model-b"
    assert asked_model(workspace, "unknown") == "unknown"
