"""What can go wrong between us and a server, as values: every httpx exception has its kind of trouble here.

The kind decides what may be done next: a request that was never sent can be sent again, one whose answer was lost may
still be running, and one that is our own mistake must not be repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import httpx

Trouble = Literal["unreached", "lost", "timeout", "nonsense", "misuse"]
"""unreached: the server got nothing; lost: the answer was; timeout: none came in time; nonsense: it makes no sense."""

TROUBLES: dict[type[Exception], Trouble] = {
    httpx.ConnectError: "unreached",
    httpx.ConnectTimeout: "unreached",
    httpx.PoolTimeout: "unreached",
    httpx.ProxyError: "unreached",
    httpx.UnsupportedProtocol: "misuse",
    httpx.InvalidURL: "misuse",
    httpx.LocalProtocolError: "misuse",
    httpx.CookieConflict: "misuse",
    httpx.StreamError: "misuse",
    httpx.StreamConsumed: "misuse",
    httpx.StreamClosed: "lost",
    httpx.ResponseNotRead: "misuse",
    httpx.RequestNotRead: "misuse",
    httpx.ReadTimeout: "timeout",
    httpx.WriteTimeout: "lost",
    httpx.ReadError: "lost",
    httpx.WriteError: "lost",
    httpx.CloseError: "lost",
    httpx.RemoteProtocolError: "lost",
    httpx.DecodingError: "nonsense",
    httpx.TooManyRedirects: "nonsense",
    httpx.HTTPStatusError: "nonsense",
    # Their common ancestors, for whatever a later httpx puts below them; a test asks for the leaves above.
    httpx.NetworkError: "lost",
    httpx.TimeoutException: "timeout",
    httpx.ProtocolError: "lost",
    httpx.TransportError: "lost",
    httpx.RequestError: "lost",
    httpx.HTTPError: "lost",
}

HTTP_EXCEPTIONS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)
"""Everything httpx raises, for an `except`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReply:
    """No usable answer came. `text` says in a few words what happened, without any address or secret."""

    trouble: Trouble
    text: str


def no_reply(exc: Exception) -> NoReply:
    """What the httpx exception `exc` means for us."""
    trouble: Trouble = next((TROUBLES[kind] for kind in type(exc).__mro__ if kind in TROUBLES), "lost")
    return NoReply(trouble=trouble, text=_words(exc, trouble))


def _words(exc: Exception, trouble: Trouble) -> str:
    """Our own words: an httpx message may quote headers or addresses, and is often empty."""
    if isinstance(exc, httpx.ConnectTimeout):
        return "connecting took too long"
    if isinstance(exc, httpx.ProxyError):
        return "the proxy in between refused"
    if isinstance(exc, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return "the address is not an http or https address"
    return {
        "unreached": "no connection",
        "lost": "the connection broke before the answer was complete",
        "timeout": "no answer came in time",
        "nonsense": "the answer is not valid HTTP",
        "misuse": f"the request could not be formed ({type(exc).__name__})",
    }[trouble]
