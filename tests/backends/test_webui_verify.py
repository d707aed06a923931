"""What the server did instead is said: every silent substitution that was measured ends in a deviation."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from stablenew.backends.base import Img2ImgRequest, UpscaleRequest
from stablenew.backends.webui.answer import PictureAnswer, read_answer, settings_line
from stablenew.backends.webui.client import Reply
from stablenew.config import Img2ImgSettings, UpscaleSettings
from stablenew.errors import GenerationFailed, InvalidSetting, UnsupportedStage
from stablenew.testing.stub_webui import StubWebUI

from .webui_desk import asked, desk, differences, outcomes, picture


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as started:
        yield started


@pytest.fixture
def forge() -> Iterator[StubWebUI]:
    with StubWebUI(flavour="Forge") as started:
        yield started


def test_what_is_done_as_asked_has_no_deviation(stub: StubWebUI) -> None:
    """A request that uses everything at once, done as asked, deviates in nothing and records the server's own words."""
    request = asked(
        "a cat <lora:shiny:0.8>, embedding:blurry-embed",
        model="tiny-a",
        vae="soft-vae.safetensors",
        sampler="DPM++ 2M Karras",
        clip_skip=2,
        hires_scale=2.0,
        refiner="tiny-b",
        restore_faces=True,
        adetailer_model="face_yolov8n.pt",
        adetailer_options='{"ad_confidence": 0.5}',
    )
    made = picture(desk(stub), request)
    assert made.deviations == ()
    assert (made.width, made.height) == (128, 128)
    done = made.effective
    assert (done.model, done.model_hash, done.vae) == ("tiny-a", "f585621396", "soft-vae.safetensors")
    assert (done.sampler, done.scheduler, done.clip_skip) == ("DPM++ 2M", "Karras", 2)
    assert done.extra["version"] == "v1.10.1"
    assert done.extra["server"] == "desk"
    assert "shiny" in done.extra["Lora hashes"]


@pytest.mark.parametrize(
    ("twist", "setting", "done"),
    [
        ({"sampler_name": "Nope"}, "sampler", "DPM++ 2M"),
        ({"sampler_name": "k_euler_a"}, "sampler", "DPM++ 2M"),
        ({"sampler_name": ""}, "sampler", "DPM++ 2M"),
        ({"scheduler": "Karras"}, "scheduler", "Karras"),
        ({"steps": 50}, "steps", 50),
        ({"cfg_scale": 1.0}, "cfg_scale", 1.0),
        ({"seed": 77}, "seed", 77),
        ({"width": 76}, "width", 72),
        ({"prompt": "a dog"}, "prompt", "a dog"),
        ({"override_settings": {"CLIP_stop_at_last_layers": 3}}, "clip_skip", 3),
        ({"override_settings": {"sd_model_checkpoint": "nope"}}, "model", "tiny-b"),
        ({"override_settings": {"sd_vae": "nope.safetensors"}}, "vae", None),
        ({"restore_faces": False}, "restore_faces", False),
        ({"alwayson_scripts": {}}, "adetailer_model", None),
        ({"refiner_checkpoint": "nope"}, "refiner", None),
    ],
)
def test_every_silent_substitution_is_said(stub: StubWebUI, twist: dict[str, Any], setting: str, done: Any) -> None:
    """The server answers 200 while it did otherwise; the picture carries what was done, and says so."""
    request = asked(
        model="tiny-a",
        vae="soft-vae.safetensors",
        scheduler="Exponential",
        restore_faces=True,
        refiner="tiny-b",
        adetailer_model="face_yolov8n.pt",
    )
    stub.mind.twist = twist
    found = differences(picture(desk(stub), request))
    assert setting in found
    assert found[setting] == done


@pytest.mark.parametrize("prompt", ["a cat <lora:shiny:1>", "a cat embedding:blurry-embed"])
def test_a_lora_or_embedding_that_was_not_used_is_said(stub: StubWebUI, prompt: str) -> None:
    """The only sign of a lora left out is that its hash is missing; of an embedding too."""
    stub.mind.twist = {"prompt": "a cat"}
    found = differences(picture(desk(stub), asked(prompt)))
    assert "lora" in found or "embedding" in found


def test_a_forge_module_that_was_not_used_is_said(forge: StubWebUI) -> None:
    """Forge takes VAEs as modules and reports them in the infotext; an ignored one is a deviation."""
    request = asked(vae="soft-vae.safetensors")
    assert picture(desk(forge), request).effective.vae == "soft-vae"
    forge.mind.twist = {"override_settings": {"forge_additional_modules": ["nope"]}}
    assert differences(picture(desk(forge), request)) == {"vae": None}


