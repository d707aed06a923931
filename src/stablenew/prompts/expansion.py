"""A pack line with its slots and wildcards resolved: how many texts it can be, and any of them with its bindings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from stablenew.errors import InvalidSetting, PackError, nearest_name
from stablenew.prompts.axes import slot_key
from stablenew.prompts.choices import (
    Alternatives,
    Arrangement,
    Chain,
    Draw,
    Fixed,
    Named,
    Part,
    Running,
    Values,
    Wrapped,
)
from stablenew.prompts.template import (
    Access,
    Assign,
    Choice,
    Mode,
    Node,
    Option,
    Slot,
    Template,
    Text,
    Wildcard,
    Wrap,
    format_template,
    is_plain,
    parse_template,
    walk,
)
from stablenew.prompts.wildcards import Wildcards, WildcardValues

MAX_PARTS = 200_000
MAX_LEVELS = 40
MAX_COMPARED = 100_000
MAX_ARRANGED = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotValues:
    """What a slot can be; values may be templates themselves. A `mode` of None is the run's."""

    name: str
    values: tuple[str, ...]
    mode: Mode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRule:
    """Where a prompt says `search` as whole words (case ignored), it says one of `values` instead."""

    search: str
    values: tuple[str, ...]
    mode: Mode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What the lines of a plan draw on. `bound` are slots whose value the plan itself gives (linked axes)."""

    slots: Mapping[str, SlotValues] = field(default_factory=dict)
    wildcards: Wildcards = field(default_factory=Wildcards)
    rules: tuple[ReplaceRule, ...] = ()
    mode: Mode = "grid"
    bound: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PlainLine:
    """A line whose choices are all between plain texts: the same result as its parts give, several times faster.

    `formats` are the prompt and the negative prompt for the % operator, each with the choices it mentions.
    """

    labels: tuple[str, ...]
    tables: tuple[Sequence[str], ...]
    formats: tuple[tuple[str, tuple[int, ...]], ...]

    def render(self, ranks: Sequence[int]) -> tuple[str, str, dict[str, str]]:
        if len(ranks) == len(self.tables):
            chosen = [table[rank] for table, rank in zip(self.tables, ranks)]  # noqa: B905 - strict costs a tenth here
        else:
            left = iter(ranks)
            chosen = [table[next(left)] if len(table) > 1 else table[0] for table in self.tables]
        (prompt, first), (negative, second) = self.formats
        if first:
            prompt %= tuple([chosen[i] for i in first])
        if second:
            negative %= tuple([chosen[i] for i in second])
        return prompt.strip(), negative.strip(), dict(zip(self.labels, chosen))  # noqa: B905


class LineExpansion:
    """One line, compiled. `factors` are its independent choices: (key, how many). Immutable once built.

    A slot's key is its own; other choices are named by their place ("#0", "#1", ...), which no rule can mention.
    `plain` is the fast form of a line whose texts depend on the ranks alone.
    """

    def __init__(self, prompt: Chain, negative: Chain, slot_names: frozenset[str] = frozenset()) -> None:
        self.slot_names = slot_names
        self._prompt = [(part, part.count) for part in prompt.parts]
        self._negative = [(part, part.count) for part in negative.parts]
        self._scope = [(key, part, part.count) for key, part in prompt.scope]
        named = [(key, count) for key, _, count in self._scope if count > 1]
        rest = [count for _, count in [*self._prompt, *self._negative] if count > 1]
        self.factors: tuple[tuple[str, int], ...] = (*named, *((f"#{i}", count) for i, count in enumerate(rest)))
        self.count = prompt.count * negative.count
        self.plain = _plain(prompt, negative)

    def render(self, ranks: Sequence[int], draw: Draw) -> tuple[str, str]:
        """The prompt and the negative prompt where each factor takes the value of its rank; bindings go to `draw`."""
        if self.plain is not None:
            prompt, negative, bindings = self.plain.render(ranks)
            draw.bindings.update(bindings)
            return prompt, negative
        left = iter(ranks)
        for key, part, count in self._scope:
            draw.names[key] = part.render(next(left) if count > 1 else 0, draw)
        prompt = "".join([part.render(next(left) if count > 1 else 0, draw) for part, count in self._prompt])
        negative = "".join([part.render(next(left) if count > 1 else 0, draw) for part, count in self._negative])
        return prompt.strip(), negative.strip()

    def slot_texts(self, key: str) -> list[str] | None:
        """The texts of the slot `key` by rank, for rules that compare them; None where it is not in the line's grid."""
        for name, part, count in self._scope:
            if name == key and not isinstance(part, Running):
                if count > MAX_COMPARED:
                    raise InvalidSetting(f"--skip [[{key}]]", key, f"slots of at most {MAX_COMPARED:,} texts")
                names = dict.fromkeys((other for other, _, _ in self._scope), "")
                return [part.render(i, Draw(names=dict(names))) for i in range(count)]
        return None


