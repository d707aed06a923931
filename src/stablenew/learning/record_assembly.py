"""From a config and what happened to the groups of a record."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from stablenew.config import STAGES, PipelineConfig, StageName, config_from_dict, declared_settings
from stablenew.learning.execution_context import (
    CONTEXT_NAMES,
    ExecutionContext,
    as_timestamp,
    context_from_mapping,
    software_versions,
    this_host,
    utc_text,
)
from stablenew.learning.json_safe import json_safe, text_safe
from stablenew.learning.record_groups import (
    DeviationInfo,
    ImageInfo,
    OutcomeInfo,
    PipelineInfo,
    PromptInfo,
    RunInfo,
    StageInfo,
)
from stablenew.variant import EffectiveSettings, StageResult, Status, content_hash

MESSAGE_MAX = 4000
_LARGE = 2**64


def assemble(
    config: PipelineConfig | Mapping[str, Any], context: ExecutionContext | Mapping[str, Any]
) -> tuple[RunInfo, PromptInfo, PipelineInfo, OutcomeInfo]:
    """The groups of the record of one executed variant; feedback is not among them.

    Raises InvalidSetting or UnknownSetting for a plain config, NotARecord for a plain context, that cannot be used.
    """
    config, context = _as_values(config, context)
    if context.timestamp is None:
        context = dataclasses.replace(context, timestamp=utc_text(datetime.now(UTC)))
    prompt = _prompt(config, context)
    pipeline = _pipeline(config, context, prompt)
    return _run(config, context, prompt, pipeline), prompt, pipeline, _outcome(context)


def asked_settings(config: PipelineConfig, stage: StageName) -> EffectiveSettings:
    """What `config` asks of one stage, with what img2img leaves open taken from txt2img.

    `extra` holds the stage's settings that EffectiveSettings has no field for.
    """
    first, second, last = config.txt2img, config.img2img, config.upscale
    extra = _other_settings(stage, getattr(config, stage))
    if stage == "txt2img":
        return EffectiveSettings(
            model=config.model,
            vae=config.vae,
            sampler=first.sampler,
            scheduler=first.scheduler,
            cfg_scale=first.cfg_scale,
            steps=first.steps,
            width=first.width,
            height=first.height,
            clip_skip=first.clip_skip,
            extra=extra,
        )
    if stage == "upscale" and last.method != "img2img":
        return EffectiveSettings(upscaler=last.upscaler if last.method == "upscaler" else None, extra=extra)
    return EffectiveSettings(
        model=config.model,
        vae=config.vae,
        sampler=second.sampler or first.sampler,
        scheduler=second.scheduler or first.scheduler,
        cfg_scale=first.cfg_scale if second.cfg_scale is None else second.cfg_scale,
        steps=second.steps or first.steps,
        clip_skip=first.clip_skip,
        denoise=last.denoise if stage == "upscale" else second.denoise,
        extra=extra,
    )


def _other_settings(stage: StageName, settings: Any) -> dict[str, Any]:
    """Settings without a field of their own where they differ from the default; method and scale of upscale always.

    A setting at its default says nothing, so that a new setting changes no `settings_key` of before.
    """
    extra = {} if stage != "upscale" else {"method": settings.method, "scale": settings.scale}
    for name, default in _defaults_without_field(stage).items():
        value = getattr(settings, name)
        if value != default:
            extra[name] = value
    return extra


@cache
def _defaults_without_field(stage: StageName) -> dict[str, Any]:
    shared = {declared.name for declared in dataclasses.fields(EffectiveSettings)}
    defaults = getattr(PipelineConfig(), stage)
    names = (declared.name for declared in dataclasses.fields(defaults))
    return {name: getattr(defaults, name) for name in names if name not in shared}


def _as_values(
    config: PipelineConfig | Mapping[str, Any], context: ExecutionContext | Mapping[str, Any]
) -> tuple[PipelineConfig, ExecutionContext]:
    """Both as typed values. A plain config may hold what is said of the prompt too; the context's word goes first."""
    said: dict[str, Any] = {}
    if isinstance(config, Mapping):
        own = {key: value for key, value in config.items() if key in declared_settings() or key not in _ONLY_CONTEXT}
        said = {key: value for key, value in config.items() if key not in own}
        config = config_from_dict(own)
    if isinstance(context, Mapping):
        context = context_from_mapping({**said, **context})
    return config, context


