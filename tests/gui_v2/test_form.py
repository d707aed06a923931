"""Forms made from the declarations of settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import pytest
from msgspec import Meta

from stablenew.backends.base import Capabilities
from stablenew.config import PipelineConfig, Setting, apply_settings, declared_settings, extra_of
from stablenew.errors import InvalidSetting
from tests.gui_v2.hand import Hand, tkinter

if TYPE_CHECKING:
    from stablenew.gui.form import SettingsForm

FormOf: TypeAlias = "Callable[..., tuple[Hand, SettingsForm, Edited]]"

form_module = pytest.importorskip("stablenew.gui.form")
stages_module = pytest.importorskip("stablenew.gui.tabs.run_stages")


@dataclass
class Edited:
    times: int = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def form_of(open_window: Callable[..., Hand]) -> FormOf:
    """Makes a form of these settings in a small window of its own."""

    def make(*settings: Setting) -> tuple[Hand, SettingsForm, Edited]:
        hand, edited = open_window(), Edited()
        top = tkinter.Toplevel(hand.root)
        form = form_module.SettingsForm(top, hand.window.theme, settings, edited)
        form.pack(fill="both", expand=True)
        hand.settle()
        return hand, form, edited

    return make


def test_every_declared_setting_is_in_exactly_one_group() -> None:
    """Which stages run is a matter of switches; every other setting has its place in the cards."""
    groups = stages_module.grouped(declared_settings())
    placed = [setting.path for settings in groups.values() for setting in settings]
    assert sorted(placed) == sorted(path for path in declared_settings() if path != "stages")


def test_a_new_setting_appears_without_work_on_the_window(
    form_of: FormOf,
) -> None:
    """A setting that nobody knew yet gets a field of its kind, its range checked as it is typed."""
    grain = Setting(
        path="txt2img.film_grain", kind="integer", default=3, help="Grain", minimum=0, maximum=9,
        type=Annotated[int, Meta(ge=0, le=9)],
    )  # fmt: skip
    assert ("txt2img", "") in stages_module.grouped({**declared_settings(), grain.path: grain})
    hand, form, edited = form_of(grain)
    field = form.fields[grain.path]
    assert (field.label.cget("text"), field.widget.winfo_class(), field.widget.get()) == ("film grain", "TSpinbox", "3")
    hand.type("7", field.widget)
    assert form.changes == {"txt2img.film_grain": 7}
    assert edited.times
    hand.type("12", field.widget)
    assert form.changes == {}
    assert "from 0 to 9" in form.problems[0]


@pytest.mark.parametrize("path", [path for path in declared_settings() if path != "stages"])
def test_what_a_field_shows_reads_back_as_the_same_value(path: str) -> None:
    """Default values go through their text and back unchanged."""
    setting = declared_settings()[path]
    assert form_module.read_text(setting, form_module.text_of(setting.default)) == setting.default


def test_an_empty_field_is_none_only_where_none_is_allowed() -> None:
    """Width may be the model's own, steps may not be nothing."""
    assert form_module.read_text(declared_settings()["txt2img.width"], " ") is None
    with pytest.raises(InvalidSetting):
        form_module.read_text(declared_settings()["txt2img.steps"], "")


def test_untouched_fields_follow_what_the_packs_bring(
    form_of: FormOf,
) -> None:
    """A pack's own settings show where nobody set anything, and are no change of the person's."""
    hand, form, _ = form_of(declared_settings()["txt2img.steps"], declared_settings()["txt2img.cfg_scale"])
    hand.type("9", form.fields["txt2img.cfg_scale"].widget)
    form.take_base(apply_settings(PipelineConfig(), {"steps": 44, "cfg_scale": 3}))
    assert form.fields["txt2img.steps"].widget.get() == "44"
    assert form.fields["txt2img.cfg_scale"].widget.get() == "9"
    assert form.changes == {"txt2img.cfg_scale": 9.0}
    hand.key("Control-Delete", form.fields["txt2img.cfg_scale"].widget)
    assert form.fields["txt2img.cfg_scale"].widget.get() == "3"
    assert form.changes == {}


def test_fields_offer_what_the_backend_has() -> None:
    """Names come from the backend by the kind of setting; declared choices stay as they are."""
    can = Capabilities(
        stages=frozenset(),
        samplers=("Euler",),
        models=("m",),
        vaes=("v",),
        upscalers=("u",),
        adetailer_models=("face",),
    )
    known = {path: form_module.known_values(setting, can) for path, setting in declared_settings().items()}
    assert known["txt2img.sampler"] == known["txt2img.hires_sampler"] == ("Euler",)
    assert (known["model"], known["vae"], known["txt2img.refiner"]) == (("m",), ("v",), ("m",))
    assert known["upscale.upscaler"] == ("u",)
    assert known["img2img.adetailer_model"] == ("face",)
    assert set(known["upscale.method"]) == {"lanczos", "upscaler", "img2img"}


def test_settings_that_only_some_servers_know_show_where_the_backend_does_them() -> None:
    """ADetailer has fields on a server that has it, and on no other."""
    shown = form_module.is_shown
    face = declared_settings()["txt2img.adetailer_model"]
    assert extra_of("adetailer_options") == "adetailer_model"
    assert extra_of("hires_steps") == "hires_scale"
    assert extra_of("steps") is None
    assert not shown(face, None)
    assert not shown(face, Capabilities(stages=frozenset()))
    assert shown(face, Capabilities(stages=frozenset(), extras=frozenset({"adetailer_model"})))
    assert shown(declared_settings()["txt2img.steps"], None)
