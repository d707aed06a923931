"""Requests as graphs: what is sent is what was meant, and what cannot be meant is refused before anything is sent."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from stablenew.backends.base import GeneratedImage
from stablenew.backends.comfyui.backend import ComfyBackend
from stablenew.backends.comfyui.graph import Sampling
from stablenew.errors import InvalidSetting, StableNewError, UnknownChoice, UnsupportedStage
from stablenew.testing.stub_comfy import StubComfy
from stablenew.testing.stub_comfy_graph import Files
from tests.backends.comfy_requests import img2img, open_comfy, picture, sent_graph, txt2img, upscale

ON_DISK = Files(
    checkpoints=("one.safetensors", "sub/two.safetensors"),
    diffusion_models=("flux.safetensors",),
    text_encoders=("clip_l.safetensors", "t5.safetensors"),
    embeddings=("badhands",),
)


@pytest.fixture(scope="module")
def stub() -> Iterator[StubComfy]:
    with StubComfy(on_disk=ON_DISK) as running:
        yield running


@pytest.fixture
def backend(stub: StubComfy) -> Iterator[ComfyBackend]:
    opened = open_comfy(stub, model="one")
    yield opened
    opened.close()


def test_everything_asked_for_is_in_the_graph(stub: StubComfy, backend: ComfyBackend) -> None:
    """Prompt, size, seed, steps, guidance, sampler, schedule, model, VAE, lora, embedding and clip skip all arrive."""
    request = txt2img(
        99,
        prompt="a cat <lora:stub-lora:0.5:0.75> badhands",
        sampler="DPM++ 2M",
        scheduler="Karras",
        steps=5,
        cfg_scale=4.5,
        width=72,
        clip_skip=2,
        model="two",
        vae="stub-vae",
    )
    made = picture(backend, request)
    sent = sent_graph(stub)
    assert sent["CheckpointLoaderSimple"] == [{"ckpt_name": "sub/two.safetensors"}]
    assert sent["VAELoader"] == [{"vae_name": "stub-vae.safetensors"}]
    (sampler,) = sent["KSampler"]
    wanted = {"seed": 99, "steps": 5, "cfg": 4.5, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0}
    assert wanted.items() <= sampler.items()
    assert [each["text"] for each in sent["CLIPTextEncode"]] == ["a cat  embedding:badhands", "blurry"]
    (lora,) = sent["LoraLoader"]
    assert (lora["lora_name"], lora["strength_clip"], lora["strength_model"]) == ("stub-lora.safetensors", 0.5, 0.75)
    assert sent["CLIPSetLastLayer"][0]["stop_at_clip_layer"] == -2
    assert {"width": 72, "height": 64, "batch_size": 1} in sent["EmptyLatentImage"]
    done = made.effective
    assert (done.model, done.vae) == ("sub/two.safetensors", "stub-vae.safetensors")
    assert (done.sampler, done.scheduler, done.steps, done.cfg_scale) == ("DPM++ 2M", "Karras", 5, 4.5)
    assert (done.width, done.height, done.clip_skip, done.denoise) == (72, 64, 2, None)
    assert done.extra["loras"] == [["stub-lora.safetensors", 0.75, 0.5]]
    assert made.deviations == ()


def test_automatic_is_recorded_as_what_it_was(backend: ComfyBackend) -> None:
    """The record names the schedule that Automatic led to."""
    assert picture(backend, txt2img(sampler="DPM++ 2M")).effective.scheduler == "Karras"
    assert picture(backend, txt2img(sampler="Euler a")).effective.scheduler == "Normal"


@pytest.mark.parametrize(
    ("steps", "denoise", "first"),
    [(20, 1.0, 0), (20, 0.999, 0), (20, 0.5, 9), (20, 0.0, 19), (4, 0.25, 2)],
)
def test_denoise_starts_part_of_the_way_as_the_webui_does(steps: int, denoise: float, first: int) -> None:
    """int(denoise * steps) steps and one more are done."""
    sampling = Sampling(seed=1, sampler="euler", scheduler="normal", steps=steps, cfg=7, denoise=denoise)
    assert sampling.first_step == first


def test_img2img_starts_the_full_schedule_part_of_the_way(stub: StubComfy, backend: ComfyBackend) -> None:
    """img2img keeps the meaning of steps and denoise, and uploads the start picture's pixels."""
    start = Image.new("RGB", (64, 48), "navy")
    made = picture(backend, img2img(start, denoise=0.5, steps=10))
    (sampler,) = sent_graph(stub)["KSamplerAdvanced"]
    assert (sampler["start_at_step"], sampler["end_at_step"], sampler["add_noise"]) == (4, 10, "enable")
    assert made.effective.extra["first_step"] == 4
    (loader,) = sent_graph(stub)["LoadImage"]
    with Image.open(io.BytesIO(stub.uploads[loader["image"]])) as uploaded:
        assert uploaded.convert("RGB").tobytes() == start.tobytes()
    assert (made.width, made.height) == (64, 48)


