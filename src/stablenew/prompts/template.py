r"""The text of a prompt as a tree: slots, wildcards, alternatives, variables. Parsing reads no file and draws nothing.

    [[mood]]                    a slot of the pack (names compare ignoring case, white space, - and _)
    __animals/cat*__            a wildcard: a value of the files that match; __~x__ drawn, __@x__ in turn, __!x__ all
    {a|b}  {3::a|b}             alternatives, with weights for drawing
    {2$$ and $$a|b|c}  {1-2$$a|b}   so many of them, in every order, joined by ", " or by what stands between the $$
    ${v={a|b}}  ${v=!{a|b}}     a variable: chosen anew at each ${v}, or once (!)
    ${v}  ${v:default}          its value
    %{a photo of ...$$cat}      wrapping: the text after $$ takes the place of the three dots

A backslash before `{`, `}`, `|`, `[[` or `__` takes their meaning away; `\[\[` is a literal `[[`. The grammar is that
of sd-dynamic-prompts (dynamicprompts 0.31) with slots added; `docs/packs.md` lists where the two differ and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from stablenew.errors import PackError

Mode = Literal["grid", "random", "sequential", "rotate"]
MAX_DEPTH = 60
MAX_TEMPLATE = 1_000_000
MANY = 999_999  # what an open upper bound, as in {2-$$__x__}, stands for

_MODE_SIGNS: dict[str, Mode] = {"~": "random", "!": "grid", "@": "sequential"}
_SIGN_OF = {mode: sign for sign, mode in _MODE_SIGNS.items()}
_STOP = re.compile(r"\\|\[\[|__|[{}|<$%]")
_ESCAPE = re.compile(r"(\\+)(\[\\?\[|__|[{}|]|[$%](?=\{)|\$\$)")
_SLOT = re.compile(r"\[\[([^\[\]{}|\n]+)\]\]")
_WILDCARD = re.compile(r"__([~!@])?((?!_)[\w*?/.\\ -]*?[\w*?.-]??)\s*(?:\(([^()]*)\))?__", re.UNICODE)
_HEAD = re.compile(r"\s*([~!@])?(?:\s*(?:(\d{1,6})(?:(-)(\d{1,6})?)?|-(\d{1,6}))\$\$(?:([^${}]*)\$\$)?)?")
_WEIGHT = re.compile(r"\s*(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})::")
_VARIABLE = re.compile(r"\$\{\s*([A-Za-z_-][\w-]*)\s*(?:(\?)?=\s*(!)?\s*|(:)\s*|(\}))", re.ASCII)
_ESCAPABLE = re.compile(r"(\\*)(\[\[|(?<=\\)\[\\\[|__|[{}|]|\$\$|[$%])")
_STARTS_SPECIAL = re.compile(r"\[\\?\[|__|[{}|]|[$%]\{|\$\$")
_TAG = re.compile(r"<(?:lora|lyco|hypernet|embedding|ti):[^<>\n]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text."""

    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """`[[name]]`; `column` counts from 1."""

    name: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`__pattern__`; `params` are variables set while its values are expanded."""

    pattern: str
    mode: Mode | None = None
    params: tuple[tuple[str, Template], ...] = ()
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Option:
    """One alternative; the weight matters where the choice is drawn."""

    value: Template
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Choice:
    """`{a|b|c}`: from `low` to `high` of the options, in every order, joined by `separator`."""

    options: tuple[Option, ...]
    low: int = 1
    high: int = 1
    separator: str = ", "
    mode: Mode | None = None
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Assign:
    """`${name=value}`; `immediate` chooses once, `keep` leaves a variable that has a value already."""

    name: str
    value: Template
    immediate: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """`${name}` or `${name:default}`."""

    name: str
    default: Template | None = None
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Wrap:
    """`%{wrapper$$inner}`."""

    wrapper: Template
    inner: Template


Node: TypeAlias = Text | Slot | Wildcard | Choice | Assign | Access | Wrap
Template: TypeAlias = tuple[Node, ...]


def parse_template(text: str, *, where: Path | str = "template", line: int | None = None) -> Template:
    """The tree of `text`. Raises PackError with the column of an unmatched brace or of nesting that is too deep."""
    if len(text) > MAX_TEMPLATE:
        raise PackError(f"the prompt has {len(text):,} characters, more than {MAX_TEMPLATE:,}", path=where, line=line)
    return _Parser(text, where, line).parse()


def format_template(template: Template, following: str = "") -> str:
    """The text of a tree: `parse_template` gives the same tree from it. `following` is what will stand after it."""
    for node in reversed(template):
        following = _format_node(node, following) + following
    return following


def walk(template: Template) -> Iterator[Node]:
    """Every node of the tree, outer ones first."""
    for node in template:
        yield node
        for inner in children(node):
            yield from walk(inner)


def children(node: Node) -> tuple[Template, ...]:
    """The templates inside `node`."""
    if isinstance(node, Choice):
        return tuple(option.value for option in node.options)
    if isinstance(node, Wildcard):
        return tuple(value for _, value in node.params)
    if isinstance(node, Assign):
        return (node.value,)
    if isinstance(node, Access):
        return () if node.default is None else (node.default,)
    return (node.wrapper, node.inner) if isinstance(node, Wrap) else ()


def is_plain(text: str) -> bool:
    """Whether `text` is only literal text, written without any escape."""
    return _STOP.search(text) is None


class _Parser:
    """One pass over the text; `at` is the place that is read next."""

    def __init__(self, text: str, where: Path | str, line: int | None) -> None:
        self.text, self.where, self.line = text, where, line
        self.at = 0
        self.wraps = _wrap_starts(text)

    def parse(self) -> Template:
        nodes = self._sequence("", 0)
        if self.at < len(self.text):
            raise self._error(r"this } closes nothing: remove it, or write \} for a literal one", self.at)
        return nodes

    def _sequence(self, stops: str, depth: int) -> Template:
        """Nodes up to one of `stops` ("|", "}", "$" for $$), which is not consumed."""
        if depth > MAX_DEPTH:
            raise self._error(f"braces are nested more than {MAX_DEPTH} deep", self.at)
        nodes: list[Node] = []
        literal: list[str] = []
        while self.at < len(self.text):
            found = _STOP.search(self.text, self.at)
            end = found.start() if found else len(self.text)
            literal.append(self.text[self.at : end])
            self.at = end
            if found is None or self._stops_here(stops):
                break
            piece = self._piece(depth)
            if isinstance(piece, str):
                literal.append(piece)
                continue
            _flush(literal, nodes)
            nodes.append(piece)
        _flush(literal, nodes)
        return tuple(nodes)

    def _stops_here(self, stops: str) -> bool:
        char = self.text[self.at]
        if char == "}":
            return True
        if char == "$" and "$" in stops:
            return self.text.startswith("$$", self.at)
        return char in stops and char == "|"

    def _piece(self, depth: int) -> Node | str:
        """The node, or the literal text, that starts here."""
        char = self.text[self.at]
        if char == "\\":
            return self._escape()
        if char == "[":
            return self._slot()
        if char == "_":
            return self._wildcard(depth)
        if char == "<":
            return self._tag()
        if char == "{":
            return self._choice(depth)
        if char == "$":
            found = _VARIABLE.match(self.text, self.at)
            return self._variable(found, depth) if found else self._literal(1)
        if char == "%" and self.at + 1 in self.wraps:
            return self._wrap(depth)
        return self._literal(1)

    def _literal(self, length: int) -> str:
        start = self.at
        self.at += length
        return self.text[start : self.at]

    def _escape(self) -> str:
        found = _ESCAPE.match(self.text, self.at)
        if not found:
            run = re.compile(r"\\+").match(self.text, self.at)
            return self._literal(len(run[0]) if run else 1)
        slashes, token = found[1], found[2]
        kept = "\\" * (len(slashes) // 2)
        if len(slashes) % 2:
            self.at = found.end()
            return kept + ("[[" if token.startswith("[") else token)
        self.at = found.end() if token == "[\\[" else found.start(2)
        return kept + (token if token == "[\\[" else "")

    def _slot(self) -> Node | str:
        found = _SLOT.match(self.text, self.at)
        if not found or not found[1].strip():
            return self._literal(1)
        column = self.at + 1
        self.at = found.end()
        return Slot(found[1].strip(), column)

    def _wildcard(self, depth: int) -> Node | str:
        found = _WILDCARD.match(self.text, self.at)
        if not found or not found[2].strip():
            return self._literal(1)
        column = self.at + 1
        params = self._params(found[3], column, depth) if found[3] else ()
        self.at = found.end()
        mode = _MODE_SIGNS.get(found[1] or "")
        return Wildcard(found[2].strip().replace("\\", "/"), mode, params, column)

    def _params(self, text: str, column: int, depth: int) -> tuple[tuple[str, Template], ...]:
        params = []
        for part in text.split(","):
            name, sign, value = part.partition("=")
            if not sign or not name.strip():
                raise self._error("a wildcard's parameters read name=value, name=value", column - 1)
            inner = _Parser(value.strip(), self.where, self.line)
            params.append((name.strip(), inner._sequence("", depth + 1)))
        return tuple(params)

    def _tag(self) -> str:
        """`<lora:my__style:0.8>` up to what may need expanding: there, `__` is a wildcard only as a whole field."""
        found = _TAG.match(self.text, self.at)
        if not found:
            return self._literal(1)
        end = found.end()
        for special in re.compile(r"\\|\[\[|[{}|]|[$%](?=\{)|\$\$|(?<=:)__(?=[^_:][^:>]*__[:>])").finditer(found[0]):
            end = self.at + special.start()
            break
        return self._literal(end - self.at)

    def _choice(self, depth: int) -> Node:
        start = self.at
        self.at += 1
        head = _HEAD.match(self.text, self.at)
        low = high = 1
        separator, mode = ", ", None
        if head and (head[1] or head[2] or head[5]):
            self.at = head.end()
            mode = _MODE_SIGNS.get(head[1] or "")
            low, high = _bounds(head)
            separator = ", " if head[6] is None else head[6]
        options = [self._option(depth)]
        while self.at < len(self.text) and self.text[self.at] == "|":
            self.at += 1
            options.append(self._option(depth))
        self._close(start)
        top = len(options) if not _only_wildcard(options) else MANY
        low, high = sorted((min(low, top), min(high, top)))
        return Choice(tuple(options), low, high, ", " if high < 2 else separator, mode, start + 1)

    def _option(self, depth: int) -> Option:
        found = _WEIGHT.match(self.text, self.at)
        if found:
            self.at = found.end()
        value = _stripped(self._sequence("|}", depth + 1))
        return Option(value, float(found[1]) if found else 1.0)

    def _variable(self, found: re.Match[str], depth: int) -> Node:
        start = self.at
        self.at = found.end()
        name = found[1]
        if found[5]:
            return Access(name, None, start + 1)
        value = _stripped(self._sequence("}", depth + 1))
        self._close(start)
        if found[4]:
            return Access(name, value, start + 1)
        return Assign(name, value, found[3] is not None, found[2] is not None)

    def _wrap(self, depth: int) -> Node:
        start = self.at
        self.at += 2
        wrapper = _stripped(self._sequence("$", depth + 1))
        if not self.text.startswith("$$", self.at):
            raise self._error("this wrapping has no $$ between the wrapper and its text", start)
        self.at += 2
        inner = _stripped(self._sequence("}", depth + 1))
        self._close(start)
        return Wrap(wrapper, inner)

    def _close(self, start: int) -> None:
        if self.at >= len(self.text):
            raise self._error(r"this brace is never closed: add }, or write \{ for a literal one", start)
        self.at += 1

    def _error(self, reason: str, at: int) -> PackError:
        return PackError(reason, path=self.where, line=self.line, column=at + 1)


def _wrap_starts(text: str) -> set[int]:
    """Where a brace after % has $$ of its own before any |: found in one pass, so that nothing is parsed twice."""
    starts: set[int] = set()
    stack: list[int] = []
    for found in re.compile(r"\\+(?:[{}|]|\$\$)?|\{|\}|\||\$\$").finditer(text):
        token = found[0]
        if token == "{":
            stack.append(found.start())
        elif token == "}" and stack:
            stack.pop()
        elif token == "|" and stack:
            stack[-1] = -1
        elif token == "$$" and stack and stack[-1] >= 0:
            starts.add(stack[-1])
        elif token.startswith("\\") and len(token.rstrip("{}|$")) % 2 == 0 and token[-1] == "{":
            stack.append(found.end() - 1)
    return starts


def _bounds(head: re.Match[str]) -> tuple[int, int]:
    if head[5]:
        return 1, int(head[5])
    if not head[2]:
        return 1, 1
    low = int(head[2])
    if not head[3]:
        return low, low
    return low, int(head[4]) if head[4] else MANY


def _only_wildcard(options: list[Option]) -> bool:
    return len(options) == 1 and len(options[0].value) == 1 and isinstance(options[0].value[0], Wildcard)


def _flush(literal: list[str], nodes: list[Node]) -> None:
    text = "".join(literal)
    literal.clear()
    if text:
        nodes.append(Text(text))


def _stripped(template: Template) -> Template:
    """Without the white space at both ends, as the syntax has it inside braces."""
    nodes = list(template)
    if nodes and isinstance(nodes[0], Text):
        nodes[0] = Text(nodes[0].text.lstrip())
    if nodes and isinstance(nodes[-1], Text):
        nodes[-1] = Text(nodes[-1].text.rstrip())
    return tuple(node for node in nodes if not (isinstance(node, Text) and not node.text))


def _format_node(node: Node, following: str) -> str:
    match node:
        case Text(text):
            return escape_text(text, following)
        case Slot(name):
            return f"[[{name}]]"
        case Wildcard(pattern, mode, params):
            inner = ", ".join(f"{name}={format_template(value)}" for name, value in params)
            return f"__{_SIGN_OF.get(mode or 'rotate', '')}{pattern}{f'({inner})' if inner else ''}__"
        case Choice():
            return _format_choice(node)
        case Assign(name, value, immediate, keep):
            return f"${{{name}{'?' if keep else ''}={'!' if immediate else ''}{format_template(value, '}')}"
        case Access(name, default):
            return f"${{{name}}}" if default is None else f"${{{name}:{format_template(default, '}')}"
        case Wrap(wrapper, inner_text):
            return "%{" + format_template(wrapper, "$$" + format_template(inner_text, "}"))


def _format_choice(choice: Choice) -> str:
    head = _SIGN_OF.get(choice.mode or "rotate", "")
    if (choice.low, choice.high) != (1, 1):
        bounds = f"{choice.low}" if choice.low == choice.high else f"{choice.low}-{choice.high}"
        head += f"{bounds}$${choice.separator}$$"
    plain = [format_template(option.value, "|").removesuffix("|") for option in choice.options]
    # A weight in front of every option keeps one that starts like a head or a weight from being read as such.
    ambiguous = any(re.match(r"\s*[~!@\d.:-]|\s*\$\$", text) for text in plain)
    weighted = zip(choice.options, plain, strict=True)
    options = [
        text if option.weight == 1 and not ambiguous else f"{option.weight:.10g}::{text}" for option, text in weighted
    ]
    return "{" + head + "|".join(options) + "}"


def escape_text(text: str, following: str = "") -> str:
    """`text` written so that a template holds it as literal text in front of `following`."""

    def escaped(found: re.Match[str]) -> str:
        slashes, token = "\\" * (2 * len(found[1])), found[2]
        if token == "[\\[":
            return slashes + token
        if token == "[[":
            return slashes + "\\[\\["
        if token in ("$", "%"):
            opens = found.end() == len(text) and following.startswith("{")
            return slashes + "\\" + token if opens else found[0]
        return slashes + "\\" + token

    result = _ESCAPABLE.sub(escaped, text)
    trailing = len(text) - len(text.rstrip("\\"))
    return result + "\\" * trailing if trailing and _STARTS_SPECIAL.match(following) else result
