"""A learning record as JSON and back, and how it is made from a run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PureWindowsPath
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.makers import make_config, make_variants

from stablenew.config import STAGES
from stablenew.errors import Cancelled, GenerationFailed, InvalidSetting, NotARecord, UnknownSetting
from stablenew.learning.learning_record import SCHEMA_VERSION, ExecutionContext, LearningRecord
from stablenew.learning.record_schema import SCHEMA_FILE, record_schema, schema_text
from stablenew.variant import Deviation, EffectiveSettings, Failure, SavedImage, StageResult, VariantResult

DATA = Path(__file__).parent.parent / "data"
CONTEXT = {
    "run_id": "run-7",
    "timestamp": "2026-11-22T23:50:00.123Z",
    "prompt": "a cat",
    "negative_prompt": "blurry",
    "seed": 42,
    "variant_index": 3,
    "variant_count": 8,
    "duration_s": 1.5,
}


def plain_record(**context: Any) -> LearningRecord:
    return LearningRecord.from_pipeline_context({"steps": 30, "cfg_scale": 5}, {**CONTEXT, **context})


def a_result(**changes: Any) -> VariantResult:
    """A variant of three stages whose img2img the backend did otherwise than asked."""
    config = make_config(stages=list(STAGES), steps=30, cfg_scale=5.0, img2img__denoise=0.4, model="asked-model")
    variant = make_variants(config, 4, bindings={"animal": "cat"}, axes={"txt2img.steps": 30}, matrix_mode="grid")[2]
    done = EffectiveSettings(
        model="real-model", model_hash="abc123", sampler="DDIM", steps=29, cfg_scale=5.0, width=64, height=48
    )
    stages = tuple(
        StageResult(
            stage=stage,
            status="ok",
            seconds=0.5,
            effective=None if stage == "upscale" else done,
            image=SavedImage(path=f"images/{stage}.png", sha256="f" * 64, width=64, height=48, stage=stage),
            deviations=(Deviation(setting="steps", asked=30, done=29),) if stage == "img2img" else (),
        )
        for stage in STAGES
    )
    result = VariantResult(
        variant=variant,
        record_id="r" * 24,
        status="ok",
        stages=stages,
        started_at="2026-11-22T23:50:00.123Z",
        duration_s=1.6,
        seed=777,
        backend="local",
        backend_version="1.2",
    )
    return dataclasses.replace(result, **changes)


def record_of(result: VariantResult) -> LearningRecord:
    context = ExecutionContext.from_result(
        result, run_id="run-7", source="StableNewCLI", host_id="host", software={"stablenew": "0"}
    )
    return LearningRecord.from_pipeline_context(result.variant.config, context)


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


def assert_json_types(data: object) -> None:
    for leaf in leaves(data):
        assert leaf is None or type(leaf) in (str, int, float, bool), leaf
        assert not isinstance(leaf, float) or math.isfinite(leaf)


# --- round trips ---


@pytest.mark.parametrize("record", [plain_record(), record_of(a_result())], ids=["plain", "from a result"])
def test_a_record_reads_back_as_itself(record: LearningRecord) -> None:
    """from_json(to_json) gives an equal record, and to_dict says what to_json says."""
    assert LearningRecord.from_json(record.to_json()) == record
    assert LearningRecord.from_json(record.to_json().encode()) == record
    assert record.to_dict() == json.loads(record.to_json())
    assert_json_types(record.to_dict())


def test_a_record_is_one_line() -> None:
    """Line breaks in a prompt do not break the line."""
    record = plain_record(prompt="first\nsecond\r\nthird")
    assert "\n" not in record.to_json()
    assert LearningRecord.from_json(record.to_json()).prompt.prompt == "first\nsecond\r\nthird"


def test_unknown_fields_survive_at_every_depth() -> None:
    """What a newer schema wrote, inside lists too, is written back exactly."""
    data = record_of(a_result()).to_dict()
    data["new_group"] = {"a": [1, {"b": None}]}
    data["run"]["schema_version"] = 99
    data["prompt"]["weights"] = [0.5, 1]
    data["pipeline"]["stages"][1]["tiling"] = {"x": True}
    data["outcome"]["images"][2]["aesthetic"] = 6.25
    data["outcome"]["deviations"][0]["why"] = "driver"
    data["feedback"]["empty"] = {}
    record = LearningRecord.from_json(json.dumps(data))
    assert record.to_dict() == data
    assert json.loads(record.to_json()) == data
    assert LearningRecord.from_json(record.to_json()) == record
    assert record.pipeline.stages[1].stage == "img2img"


def test_unknown_fields_follow_a_changed_record() -> None:
    """A record that was read, given feedback and written again keeps them; those of a list element gone stay out."""
    data = record_of(a_result()).to_dict()
    data["prompt"]["weights"] = [1]
    data["pipeline"]["stages"][2]["tiling"] = 4
    record = LearningRecord.from_json(json.dumps(data))
    rated = dataclasses.replace(record, feedback=dataclasses.replace(record.feedback, rating=5, tags=["good"]))
    assert rated.to_dict()["prompt"]["weights"] == [1]
    assert rated.to_dict()["feedback"]["rating"] == 5
    short = dataclasses.replace(record.pipeline, stages=record.pipeline.stages[:1])
    assert len(dataclasses.replace(record, pipeline=short).to_dict()["pipeline"]["stages"]) == 1


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
UNKNOWN = st.dictionaries(st.text(max_size=6).map("new_".__add__), JSON_VALUES, max_size=3)


@given(unknown=st.lists(UNKNOWN, min_size=6, max_size=6))
def test_any_unknown_fields_survive(unknown: list[dict[str, Any]]) -> None:
    """Whatever JSON stands under names we do not know, reading and writing gives it back."""
    data = record_of(a_result()).to_dict()
    places = [data, data["run"], data["prompt"], data["pipeline"]["stages"][0], data["outcome"], data["feedback"]]
    for place, more in zip(places, unknown, strict=True):
        place.update(more)
    assert LearningRecord.from_json(json.dumps(data)).to_dict() == data


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**50), 10**50)
    | st.floats()
    | st.text(st.characters(exclude_categories=()))  # half surrogates too
    | st.binary(max_size=4)
    | st.datetimes()
    | st.just(PureWindowsPath("a\\b"))
    | st.sets(st.integers(), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(anything=ANYTHING, number=st.floats(), text=st.text(st.characters(exclude_categories=())))
def test_whatever_a_backend_says_becomes_a_record_that_reads_back(anything: Any, number: float, text: str) -> None:
    """NaN, infinity, half surrogates, dates, paths, wrong types: the record is valid JSON and reads back equal."""
    done = EffectiveSettings(
        model=text,
        sampler=anything,
        steps=number,  # type: ignore[arg-type]  # what a foreign server may say
        cfg_scale=number,
        width=anything,
        denoise=anything,
        extra={"anything": anything, text: number},
    )
    first, second, third = a_result().stages
    deviation = Deviation(setting=text, asked=anything, done=number, detail=text)
    failed = dataclasses.replace(second, status="failed", failure=Failure(type=text, message=text), seconds=number)
    stages = (dataclasses.replace(first, effective=done, deviations=(deviation,)), failed, third)
    record = record_of(a_result(stages=stages, duration_s=number, status="failed"))
    line = record.to_json()
    assert_json_types(json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")))
    assert LearningRecord.from_json(line) == record
    jsonschema.validate(record.to_dict(), record_schema())


@given(data=st.fixed_dictionaries({}, optional=dict.fromkeys(("run", "prompt", "pipeline", "outcome"), JSON_VALUES)))
def test_any_json_is_a_record_or_names_what_is_wrong(data: dict[str, Any]) -> None:
    """from_json never raises anything but NotARecord."""
    with contextlib.suppress(NotARecord):
        LearningRecord.from_json(json.dumps(data))


# --- lines that are not records ---


def changed(path: str, value: object) -> str:
    data = plain_record().to_dict()
    *groups, name = path.split(".")
    place: Any = data
    for group in groups:
        place = place[group]
    if value is KeyError:
        del place[name]
    else:
        place[name] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    "path",
    [
        "run",
        "prompt",
        "pipeline",
        "outcome",
        "run.record_id",
        "run.run_id",
        "run.timestamp",
        "prompt.prompt",
        "outcome.status",
    ],
)
def test_required_fields_are_required(path: str) -> None:
    """A line without one of them is not a record, and the error names it."""
    with pytest.raises(NotARecord, match=r"missing") as caught:
        LearningRecord.from_json(changed(path, KeyError))
    assert caught.value.field == path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("run.timestamp", "yesterday"),
        ("run.timestamp", "2026-11-22T23:50:00+01:00"),
        ("run.record_id", ""),
        ("run.schema_version", 0),
        ("prompt.seed", "seven"),
        ("pipeline.steps", 20.5),
        ("outcome.status", "fine"),
        ("feedback.rating", 6),
    ],
)
def test_a_wrong_value_is_named(path: str, value: object) -> None:
    """The error says which field cannot be so."""
    with pytest.raises(NotARecord) as caught:
        LearningRecord.from_json(changed(path, value))
    assert caught.value.field == path
    assert caught.value.reason


def test_a_wrong_value_in_a_list_is_named() -> None:
    """The path in the error goes into lists."""
    data = record_of(a_result()).to_dict()
    data["pipeline"]["stages"][1]["steps"] = "many"
    with pytest.raises(NotARecord) as caught:
        LearningRecord.from_json(json.dumps(data))
    assert caught.value.field == "pipeline.stages[1].steps"


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "null",
        "[]",
        "7",
        '"text"',
        "{",
        "[" * 100_000,
        '{"run": NaN}',
        '{"run": 1e999}',
        b"\xff\xfe",
        b"\x00" * 9,
    ],
)
def test_other_text_is_not_a_record(line: str | bytes) -> None:
    """Anything else raises NotARecord, never another error."""
    with pytest.raises(NotARecord):
        LearningRecord.from_json(line)


def test_every_cut_of_a_line_is_not_a_record() -> None:
    """No torn line passes for a record."""
    line = plain_record().to_line()
    for cut in range(len(line)):
        with pytest.raises(NotARecord):
            LearningRecord.from_json(line[:cut])


# --- the schema, and records of every release ---


def test_the_checked_in_schema_is_that_of_the_code() -> None:
    """record_schema.json is what the code generates; `python -m stablenew.learning.record_schema` writes it."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_records_of_every_release_are_read(version: int) -> None:
    """The example file of each released schema is valid, is read whole, and is written back as it was."""
    lines = (DATA / f"record_v{version}.jsonl").read_bytes().splitlines()
    records = [LearningRecord.from_json(line) for line in lines]
    assert {record.outcome.status for record in records} == {"ok", "failed", "cancelled"}
    for line, record in zip(lines, records, strict=True):
        jsonschema.validate(json.loads(line), record_schema())
        assert record.run.schema_version == version
        # A later schema adds fields with their defaults; what stood there stays.
        assert _contains(record.to_dict(), json.loads(line))


