"""The client leaves the server and other people's jobs as it found them, and tells how far its own are."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stablenew.backends.base import CancelToken, GeneratedImage, StepProgress, Watch
from stablenew.errors import Cancelled
from stablenew.testing.stub_webui import StubWebUI

from .webui_desk import asked, desk, outcomes, picture

FOREIGN = {"prompt": "a stranger's", "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler"}


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as started:
        yield started


def foreign(stub: StubWebUI, **changes: Any) -> dict[str, Any]:
    """What somebody else's request gets: the infotext's fields of the answer."""
    answer = httpx.post(f"{stub.url}/sdapi/v1/txt2img", json={**FOREIGN, **changes}, timeout=20)
    info: dict[str, Any] = httpx.Response(200, content=answer.json()["info"]).json()
    return info


@pytest.mark.parametrize("flavour", ["A1111", "Forge"])
def test_a_foreign_request_sees_the_servers_own_settings(flavour: Any) -> None:
    """After a run with our model, VAE and clip skip, a stranger gets the server's own, as before the run."""
    with StubWebUI(flavour=flavour) as stub:
        before = foreign(stub)
        run = [asked(model="tiny-a", vae="soft-vae.safetensors", clip_skip=2, seed=seed) for seed in (1, 2)]
        made = outcomes(desk(stub), run)
        assert [outcome.effective.clip_skip for outcome in made if isinstance(outcome, GeneratedImage)] == [2, 2]
        after = foreign(stub)
    for name in ("clip_skip", "sd_vae_name", "sd_model_name"):
        assert after[name] == before[name]
    assert "Module" not in after["infotexts"][0]


def test_without_the_pins_our_settings_would_leak(stub: StubWebUI) -> None:
    """The stub leaks as real servers do: the same run without pinned options changes what a stranger gets."""
    backend = desk(stub)
    backend._pinned = True
    picture(backend, asked(clip_skip=2))
    assert foreign(stub)["clip_skip"] == 2


def test_an_option_that_cannot_be_pinned_is_put_back() -> None:
    """Where posting the value it has does not make the server restore an option, it is put back after the requests."""
    with StubWebUI(flavour="Forge") as stub:
        stub.mind.unpinnable = ("forge_additional_modules", "CLIP_stop_at_last_layers")
        backend = desk(stub)
        made = outcomes(backend, [asked(vae="soft-vae.safetensors", clip_skip=2), asked(seed=2)])
        assert isinstance(made[0], GeneratedImage)
        assert made[0].effective.vae == "soft-vae"
        after = foreign(stub)
        assert after["clip_skip"] == 1
        assert "Module" not in after["infotexts"][0]


def test_a_strangers_leak_does_not_reach_us(stub: StubWebUI) -> None:
    """Every option we depend on is sent every time, so what a stranger leaks in the middle changes nothing of ours."""
    backend = desk(stub)
    assert picture(backend, asked()).effective.clip_skip == 1
    stub.mind.values.update({"CLIP_stop_at_last_layers": 5, "sd_vae": "soft-vae.safetensors"})
    made = picture(backend, asked())
    assert (made.effective.clip_skip, made.effective.vae) == (1, None)
    assert made.deviations == ()


def test_options_are_pinned_once_and_only_when_nothing_runs(stub: StubWebUI) -> None:
    """The pins hold the server's own values, never those a stranger's running request overrides just then."""
    stub.mind.step_s = 0.05
    stub.mind.config["CLIP_stop_at_last_layers"] = 1
    theirs = threading.Thread(
        target=foreign, args=(stub,), kwargs={"steps": 8, "override_settings": {"CLIP_stop_at_last_layers": 7}}
    )
    theirs.start()
    while stub.mind.job is None:
        time.sleep(0.005)
    backend = desk(stub)
    outcomes(backend, [asked(steps=1), asked(steps=1, seed=2)])
    theirs.join()
    assert stub.mind.config["CLIP_stop_at_last_layers"] == 1
    posted = [call.json() for call in stub.calls if call.path == "/sdapi/v1/options" and call.method == "POST"]
    assert len(posted) == 1
    assert posted[0]["CLIP_stop_at_last_layers"] == 1


