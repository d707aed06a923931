"""Searching prompts by words: what a person types, for SQLite's FTS5 and for a plain text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from stablenew.errors import InputError

_TERM = re.compile(r'(-?)(?:"([^"]*)"|([^\s"]+))(\*?)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Words that stand next to each other. `excluded`: they must not; `prefix`: the last may go on."""

    words: tuple[str, ...]
    excluded: bool = False
    prefix: bool = False


def parse_words(text: str) -> tuple[Term, ...]:
    """`fox "golden hour" moon* -red`: all words, a phrase, the start of a word, a word to leave out.

    Raises InputError when nothing is looked for.
    """
    terms = []
    for minus, phrase, word, star in _TERM.findall(text):
        words = tuple(_words(phrase or word))
        if words:
            terms.append(Term(words=words, excluded=bool(minus), prefix=bool(star) or word.endswith("*")))
    if not any(not term.excluded for term in terms):
        raise InputError(f"{text!r} names no word to look for")
    return tuple(terms)


def fts_query(terms: tuple[Term, ...], column: str = "prompt") -> str:
    """The terms as FTS5 writes them."""
    wanted = " AND ".join(_fts_term(term) for term in terms if not term.excluded)
    unwanted = "".join(f" NOT {_fts_term(term)}" for term in terms if term.excluded)
    return f"{{{column}}} : ({wanted}{unwanted})" if unwanted else f"{{{column}}} : ({wanted})"


def text_matches(text: str, terms: tuple[Term, ...]) -> bool:
    """Whether `text` fulfils every term."""
    words = _words(text)
    return all(_stands_in(term, words) is not term.excluded for term in terms)


def _fts_term(term: Term) -> str:
    return '"' + " ".join(term.words) + '"' + ("*" if term.prefix else "")


def _stands_in(term: Term, words: list[str]) -> bool:
    size = len(term.words)
    for start in range(len(words) - size + 1):
        *firsts, last = words[start : start + size]
        same_end = last.startswith(term.words[-1]) if term.prefix else last == term.words[-1]
        if same_end and tuple(firsts) == term.words[:-1]:
            return True
    return False


def _words(text: str) -> list[str]:
    """The words of `text`: letters and digits, without case and accents, as FTS5's unicode61 sees them."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return re.findall(r"[^\W_]+", plain.casefold())