def _contains(more: Any, less: Any) -> bool:
    if isinstance(less, dict):
        return all(name in more and _contains(more[name], value) for name, value in less.items())
    if isinstance(less, list):
        return len(more) == len(less) and all(_contains(one, other) for one, other in zip(more, less, strict=True))
    return bool(more == less)


@pytest.mark.parametrize("group", ["run", "prompt", "pipeline", "outcome", "feedback"])
def test_the_documented_fields_are_those_of_the_schema(group: str) -> None:
    """The table in docs/records.md names every field of every group, and no other."""
    text = (DATA.parent.parent / "docs" / "records.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{group}` \| (.*) \|$", text, re.MULTILINE)
    assert row is not None
    assert set(re.findall(r"`(\w+)`", row[1])) == set(record_schema()["$defs"][f"{group.title()}Info"]["properties"])


def test_the_schema_refuses_what_from_json_refuses() -> None:
    """The JSON Schema is not a formality: it names a missing field and a wrong status too."""
    for line in (changed("run.run_id", KeyError), changed("outcome.status", "fine")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(line), record_schema())


# --- made from plain dicts ---


def test_plain_dicts_give_a_record() -> None:
    """A config and a context as dicts: what they say stands in the record."""
    record = plain_record()
    assert (record.pipeline.steps, record.pipeline.cfg_scale) == (30, 5.0)
    assert (record.prompt.prompt, record.prompt.negative_prompt, record.prompt.seed) == ("a cat", "blurry", 42)
    assert (record.pipeline.variant_index, record.pipeline.variant_count) == (3, 8)
    assert (record.outcome.status, record.outcome.error, record.outcome.duration_s) == ("ok", False, 1.5)