def test_a_size_the_server_changes_is_a_deviation(backend: ComfyBackend) -> None:
    """A start picture whose sides are no multiples of 8 comes back smaller, and that is said."""
    made = picture(backend, img2img(Image.new("RGB", (70, 64), "navy")))
    assert [(each.setting, each.asked, each.done) for each in made.deviations] == [("width", 70, 64)]
    assert made.effective.width == 64


def test_upscale_by_model(stub: StubComfy, backend: ComfyBackend) -> None:
    """An upscale model's picture is brought to exactly the size asked for."""
    made = picture(backend, upscale("upscaler", "stub-2x"))
    sent = sent_graph(stub)
    assert sent["UpscaleModelLoader"] == [{"model_name": "Stub-2x.pth"}]
    assert (made.width, made.height, made.effective.upscaler) == (128, 128, "Stub-2x.pth")
    assert "KSampler" not in sent


@pytest.mark.parametrize(
    ("upscaler", "node"),
    [(None, "ImageScale"), ("Latent", "LatentUpscale"), ("Stub-2x", "ImageUpscaleWithModel")],
)
def test_upscale_by_img2img(stub: StubComfy, backend: ComfyBackend, upscaler: str | None, node: str) -> None:
    """Painting over at the larger size works on plain, latent and model enlargement."""
    made = picture(backend, upscale("img2img", upscaler))
    assert node in sent_graph(stub)
    assert (made.width, made.height, made.effective.denoise) == (128, 128, 0.3)


def test_hires_fix_is_a_second_pass(stub: StubComfy, backend: ComfyBackend) -> None:
    """Hires fix enlarges and paints over with its own steps and denoise; the record says so."""
    made = picture(backend, txt2img(hires_scale=1.5, hires_steps=8, hires_denoise=0.5, hires_cfg_scale=3.0))
    sent = sent_graph(stub)
    assert sent["LatentUpscale"][0]["width"] == 96
    (second,) = sent["KSamplerAdvanced"]
    assert (second["steps"], second["start_at_step"], second["cfg"]) == (8, 3, 3.0)
    assert (made.width, made.height) == (96, 96)
    assert made.effective.extra["Hires upscale"] == "1.5"
    assert made.deviations == ()


def test_a_refiner_takes_over_during_the_steps(stub: StubComfy, backend: ComfyBackend) -> None:
    """Two models share the steps; the second adds no noise of its own."""
    made = picture(backend, txt2img(steps=10, refiner="two", refiner_switch_at=0.8))
    first, second = sent_graph(stub)["KSamplerAdvanced"]
    assert (first["end_at_step"], first["return_with_leftover_noise"], first["add_noise"]) == (8, "enable", "enable")
    assert (second["start_at_step"], second["end_at_step"], second["add_noise"]) == (8, 10, "disable")
    assert [each["ckpt_name"] for each in sent_graph(stub)["CheckpointLoaderSimple"]][1] == "sub/two.safetensors"
    assert made.effective.extra["Refiner"] == "two"


