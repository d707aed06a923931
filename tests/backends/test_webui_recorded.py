"""The client reads what real servers answered: lists recorded from A1111 v1.10.1 and Forge f2.0.1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.backend import open_backend
from stablenew.backends.webui.choice import choose
from stablenew.backends.webui.client import TimeLimits, WebUIClient
from stablenew.backends.webui.flavour import ServerFacts, read_server
from stablenew.backends.webui.names import find_sampling
from stablenew.errors import InvalidSetting, UnknownChoice
from stablenew.testing.stub_server import Answer, Call, StubServer

from .webui_desk import asked

DATA = Path(__file__).parent / "data" / "webui"


class Recorded(StubServer):
    """Answers with the files of one flavour, 404 for the rest."""

    def __init__(self, flavour: str) -> None:
        super().__init__()
        self.flavour = flavour

    def answer(self, call: Call) -> Answer:
        name = call.path.rpartition("/")[2].removesuffix(".json")
        file = DATA / f"{self.flavour}_{'openapi_paths' if name == 'openapi' else name}.json"
        if call.path == "/adetailer/v1/schema":
            file = DATA / "adetailer_25.3.0_schema.json"
        if call.path == "/adetailer/v1/ad_model":
            return Answer(body=json.dumps({"ad_model": ["face_yolov8n.pt"]}).encode())
        return Answer(body=file.read_bytes()) if file.exists() else Answer(status=404, body=b'{"detail":"Not Found"}')


@pytest.fixture(params=["a1111", "forge"], scope="module")
def facts(request: pytest.FixtureRequest) -> Iterator[ServerFacts]:
    with Recorded(request.param) as server:
        client = WebUIClient(name="desk", url=server.url, credential=None, limits=TimeLimits())
        yield read_server(client)


def test_flavour_is_told_from_the_paths(facts: ServerFacts) -> None:
    """The recorded OpenAPI paths say which flavour it is, and that tasks have their own progress."""
    assert facts.flavour in ("A1111", "Forge")
    assert (facts.flavour == "Forge") == ("forge_additional_modules" in facts.options)
    assert facts.task_progress
    assert facts.progress


def test_every_recorded_list_is_read(facts: ServerFacts) -> None:
    """Samplers, schedulers, models, VAEs, upscalers, loras, embeddings, scripts and ADetailer are all there."""
    assert "Euler a" in [entry.name for entry in facts.samplers or ()]
    assert "Align Your Steps" in [entry.name for entry in facts.schedulers or ()]
    assert [entry.name for entry in facts.models or ()] == [
        "random-sd15-b.safetensors [f585621396]",
        "random-sd15.safetensors [395cb46a75]",
    ]
    assert [entry.name for entry in facts.vaes or ()] == ["random-vae.safetensors"]
    assert "ESRGAN_4x" in (facts.upscalers or ())
    assert "None" not in (facts.upscalers or ())
    assert "Latent (nearest-exact)" in facts.latent_upscalers
    assert [entry.name for entry in facts.loras or ()] == ["random-lora"]
    assert facts.embeddings == ("random-embed",)
    assert "adetailer" in (facts.scripts or ())
    assert facts.adetailer_models == ("face_yolov8n.pt",)
    assert "ad_confidence" in facts.adetailer_schema


@pytest.mark.parametrize(
    "said",
    [
        "random-sd15.safetensors [395cb46a75]",
        "random-sd15.safetensors",
        "random-sd15",
        "RANDOM-SD15",
        "395cb46a75",
        "395cb46a758b681a6c9483f2b1a0658d6111e071e16103c48b0ca3d59c39b687",
        "/srv/models/checkpoints/random-sd15.safetensors",
        "other/folder/random-sd15.safetensors",
        "C:\\models\\random-sd15.safetensors",
    ],
)
def test_a_model_is_found_by_any_of_its_names(facts: ServerFacts, said: str) -> None:
    """Title, file name, model name, either hash and a path all mean the same model."""
    model = choose(asked(model=said), facts, "desk", None).model
    assert model is not None
    assert model.name == "random-sd15.safetensors [395cb46a75]"


@pytest.mark.parametrize(
    ("said", "sampler", "scheduler"),
    [
        ("DPM++ 2M Karras", "DPM++ 2M", "Karras"),
        ("DPM++ 2M SDE Karras", "DPM++ 2M SDE", "Karras"),
        ("DPM++ 2M SDE Heun Exponential", "DPM++ 2M SDE Heun", "Exponential"),
        ("dpm++ 2m sgm uniform", "DPM++ 2M", "SGM Uniform"),
        ("k_euler_ancestral", "Euler a", "Automatic"),
        ("euler_a", "Euler a", "Automatic"),
        ("Euler", "Euler", "Automatic"),
    ],
)
def test_joined_names_and_aliases_are_understood(facts: ServerFacts, said: str, sampler: str, scheduler: str) -> None:
    """Old joined names are split and aliases resolved, since the server takes DPM++ 2M for what it does not know."""
    found, schedule = find_sampling(facts, "desk", said, "Automatic")
    assert (found.name, schedule) == (sampler, scheduler)


def test_a_joined_name_and_another_schedule_contradict(facts: ServerFacts) -> None:
    """ "DPM++ 2M Karras" with the schedule Exponential is refused, not half done."""
    with pytest.raises(InvalidSetting, match="one schedule only"):
        find_sampling(facts, "desk", "DPM++ 2M Karras", "Exponential")


@pytest.mark.parametrize(
    ("changes", "kind", "nearest"),
    [
        ({"sampler": "Euler b"}, "sampler", "Euler a"),
        ({"scheduler": "Karas"}, "scheduler", "Karras"),
        ({"model": "random-sd51"}, "model", "random-sd15"),
        ({"vae": "random-vea.safetensors"}, "VAE", "random-vae.safetensors"),
        ({"prompt": "a cat <lora:random-lroa:1>"}, "lora", "random-lora"),
        ({"prompt": "a cat, embedding:random-embbed"}, "embedding", "random-embed"),
        ({"hires_scale": 2.0, "hires_upscaler": "Latnet"}, "hires upscaler", "Latent"),
        ({"hires_scale": 2.0, "hires_sampler": "Eulr"}, "sampler", "Euler"),
        ({"refiner": "random-sd15-c"}, "refiner", "random-sd15-b"),
        ({"adetailer_model": "face_yolov8.pt"}, "ADetailer model", "face_yolov8n.pt"),
        (
            {"adetailer_model": "face_yolov8n.pt", "adetailer_options": '{"ad_mask_k_largest": 1}'},
            "ADetailer option",
            "ad_mask_k",
        ),
        ({"scripts": '{"refinr": {"args": []}}'}, "script", "refiner"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(
    facts: ServerFacts, changes: dict[str, object], kind: str, nearest: str
) -> None:
    """Whatever the server would replace or leave out in silence is an error beforehand, naming the nearest."""
    with pytest.raises(UnknownChoice) as refused:
        choose(asked(**changes), facts, "desk", None)  # type: ignore[arg-type]  # keywords by name
    assert (refused.value.kind, refused.value.nearest) == (kind, nearest)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('{"ad_confidence": 2}', "to 1.0"),
        ('{"ad_confidence": "high"}', "type number"),
        ('{"ad_mask_k": true}', "type integer"),
        ('{"ad_inpaint_width": 0}', "above 0"),
        ("[1]", "JSON object"),
    ],
)
def test_adetailer_options_are_held_against_its_schema(facts: ServerFacts, options: str, said: str) -> None:
    """An ADetailer option of a wrong type or out of range is refused: the server would skip ADetailer in silence."""
    with pytest.raises(InvalidSetting, match=said):
        choose(asked(adetailer_model="face_yolov8n.pt", adetailer_options=options), facts, "desk", None)


def test_sizes_must_be_multiples_of_eight(facts: ServerFacts) -> None:
    """A side of 70 is refused, naming 64 and 72."""
    with pytest.raises(InvalidSetting, match="64 or 72"):
        choose(asked(width=70), facts, "desk", None)
    with pytest.raises(InvalidSetting, match="multiple of 8"):
        choose(asked(hires_scale=1.3), facts, "desk", None)


def test_capabilities_name_what_was_recorded() -> None:
    """Capabilities carry the names a person would use."""
    with Recorded("a1111") as server:
        can = open_backend(BackendOptions(name="desk", url=server.url)).capabilities()
    assert can.models == ("random-sd15-b.safetensors", "random-sd15.safetensors")
    assert can.version == "A1111"
    assert "Karras" in can.schedulers
