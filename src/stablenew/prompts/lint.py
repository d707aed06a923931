"""What is wrong with a pack, or will be a surprise: found without making a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from stablenew.config import PipelineConfig
from stablenew.errors import InputError, InvalidSetting, PackError, PlanTooLarge
from stablenew.prompts.axes import slot_key
from stablenew.prompts.estimate import Estimate, estimate_plan
from stablenew.prompts.expansion import Vocabulary, expand_line, line_slots, rule_key
from stablenew.prompts.extra_networks import common_form, find_networks
from stablenew.prompts.pack import Pack, PackLine
from stablenew.prompts.randomizer import plan_pack
from stablenew.prompts.sidecar import Matrix
from stablenew.prompts.template import Text, parse_template
from stablenew.prompts.wildcards import Wildcards
from stablenew.variant import PromptLine

TOO_MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about a pack. An error keeps it from running; a warning does not. Lines and columns count from 1."""

    severity: Literal["error", "warning"]
    message: str
    line: int | None = None
    column: int | None = None


def lint_pack(
    pack: Pack,
    *,
    wildcards: Wildcards | None = None,
    check_prompt: Callable[[str], None] | None = None,
    config: PipelineConfig | None = None,
    too_many: int = TOO_MANY,
) -> list[Finding]:
    """All findings, in the order of the pack's lines, those about the whole pack last.

    `check_prompt` is the chosen backend's: it raises an InputError for a lora or embedding that it has not.
    """
    wildcards = wildcards or Wildcards()
    matrix = pack.matrix if pack.matrix.enabled else Matrix()
    findings: list[Finding] = []
    lines = pack.prompt_lines()
    for source, line in zip(pack.lines, lines, strict=True):
        findings += _line_findings(source, line, matrix, wildcards)
        if check_prompt is not None:
            findings += _network_findings(line, check_prompt)
    findings += _duplicates(lines)
    if not any(finding.severity == "error" for finding in findings):
        findings += _unused_slots(lines, matrix)
    findings += [Finding(severity="warning", message=note) for note in pack.notes]
    findings += _shape(pack)
    if not any(finding.severity == "error" for finding in findings):
        findings += _size(pack, wildcards, config or PipelineConfig(), too_many)
    return findings


def _line_findings(source: PackLine, line: PromptLine, matrix: Matrix, wildcards: Wildcards) -> Iterator[Finding]:
    number = source.line_number
    slots = {slot_key(slot.name): slot for slot in matrix.slots}
    vocabulary = Vocabulary(slots=slots, wildcards=wildcards, rules=matrix.rules, mode=matrix.mode)
    try:
        expand_line(line.prompt, line.negative_prompt, vocabulary, where=line.pack_name, line=number)
    except PackError as exc:
        yield Finding(severity="error", message=exc.reason, line=exc.line or number, column=exc.column)
        return
    for text in (line.prompt, line.negative_prompt):
        column = _unbalanced(text)
        if column is not None:
            message = r"the parentheses do not match: write \( and \) for literal ones"
            yield Finding(severity="warning", message=message, line=number, column=column)
    if not line.prompt:
        yield Finding(severity="warning", message="the prompt is empty: there is only a negative one", line=number)


def _network_findings(line: PromptLine, check_prompt: Callable[[str], None]) -> Iterator[Finding]:
    """Each lora and embedding is shown to the backend by itself."""
    for text in (line.prompt, line.negative_prompt):
        for network in find_networks(text):
            # A name with a choice in it is many names: each is checked when its variant is made.
            if _is_template(network.name):
                continue
            try:
                check_prompt(common_form(text[network.start : network.end]))
            except InputError as exc:
                yield Finding(severity="error", message=str(exc), line=line.line_number, column=network.start + 1)


def _is_template(text: str) -> bool:
    try:
        return any(not isinstance(node, Text) for node in parse_template(text))
    except PackError:
        return True


def _duplicates(lines: Iterable[PromptLine]) -> Iterator[Finding]:
    seen: dict[tuple[str, str, object], int] = {}
    for line in lines:
        key = " ".join(line.prompt.split()).casefold(), " ".join(line.negative_prompt.split()).casefold(), line.settings
        if key in seen:
            message = f"the same prompt as in line {seen[key]}: the same pictures will be made twice"
            yield Finding(severity="warning", message=message, line=line.line_number)
        seen.setdefault(key, line.line_number)


def _unused_slots(lines: Iterable[PromptLine], matrix: Matrix) -> Iterator[Finding]:
    used: set[str] = set()
    texts = [text for line in lines for text in (line.prompt, line.negative_prompt)]
    for text in [*texts, *(value for slot in matrix.slots for value in slot.values)]:
        try:
            used |= {slot_key(slot.name) for slot in line_slots(parse_template(text))}
        except PackError:
            return
    used |= {rule_key(rule.search) for rule in matrix.rules}
    for slot in matrix.slots:
        if slot_key(slot.name) not in used:
            yield Finding(severity="warning", message=f"no line uses the slot [[{slot.name}]]")


def _shape(pack: Pack) -> Iterator[Finding]:
    if not pack.lines:
        yield Finding(severity="error", message="the pack has no prompt")
    rows = [row.strip() for row in pack.rows]
    while rows and not rows[-1]:
        rows.pop()
    marked = any(not row or row.startswith("#") or row[:4].casefold() == "neg:" for row in rows)
    if len(rows) > 2 and not marked:
        message = (
            f"all {len(rows)} rows are one prompt, because no empty row parts them: "
            "where each row is a prompt, read the file with --format lines"
        )
        yield Finding(severity="warning", message=message, line=1)


def _size(pack: Pack, wildcards: Wildcards, config: PipelineConfig, too_many: int) -> Iterator[Finding]:
    try:
        plan = plan_pack(config, pack, wildcards=wildcards)
    except (PlanTooLarge, InvalidSetting) as exc:
        yield Finding(severity="error", message=str(exc))
        return
    if plan.count > too_many:
        message = f"{size_text(estimate_plan(plan))}: give --limit N for a balanced part"
        yield Finding(severity="warning", message=message)


def size_text(estimate: Estimate) -> str:
    """The estimate in words."""
    parts = [f"{estimate.variants:,} variants, {estimate.images:,} images"]
    if estimate.minutes is not None:
        parts.append(_duration(estimate.minutes))
    parts.append(f"at most {estimate.gigabytes:,.3g} GB")
    return ", ".join(parts)


def _duration(minutes: float) -> str:
    if minutes < 120:
        return f"about {minutes:.3g} minutes"
    return f"about {minutes / 60:.3g} hours" if minutes < 2_880 else f"about {minutes / 1_440:,.3g} days"


def _unbalanced(text: str) -> int | None:
    """The column of the first parenthesis or bracket without its partner, None where all match."""
    pairs = {")": "(", "]": "["}
    stack: list[tuple[str, int]] = []
    escaped = False
    for i, char in enumerate(text, 1):
        if escaped or char == "\\":
            escaped = not escaped
        elif char in "([":
            stack.append((char, i))
        elif char in pairs:
            if not stack or stack[-1][0] != pairs[char]:
                return i
            stack.pop()
    return stack[0][1] if stack else None
