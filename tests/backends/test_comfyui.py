"""The ComfyUI backend against the stub: queued ahead, pictures believed only when seen, secrets kept, threads ended."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageChops

from stablenew.backends.base import CancelToken, GeneratedImage, StepProgress, Watch
from stablenew.backends.comfyui import open_backend
from stablenew.backends.comfyui.events import ComfyEvents
from stablenew.backends.picture import read_pixels
from stablenew.backends.registry import BackendOptions, installed_kinds
from stablenew.backends.registry import open_backend as open_any
from stablenew.errors import BackendUnavailable, GenerationFailed, InvalidSetting, StableNewError
from stablenew.testing.fake_backend import FakeBackend
from stablenew.testing.stub_comfy import StubComfy, StubJob
from stablenew.testing.stub_comfy_graph import paint_with
from stablenew.testing.stub_comfy_http import Fault
from tests.backends.comfy_requests import open_comfy, outcomes, picture, txt2img, upscale


@pytest.fixture
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


def test_it_is_found_by_its_kind(stub: StubComfy) -> None:
    """The backend comes in by the entry point."""
    opened = installed_kinds()["comfyui"].load()(BackendOptions(name="comfyui", url=stub.url))
    assert opened.capabilities().version == "0.10.0"
    opened.close()


def test_opening_asks_nothing(stub: StubComfy) -> None:
    """Opening is cheap: no call is made before there must be one."""
    open_comfy(stub).close()
    assert stub.requests == []


def test_capabilities_come_from_the_server(stub: StubComfy) -> None:
    """Samplers and schedulers by our names, files as the server lists them."""
    backend = open_comfy(stub)
    can = backend.capabilities()
    assert {"Euler a", "DPM++ 2M", "res_multistep"} <= set(can.samplers)
    assert {"Automatic", "Karras", "SGM Uniform"} <= set(can.schedulers)
    assert can.models == ("stub-model.safetensors",)
    assert can.vaes == ("stub-vae.safetensors", "pixel_space")
    assert can.upscalers[0] == "Stub-2x.pth"
    assert can.native_size == (512, 512)
    backend.close()


@pytest.mark.parametrize("depth", [1, 3])
def test_jobs_are_queued_ahead(stub: StubComfy, depth: int) -> None:
    """Exactly `depth` jobs are on the server while there is work, so it never waits for us."""
    seen: list[int] = []

    def look(job: StubJob, node_id: str) -> None:
        if job.graph[node_id]["class_type"] == "VAEDecode":
            queue = stub.get_queue()
            seen.append(len(queue["queue_running"]) + len(queue["queue_pending"]))

    stub.before_node, stub.step_s = look, 0.02
    backend = open_comfy(stub, depth=depth)
    outcomes(backend, [txt2img(seed) for seed in range(6)])
    assert max(seen) == depth
    backend.close()


def test_the_next_job_is_handed_over_before_the_picture_is_fetched(stub: StubComfy) -> None:
    """While a picture is read, the server already has its next job."""
    backend = open_comfy(stub, depth=1)
    outcomes(backend, [txt2img(seed) for seed in range(3)])
    calls = [path for _, path, _ in stub.requests if path in ("/prompt", "/view")]
    assert calls == ["/prompt", "/prompt", "/view", "/prompt", "/view", "/view"]
    backend.close()


def test_pictures_are_kept_byte_for_byte(stub: StubComfy) -> None:
    """What the server saved is what we hand on, its chunks included."""
    backend = open_comfy(stub)
    made = picture(backend, txt2img())
    assert made.picture in stub.saved.values()
    assert isinstance(made.picture, bytes)
    assert b"tEXtprompt" in made.picture
    assert made.infotext is None
    backend.close()


@pytest.mark.parametrize("silent", [False, True])
def test_the_same_request_again_has_its_own_file(stub: StubComfy, silent: bool) -> None:
    """An identical request is answered from the server's cache, yet with a new file of its own, and the same pixels."""
    stub.silent = silent
    backend = open_comfy(stub)
    first, second = outcomes(backend, [txt2img(5), txt2img(5)])
    assert isinstance(first, GeneratedImage)
    assert isinstance(second, GeneratedImage)
    assert len(stub.saved) == 2
    assert ImageChops.difference(read_pixels(first.picture, "x"), read_pixels(second.picture, "x")).getbbox() is None
    backend.close()


def test_the_stub_answers_identical_graphs_from_its_cache(stub: StubComfy) -> None:
    """The danger is real: the same graph twice gives the old file, and none at all without a client id."""
    backend = open_comfy(stub)
    picture(backend, txt2img())
    body = next(body for _, path, body in stub.requests if path == "/prompt")
    ids = []
    for client in ({"client_id": "me"}, {}):
        _, answer = stub.post_prompt({"prompt": body["prompt"], **client})
        ids.append(answer["prompt_id"])
        assert stub.wait_until(lambda: bool(stub.get_history(ids[-1])))
    old, nothing = (stub.get_history(each)[each] for each in ids)
    assert old["status"]["status_str"] == nothing["status"]["status_str"] == "success"
    assert len(old["outputs"]) == 1
    assert nothing["outputs"] == {}
    assert len(stub.saved) == 1
    backend.close()


