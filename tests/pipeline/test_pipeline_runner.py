"""Variants through the stages: pictures, order, batches, failures, stops."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from stablenew.backends.base import CancelToken, StageRequest, UpscaleRequest
from stablenew.errors import (
    GenerationFailed,
    InputError,
    InvalidSetting,
    PlanTooLarge,
    RunBusy,
    UnknownChoice,
    UnsafeName,
)
from stablenew.pipeline import image_store
from stablenew.pipeline.pipeline_runner import PipelineConfig, PipelineRunner, RunObserver, RunResult
from stablenew.pipeline.run_folder import open_run
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.variant import Deviation, Variant, VariantResult
from stablenew.workspace import Workspace
from tests.makers import make_config, make_variants


def run(
    workspace: Workspace,
    config: PipelineConfig,
    count: int = 3,
    *,
    backend: FakeBackend | None = None,
    cancel: CancelToken | None = None,
    strict: bool = False,
) -> tuple[RunResult, list[VariantResult]]:
    results: list[VariantResult] = []
    runner = PipelineRunner(
        backend or FakeBackend(),
        workspace=workspace,
        observer=RunObserver(on_result=results.append),
        strict=strict,
    )
    return runner.run(config, make_variants(config, count), cancel=cancel), results


def test_every_picture_is_on_disk_with_the_hash_that_the_result_states(workspace: Workspace) -> None:
    """Paths are relative to the workspace with forward slashes, hashes are of the file's bytes, sizes of its pixels."""
    _, results = run(workspace, make_config(stages="txt2img,upscale", upscale__scale=1.5))
    for result in results:
        assert [image.stage for image in result.images] == ["txt2img", "upscale"]
        for image in result.images:
            data = (workspace.root / image.path).read_bytes()
            assert hashlib.sha256(data).hexdigest() == image.sha256
            assert "\\" not in image.path
            with Image.open(workspace.root / image.path) as opened:
                assert opened.size == (image.width, image.height)


def test_nothing_half_written_is_left_behind(workspace: Workspace) -> None:
    """After a run there is no temporary file."""
    run(workspace, make_config(run_id="r"))
    assert [path.name for path in (workspace.runs / "r").rglob("*.tmp")] == []


def test_the_same_command_twice_gives_the_same_pictures(tmp_path: Path) -> None:
    """Same variants, same seeds, same run id: the same bytes in the same files."""

    def hashes(root: Path) -> dict[str, str]:
        _, results = run(Workspace(root=root), make_config(run_id="same", stages="txt2img,img2img"), 4)
        return {image.path: image.sha256 for result in results for image in result.images}

    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_the_manifest_is_on_disk_before_the_first_picture_is_asked_for(workspace: Workspace) -> None:
    """When the backend gets its first request the manifest can be read, and it says what the run is."""
    seen: list[dict[str, object]] = []

    def before(_: StageRequest) -> None:
        seen.append(json.loads((workspace.runs / "r" / "manifest.json").read_text()))

    run(workspace, make_config(run_id="r", steps=9), 1, backend=FakeBackend(script=Script(before=before)))
    assert seen[0]["variant_count"] == 1
    assert seen[0]["config"]["txt2img"]["steps"] == 9  # type: ignore[index]


def test_a_run_is_never_written_over(workspace: Workspace) -> None:
    """The same run id again is an error that says what to do, and the pictures stay."""
    run(workspace, make_config(run_id="r"))
    before = sorted(path.stat().st_mtime_ns for path in (workspace.runs / "r" / "images").iterdir())
    with pytest.raises(InputError, match="--resume"):
        run(workspace, make_config(run_id="r"))
    assert sorted(path.stat().st_mtime_ns for path in (workspace.runs / "r" / "images").iterdir()) == before


def test_two_processes_cannot_work_on_one_run(workspace: Workspace) -> None:
    """While one holds the run's folder the other is told so."""
    with open_run(workspace, "r"), pytest.raises(RunBusy):
        run(workspace, make_config(run_id="r"))


@pytest.mark.parametrize("run_id", ["../evil", "/etc", "a\0b", "CON", "x" * 300, "a\u2215b"])
def test_a_run_id_never_leads_out_of_the_workspace(workspace: Workspace, run_id: str) -> None:
    """Hostile run ids are refused before anything is made."""
    backend = FakeBackend()
    with pytest.raises(UnsafeName):
        run(workspace, make_config(run_id=run_id), backend=backend)
    assert backend.calls.pictures == 0


def test_what_the_backend_does_not_have_is_an_error_before_the_first_picture(workspace: Workspace) -> None:
    """One bad value anywhere in the plan: no picture at all, and the nearest name."""
    backend = FakeBackend()
    with pytest.raises(UnknownChoice, match="DPM\\+\\+ 2M"):
        run(workspace, make_config(sampler="DPM++2M"), backend=backend)
    assert (backend.calls.pictures, workspace.runs.exists()) == (0, False)