@pytest.mark.parametrize("ui", [True, False])
def test_cancel_interrupts_our_job(ui: bool) -> None:
    """A cancelled run stops its job on the server within a step, and the backend works on afterwards."""
    with StubWebUI(ui=ui, step_s=0.02) as stub:
        backend, token = desk(stub), CancelToken()
        watch = Watch(cancel=token, progress=lambda _: token.cancel())
        made = outcomes(backend, [asked(steps=100), asked(steps=100, seed=2)], watch)
        assert [type(outcome) for outcome in made] == [Cancelled, Cancelled]
        assert stub.mind.interrupts == 1
        assert stub.mind.made == 1
        stub.mind.step_s = 0
        assert picture(backend, asked()).deviations == ()


@pytest.mark.parametrize("ui", [True, False])
def test_cancel_spares_a_strangers_job(ui: bool) -> None:
    """Cancelled while a stranger's job runs and ours waits behind it, only ours is stopped."""
    with StubWebUI(ui=ui) as stub:
        backend, token = desk(stub), CancelToken()
        picture(backend, asked())
        # Long enough for what the server said after our last job to be out of date.
        time.sleep(0.0 if ui else 2.1)
        stub.mind.step_s = 0.03
        theirs: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: theirs.append(foreign(stub, steps=20)))
        thread.start()
        while stub.mind.job is None:
            time.sleep(0.005)
        strangers = stub.mind.job
        threading.Timer(0.2, token.cancel).start()
        made = outcomes(backend, [asked(steps=100)], Watch(cancel=token))
        thread.join()
        assert isinstance(made[0], Cancelled)
        assert not strangers.halved
        assert theirs[0]["steps"] == 20


def test_stop_finishes_the_picture_being_made(stub: StubWebUI) -> None:
    """Asked to stop, the picture in flight is finished and kept, and nothing new is sent."""
    stub.mind.step_s = 0.03
    token = CancelToken()
    watch = Watch(cancel=token, progress=lambda _: token.stop())
    made = outcomes(desk(stub), [asked(steps=15), asked(seed=2), asked(seed=3)], watch)
    assert isinstance(made[0], GeneratedImage)
    assert [type(outcome) for outcome in made[1:]] == [Cancelled, Cancelled]
    assert stub.mind.made == 1


@pytest.mark.parametrize("ui", [True, False])
def test_progress_never_runs_backwards(ui: bool) -> None:
    """Progress is about the request in flight, grows, and ends at the last step; previews come where there are some."""
    seen: list[StepProgress] = []
    with StubWebUI(ui=ui, step_s=0.02) as stub:
        outcomes(desk(stub), [asked(steps=8), asked(steps=8, seed=2)], Watch(progress=seen.append))
    for index in (0, 1):
        steps = [report.step for report in seen if report.indices == (index,)]
        assert len(set(steps)) > 3
        assert steps == sorted(steps)
        assert steps[-1] == 8
    assert any(report.preview for report in seen) == ui


def test_one_request_is_in_flight(stub: StubWebUI) -> None:
    """However many are handed over, the server never has more than one of ours."""
    stub.mind.step_s = 0.005
    waiting = 0
    for _, outcome in desk(stub).generate([asked(seed=seed) for seed in range(6)], Watch()):
        assert isinstance(outcome, GeneratedImage)
        waiting = max(waiting, len(stub.mind.queued))
    assert waiting <= 1
    assert stub.mind.made == 6


def test_an_abandoned_generator_leaves_nothing_running(stub: StubWebUI) -> None:
    """A caller that stops iterating ends the sender: at most what was in flight is still made."""
    stub.mind.step_s = 0.01
    run = desk(stub).generate([asked(seed=seed) for seed in range(20)], Watch())
    next(run)
    run.close()  # type: ignore[attr-defined]  # a generator
    made = stub.mind.made
    assert made <= 5
    time.sleep(0.1)
    assert stub.mind.made == made
    assert not [thread for thread in threading.enumerate() if thread.name == "sender desk"]


def test_jobs_of_one_model_share_a_key(stub: StubWebUI) -> None:
    """The batch key keeps requests of one model together, so that no model is loaded twice."""
    backend = desk(stub)
    assert backend.batch_key(asked(seed=1)) == backend.batch_key(asked("a dog", seed=2))
    assert backend.batch_key(asked(model="tiny-a")) != backend.batch_key(asked(model="tiny-b"))
    outcomes(backend, [asked(model="tiny-a", seed=seed) for seed in range(3)])
    assert stub.mind.loads == ["tiny-a"]
