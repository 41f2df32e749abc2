"""Mutations of files: of their bytes, and of the values in JSON and TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.0, 0.5, 7, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 1e308, -1e-308),
    *(float("nan"), float("inf"), "", " ", "1", "1.0", "nan", "x" * 300, "../../x", "/etc/x", "a\nb", "a\0b"),
    *("\ud800", "ä", "[bold]x[/bold]", [], {}, [[]], [None], [0], {"id": 1}, [1e400], [[1, 2], 3]),
)
_ODD_TEXT = (
    *(b"NaN", b"-Infinity", b"1e999", b"0x10", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"null", b"\0" * 600),
    *(b"\xff\xfe", b"\xc3", b'"', b",", b"}", b"\r\n", b"\n\n", b"'''", b"1979-05-27", b"inf", b"-0"),
)
_TOML_VALUES = (
    *("true", "0", "-1", "0.5", "4.0", "1e9", "1e999", "nan", "inf", "1000000000", "9" * 400, "1979-05-27"),
    *('""', '"x"', '"../x"', '"\\u0000"', f'"{"a" * 500}"', "'hrnet-w32'", "[]", "{}", "[[1]]", "[1, 2, 3]"),
)

Mutation = Callable[[bytes, Random], bytes]


def mutate_bytes(data: bytes, rng: Random) -> bytes:
    """Damage bytes as disks, networks and cut copies do: flips, holes, cuts, repeats, rubbish."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        start, end = _choose_range(len(damaged), rng)
        match rng.randrange(7):
            case 0:
                for _ in range(rng.choice((1, 3, 20))):
                    if damaged:
                        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            case 1:
                damaged[start:end] = bytes(end - start)
            case 2:
                del damaged[start:end]
            case 3:
                del damaged[start:]
            case 4:
                damaged[start:start] = damaged[start:end]
            case 5:
                damaged[start:end] = rng.randbytes(end - start)
            case _:
                # A size or a count in a header, at its extremes.
                value = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF))
                damaged[start : start + 4] = value.to_bytes(4, rng.choice(("big", "little")))
    return bytes(damaged)


def mutate_head(data: bytes, rng: Random) -> bytes:
    """Damage the first 200 bytes, where formats keep sizes and counts."""
    return mutate_bytes(data[:200], rng) + data[200:]


def mutate_text(data: bytes, rng: Random) -> bytes:
    """Put odd characters and numbers into a text, in place of others or between them."""
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    odd = rng.choice(_ODD_TEXT)
    if numbers and rng.random() < 0.5:
        found = rng.choice(numbers)
        return data[: found.start()] + odd + data[found.end() :]
    place = rng.randrange(len(data) + 1)
    return data[:place] + odd + data[place + rng.choice((0, 0, 1, 10)) :]


def mutate_json(data: bytes, rng: Random) -> bytes:
    """Change some values of a JSON document: another value, a missing key, a repeated or missing element."""
    tree = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        tree = _change_node(tree, rng)
    return json.dumps(tree).encode()


def mutate_json_lines(data: bytes, rng: Random) -> bytes:
    """Change some values in one line of JSON lines; or lose, repeat or exchange lines."""
    lines = data.splitlines()
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[i]
        case 1:
            lines.insert(j, lines[i])
        case 2:
            lines[i], lines[j] = lines[j], lines[i]
        case _:
            lines[i] = mutate_json(lines[i], rng)
    return b"\n".join(lines) + b"\n"


def mutate_toml(data: bytes, rng: Random) -> bytes:
    """Change one line of a TOML file: another value, another key, a missing or repeated line."""
    lines = data.decode().splitlines()
    i = rng.randrange(len(lines))
    key, equals, _ = lines[i].partition("=")
    match rng.randrange(6):
        case 0:
            del lines[i]
        case 1:
            lines.insert(i, lines[i])
        case 2 if equals:
            lines[i] = f"{key.strip()[:-1] or 'x'} = {rng.choice(_TOML_VALUES)}"
        case _ if equals:
            lines[i] = f"{key}= {rng.choice(_TOML_VALUES)}"
        case _:
            lines[i] = rng.choice(("[x]", "[[tracker]]", "a.b.c = 1", "=", "[", "\x01"))
    return "\n".join(lines).encode()


def _choose_range(size: int, rng: Random) -> tuple[int, int]:
    start = rng.randrange(size + 1)
    longest = rng.choice((4, 64, 1024, size // 5 + 1))
    return start, min(size, start + rng.randrange(1, longest + 1))


def _change_node(tree: Any, rng: Random) -> Any:
    """The tree with one node changed; the node is found by walking down, so that lists do not hide tables."""
    parent, key, node = None, None, tree
    while isinstance(node, dict | list) and node and rng.random() < 0.85:
        parent = node
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node = node[key]
    if parent is None:
        return rng.choice(_ODD_VALUES) if rng.random() < 0.3 else tree
    match rng.randrange(5):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.insert(rng.randrange(len(parent) + 1), node)
        case 2 if isinstance(node, int | float) and not isinstance(node, bool):
            parent[key] = rng.choice((-node, node * 1e6, str(node), float(node), node + 1, [node]))
        case 3 if isinstance(parent, dict):
            parent[rng.choice(("id", "x", "", key.upper()))] = parent.pop(key)
        case _:
            parent[key] = rng.choice(_ODD_VALUES)
    return tree
