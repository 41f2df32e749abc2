"""AAC in ADTS frames, as in MPEG-TS: each packet carries the settings that MP4 wants once, for all of them.

Field layout: ISO/IEC 13818-7, 6.2 (adts_fixed_header), and 14496-3, 1.6.2.1 (AudioSpecificConfig).
"""

from __future__ import annotations

_SYNC = 0xFFF
_LEAST_BYTES = 7
_NUM_RATES = 13


def read_config(packet: bytes) -> bytes:
    """The settings of an ADTS packet as an AudioSpecificConfig.

    Args:
        packet: The packet with its header.

    Returns:
        Two bytes: profile, sample rate and channels.

    Raises:
        ValueError: It is no ADTS packet, or does not say what its channels are.
    """
    _measure_header(packet)
    profile = packet[2] >> 6
    rate_index = packet[2] >> 2 & 15
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    if channels == 0 or rate_index >= _NUM_RATES:
        raise ValueError("an ADTS header without its channels or rate")
    return ((profile + 1) << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")


def strip_header(packet: bytes) -> bytes:
    """The content of an ADTS packet.

    Raises:
        ValueError: It is no ADTS packet.
    """
    return packet[_measure_header(packet) :]


def _measure_header(packet: bytes) -> int:
    if len(packet) < _LEAST_BYTES or int.from_bytes(packet[:2], "big") >> 4 != _SYNC:
        raise ValueError("no ADTS header")
    return _LEAST_BYTES if packet[1] & 1 else _LEAST_BYTES + 2  # a checksum
