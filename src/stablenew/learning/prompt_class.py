"""What kind of prompt a record is about: what taste may differ by."""

from __future__ import annotations

import re

from stablenew.learning.learning_record import LearningRecord

ANY = "any"
TAG = "class:"

_ENDING = re.compile(r"\.(safetensors|ckpt|pt|pth|gguf|sft|bin)$", re.IGNORECASE)
_HASH = re.compile(r"\s*\[[0-9a-fA-F]{6,64}\]$")


def prompt_class_of(record: LearningRecord) -> str:
    """NAME of a learning tag "class:NAME" where there is one, else the pack's name, else "any"."""
    return tagged_class(record) or record.prompt.pack_name or ANY


def tagged_class(record: LearningRecord) -> str:
    """NAME of the first learning tag "class:NAME", "" where there is none."""
    tagged = (tag.removeprefix(TAG) for tag in record.run.learning_tags if tag.startswith(TAG) and tag != TAG)
    return next(tagged, "")


def model_stem(model: str) -> str:
    """A model by the name people use: without folder, file ending and the hash that A1111 puts behind it."""
    return _ENDING.sub("", _HASH.sub("", re.split(r"[/\\]", model.strip())[-1]))


def same_model(one: str, other: str) -> bool:
    """Whether two names mean one model, whatever the tool that wrote them."""
    return one == other or model_stem(one).casefold() == model_stem(other).casefold()


def is_about(record: LearningRecord, model: str, prompt_class: str) -> bool:
    """Whether `record` is of the model and the class; "any" takes every one."""
    if model != ANY and not same_model(record.pipeline.model or "", model):
        return False
    return prompt_class in (ANY, prompt_class_of(record))