def test_compatible_variants_are_handed_over_together(workspace: Workspace) -> None:
    """With a window of 4, ten like variants come as 4, 4 and 2."""
    backend = FakeBackend()
    run(workspace, make_config(), 10, backend=backend)
    assert backend.calls.batches == [4, 4, 2]


def test_settings_that_alternate_in_the_plan_still_fill_a_batch(workspace: Workspace) -> None:
    """Eight variants whose steps alternate come as two full batches of four, not as eight of one."""
    backend, config = FakeBackend(), make_config()
    variants = [
        dataclasses.replace(variant, config=make_config(steps=5 + variant.index % 2))
        for variant in make_variants(config, 8)
    ]
    result = PipelineRunner(backend, workspace=workspace).run(config, variants)
    assert (result.ok, backend.calls.batches) == (8, [4, 4])


def test_a_model_is_finished_with_before_the_next_is_loaded(workspace: Workspace) -> None:
    """Looking ahead never goes across a change of model: each is asked for in one stretch."""
    backend, config = FakeBackend(), make_config()
    variants = [
        dataclasses.replace(variant, config=make_config(model=model, steps=5 + variant.index % 3))
        for variant, model in zip(make_variants(config, 10), ["fake-model"] * 5 + ["fake-model-b"] * 5, strict=True)
    ]
    PipelineRunner(backend, workspace=workspace).run(config, variants)
    models = [request.model for request in backend.calls.requests]
    assert models == ["fake-model"] * 5 + ["fake-model-b"] * 5


def test_later_stages_get_the_picture_of_the_one_before(workspace: Workspace) -> None:
    """An upscale by the backend is asked for the right size, starting from the picture just made."""
    backend = FakeBackend()
    config = make_config(stages="txt2img,upscale", upscale__method="upscaler", upscale__upscaler="Fake 2x")
    _, results = run(workspace, config, 1, backend=backend)
    request = backend.calls.requests[-1]
    assert isinstance(request, UpscaleRequest)
    assert (request.width, request.height) == (128, 128)
    assert results[0].stages[1].effective is not None
    assert results[0].stages[1].effective.upscaler == "Fake 2x"


def test_img2img_takes_from_txt2img_what_is_left_open(workspace: Workspace) -> None:
    """Sampler, schedule, steps and guidance of txt2img hold unless img2img has its own."""
    _, results = run(workspace, make_config(stages="txt2img,img2img", steps=13, cfg_scale=3, img2img__cfg_scale=5), 1)
    used = results[0].stages[1].effective
    assert used is not None
    assert (used.steps, used.cfg_scale, used.sampler) == (13, 5.0, "Euler a")


def test_img2img_alone_starts_from_a_file(workspace: Workspace, tmp_path: Path) -> None:
    """Without txt2img the picture to start from is a file, read before anything is made."""
    start = tmp_path / "start.png"
    Image.new("RGB", (40, 24), "red").save(start)
    _, results = run(workspace, make_config(img2img__init_image=str(start), stages="img2img"), 1)
    assert (results[0].images[0].width, results[0].images[0].height) == (40, 24)


@pytest.mark.parametrize("content", [None, b"not a picture"])
def test_a_start_picture_that_cannot_be_read_is_an_error_before_anything(
    workspace: Workspace, tmp_path: Path, content: bytes | None
) -> None:
    """Missing or broken, the file is named."""
    path = tmp_path / "start.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"start\.png"):
        run(workspace, make_config(img2img__init_image=str(path), stages="img2img"))


def test_stages_in_the_wrong_order_are_refused() -> None:
    """The error names the setting and the order."""
    with pytest.raises(InvalidSetting, match="txt2img, img2img, upscale"):
        make_config(stages="upscale,txt2img")


def test_when_the_backend_goes_away_the_run_ends_and_says_so(workspace: Workspace) -> None:
    """What is made is kept, what was begun is failed, the rest is not started: it can be resumed."""
    backend = FakeBackend(script=Script(unavailable_after=2, window=1))
    result, results = run(workspace, make_config(), 5, backend=backend)
    assert (result.status, result.ok, result.failed, result.not_started) == ("aborted", 2, 1, 2)
    assert "went away" in result.abort_reason
    assert len(results) == 3


def test_a_stop_between_stages_keeps_the_picture_that_was_made(workspace: Workspace) -> None:
    """Stopped after txt2img: the picture is kept, the variant counts as cancelled."""
    cancel = CancelToken()

    def before(request: StageRequest) -> None:
        if request.stage == "img2img":
            cancel.cancel()

    backend = FakeBackend(script=Script(before=before, window=1))
    result, results = run(workspace, make_config(stages="txt2img,img2img"), 3, backend=backend, cancel=cancel)
    assert (result.cancelled, result.not_started) == (1, 2)
    assert [image.stage for image in results[0].images] == ["txt2img"]