@pytest.mark.parametrize(("kind", "said"), [("black", "black"), ("flat", "one flat colour")])
def test_a_picture_without_content_is_said(stub: StubWebUI, kind: str, said: str) -> None:
    """An all-black picture, the sign of NaN, and one of a single colour are deviations."""
    stub.mind.picture = kind
    assert differences(picture(desk(stub), asked())) == {"picture": said}


def test_a_half_baked_picture_is_said(stub: StubWebUI) -> None:
    """Interrupted by somebody at the server, the answer looks finished; the server's state gives it away."""
    stub.mind.halve = True
    assert differences(picture(desk(stub), asked())) == {"finished": False}
    stub.mind.halve = False
    assert differences(picture(desk(stub), asked())) == {}


def test_too_few_pictures_fail_the_missing(stub: StubWebUI) -> None:
    """Of three asked for in one request and one sent, one is kept and two fail."""
    stub.mind.twist = {"batch_size": 1}
    found = outcomes(desk(stub, batch_size=3), [asked(seed=seed) for seed in (4, 5, 6)])
    assert [isinstance(outcome, GenerationFailed) for outcome in found] == [False, True, True]
    assert "1 pictures of 3" in str(found[1])


def test_a_batch_keeps_each_seed(stub: StubWebUI) -> None:
    """Consecutive seeds go out in one request and each picture is the one its seed gives alone."""
    batched = desk(stub, batch_size=4)
    found = outcomes(batched, [asked(seed=seed) for seed in (4, 5, 6, 9)])
    assert stub.count("/sdapi/v1/txt2img") == 2
    assert [outcome.seed for outcome in found] == [4, 5, 6, 9]  # type: ignore[union-attr]  # pictures, or the test fails
    assert picture(desk(stub), asked(seed=5)).picture == found[1].picture  # type: ignore[union-attr]  # as above


def test_the_bytes_sent_are_the_bytes_kept(stub: StubWebUI) -> None:
    """The picture is byte for byte what the server sent, its infotext in it; in another format too."""
    made = picture(desk(stub), asked())
    assert isinstance(made.picture, bytes)
    assert made.infotext is not None
    assert made.infotext.encode() in made.picture
    stub.mind.values["samples_format"] = "webp"
    other = picture(desk(stub), asked())
    assert isinstance(other.picture, bytes)
    assert other.picture[8:12] == b"WEBP"
    assert other.infotext is None
    assert other.effective.sampler == "Euler a"


def test_metadata_switched_off_is_none(stub: StubWebUI) -> None:
    """With enable_pnginfo off there is no infotext in the picture, and still nothing is unknown."""
    stub.mind.values["enable_pnginfo"] = False
    made = picture(desk(stub), asked())
    assert made.infotext is None
    assert made.effective.steps == 3


def test_forge_hires_needs_its_extra_fields(forge: StubWebUI) -> None:
    """On Forge the hires fix is sent with modules and guidance, without which it fails or runs at guidance 1."""
    assert (picture(desk(forge), asked(hires_scale=2.0, cfg_scale=6.0))).width == 128
    sent = next(call.json() for call in forge.calls if call.path == "/sdapi/v1/txt2img")
    assert sent["hr_cfg"] == 6.0
    assert sent["hr_additional_modules"] == ["Use same choices"]
    assert sent["denoising_strength"] == 0.5


def test_adetailer_is_sent_so_that_no_tab_shifts(stub: StubWebUI) -> None:
    """ADetailer gets its two leading flags and a second tab that is off: otherwise the server adds its own default."""
    picture(desk(stub), asked(adetailer_model="face_yolov8n.pt"))
    sent = next(call.json() for call in stub.calls if call.path == "/sdapi/v1/txt2img")
    expected = [True, False, {"ad_model": "face_yolov8n.pt"}, {"ad_model": "None"}]
    assert sent["alwayson_scripts"]["ADetailer"]["args"] == expected


def test_a_start_picture_of_an_odd_size_is_said() -> None:
    """img2img of a picture whose sides are no multiples of 8 gives the nearest size, as a deviation."""
    settings = Img2ImgSettings(sampler="Euler a", scheduler="Automatic", steps=2, cfg_scale=7.0)
    start = Image.linear_gradient("L").resize((70, 64)).convert("RGB")
    request = Img2ImgRequest(prompt="a", negative_prompt="", seed=1, settings=settings, image=start)
    with StubWebUI() as stub:
        made = picture(desk(stub), request)
    assert (made.width, made.height) == (64, 64)
    assert differences(made) == {"width": 64}