_ONLY_CONTEXT = CONTEXT_NAMES - {"run_id", "stages"}


def _run(config: PipelineConfig, context: ExecutionContext, prompt: PromptInfo, pipeline: PipelineInfo) -> RunInfo:
    timestamp = as_timestamp(context.timestamp)
    run_id = context.run_id or config.run_id or "run-" + "".join(sign for sign in timestamp if sign.isalnum())
    record_id = context.record_id
    if not record_id:
        record_id = content_hash([run_id, context.variant_index, pipeline.settings_key, prompt.seed])[:24]
    software = software_versions() if context.software is None else context.software
    return RunInfo(
        record_id=text_safe(record_id),
        run_id=text_safe(run_id),
        timestamp=timestamp,
        user_id=_text(context.user_id),
        host_id=this_host() if context.host_id is None else text_safe(context.host_id),
        source=text_safe(context.source),
        software=_texts(software),
        learning_tags=[text_safe(tag) for tag in config.learning_tags],
        experiment_id=_text(context.experiment_id),
        cell=_text(context.cell),
    )


def _prompt(config: PipelineConfig, context: ExecutionContext) -> PromptInfo:
    prompt, negative = text_safe(context.prompt), text_safe(context.negative_prompt)
    return PromptInfo(
        prompt=prompt,
        negative_prompt=negative,
        template=prompt if context.template is None else text_safe(context.template),
        negative_template=negative if context.negative_template is None else text_safe(context.negative_template),
        bindings=_texts(context.bindings),
        pack_id=text_safe(context.pack_id),
        pack_name=text_safe(context.pack_name),
        line_number=_whole(context.line_number),
        seed=_whole(config.seed if context.seed is None else context.seed),
        one_click_action=_text(config.one_click_action),
        variant_id=text_safe(context.variant_id),
    )


def _pipeline(config: PipelineConfig, context: ExecutionContext, prompt: PromptInfo) -> PipelineInfo:
    stages = [_stage(config, result) for result in context.stages]
    # Enabled stages that never started still belong to what would decide the picture.
    started = {stage.stage for stage in stages}
    planned = stages + [_planned(config, name) for name in config.stages if name not in started]
    shown = next((stage for stage in planned if stage.stage == "txt2img"), planned[0])
    return PipelineInfo(
        backend=text_safe(context.backend),
        backend_version=text_safe(context.backend_version),
        model=shown.model,
        model_hash=shown.model_hash,
        vae=shown.vae,
        sampler=shown.sampler,
        scheduler=shown.scheduler,
        cfg_scale=shown.cfg_scale,
        steps=shown.steps,
        width=shown.width,
        height=shown.height,
        stage_flags={name: name in config.stages for name in STAGES},
        stages=stages,
        variant_index=context.variant_index,
        variant_count=context.variant_count,
        matrix_mode=text_safe(context.matrix_mode),
        fanout=context.fanout,
        axes=json_safe(context.axes) if context.axes else {},
        settings_key=settings_key(context.backend, prompt, planned),
    )


def _planned(config: PipelineConfig, name: StageName) -> StageInfo:
    return _stage(config, StageResult(stage=name, status="cancelled", seconds=0.0))


