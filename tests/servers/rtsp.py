"""A minimal RTSP server: one H.264 stream as RTP through the RTSP connection (RFC 2326, RFC 6184)."""

from __future__ import annotations

import re
import socket
import struct
from fractions import Fraction
from itertools import cycle

import av
import numpy as np
from servers.streams import StreamServer

_CLOCK_HZ = 90_000
_PAYLOAD_TYPE = 96
_LARGEST_PAYLOAD = 1200
_FU_A = 28


def encode_images(num_frames: int, size_wh: tuple[int, int], *, key_every: int) -> list[list[bytes]]:
    """The NAL units of each image of a short H.264 stream; parameter sets stand before each key frame."""
    width, height = size_wh
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.gop_size = key_every
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0"}
    units = []
    for index in range(num_frames):
        image = np.full((height, width, 3), 40 + 6 * (index % 30), np.uint8)
        image[:, : 1 + index * (width - 1) // num_frames] = (200, 60, 20)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, 25)
        units += [bytes(packet) for packet in encoder.encode(frame)]
    units += [bytes(packet) for packet in encoder.encode(None)]
    return [[nal for nal in re.split(b"\0\0\0?\1", unit) if nal] for unit in units]


class RtspServer(StreamServer):
    """Sends the same images over and over, with time stamps that rise.

    Args:
        size_wh: Of the images.
        num_frames: After so many it begins again.
        key_every: One image in so many can be decoded alone.
        first: The image to begin with; where it is no key frame, the stream is entered between two.
        fps: Images a second.
    """

    scheme = "rtsp"

    def __init__(
        self,
        size_wh: tuple[int, int] = (160, 120),
        *,
        num_frames: int = 50,
        key_every: int = 25,
        first: int = 0,
        fps: float = 50.0,
    ) -> None:
        super().__init__(fps)
        units = encode_images(num_frames, size_wh, key_every=key_every)
        self._images = units[first:] + units[:first]

    def serve(self, connection: socket.socket) -> None:
        received = b""
        while self._running.is_set():
            while b"\r\n\r\n" not in received:
                data = connection.recv(4096)
                if not data:
                    return
                received += data
            request, _, received = received.partition(b"\r\n\r\n")
            method = request.split(b" ", 1)[0].decode()
            connection.sendall(self._answer(method, request.decode()).encode())
            if method == "PLAY":
                self._send_images(connection)
                return

    def _answer(self, method: str, request: str) -> str:
        number = re.search(r"CSeq: *(\d+)", request, re.IGNORECASE)
        assert number is not None
        lines = ["RTSP/1.0 200 OK", f"CSeq: {number[1]}"]
        body = ""
        if method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\n"
                f"m=video 0 RTP/AVP {_PAYLOAD_TYPE}\r\na=rtpmap:{_PAYLOAD_TYPE} H264/{_CLOCK_HZ}\r\n"
                f"a=fmtp:{_PAYLOAD_TYPE} packetization-mode=1\r\na=control:video\r\n"
            )
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
        elif method == "PLAY":
            lines.append("Session: 1")
        return "\r\n".join(lines) + "\r\n\r\n" + body

    def _send_images(self, connection: socket.socket) -> None:
        number, stamp = 0, 0
        for nals in cycle(self._images):
            if not self._running.is_set():
                return
            payloads = [payload for nal in nals for payload in _split(nal)]
            for i, payload in enumerate(payloads):
                marker = 0x80 if i == len(payloads) - 1 else 0
                head = struct.pack(
                    ">BBHII", 0x80, marker | _PAYLOAD_TYPE, number & 0xFFFF, stamp & 0xFFFFFFFF, 1
                )
                packet = head + payload
                connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                number += 1
            stamp += round(_CLOCK_HZ / self.fps)
            self.pace()


def _split(nal: bytes) -> list[bytes]:
    """A NAL unit as it is, or as fragments (FU-A) where it is too long for a packet."""
    if len(nal) <= _LARGEST_PAYLOAD:
        return [nal]
    kind, rest = nal[0], nal[1:]
    pieces = [rest[i : i + _LARGEST_PAYLOAD] for i in range(0, len(rest), _LARGEST_PAYLOAD)]
    fragments = []
    for i, piece in enumerate(pieces):
        flags = (0x80 if i == 0 else 0) | (0x40 if i == len(pieces) - 1 else 0)
        fragments.append(bytes([kind & 0xE0 | _FU_A, flags | kind & 0x1F]) + piece)
    return fragments