@pytest.mark.parametrize(
    "images",
    [
        {},
        {"9": [{"filename": "somebody_elses_00001_.png", "subfolder": "stablenew", "type": "output"}]},
        {"9": [{"filename": "../../etc/passwd", "subfolder": "..", "type": "output"}]},
    ],
)
def test_success_without_our_picture_is_a_failure(stub: StubComfy, images: dict[str, Any]) -> None:
    """A job that succeeded with no file, or with a file that is not ours, has failed; nothing is fetched."""
    backend = open_comfy(stub)
    backend.capabilities()
    stub.before_node = lambda job, node_id: setattr(job, "images", _Fixed(images))
    (made,) = outcomes(backend, [txt2img()])
    assert isinstance(made, GenerationFailed)
    assert "the server says the job succeeded" in str(made)
    assert not any(path == "/view" for _, path, _ in stub.requests)
    backend.close()


class _Fixed(dict[str, Any]):
    """Outputs that stay as they are."""

    def __setitem__(self, key: str, value: Any) -> None:
        """Nothing is taken in."""


def _cut_png() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    return buffer.getvalue()[:2000]


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"<svg/>", _cut_png()])
def test_a_picture_that_cannot_be_read_is_a_failure(stub: StubComfy, data: bytes) -> None:
    """Bytes that are no whole picture are asked for again and then not believed."""
    backend = open_comfy(stub)
    stub.faults.append(Fault(path="/view", kind="answer", body=data, times=3))
    (made,) = outcomes(backend, [txt2img()])
    assert isinstance(made, GenerationFailed)
    assert not stub.faults
    backend.close()


def test_a_picture_of_one_colour_is_said(stub: StubComfy) -> None:
    """A picture that is all one colour, as NaN gives it, carries a deviation."""
    stub.paint = lambda request, size: Image.new("RGB", size, "black")
    backend = open_comfy(stub)
    (deviation,) = picture(backend, txt2img()).deviations
    assert (deviation.setting, deviation.done) == ("image", "only #000000")
    backend.close()


def test_progress_and_previews_name_their_request(stub: StubComfy) -> None:
    """Steps and previews arrive under the position of their request, in order, with preview bytes as sent."""
    stub.previews, stub.step_s = True, 0.01
    backend = open_comfy(stub)
    seen: list[StepProgress] = []
    outcomes(backend, [txt2img(1), txt2img(2)], Watch(progress=seen.append))
    for index in (0, 1):
        mine = [report for report in seen if report.indices == (index,)]
        assert [report.step for report in mine if report.preview is None] == [1, 2, 3]
        previews = [report.preview for report in mine if report.preview]
        assert previews
        assert all(preview.startswith(b"\xff\xd8") for preview in previews)
    backend.close()


def test_previews_can_be_switched_off(stub: StubComfy) -> None:
    """With previews off none is passed on."""
    stub.previews = True
    backend = open_comfy(stub, previews=False)
    seen: list[StepProgress] = []
    outcomes(backend, [txt2img()], Watch(progress=seen.append))
    assert not any(report.preview for report in seen)
    backend.close()


def test_no_websocket_at_all(stub: StubComfy) -> None:
    """Where the websocket never comes up, polling alone makes every picture."""
    stub.faults.append(Fault(path="/ws", kind="reset", times=10_000))
    backend = open_comfy(stub)
    assert all(isinstance(made, GeneratedImage) for made in outcomes(backend, [txt2img(s) for s in range(4)]))
    backend.close()


def test_every_connection_has_a_new_client_id(stub: StubComfy) -> None:
    """After a broken websocket the next one has another id: the server mixes up old and new ones."""
    events = ComfyEvents(url=stub.url, retry_s=0.01)
    events.open()
    first = events.client_id
    assert stub.wait_until(lambda: first in stub._sockets)
    stub._sockets[first].cut()
    assert stub.wait_until(lambda: events.client_id != first and events.client_id in stub._sockets)
    assert any(event.kind == "lost" for event in events.wait(5))
    events.close()


def test_no_thread_is_left(stub: StubComfy) -> None:
    """Closing ends the listening thread, also while it waits for a message; closing twice is as good as once."""
    backend = open_comfy(stub)
    picture(backend, txt2img())
    assert any(thread.name == "comfyui-events" for thread in threading.enumerate())
    backend.close()
    backend.close()
    assert not any(thread.name == "comfyui-events" for thread in threading.enumerate())


