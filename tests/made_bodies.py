"""A pack of bodies as `scripts/synthesis` reads it: a person of boxes, as MakeHuman names them."""

import json

import numpy as np

BONES = {  # name: parent, head
    "root": (None, (0, 0, 0)),
    "spine05": ("root", (0, 1, 0)),
    "neck01": ("spine05", (0, 6, 0)),
    "head": ("neck01", (0, 6.5, 0)),
}
for _side, _sign in (("L", 1), ("R", -1)):
    BONES |= {
        f"eye.{_side}": ("head", (0.4 * _sign, 7.4, 0.6)),
        f"clavicle.{_side}": ("spine05", (0.5 * _sign, 5.5, 0)),
        f"upperarm01.{_side}": (f"clavicle.{_side}", (1.7 * _sign, 5.3, 0)),
        f"lowerarm01.{_side}": (f"upperarm01.{_side}", (3.1 * _sign, 3.5, 0)),
        f"wrist.{_side}": (f"lowerarm01.{_side}", (4.3 * _sign, 2.3, 0.6)),
        f"upperleg01.{_side}": ("root", (1 * _sign, 0.2, 0)),
        f"lowerleg01.{_side}": (f"upperleg01.{_side}", (1.2 * _sign, -3.7, 0)),
        f"foot.{_side}": (f"lowerleg01.{_side}", (1.4 * _sign, -7.4, 0)),
    }
# Bone, from, to, half width; charts behind and in front.
LIMBS = [("spine05", (0, 0, 0), (0, 6, 0), 1.5, (1, 2)), ("head", (0, 6, 0), (0, 8.4, 0), 0.8, (23, 24))]
for _side, _sign, _charts in (
    ("L", 1, ((17, 15), (21, 19), (4, 4), (8, 10), (12, 14), (5, 5))),
    ("R", -1, ((18, 16), (22, 20), (3, 3), (7, 9), (11, 13), (6, 6))),
):
    _x = _sign
    LIMBS += [
        (f"upperarm01.{_side}", (1.7 * _x, 5.3, 0), (3.1 * _x, 3.5, 0), 0.45, _charts[0]),
        (f"lowerarm01.{_side}", (3.1 * _x, 3.5, 0), (4.3 * _x, 2.3, 0.6), 0.4, _charts[1]),
        (f"wrist.{_side}", (4.3 * _x, 2.3, 0.6), (4.6 * _x, 1.5, 0.9), 0.35, _charts[2]),
        (f"upperleg01.{_side}", (1 * _x, 0.2, 0), (1.2 * _x, -3.7, 0), 0.8, _charts[3]),
        (f"lowerleg01.{_side}", (1.2 * _x, -3.7, 0), (1.4 * _x, -7.4, 0), 0.6, _charts[4]),
        (f"foot.{_side}", (1.4 * _x, -7.6, 0), (1.4 * _x, -7.6, 1.6), 0.5, _charts[5]),
    ]
NOSE = (0, 7.1, 0.8)
CORNER_UV = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])


def make_limb(start, end, half):
    """Eight vertices and six quads of a box along a line; the fourth faces +z."""
    start, end = np.float64(start), np.float64(end)
    along = (end - start) / np.linalg.norm(end - start)
    ahead = np.float64([0, 0, 1]) if abs(along[2]) < 0.9 else np.float64([0, 1, 0])
    side = np.cross(along, ahead)
    side /= np.linalg.norm(side)
    ahead = np.cross(side, along)
    corners = [
        place + half * (a * side + b * ahead) for place in (start, end) for a in (-1, 1) for b in (-1, 1)
    ]
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3)]
    return np.array(corners), np.array(quads)