def test_nothing_at_all_gives_a_valid_record_with_benign_defaults() -> None:
    """Empty dicts: every group is there, nothing is guessed about a person, and it reads back."""
    record = LearningRecord.from_pipeline_context({}, {})
    assert LearningRecord.from_json(record.to_json()) == record
    assert record.run.schema_version == SCHEMA_VERSION
    assert record.run.user_id is None
    assert record.run.learning_tags == []
    assert record.prompt.one_click_action is None
    assert record.outcome.status == "ok"
    assert record.outcome.images == []
    assert record.feedback == type(record.feedback)(rating=None, tags=[], notes="")
    assert (record.pipeline.matrix_mode, record.pipeline.fanout) == ("none", 1)


def test_run_metadata_comes_from_the_config() -> None:
    """run_id, one_click_action and learning_tags of the config reach the record."""
    config = {"run_id": "mine", "one_click_action": "Sharper", "learning_tags": ["a", "b"]}
    record = LearningRecord.from_pipeline_context(config, {"prompt": "x"})
    assert (record.run.run_id, record.prompt.one_click_action, record.run.learning_tags) == (
        "mine",
        "Sharper",
        ["a", "b"],
    )


def test_timestamp_and_run_id_are_stable() -> None:
    """Neither is re-formatted: not when the record is made, not on any number of round trips."""
    record = plain_record(timestamp="2026-01-02T03:04:05.6Z")
    for _ in range(3):
        assert record.run.timestamp == "2026-01-02T03:04:05.6Z"
        assert record.run.run_id == "run-7"
        record = LearningRecord.from_json(record.to_json())
    assert plain_record() == plain_record()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        datetime(2026, 1, 2, 3, 4, 5),
        datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        "2026-01-02T05:04:05+02:00",
        1767323045,
    ],
)
def test_a_time_of_any_kind_becomes_utc(moment: object) -> None:
    """datetimes, other zones and seconds since 1970 become the one form."""
    assert plain_record(timestamp=moment).run.timestamp == "2026-01-02T03:04:05.000Z"