def expand_line(
    prompt: str,
    negative_prompt: str,
    vocabulary: Vocabulary,
    *,
    where: Path | str = "pack",
    line: int | None = None,
) -> LineExpansion:
    """Compile a line. Raises PackError, with line and column, for what is missing, endless or too large."""
    compiler = _Compiler(vocabulary, where, line)
    templates = [parse_template(text, where=where, line=line) for text in (prompt, negative_prompt)]
    templates = [compiler.with_rules(template) for template in templates]
    compiler.choose_shared(templates)
    variables: dict[str, Part | Template] = {}
    parts = [compiler.sequence(template, variables) for template in templates]
    scope = [*compiler.scope, *(entry for chain in parts for entry in chain.scope)]
    return LineExpansion(Chain(parts[0].parts, scope), Chain(parts[1].parts), frozenset(compiler.used))


def _plain(prompt: Chain, negative: Chain) -> PlainLine | None:
    """The fast form of a line, None where one of its parts is more than a choice between texts."""
    labels: dict[str, Sequence[str]] = {}
    places: dict[str, int] = {}
    for key, part in prompt.scope:
        if not isinstance(part, Values):
            return None
        places[key] = len(labels)
        labels[_unused(part.label, labels)] = part.texts
    formats = []
    for chain in (prompt, negative):
        text, chosen = "", []
        for part in chain.parts:
            if isinstance(part, Fixed):
                text += part.text.replace("%", "%%")
                continue
            if isinstance(part, Named) and part.key in places:
                chosen.append(places[part.key])
            elif isinstance(part, Values):
                chosen.append(len(labels))
                labels[_unused(part.label, labels)] = part.texts
            else:
                return None
            text += "%s"
        formats.append((text if chosen else text.replace("%%", "%"), tuple(chosen)))
    return PlainLine(tuple(labels), tuple(labels.values()), tuple(formats))


def _unused(label: str, labels: Mapping[str, object]) -> str:
    """`label`, with the number that `Draw.bind` gives it where it is taken."""
    number, name = 1, label
    while name in labels:
        number += 1
        name = f"{label}#{number}"
    return name


def line_slots(template: Template) -> list[Slot]:
    """The slots a template mentions, in order."""
    return [node for node in walk(template) if isinstance(node, Slot)]


def rule_key(search: str) -> str:
    """The slot that stands for a search-and-replace rule."""
    return slot_key(f"replace:{search}")