def test_the_password_is_sent_and_never_shown(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Basic auth goes with every call and the websocket; errors, logs and pictures do not hold it."""
    with StubComfy(credential=("ann", "s3cret!word")) as stub:
        url = stub.url.replace("http://", "http://ann:s3cret%21word@")
        backend = open_backend(BackendOptions(name="comfyui", url=url, settings={"restart_wait_s": 0.2, "poll_s": 0.1}))
        made = picture(backend, txt2img())
        assert stub.wait_until(lambda: bool(stub._sockets))
        stub.faults.append(Fault(path="/prompt", kind="answer", status=500, body=b"you sent ann:s3cret!word"))
        (failed,) = outcomes(backend, [txt2img(2)])
        stub.stop()
        with pytest.raises(BackendUnavailable) as gone:
            list(backend.generate([txt2img()], Watch()))
        backend.close()
        said = [repr(made.effective), str(failed), str(gone.value), caplog.text, *capsys.readouterr()]
        assert isinstance(made.picture, bytes)
        for text in [*said, made.picture.decode("latin1"), repr(failed), repr(backend), str(vars(backend))]:
            assert "s3cret" not in text


def test_a_wrong_password_is_told_with_where_to_put_it() -> None:
    """A server that refuses us says which variable takes user and password."""
    with StubComfy(credential=("ann", "x")) as stub:
        backend = open_comfy(stub)
        with pytest.raises(BackendUnavailable, match=r"asks for a user and a password.*STABLENEW_COMFYUI_AUTH"):
            backend.capabilities()
        backend.close()


@pytest.mark.parametrize("body", [b"[]", b"{}", b"<html>", b'{"KSampler": 5}'])
def test_something_else_on_that_port_is_said(stub: StubComfy, body: bytes) -> None:
    """What answers but is no ComfyUI is named as such."""
    backend = open_comfy(stub)
    stub.faults.append(Fault(path="/object_info", kind="answer", body=body))
    with pytest.raises(BackendUnavailable, match="is not a ComfyUI server"):
        backend.capabilities()
    backend.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"depht": 3}, "depht"),
        ({"depth": 0}, r"comfyui\.depth"),
        ({"depth": "2"}, r"comfyui\.depth"),
        ({"workflows": {"paint": {"file": "x"}}}, "workflows"),
        ({"clips": ["a", "b", "c"]}, r"comfyui\.clips"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], words: str) -> None:
    """A setting that does not exist or cannot be is refused when the backend is opened."""
    with pytest.raises(InvalidSetting, match=words):
        open_backend(BackendOptions(name="comfyui", settings=settings))


def test_a_stub_can_paint_with_any_backend() -> None:
    """The stub's pictures may come from another backend, so that a real model can stand behind it."""
    fake = FakeBackend()
    with StubComfy(paint=paint_with(fake)) as stub:
        backend = open_comfy(stub)
        made = picture(backend, txt2img(5))
        assert fake.calls.made["txt2img"] == 1
        assert made.width == 64
        backend.close()


def test_the_embedded_model_behind_a_stub() -> None:
    """With the embedded model behind the stub, the picture over the wire is the one that model paints by itself."""
    pytest.importorskip("diffusers")
    local = open_any(BackendOptions(name="local"))
    request = txt2img(5, prompt="a red circle", steps=6)
    ((_, alone),) = local.generate([request], Watch())
    assert isinstance(alone, GeneratedImage)
    with StubComfy(paint=paint_with(local)) as stub:
        backend = open_comfy(stub)
        made = picture(backend, request)
        backend.close()
    local.close()
    pixels = read_pixels(made.picture, "x"), read_pixels(alone.picture, "x")
    assert max(high for _, high in ImageChops.difference(*pixels).getextrema()) <= 2
    assert made.effective.sampler == alone.effective.sampler == "Euler a"


def test_stopping_between_pictures_keeps_those_made(stub: StubComfy) -> None:
    """Cancelled after the first picture, that one is kept and the others are Cancelled."""
    stub.step_s = 0.02
    backend = open_comfy(stub)
    token = CancelToken()
    made = []
    for index, outcome in backend.generate([txt2img(seed) for seed in range(4)], Watch(cancel=token)):
        made.append((index, outcome))
        token.cancel()
    assert sorted(index for index, _ in made) == [0, 1, 2, 3]
    assert isinstance(made[0][1], GeneratedImage)
    assert all(isinstance(outcome, StableNewError) for _, outcome in made[1:])
    backend.close()


def test_batches_are_grouped_by_model(stub: StubComfy) -> None:
    """Requests of one model and stage belong together; another model is another batch."""
    backend = open_comfy(stub, model="a")
    assert backend.batch_key(txt2img(1)) == backend.batch_key(txt2img(2, model="a", steps=9))
    assert backend.batch_key(txt2img(1)) != backend.batch_key(txt2img(1, model="b"))
    assert backend.batch_key(txt2img(1)) != backend.batch_key(upscale("img2img"))
    backend.close()
