"""All kinds of input that `fuzz.py` damages."""

from __future__ import annotations

from fuzzing import data_sets, dense, media, surfaces
from fuzzing.kind import Kind
from fuzzing.mutations import (
    mutate_bytes,
    mutate_head,
    mutate_json,
    mutate_json_lines,
    mutate_text,
    mutate_toml,
)

_BINARY = (mutate_bytes, mutate_head)
_JSON = (mutate_json, mutate_json, mutate_text, mutate_bytes)

KINDS = {
    kind.name: kind
    for kind in (
        Kind("videos", media.make_videos, _BINARY, media.read_video),
        Kind("images", media.make_images, _BINARY, media.read_video),
        Kind("poses", media.make_poses, (mutate_json_lines, *_JSON[2:]), media.read_poses),
        Kind("dense", dense.make_dense, _BINARY, dense.read_dense),
        Kind("dense-json", dense.make_dense_json, _JSON, dense.read_dense),
        Kind("coco", data_sets.make_coco, _JSON, data_sets.read_coco),
        Kind("crowdpose", data_sets.make_crowdpose, _JSON, data_sets.read_crowdpose),
        Kind("posetrack", data_sets.make_posetrack, _JSON, data_sets.read_posetrack),
        Kind("mpii", data_sets.make_mpii, _BINARY, data_sets.read_mpii),
        Kind("mot", data_sets.make_mot, (mutate_text, mutate_bytes), data_sets.read_mot),
        Kind("foreign", data_sets.make_foreign, _JSON, data_sets.read_foreign),
        Kind("recipes", media.make_recipes, (mutate_toml, mutate_text), media.read_recipe),
        Kind("dense-annotations", surfaces.make_annotations, _JSON, surfaces.read_annotations),
        Kind("dense-results", surfaces.make_results, _JSON, surfaces.read_results),
        Kind("dense-raw", surfaces.make_raw_results, _BINARY, surfaces.read_results),
        Kind("meshes", surfaces.make_meshes, _BINARY, surfaces.read_mesh),
        Kind("weights", media.make_weights, _BINARY, media.read_weights),
    )
}
"""All kinds by name."""