@pytest.mark.parametrize("moment", ["soon", float("nan"), 1e300, object()])
def test_what_is_no_time_is_refused(moment: object) -> None:
    """The error names the timestamp."""
    with pytest.raises(NotARecord) as caught:
        plain_record(timestamp=moment)
    assert caught.value.field == "run.timestamp"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GenerationFailed("local", "out of memory"), ("failed", True, "GenerationFailed", "out of memory")),
        ({"type": "Timeout", "message": "60 s"}, ("failed", True, "Timeout", "60 s")),
        ("it broke", ("failed", True, "Error", "it broke")),
        (Cancelled(), ("cancelled", False, None, None)),
        (None, ("ok", False, None, None)),
    ],
)
def test_an_error_decides_the_status(error: object, expected: tuple[Any, ...]) -> None:
    """An exception, a dict or a text is a failure; being stopped is not an error."""
    outcome = plain_record(error=error).outcome
    assert (outcome.status, outcome.error, outcome.error_type, outcome.error_message) == expected


def test_a_long_error_message_is_cut_and_says_so() -> None:
    """A record stays a few KB however long the traceback is."""
    message = plain_record(error="x" * 100_000).outcome.error_message
    assert message is not None
    assert len(message) < 5_000
    assert "100000 characters" in message


def test_outputs_may_be_paths_or_dicts() -> None:
    """Paths are written with forward slashes."""
    record = plain_record(
        outputs=["a/b.png", PureWindowsPath("c\\d.png"), {"path": "e.png", "width": 8, "sha256": "0f"}]
    )
    assert [image.path for image in record.outcome.images] == ["a/b.png", "c/d.png", "e.png"]
    assert (record.outcome.images[2].width, record.outcome.images[2].sha256) == (8, "0f")


def test_a_plain_config_or_context_that_cannot_be_used_is_refused() -> None:
    """The error names the setting or the field."""
    with pytest.raises(UnknownSetting, match="stepz"):
        LearningRecord.from_pipeline_context({"stepz": 3}, {})
    with pytest.raises(InvalidSetting, match="steps"):
        LearningRecord.from_pipeline_context({"steps": -1}, {})
    with pytest.raises(NotARecord) as caught:
        plain_record(variant_index="third")
    assert caught.value.field == "variant_index"


# --- made from a result of the runner ---


def test_the_record_says_what_was_done_not_what_was_asked() -> None:
    """Where the backend says what it used, that stands in the pipeline group; where it does not, what was asked."""
    record = record_of(a_result())
    top, (first, second, third) = record.pipeline, record.pipeline.stages
    assert (top.model, top.model_hash, top.sampler, top.steps) == ("real-model", "abc123", "DDIM", 29)
    assert (top.scheduler, top.width, top.height) == ("Automatic", 64, 48)
    assert (first.denoise, second.denoise) == (None, 0.4)
    assert (third.steps, third.sampler, third.extra) == (None, None, {"method": "lanczos", "scale": 2.0})
    assert record.prompt.seed == 777
    assert record.outcome.deviations[0].stage == "img2img"
    assert (record.outcome.deviations[0].asked, record.outcome.deviations[0].done) == (30, 29)