def _stage(config: PipelineConfig, result: StageResult) -> StageInfo:
    """One stage as done: what the backend says it used, else what was asked."""
    asked = asked_settings(config, result.stage)
    done = result.effective or asked
    if done.unused:
        nothing: dict[str, Any] = dict.fromkeys(done.unused)
        asked = dataclasses.replace(asked, **nothing)
    extra = {**asked.extra, **done.extra}
    failure = result.failure
    return StageInfo(
        stage=result.stage,
        status=result.status,
        seconds=_number(result.seconds),
        model=_text(asked.model if done.model is None else done.model),
        model_hash=_text(done.model_hash),
        vae=_text(asked.vae if done.vae is None else done.vae),
        sampler=_text(asked.sampler if done.sampler is None else done.sampler),
        scheduler=_text(asked.scheduler if done.scheduler is None else done.scheduler),
        cfg_scale=_number(asked.cfg_scale if done.cfg_scale is None else done.cfg_scale),
        steps=_whole(asked.steps if done.steps is None else done.steps),
        width=_whole(asked.width if done.width is None else done.width),
        height=_whole(asked.height if done.height is None else done.height),
        clip_skip=_whole(asked.clip_skip if done.clip_skip is None else done.clip_skip),
        denoise=_number(asked.denoise if done.denoise is None else done.denoise),
        upscaler=_text(asked.upscaler if done.upscaler is None else done.upscaler),
        extra=json_safe(extra) if extra else {},
        error_type=text_safe(failure.type) if failure else None,
        error_message=_message(failure.message) if failure else None,
        backend=text_safe(result.backend) if result.backend else None,
        backend_version=text_safe(result.backend_version) if result.backend_version else None,
    )


def _outcome(context: ExecutionContext) -> OutcomeInfo:
    failure = context.failure
    status: Status = context.status or ("failed" if failure else "ok")
    failed = status == "failed"
    return OutcomeInfo(
        status=status,
        images=[
            ImageInfo(
                path=text_safe(image.path).replace("\\", "/"),
                sha256=text_safe(image.sha256),
                width=_whole(image.width),
                height=_whole(image.height),
                stage=text_safe(image.stage),
            )
            for image in context.images
        ],
        error=failed,
        error_type=text_safe(failure.type) if failed and failure else None,
        error_message=_message(failure.message) if failed and failure else None,
        duration_s=_number(context.duration_s),
        deviations=[
            DeviationInfo(
                setting=text_safe(each.setting),
                asked=json_safe(each.asked),
                done=json_safe(each.done),
                detail=text_safe(each.detail),
                stage=result.stage,
            )
            for result in context.stages
            for each in result.deviations
        ],
    )


def settings_key(backend: str, prompt: PromptInfo, stages: list[StageInfo]) -> str:
    """20 hex digits over everything that decides the picture except the seed, so that seeds group."""
    decisive: list[object] = [backend, prompt.prompt, prompt.negative_prompt]
    for stage in stages:
        extra = {name: value for name, value in stage.extra.items() if "seed" not in name.casefold()}
        decisive += [stage.stage, stage.model_hash or stage.model, stage.vae, stage.sampler, stage.scheduler]
        decisive += [stage.cfg_scale, stage.steps, stage.width, stage.height, stage.clip_skip, stage.denoise]
        decisive += [stage.upscaler, extra]
        if stage.backend not in (None, backend):
            decisive.append(stage.backend)
    return content_hash(decisive)[:20]


def _number(value: object) -> float | None:
    """A finite number, else None: JSON has no other, and what a foreign server says may be anything."""
    if type(value) is not float:
        value = json_safe(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _whole(value: object) -> int | None:
    """A whole number, else None; 20.0 is 20."""
    if type(value) is int and abs(value) < _LARGE:
        return value
    number = _number(value)
    return int(number) if number is not None and number.is_integer() else None


def _text(value: str | None) -> str | None:
    return None if value is None else text_safe(value)


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    return {text_safe(str(name)): text_safe(str(value)) for name, value in values.items()}


def _message(text: str) -> str:
    text = text_safe(text)
    return text if len(text) <= MESSAGE_MAX else text[:MESSAGE_MAX] + f"... ({len(text)} characters)"
