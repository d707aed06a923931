"""The server's side of a websocket (RFC 6455), as much of it as a stub needs: handshake, unfragmented frames, close."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import struct
import threading

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


def accept_key(key: str) -> str:
    """What the server answers to the client's `Sec-WebSocket-Key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()


class ServerSocket:
    """A connection after its handshake. Any thread may send; one reads."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.received: list[bytes] = []

    def send_text(self, text: bytes) -> None:
        self._send(_TEXT, text)

    def send_binary(self, data: bytes) -> None:
        self._send(_BINARY, data)

    def read_until_closed(self) -> None:
        """Keep the client's messages in `received` until it goes away."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                opcode, data = self._read_frame()
                if opcode == _CLOSE:
                    self._send(_CLOSE, data[:2])
                    return
                if opcode == _PING:
                    self._send(_PONG, data)
                elif opcode in (_TEXT, _BINARY):
                    self.received.append(data)

    def cut(self) -> None:
        """Break the connection without a word."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _send(self, opcode: int, data: bytes) -> None:
        head = bytes([0x80 | opcode])
        if len(data) < 126:
            head += bytes([len(data)])
        elif len(data) < 65_536:
            head += struct.pack(">BH", 126, len(data))
        else:
            head += struct.pack(">BQ", 127, len(data))
        with self._lock, contextlib.suppress(OSError):
            self._connection.sendall(head + data)

    def _read_frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._exactly(8))
        mask = self._exactly(4) if second & 0x80 else bytes(4)
        data = self._exactly(length)
        return first & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._connection.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data