class _Compiler:
    """Turns one line's templates into parts. `shared` are the slots that have one value in the whole line."""

    def __init__(self, vocabulary: Vocabulary, where: Path | str, line: int | None) -> None:
        self.vocabulary, self.where, self.line = vocabulary, where, line
        self.slots = dict(vocabulary.slots) | {
            rule_key(rule.search): SlotValues(name=f"replace:{rule.search}", values=rule.values, mode=rule.mode)
            for rule in vocabulary.rules
        }
        self.shared: set[str] = set()
        self.scope: list[tuple[str, Part]] = []
        self.done: set[str] = set()
        self.used: set[str] = set()
        self.stack: list[str] = []
        self.parts = 0

    def with_rules(self, template: Template) -> Template:
        """`template` with each rule's words made into that rule's slot."""
        for rule in self.vocabulary.rules:
            words = re.compile(rf"(?<!\w){re.escape(rule.search)}(?!\w)", re.IGNORECASE)
            template = _replaced(template, words, Slot(f"replace:{rule.search}"))
        return template

    def choose_shared(self, templates: Sequence[Template]) -> None:
        """A slot used outside every choice, or more than once, has one value in the line and is a factor of its own."""
        uses: Counter[str] = Counter()
        for template in templates:
            uses.update(slot_key(slot.name) for slot in line_slots(template))
            self.shared |= {slot_key(node.name) for node in template if isinstance(node, Slot)}
        self.shared |= {key for key, count in uses.items() if count > 1}

    def sequence(self, template: Template, variables: dict[str, Part | Template]) -> Chain:
        """The parts of `template`; its variables are set first, whatever place they stand in."""
        scope: list[tuple[str, Part]] = []
        for node in template:
            if isinstance(node, Assign) and not (node.keep and node.name in variables):
                self._assign(node, variables, scope)
        parts = [self.node(node, variables) for node in template if not isinstance(node, Assign)]
        return Chain(parts, scope)

    def node(self, node: Node, variables: dict[str, Part | Template]) -> Part:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise self._error(f"the line expands to more than {MAX_PARTS:,} parts", None)
        match node:
            case Text(text):
                return Fixed(text)
            case Slot():
                return self._slot(node, variables)
            case Wildcard():
                return self._wildcard(node, variables)
            case Choice():
                return self._choice(node, variables)
            case Access():
                return self._access(node, variables)
            case Wrap(wrapper, inner):
                return Wrapped(self.sequence(wrapper, dict(variables)), self.sequence(inner, dict(variables)))
            case Assign():
                raise AssertionError("assignments are taken out before")

    def _assign(self, node: Assign, variables: dict[str, Part | Template], scope: list[tuple[str, Part]]) -> None:
        if not node.immediate:
            variables[node.name] = node.value
            return
        # A key of its own per assignment: an inner ${v=!...} must not change what the outer ${v} reads.
        key = f"${{{node.name}}}"
        taken = self.parts + len(self.scope) + len(scope)
        inner = self.sequence(node.value, dict(variables))
        unique = f"{key}{taken}" if key in self.done else key
        self.done.add(unique)
        scope.append((unique, inner))
        variables[node.name] = Named(unique)

    def _access(self, node: Access, variables: dict[str, Part | Template]) -> Part:
        value = variables.get(node.name, node.default)
        if value is None:
            nearest = nearest_name(node.name, variables)
            hint = f": did you mean ${{{nearest}}}?" if nearest else f": set it with ${{{node.name}=...}} first"
            raise self._error(f"the variable ${{{node.name}}} has no value{hint}", node.column)
        if not isinstance(value, tuple):
            return value
        return self._entered(f"${{{node.name}}}", node.column, value, dict(variables))

    def _entered(self, name: str, column: int, template: Template, variables: dict[str, Part | Template]) -> Chain:
        """The parts of `template`, which `name` stands for; a name inside itself is an error."""
        if name in self.stack or len(self.stack) >= MAX_LEVELS:
            path = " in ".join(reversed([*self.stack[-4:], name]))
            raise self._error(f"{name} is used inside itself ({path})", column)
        self.stack.append(name)
        chain = self.sequence(template, variables)
        self.stack.pop()
        return chain

    def _slot(self, node: Slot, variables: dict[str, Part | Template]) -> Part:
        key = slot_key(node.name)
        self.used.add(key)
        if key in self.vocabulary.bound:
            return Named(key)
        spec = self.slots.get(key)
        if spec is None:
            raise self._error(self._no_slot(node.name), node.column)
        if key not in self.shared:
            return self._slot_part(spec, node, variables)
        if key not in self.done:
            if key in self.stack:
                raise self._error(f"[[{node.name}]] is used inside itself", node.column)
            self.stack.append(key)
            part = self._slot_part(spec, node, {})
            self.stack.pop()
            self.done.add(key)
            self.scope.append((key, part))
        return Named(key)

    def _slot_part(self, spec: SlotValues, node: Slot, variables: dict[str, Part | Template]) -> Part:
        if not spec.values:
            raise self._error(f"the slot [[{node.name}]] has no values", node.column)
        values = WildcardValues(texts=spec.values)
        part = self._one_of(spec.name, f"[[{spec.name}]]", values, node.column, variables)
        return self._in_mode(part, spec.mode)

    def _wildcard(self, node: Wildcard, variables: dict[str, Part | Template]) -> Part:
        variables = dict(variables) | dict(node.params)
        values = self._values(node)
        label = f"__{node.pattern}__"
        return self._in_mode(self._one_of(label, label, values, node.column, variables), node.mode)

    def _values(self, node: Wildcard) -> WildcardValues:
        return self.vocabulary.wildcards.values(node.pattern, where=self.where, line=self.line, column=node.column)

    def _one_of(
        self, label: str, name: str, values: WildcardValues, column: int, variables: dict[str, Part | Template]
    ) -> Part:
        if all(map(is_plain, values.texts)):
            return Values(label, values.texts, values.weights)
        options = [
            self._entered(name, column, parse_template(text, where=f"{self.where} {name}"), dict(variables))
            for text in values.texts
        ]
        return Alternatives(label, options, values.weights)

    def _choice(self, node: Choice, variables: dict[str, Part | Template]) -> Part:
        options, label = node.options, _choice_label(node)
        low, high = node.low, node.high
        if high != 1 and len(options) == 1 and len(options[0].value) == 1 and isinstance(options[0].value[0], Wildcard):
            wildcard = options[0].value[0]
            values = self._values(wildcard)
            options = tuple(
                Option(parse_template(text, where=f"{self.where} __{wildcard.pattern}__")) for text in values.texts
            )
            low, high = min(low, len(options)), min(high, len(options))
        if (high + 1) * len(options) > MAX_ARRANGED:
            raise self._error(f"choosing {high} of {len(options):,} values in every order is too much", node.column)
        weights = [option.weight for option in options]
        if (low, high) == (1, 1) and all(_is_text(option.value) for option in options):
            texts = ["".join(cast(Text, inner).text for inner in option.value) for option in options]
            return self._in_mode(Values(label, texts, weights), node.mode)
        parts = [self.sequence(option.value, dict(variables)) for option in options]
        if (low, high) == (1, 1):
            return self._in_mode(Alternatives(label, parts, weights), node.mode)
        return self._in_mode(Arrangement(label, parts, weights, low, high, node.separator), node.mode)

    def _in_mode(self, part: Part, mode: Mode | None) -> Part:
        mode = mode or self.vocabulary.mode
        return part if mode == "grid" else Running(part, mode)

    def _no_slot(self, name: str) -> str:
        known = [spec.name for key, spec in self.slots.items() if not key.startswith("replace:")]
        known += self.vocabulary.bound
        nearest = nearest_name(name, known) or nearest_name(slot_key(name), known)
        hint = f"did you mean [[{nearest}]]?" if nearest else "give it values in the pack's .json or with --vary;"
        return rf"there is no slot [[{name}]]: {hint} A literal is written \[\[{name}]]"

    def _error(self, reason: str, column: int | None) -> PackError:
        return PackError(reason, path=self.where, line=self.line, column=column or None)


