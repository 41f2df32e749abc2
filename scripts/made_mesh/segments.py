"""The 24 charts on the body: which face belongs to which.

The left half is parted along edges, each time by the cheapest cut: across limbs near a plane through the joint,
between front and back where the surface is seen from the side, and around the openings of eyes and mouth. The
right half is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix

from made_mesh.body import Body, Flags, Indices, Numbers, compute_normals, cut_surface, find_neighbors

# The half-width of the band around a plane in which the cut is looked for, in decimetres.
_BAND = 0.5
# How much dearer edges are that run across the wanted direction: steps of the border.
_STRAIGHT = 8.0
_FRONT = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Plane:
    """A plane across a limb; what lies on the side of the normal is beyond it."""

    point: tuple[float, float, float] | Numbers
    normal: tuple[float, float, float] | Numbers

    def measure(self, points: Numbers) -> Numbers:
        """Signed distances of points (P, 3)."""
        return (points - np.asarray(self.point)) @ self.unit_normal

    @property
    def unit_normal(self) -> Numbers:
        """(3,) of length 1."""
        return np.asarray(self.normal) / np.linalg.norm(self.normal)


class HalfBody:
    """The left half of the body, whose faces are parted in two again and again."""

    def __init__(self, body: Body) -> None:
        corners = body.vertices[body.faces]
        self.places = np.flatnonzero((corners[:, :, 0] >= -1e-6).all(axis=1))
        self.faces = body.faces[self.places]
        self.centers = corners[self.places].mean(axis=1)
        self.normals = compute_normals(body.vertices, self.faces)
        self.pairs, ends = find_neighbors(self.faces)
        offsets = body.vertices[ends[:, 1]] - body.vertices[ends[:, 0]]
        self.lengths = np.linalg.norm(offsets, axis=1)
        self.directions = offsets / self.lengths[:, None]
        self.middles = body.vertices[ends].mean(axis=1)

    def part(self, among: Flags, costs: Numbers, inside: Flags, outside: Flags) -> Flags:
        """Cut some of the faces in two; `costs` are by edge."""
        keep = among[self.pairs].all(axis=1)
        return cut_surface(self.pairs[keep], costs[keep], inside & among, outside & among) & among

    def part_by_plane(self, among: Flags, plane: Plane, band: float = _BAND) -> Flags:
        """Cut near a plane; returns the faces beyond it."""
        heights = plane.measure(self.centers)
        crossing = (self.directions @ plane.unit_normal) ** 2
        costs = self.lengths * (1 + _STRAIGHT * crossing + (2 * plane.measure(self.middles) / band) ** 2)
        return self.part(among, costs, heights > band, heights < -band)

    def smooth_normals(self, rounds: int) -> Numbers:
        """Normals, each the mean of itself and its neighbours again and again."""
        count = len(self.faces)
        ones = np.ones(len(self.pairs))
        near = coo_matrix((ones, (self.pairs[:, 0], self.pairs[:, 1])), (count, count)).tocsr()
        near = near + near.T
        normals = self.normals
        for _ in range(rounds):
            normals = normals + near @ normals / 4
            normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        return normals


def assign_charts(body: Body) -> npt.NDArray[np.uint8]:
    """Assign the charts 1..24 to the faces, (F,); 0 where the surface is inside eyes' sockets or the mouth."""
    half = HalfBody(body)
    charts = _assign_half(half, body)
    found = np.zeros(len(body.faces), np.uint8)
    found[half.places] = charts
    found[body.mirror_face[half.places]] = MIRROR[charts]
    return found


MIRROR = np.array([0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23])
_HEAD, _HAND, _FOOT = 24, 4, 5
# Back and front.
_TORSO, _UPPER_LEG, _LOWER_LEG, _UPPER_ARM, _LOWER_ARM = (1, 2), (8, 10), (12, 14), (17, 15), (21, 19)


def _assign_half(half: HalfBody, body: Body) -> Indices:
    everything = np.ones(len(half.faces), bool)
    planes = find_planes(body)
    head = half.part_by_plane(everything, planes["neck"])
    x, y, _ = half.centers.T
    arm = half.part_by_plane(~head & (y > 1) & ((x > 1.72) | (y > 4)), planes["shoulder"])
    forearm = half.part_by_plane(arm, planes["elbow"])
    hand = half.part_by_plane(forearm, planes["wrist"])
    # What is between the legs belongs to the torso, so that its front and back meet.
    groin = (x < np.where(y > -0.33, 0.25, 0.07)) | ((planes["hip"].measure(half.centers) < -0.15) & (x < 0.4))
    leg = half.part_by_plane(~head & ~arm & (y < 2) & ~groin, planes["hip"])
    shin = half.part_by_plane(leg, planes["knee"])
    foot = half.part_by_plane(shin, planes["ankle"])
    axes = np.tile([0.0, 1.0, 0.0], (len(everything), 1))
    for limb, name in ((arm, "upperarm01.L"), (forearm, "lowerarm01.L"), (leg, "upperleg01.L")):
        axes[limb] = find_axis(body, name)
    axes[shin] = find_axis(body, "lowerleg01.L")
    front = _find_front(half, ~(head | hand | foot), axes)
    charts = np.zeros(len(everything), np.int64)
    for region, numbers in (
        (everything, _TORSO),
        (arm, _UPPER_ARM),
        (forearm, _LOWER_ARM),
        (leg, _UPPER_LEG),
        (shin, _LOWER_LEG),
    ):
        charts[region] = np.where(front[region], numbers[1], numbers[0])
    for region, number in ((head, _HEAD), (hand, _HAND), (foot, _FOOT)):
        charts[region] = number
    charts[find_pockets(half, body, head)] = 0
    return charts