def test_deviations_are_in_the_result_and_strict_makes_them_failures(workspace: Workspace, tmp_path: Path) -> None:
    """A backend that took another sampler: a deviation; with strict a failed variant whose picture is kept."""
    other = Deviation(setting="sampler", asked="Euler a", done="DPM++ 2M")
    backend = FakeBackend(script=Script(deviations=lambda _: (other,)))
    result, results = run(workspace, make_config(), 2, backend=backend)
    assert (result.ok, result.deviations) == (2, 2)
    assert results[0].stages[0].deviations == (other,)
    result, results = run(Workspace(root=tmp_path / "strict"), make_config(), 2, backend=backend, strict=True)
    assert (result.ok, result.failed) == (0, 2)
    assert results[0].images
    assert results[0].failure is not None
    assert "DPM++ 2M" in results[0].failure.message


def test_bytes_from_a_server_are_kept_as_they_came(workspace: Workspace) -> None:
    """The server's own text chunk stays, ours is added, and the pixels' bytes are the same."""
    backend = FakeBackend(script=Script(encoded=True))
    _, results = run(workspace, make_config(), 1, backend=backend)
    with Image.open(workspace.root / results[0].images[0].path) as opened:
        opened.load()
        texts = opened.text  # type: ignore[attr-defined]
    assert texts["parameters"].startswith("a cat on a wall\nNegative prompt: blurry")
    assert "StableNew" not in texts["parameters"]
    assert json.loads(texts["stablenew"])["record_id"] == results[0].record_id


def test_a_picture_that_cannot_be_saved_is_a_failed_variant(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk for pictures is said, and the run goes on."""

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_store, "write_atomically", full)
    result, results = run(workspace, make_config(), 2)
    assert (result.ok, result.failed) == (0, 2)
    assert results[0].failure is not None
    assert "No space left on device" in results[0].failure.message


def test_progress_names_the_variants_it_is_about(workspace: Workspace) -> None:
    """Steps are reported by variant index, not by place in a batch."""
    seen: set[int] = set()
    observer = RunObserver(on_steps=lambda fractions, _: seen.update(fractions))
    config = make_config()
    PipelineRunner(FakeBackend(), workspace=workspace, observer=observer).run(config, make_variants(config, 6))
    assert seen == set(range(6))


def test_a_disk_without_room_ends_the_run_instead_of_making_pictures_for_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room: the run ends early and says why; hardly more is asked of the backend than was under way."""

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(image_store, "write_atomically", full)
    backend = FakeBackend(script=Script(window=2, delay_s=0.02))
    result, _ = run(workspace, make_config(stages="txt2img,img2img"), 40, backend=backend)
    assert result.status == "aborted"
    assert "No space left on device" in result.abort_reason
    assert backend.calls.pictures < 20
    assert result.not_started > 20


def test_a_backend_lost_between_stages_is_an_error_in_the_record_and_not_a_cancellation(workspace: Workspace) -> None:
    """What was begun failed because the backend went away, and says so."""
    backend = FakeBackend(script=Script(unavailable_after=2, window=2))
    result, results = run(workspace, make_config(stages="txt2img,img2img"), 4, backend=backend)
    assert (result.status, result.failed, result.cancelled, result.not_started) == ("aborted", 2, 0, 2)
    assert {each.failure.type for each in results if each.failure} == {"BackendUnavailable"}


def test_a_start_picture_that_goes_away_during_the_run_costs_its_variants(workspace: Workspace, tmp_path: Path) -> None:
    """Removed after the first variant: the rest fail with a reason, and the run ends as a run does."""
    start = tmp_path / "start.png"
    Image.new("RGB", (16, 16)).save(start)
    backend = FakeBackend(script=Script(window=1, before=lambda _: start.unlink(missing_ok=True)))
    result, _ = run(workspace, make_config(img2img__init_image=str(start), stages="img2img"), 3, backend=backend)
    assert (result.ok, result.failed) == (1, 2)


def test_two_runs_started_in_one_second_get_two_names(workspace: Workspace) -> None:
    """The clock stands still, the settings are the same: each run has a folder of its own."""
    moment = datetime(2026, 11, 22, 23, 50, tzinfo=UTC)
    config = make_config()
    ids = [
        PipelineRunner(FakeBackend(), workspace=workspace, clock=lambda: moment)
        .run(config, make_variants(config, 1))
        .run_id
        for _ in range(3)
    ]
    assert len(set(ids)) == 3


def test_a_plan_nobody_can_run_is_refused_before_it_is_gone_through() -> None:
    """A billion variants are refused at once, whatever was confirmed."""

    class Billion:
        def __len__(self) -> int:
            return 10**9

        def __iter__(self) -> Iterator[Variant]:
            raise AssertionError("nobody should look at it")

    with pytest.raises(PlanTooLarge):
        PipelineRunner(FakeBackend()).run(make_config(), Billion())


def test_words_of_a_server_that_no_file_can_hold_do_not_end_the_run(workspace: Workspace) -> None:
    """A lone surrogate in an error is written out as an escape, in the journal and in the result."""

    def before(_: StageRequest) -> None:
        raise GenerationFailed("fake", "bad \udc80 byte")

    result, results = run(workspace, make_config(), 1, backend=FakeBackend(script=Script(before=before)))
    assert result.failed == 1
    assert results[0].failure is not None
    assert results[0].failure.message == "bad \\udc80 byte"