def _is_text(template: Template) -> bool:
    return all(isinstance(node, Text) for node in template)


def _choice_label(node: Choice) -> str:
    text = format_template((node,))
    return text if len(text) <= 60 else text[:57] + "..."


def _replaced(template: Template, words: re.Pattern[str], slot: Slot) -> Template:
    """`template` with `slot` in place of `words`, wherever they stand in its literal text."""
    nodes: list[Node] = []
    for node in template:
        if isinstance(node, Text):
            nodes += _split_text(node.text, words, slot)
        elif isinstance(node, Choice):
            options = tuple(replace(option, value=_replaced(option.value, words, slot)) for option in node.options)
            nodes.append(replace(node, options=options))
        elif isinstance(node, Wrap):
            nodes.append(Wrap(_replaced(node.wrapper, words, slot), _replaced(node.inner, words, slot)))
        elif isinstance(node, Assign):
            nodes.append(replace(node, value=_replaced(node.value, words, slot)))
        else:
            nodes.append(node)
    return tuple(nodes)


def _split_text(text: str, words: re.Pattern[str], slot: Slot) -> list[Node]:
    nodes: list[Node] = []
    for i, part in enumerate(words.split(text)):
        if i:
            nodes.append(slot)
        if part:
            nodes.append(Text(part))
    return nodes