_NEXT = {
    "upperarm01.L": "lowerarm01.L",
    "lowerarm01.L": "wrist.L",
    "upperleg01.L": "lowerleg01.L",
    "lowerleg01.L": "foot.L",
}


def find_axis(body: Body, bone: str) -> Numbers:
    """The direction of a limb's segment, away from the body."""
    axis = body.bones[_NEXT[bone]][0] - body.bones[bone][0]
    return axis / np.linalg.norm(axis)


def find_planes(body: Body) -> dict[str, Plane]:
    """The planes of the cuts across neck and left limbs."""
    bones = body.bones
    upper_arm, lower_arm, thigh, shin = (find_axis(body, name) for name in _NEXT)
    hand = bones["finger3-1.L"][0] - bones["wrist.L"][0]
    return {
        "neck": Plane((0.0, 5.85, 0.2), (0.0, 0.87, 0.4)),
        "shoulder": Plane((1.72, 5.0, 0.1), (0.95, -0.3, 0.0)),
        "elbow": Plane(bones["lowerarm01.L"][0], upper_arm + lower_arm),
        "wrist": Plane(bones["wrist.L"][0], lower_arm + hand / np.linalg.norm(hand)),
        "hip": Plane((0.12, -0.42, 0.1), (0.38, -0.92, 0.0)),
        "knee": Plane(bones["lowerleg01.L"][0], thigh + shin),
        "ankle": Plane(bones["foot.L"][0] + (0, 0.25, 0), shin),
    }


def _find_front(half: HalfBody, among: Flags, axes: Numbers) -> Flags:
    """Which faces are of the front: forward of the line where the surface is seen from the side."""
    forward = _FRONT - axes * (axes @ _FRONT)[:, None]
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    facing = (half.smooth_normals(4) * forward).sum(axis=1)
    slants = facing[half.pairs].mean(axis=1)
    along = (half.directions * axes[half.pairs[:, 0]]).sum(axis=1) ** 2
    # Over the shoulder the border does not run along the torso.
    steps = np.where(half.middles[:, 1] < 4.2, 1 - along, 0.0)
    costs = half.lengths * (0.05 + slants**2) * (1 + _STRAIGHT * steps)
    return half.part(among, costs, facing > 0.75, facing < -0.75)


def find_pockets(half: HalfBody, body: Body, head: Flags) -> Flags:
    """Which faces of the head line the eye's socket and the mouth."""
    triangles = body.vertices[np.concatenate([half.faces[head][:, [0, 1, 2]], half.faces[head][:, [0, 2, 3]]])]
    triangles = np.concatenate([triangles, triangles * (-1, 1, 1)])
    looked = head & (half.centers[:, 2] > 0.4)
    rows = np.flatnonzero(looked)
    starts = body.vertices[half.faces[rows][:, :3]].mean(axis=1)
    seen = np.zeros(len(rows), np.int64)
    steps = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    directions = np.stack([axis.ravel() for axis in np.meshgrid(steps, steps, [1.0])], axis=1)
    for direction in directions:
        seen += ~_hit(starts, direction, triangles)
    hidden = np.zeros(len(looked), bool)
    hidden[rows] = seen == 0
    # Folds of nostrils and ears are no pockets.
    mouth_or_eye = (half.centers[:, 1] < 6.6) | (half.centers[:, 1] > 7.15)
    hidden &= (half.centers[:, 0] < 0.6) & mouth_or_eye
    open_ = head & ~looked
    open_[rows] = seen > 6
    return half.part(head, half.lengths, hidden, open_)


def _hit(starts: Numbers, direction: Numbers, triangles: Numbers) -> Flags:
    """Whether rays of one direction meet any of the triangles (T, 3, 3)."""
    direction = direction / np.linalg.norm(direction)
    across = np.cross(direction, (0.0, 1.0, 0.0))
    across /= np.linalg.norm(across)
    basis = np.stack([across, np.cross(direction, across), direction])
    corners, points = triangles @ basis.T, starts @ basis.T
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    areas = np.where(np.abs(areas) < 1e-12, np.inf, areas)
    found = np.zeros(len(points), bool)
    for chunk in np.array_split(np.arange(len(points)), max(1, len(points) // 200)):
        offsets = points[chunk, None] - corners[None, :, 0]
        s = (offsets[..., 0] * second[:, 1] - offsets[..., 1] * second[:, 0]) / areas
        t = (first[:, 0] * offsets[..., 1] - first[:, 1] * offsets[..., 0]) / areas
        depths = s * first[:, 2] + t * second[:, 2] - offsets[..., 2]
        found[chunk] = ((s >= 0) & (t >= 0) & (s + t <= 1) & (depths > 1e-4)).any(axis=1)
    return found
