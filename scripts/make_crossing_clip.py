"""Make docs/media/crossing.mp4: five made people who cross each other, with the truth beside it.

    python scripts/make_crossing_clip.py --frames FOLDER [--out docs/media/crossing.mp4]
        [--data ../shared/data/makehuman] [--size 640x360] [--count 200]

Frames are kept in FOLDER, so that a stopped run goes on. The truth, `crossing.gt.txt`, is MOTChallenge's: boxes
of whole people, cut at the image's border, of those of whom a tenth or more is seen. Needs
`pip install 'posetrack[synthesis]'` and a folder of MakeHuman's CC0 bodies.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from synthesis.atlas import read_charts
from synthesis.bodies import Shape
from synthesis.cameras import Camera, aim_camera
from synthesis.pack import Floats, read_pack
from synthesis.people import PersonMaker, PlacedPerson
from synthesis.plaza import draw_plaza
from synthesis.rays import Caster, render
from synthesis.scenes import Light, Scene
from synthesis.walkers import Walk, Walker
from synthesis.wearables import Wardrobe
from synthesize_people import parse_size

from posetrack.errors import PoseTrackError

FPS = 25
LEAST_SEEN = 0.1
_FOCAL = 1.0
"""Of the image's width."""
_CRF = "22"
_NOISE = 1.2
_RIGHT, _LEFT, _AWAY = np.pi / 2, -np.pi / 2, np.pi + 0.03

WALKS = (
    Walk(Shape(0.9, (0, 0.8, 0.2), (0.1, 0.1, 0.8), 0.6, 0.5, 0.6), 8, (0.0, -6.6), 4.0, _RIGHT, 0.88, 0.85),
    Walk(Shape(0.1, (0, 1, 0), (0.1, 0.8, 0.1), 0.5, 0.35, 0.5), 21, (0.0, -7.4), 4.2, _LEFT, 0.98, 0.86),
    Walk(Shape(0.95, (0, 0.3, 0.7), (0.8, 0.1, 0.1), 0.5, 0.7, 0.7), 12, (0.0, -10.0), 3.6, _RIGHT, 0.90, 0.90),
    Walk(Shape(0.1, (0, 0.6, 0.4), (0.1, 0.2, 0.7), 0.4, 0.6, 0.45), 22, (-1.2, -7.0), 5.0, 0.2, 0.96, 0.74),
    Walk(Shape(0.8, (0, 1, 0), (0.3, 0.4, 0.3), 0.7, 0.4, 0.75), 24, (0.5, -8.4), 4.0, _AWAY, 0.86, 0.66),
)
"""Who walks where: in 8 s each passes in front of some of the others and behind some."""


def make_camera(size_wh: tuple[int, int]) -> Camera:
    """The camera: at 1.9 m, it looks along -z and a little down."""
    middle = np.array(size_wh) / 2
    place, target = np.float32([0, 1.9, 0]), np.float32([0, 0.95, -8.0])
    return aim_camera(size_wh, _FOCAL * size_wh[0], place, (target, middle), 0.0)


def make_scene(camera: Camera, people: Sequence[PlacedPerson]) -> Scene:
    """People in the light of an afternoon."""
    parts = [(surface, look, number) for number, person in enumerate(people) for surface, look in person.parts]
    sun = np.float32([-0.55, 0.68, 0.49])
    lights = (
        Light(sun, np.float32([0.85, 0.95, 1.05]), has_shadow=True),
        Light(np.float32([0.7, 0.3, 0.65]), np.float32([0.22, 0.2, 0.18]), has_shadow=False),
    )
    ambient = np.float32([[0.46, 0.42, 0.4], [0.22, 0.22, 0.22]])
    return Scene(tuple(parts), tuple(people), camera, lights, ambient, has_ground=True)


