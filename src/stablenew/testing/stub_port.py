"""Ports for stub servers, so that the port of a server that died is not soon another's."""

from __future__ import annotations

import itertools
import os
import re
import socket

_FIRST, _PER_PROCESS, _PROCESSES = 20_000, 4_000, 3
_next = itertools.count()


def stub_port() -> int:
    """A free port on this machine that neither this process nor one of its test neighbours used lately.

    Below the range the system hands out by itself. Test processes side by side (pytest-xdist) have a range each: a
    test in which a server dies must not find the neighbour's server at its address.
    """
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % _PROCESSES
    start = os.getpid() % _PER_PROCESS
    for _ in range(_PER_PROCESS):
        port = _FIRST + worker * _PER_PROCESS + (start + next(_next)) % _PER_PROCESS
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError("no free port for a stub server")