def test_a_diffusion_model_with_its_own_encoders(stub: StubComfy) -> None:
    """A model without text encoder and VAE is loaded from its parts."""
    backend = open_comfy(stub, clips=["clip_l", "t5"], clip_type="flux")
    made = picture(backend, txt2img(model="flux", vae="stub-vae"))
    sent = sent_graph(stub)
    assert sent["DualCLIPLoader"] == [
        {"clip_name1": "clip_l.safetensors", "clip_name2": "t5.safetensors", "type": "flux"}
    ]
    assert made.effective.model == "flux.safetensors"
    assert made.effective.extra["text_encoders"] == ["clip_l.safetensors", "t5.safetensors"]
    backend.close()


BAD: dict[str, tuple[Callable[[], Any], type[StableNewError], str]] = {
    "sampler": (lambda: txt2img(sampler="Eulr a"), UnknownChoice, "sampler called 'Eulr a': did you mean 'Euler a'"),
    "scheduler": (lambda: txt2img(scheduler="Karas"), UnknownChoice, "did you mean 'Karras'"),
    "model": (lambda: txt2img(model="on"), UnknownChoice, "no model called 'on'"),
    "vae": (lambda: txt2img(vae="stub-va"), UnknownChoice, "no VAE called 'stub-va'"),
    "lora": (lambda: txt2img(prompt="<lora:stub-lor:1>"), UnknownChoice, "no lora called 'stub-lor'"),
    "width": (lambda: txt2img(width=70), InvalidSetting, "txt2img.width = 70"),
    "small": (lambda: txt2img(height=8), InvalidSetting, "txt2img.height = 8"),
    "upscaler": (lambda: upscale("upscaler", "Stub-3x"), UnknownChoice, "did you mean 'Stub-2x.pth'"),
    "latent": (lambda: upscale("upscaler", "Latent"), InvalidSetting, "Latent needs upscale.method=img2img"),
    "clips": (lambda: txt2img(model="flux"), InvalidSetting, "clips setting"),
    "hires": (lambda: txt2img(hires_scale=1.3), InvalidSetting, "multiples of 8"),
    "hires upscaler": (
        lambda: txt2img(hires_scale=2.0, hires_upscaler="Latnt"),
        UnknownChoice,
        "did you mean 'Latent'",
    ),
    "refiner": (lambda: txt2img(refiner="three"), UnknownChoice, "no refiner called"),
    "refiner share": (lambda: txt2img(refiner="two", refiner_switch_at=1.0), InvalidSetting, "refiner_switch_at"),
    "faces": (lambda: txt2img(restore_faces=True), UnsupportedStage, "restore_faces"),
    "adetailer": (lambda: img2img(adetailer_model="x"), UnsupportedStage, "adetailer_model"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    stub: StubComfy, backend: ComfyBackend, case: str
) -> None:
    """Each setting the server would substitute, round or refuse is an error of `check` that names it."""
    make, kind, words = BAD[case]
    before = len(stub.requests)
    with pytest.raises(kind, match=words.replace("(", r"\(")):
        backend.check(make())
    assert not any(path == "/prompt" for _, path, _ in stub.requests[before:])


def test_without_a_model_and_several_there_the_person_chooses(stub: StubComfy) -> None:
    """ComfyUI has no current model: with several and none named, the error lists them."""
    backend = open_comfy(stub)
    with pytest.raises(InvalidSetting, match=r"one\.safetensors, sub/two\.safetensors, flux\.safetensors"):
        backend.check(txt2img())
    backend.close()


def test_a_file_added_while_we_run_is_found(stub: StubComfy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not found is looked for in a fresh list before it is refused."""
    monkeypatch.setattr("stablenew.backends.comfyui.backend._FRESH_S", 0.0)
    backend = open_comfy(stub, model="one")
    with pytest.raises(UnknownChoice):
        backend.check(txt2img(model="late"))
    stub.on_disk = Files(checkpoints=("one.safetensors", "late.safetensors"))
    try:
        assert isinstance(picture(backend, txt2img(model="late")), GeneratedImage)
    finally:
        stub.on_disk = ON_DISK
        backend.close()
