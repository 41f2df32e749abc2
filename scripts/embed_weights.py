"""Put trained weights into the package: under their name, with the digest to enter.

    python scripts/embed_weights.py checkpoints/movenet-person-320/weights.safetensors movenet-person [--bits 8]

They are stored in half precision, or the weights of layers in 8 bits (`models.stored_weights`), which halves
the file again: measure them so stored. The metadata that training wrote goes along. Prints the line for
`embedded` in the family's record (`posetrack/families/`). The card `models/weights/NAME.md` and the line in
NOTICE are written by hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from models.checkpoints import compute_sha256, write_weights
from models.metadata import find_embedded, read_metadata
from models.stored_weights import pack_bytes, pack_halves, read_stored


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="what `posetrack train` wrote")
    parser.add_argument("name")
    parser.add_argument("--bits", type=int, choices=(16, 8), default=16)
    arguments = parser.parse_args()
    metadata = read_metadata(arguments.weights)
    if metadata is None:
        raise SystemExit(f"{arguments.weights}: has no metadata; train or import it with this version")
    state = read_stored(arguments.weights)
    try:
        packed = (pack_bytes if arguments.bits == 8 else pack_halves)(state)
    except ValueError as error:
        raise SystemExit(f"{arguments.weights}: {error}") from error
    target = find_embedded(arguments.name)
    write_weights(target, packed, metadata)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    print(f'    "{arguments.name}": "{compute_sha256(target)}",')


if __name__ == "__main__":
    main()