def test_extras_sends_the_start_picture_untouched(stub: StubWebUI) -> None:
    """A start picture given as bytes reaches the server as it is; an upscale that changed nothing is a deviation."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(buffer, "PNG")
    request = UpscaleRequest(
        prompt="",
        negative_prompt="",
        seed=3,
        settings=UpscaleSettings(method="upscaler", upscaler="esrgan_4x"),
        repaint=Img2ImgSettings(),
        image=buffer.getvalue(),
        width=128,
        height=128,
    )
    backend = desk(stub)
    made = picture(backend, request)
    assert (made.width, made.seed, made.effective.upscaler) == (128, 3, "ESRGAN_4x")
    assert made.deviations == ()
    backend.close()


def test_sd_cpp_takes_loras_apart_from_the_prompt() -> None:
    """stable-diffusion.cpp gets loras as a list, its own sampler names and no null; the record keeps people's names."""
    with StubWebUI(flavour="sd.cpp") as stub:
        made = picture(desk(stub), asked("a cat <lora:shiny:0.5>"))
        sent = next(call.json() for call in stub.calls if call.path == "/sdapi/v1/txt2img")
        assert sent["lora"] == [{"path": "/srv/models/loras/shiny.safetensors", "multiplier": 0.5}]
        assert (sent["prompt"], sent["sampler_name"]) == ("a cat", "euler_a")
        assert "scheduler" not in sent
        assert None not in sent.values()
        assert made.effective.sampler == "Euler a"
        backend = desk(stub)
        with pytest.raises(InvalidSetting, match="64"):
            backend.check(asked(width=72))
        with pytest.raises(UnsupportedStage):
            backend.check(asked(hires_scale=2.0))


@pytest.mark.parametrize("flavour", ["A1111", "Forge", "reForge", "SD.Next", "sd.cpp"])
def test_each_flavour_is_told_apart(flavour: Any) -> None:
    """The version of the capabilities begins with the flavour that serves."""
    with StubWebUI(flavour=flavour) as stub:
        assert desk(stub).capabilities().version.split()[0] == flavour


def test_the_version_is_learned_from_a_picture(stub: StubWebUI) -> None:
    """A1111 tells its version only with a picture; capabilities carry it from then on."""
    backend = desk(stub)
    assert backend.capabilities().version == "A1111"
    picture(backend, asked())
    assert backend.capabilities().version == "A1111 v1.10.1"


def test_a_list_grown_meanwhile_is_read_again(stub: StubWebUI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is unknown is looked for in fresh lists before it is refused."""
    from stablenew.testing import stub_webui_mind

    backend = desk(stub)
    backend.capabilities()
    monkeypatch.setattr(stub_webui_mind, "LORAS", ("shiny", "newer"))
    stub._routes = stub._all_routes()
    backend._facts_at -= 60
    backend.check(asked("a cat <lora:newer:1>"))


def test_infotext_of_a_prompt_that_looks_like_one() -> None:
    """A prompt with a line that begins with Steps does not count: the server's own line is the last."""
    text = 'Steps: 99, fake: yes\nNegative prompt: \nSteps: 20, Lora hashes: "a: 1, b: 2", Size: 64x64, Model: x'
    assert settings_line(text) == {"Steps": "20", "Lora hashes": "a: 1, b: 2", "Size": "64x64", "Model": "x"}
    assert settings_line("no settings at all") == {}
    assert settings_line("Steps: " + '\\",:' * 10_000)


def test_grids_are_passed_over_and_pictures_keep_their_seeds() -> None:
    """With a grid in front, pictures pair with infotexts behind it and with seeds, which do not count it."""
    texts = ["Steps: 3, Seed: 5, Size: 8x8", "Steps: 3, Seed: 5", 'Steps: 3, Seed: 6, Lora hashes: "a: 1"']
    info = {"infotexts": texts, "all_seeds": [5, 6], "all_prompts": ["x", "y"], "index_of_first_image": 1}
    body = json.dumps({"images": ["grid", "one", "two"], "info": json.dumps(info)}).encode()
    answer = read_answer(Reply(status=200, body=body))
    assert isinstance(answer, PictureAnswer)
    assert answer.images[answer.said.first :] == ("one", "two")
    assert [(said.seed, said.prompt) for said in answer.said.pictures] == [(5, "x"), (6, "y")]
    assert answer.said.pictures[1].fields["Lora hashes"] == "a: 1"


def test_a_server_that_says_too_much_does_not_fill_the_record(stub: StubWebUI) -> None:
    """Names and fields of an answer are cut to a length a record can hold."""
    body = {"images": [], "info": json.dumps({"sd_model_name": "x" * 10_000, "version": "y" * 10_000})}
    answer = read_answer(Reply(status=200, body=json.dumps(body).encode()))
    assert isinstance(answer, PictureAnswer)
    assert len(answer.said.model or "") == len(answer.said.version or "") == 300
    stub.mind.twist = {"hr_upscaler": "z" * 5000, "hr_scale": 2.0}
    made = picture(desk(stub), asked(hires_scale=2.0))
    assert len(made.effective.extra["Hires upscaler"]) == 500