def make_arrays():
    """Vertices, quads of each surface, the bone of each vertex, and the charts of the body's quads."""
    vertices, bones, quads, charts = [], [], {}, []
    names = list(BONES)

    def add(surface, bone, *box):
        corners, faces = make_limb(*box)
        quads.setdefault(surface, []).append(faces + sum(map(len, vertices)))
        vertices.append(corners)
        bones.extend([names.index(bone)] * len(corners))

    for bone, start, end, half, (behind, front) in LIMBS:
        add("body", bone, start, end, half)
        charts += [behind, front, behind, front, front, front]
    for bone, start, end, half, _ in LIMBS:
        if not bone.startswith(("head", "wrist", "foot")):
            add("tights", bone, start, end, half + 0.1)
    add("skirt", "root", (0, 1.2, 0), (0, -6, 0), 1.8)
    add("hair", "head", (0, 7, -0.1), (0, 8.6, -0.1), 0.9)
    for side, name in (("L", "eye_left"), ("R", "eye_right")):
        x, y, z = BONES[f"eye.{side}"][1]
        add(name, f"eye.{side}", (x, y - 0.1, z), (x, y + 0.1, z), 0.1)
    # The heads of bones are vertices of their own, on no surface.
    marks = np.float64([head for _, head in BONES.values()])
    first = sum(map(len, vertices))
    vertices += [marks, np.float64([NOSE])]
    bones += [*range(len(names)), names.index("head")]
    quads = {name: np.concatenate(faces) for name, faces in quads.items()}
    return np.concatenate(vertices).astype(np.float32), quads, np.array(bones), np.uint8(charts), first


def write_bodies(folder):
    """Write a pack and `atlas.npz`."""
    folder.mkdir(parents=True, exist_ok=True)
    vertices, quads, bones, charts, first = make_arrays()
    names = list(BONES)
    weights = np.zeros((len(vertices), 6), np.float16)
    weights[:, 0] = 1
    np.savez(
        folder / "body.npz",
        vertices=vertices,
        weight_bones=np.repeat(bones[:, None], 6, 1).astype(np.int16),
        weights=weights,
        **{f"faces_{name}": faces.astype(np.int32) for name, faces in quads.items()},
    )
    rows = [
        {
            "name": name,
            "parent": names.index(parent) if parent else -1,
            "head_vertices": [first + i],
            "tail_vertices": [first + i],
        }
        for i, (name, (parent, _)) in enumerate(BONES.items())
    ]
    (folder / "bones.json").write_text(json.dumps(rows))
    keypoints = {"nose": {"vertices": [first + len(names)]}}
    parts = {"eye": "eye", "ear": "eye", "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist"}
    parts |= {"hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot"}
    for part, bone in parts.items():
        keypoints |= {f"{side}_{part}": {"bone": f"{bone}.{side[0].upper()}"} for side in ("left", "right")}
    (folder / "keypoints.json").write_text(json.dumps(keypoints))
    taller = vertices * np.float32([0, 60, 0])
    np.savez(
        folder / "targets.npz",
        **{"i:caucasian-male-young": np.arange(len(vertices)).astype(np.uint16)},
        **{"o:caucasian-male-young": taller.astype(np.int16)},
    )
    poses = {name: np.zeros((len(names), 3), np.float32) for name in ("standing01", "sit01", "fly01")}
    poses["sit01"][[names.index(f"upperleg01.{side}") for side in "LR"], 0] = -1.4
    np.savez(folder / "poses.npz", bone_names=np.array(names), **poses)
    np.savez(folder / "clothes.npz", **make_clothes(vertices, quads))
    np.savez(folder / "atlas.npz", face_charts=charts, corner_uv=np.tile(CORNER_UV, (len(charts), 1, 1)))


def make_clothes(vertices, quads):
    """A suit over the trunk and a pair of shoes, each vertex of which follows one of the body's."""
    arrays = {}
    for name, limbs in (("male_suit01", [0]), ("female_suit01", [0]), ("shoes01", [7, 13]), ("short01", [1])):
        followed = np.concatenate([np.arange(8 * i, 8 * i + 8) for i in limbs])
        faces = np.concatenate([quads["body"][6 * i : 6 * i + 6] - 8 * i + 8 * k for k, i in enumerate(limbs)])
        middle = np.concatenate([np.repeat(vertices[8 * i : 8 * i + 8].mean(0)[None], 8, 0) for i in limbs])
        arrays |= {
            f"{name}:faces": faces.astype(np.int32),
            f"{name}:ref": np.repeat(followed[:, None], 3, 1).astype(np.int32),
            f"{name}:weights": np.full((len(followed), 3), 1 / 3, np.float32),
            f"{name}:offsets": (0.1 * np.sign(vertices[followed] - middle)).astype(np.float32),
            f"{name}:scale_vertices": np.int64([[0, 2], [0, 4], [0, 1]]),
            f"{name}:scale_lengths": np.float64([3, 6, 0]),
            f"{name}:hidden_vertices": (followed if "suit" in name else followed[:0]).astype(np.int32),
            f"{name}:z_depth": np.int64(50),
        }
    return arrays
