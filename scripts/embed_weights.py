"""Put trained weights into the package: in half precision, under their name, with the digest to enter.

    python scripts/embed_weights.py checkpoints/movenet-person-320/weights.safetensors movenet-person

The metadata that training wrote goes along. Prints the line for `embedded` in the family's record
(`posetrack/families/`). The card `models/weights/NAME.md` and the line in NOTICE are written by hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from models.checkpoints import compute_sha256, write_weights
from models.metadata import find_embedded, read_metadata


def main() -> None:
    """Convert one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="what `posetrack train` wrote")
    parser.add_argument("name")
    arguments = parser.parse_args()
    metadata = read_metadata(arguments.weights)
    if metadata is None:
        raise SystemExit(f"{arguments.weights}: has no metadata; train or import it with this version")
    state = load_file(arguments.weights)
    halves = {
        name: value.to(torch.float16) if value.is_floating_point() else value for name, value in state.items()
    }
    for name, value in halves.items():
        if not torch.isfinite(value.float()).all():
            raise SystemExit(f"{arguments.weights}: {name} does not fit into half precision")
    target = find_embedded(arguments.name)
    write_weights(target, halves, metadata)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
    print(f'    "{arguments.name}": "{compute_sha256(target)}",')


if __name__ == "__main__":
    main()