def find_boxes(
    camera: Camera, people: Sequence[PlacedPerson], owners: npt.NDArray[np.int64]
) -> Iterator[tuple[int, Floats, float]]:
    """People of whom enough is seen: number, box (4,) xyxy within the image, and the seen fraction."""
    for number, person in enumerate(people):
        points = np.concatenate([surface.corners.reshape(-1, 3) for surface, _ in person.parts])
        pixels, ahead = camera.project(points)
        if (ahead < 0.1).any():
            continue
        whole = np.concatenate([pixels.min(0), pixels.max(0)])
        box = np.clip(whole, 0, [*camera.size_wh, *camera.size_wh])
        left, top, right, bottom = np.rint(whole).astype(int)
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32) + np.float32(0.5)
        caster = Caster([(surface, look, 0) for surface, look in person.parts])
        rays = camera.cast(np.stack([columns.ravel(), rows.ravel()], 1))
        alone = np.count_nonzero(caster.cast(camera.place, rays).triangles >= 0)
        seen = np.count_nonzero(owners == number) / max(1, alone)
        if seen >= LEAST_SEEN:
            yield number, box.astype(np.float32), min(1.0, seen)


def make_frame(
    walkers: Sequence[Walker], camera: Camera, background: Floats, number: int
) -> tuple[Floats, str]:
    """Image (H, W, 3) of a frame, blue first, and its lines of the truth."""
    people = [walker.make(number / FPS) for walker in walkers]
    scene = make_scene(camera, people)
    caster = Caster(scene.parts)
    light, hits = render(scene, caster, background)
    owners = np.where(hits.triangles >= 0, caster.owners[hits.triangles], -1)
    lines = ""
    for person, box, seen in find_boxes(camera, people, owners):
        left, top, right, bottom = box
        row = f"{left:.1f},{top:.1f},{right - left:.1f},{bottom - top:.1f},1,1,{seen:.2f}"
        lines += f"{number + 1},{person + 1},{row}\n"
    image = 255 * light.clip(0, 1) ** np.float32(1 / 2.2)
    noise = np.random.default_rng(number).normal(0, _NOISE, image.shape[:2])
    return (cv2.GaussianBlur(image, (0, 0), 0.5) + noise[..., None]).clip(0, 255).astype(np.uint8), lines


def make_frames(chosen: argparse.Namespace, size_wh: tuple[int, int]) -> list[Path]:
    """Make the frames that are missing; gives all, whose lines of the truth lie beside them."""
    chosen.frames.mkdir(parents=True, exist_ok=True)
    paths = [chosen.frames / f"{number:04d}.png" for number in range(0, chosen.count, chosen.every)]
    missing = [path for path in paths if not path.exists()]
    if missing:
        pack = read_pack(chosen.data)
        maker = PersonMaker(Wardrobe(pack, read_charts(len(pack.quads["body"]), chosen.atlas)))
        walkers = [Walker(pack, maker, walk) for walk in WALKS]
        camera = make_camera(size_wh)
        background = draw_plaza(camera)
    for path in missing:
        image, lines = make_frame(walkers, camera, background, int(path.stem))
        path.with_suffix(".txt").write_text(lines)
        partial = path.with_suffix(".partial.png")
        cv2.imwrite(str(partial), image)
        os.replace(partial, path)  # The image last: where it is, its truth is as well.
    return paths


def encode(paths: Sequence[Path], out: Path, size_wh: tuple[int, int]) -> None:
    """Write the clip, H.264."""
    with av.open(str(out), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": _CRF, "preset": "slow"})
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        for path in paths:
            frame = av.VideoFrame.from_ndarray(cv2.imread(str(path)), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main(arguments: list[str] | None = None) -> None:
    """Read the options, and make the clip and its truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/media/crossing.mp4"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/makehuman"))
    parser.add_argument("--atlas", type=Path)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--every", type=int, default=1, help="make only every n-th frame, to look at")
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        size_wh = parse_size(chosen.size)
        paths = make_frames(chosen, size_wh)
    except PoseTrackError as error:
        sys.exit(f"error: {error}")
    encode(paths, chosen.out, size_wh)
    chosen.out.with_suffix(".gt.txt").write_text("".join(p.with_suffix(".txt").read_text() for p in paths))
    print(chosen.out)


if __name__ == "__main__":
    main()