def test_the_record_carries_variant_images_and_metadata() -> None:
    """Identity, prompt, randomizer metadata, axes and images are those of the result."""
    result = a_result()
    record = record_of(result)
    assert (record.run.record_id, record.run.run_id, record.run.source) == ("r" * 24, "run-7", "StableNewCLI")
    assert (record.pipeline.variant_index, record.pipeline.variant_count, record.pipeline.matrix_mode) == (2, 4, "grid")
    assert record.pipeline.axes == {"txt2img.steps": 30}
    assert record.prompt.bindings == {"animal": "cat"}
    assert record.prompt.variant_id == result.variant.variant_id
    assert [image.stage for image in record.outcome.images] == list(STAGES)
    assert record.pipeline.stage_flags == dict.fromkeys(STAGES, True)


def test_a_failed_stage_says_why() -> None:
    """The stage and the outcome carry the error; the stages before it keep their pictures."""
    first, second, _ = a_result().stages
    failed = dataclasses.replace(
        second,
        status="failed",
        effective=None,
        image=None,
        failure=Failure(type="GenerationFailed", message="no memory"),
    )
    record = record_of(a_result(stages=(first, failed), status="failed"))
    assert (record.outcome.error_type, record.outcome.error_message) == ("GenerationFailed", "no memory")
    assert [(stage.stage, stage.status) for stage in record.pipeline.stages] == [
        ("txt2img", "ok"),
        ("img2img", "failed"),
    ]
    assert record.pipeline.stages[1].error_message == "no memory"
    assert record.pipeline.stage_flags["upscale"]
    assert len(record.outcome.images) == 1


# --- settings_key and record_id ---


def key_of(**changes: Any) -> str:
    result = a_result()
    variant = dataclasses.replace(result.variant, **{k: v for k, v in changes.items() if k in ("prompt", "config")})
    others = {name: value for name, value in changes.items() if name not in ("prompt", "config")}
    return record_of(dataclasses.replace(result, variant=variant, **others)).pipeline.settings_key


def with_first_stage(**changes: Any) -> tuple[StageResult, ...]:
    first, *others = a_result().stages
    assert first.effective is not None
    return (dataclasses.replace(first, effective=dataclasses.replace(first.effective, **changes)), *others)


def test_settings_key_ignores_seed_time_and_place() -> None:
    """Seeds group: neither the seed, nor how long it took, nor when, changes the key."""
    slower = tuple(dataclasses.replace(stage, seconds=9.0) for stage in a_result().stages)
    assert key_of() == key_of(seed=1) == key_of(stages=slower) == key_of(started_at="2027-01-01T00:00:00.000Z")
    assert key_of() == key_of(stages=with_first_stage(extra={"Variation seed": 5}))
    assert key_of() == key_of(stages=with_first_stage(model="renamed file"))  # same hash, same model


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "a dog"},
        {"backend": "webui"},
        {"stages": with_first_stage(model_hash="other")},
        {"stages": with_first_stage(steps=28)},
        {"stages": with_first_stage(extra={"eta": 0.3})},
        {"stages": with_first_stage(vae="other")},
        {"config": make_config(stages=list(STAGES), upscale__scale=3)},
    ],
)
def test_settings_key_changes_with_whatever_decides_the_picture(changes: dict[str, Any]) -> None:
    """Prompt, backend, model, and every stage's settings as done."""
    assert key_of(**changes) != key_of()


def test_record_id_tells_variants_and_runs_apart() -> None:
    """Without one given it derives from run, index, settings and seed: a retry has the same, anything else another."""
    first = plain_record().run.record_id
    assert first == plain_record(duration_s=9, timestamp="2027-01-01T00:00:00Z").run.record_id
    others = [
        plain_record(run_id="other"),
        plain_record(variant_index=4),
        plain_record(seed=1),
        plain_record(prompt="b"),
    ]
    assert len({first, *(other.run.record_id for other in others)}) == 5
    assert plain_record(record_id="given").run.record_id == "given"


def test_numbers_of_other_libraries_are_numbers() -> None:
    """numpy's scalars, Decimal and the like, as backends hand them over."""
    numbers: Any = {"cfg_scale": Fraction(11, 2), "steps": Decimal(20), "width": 64.0, "extra": {"eta": Decimal("0.5")}}
    done = EffectiveSettings(**numbers)
    first, *others = a_result().stages
    stage = record_of(a_result(stages=(dataclasses.replace(first, effective=done), *others))).pipeline.stages[0]
    assert (stage.cfg_scale, stage.steps, stage.width, stage.extra) == (5.5, 20, 64, {"eta": 0.5})
