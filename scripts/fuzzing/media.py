"""Videos, images, saved poses, recipes and weights: how healthy files are made, and how they are read."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import av
import cv2
import numpy as np

from fuzzing.kind import FindingError, check_line, run_command
from posetrack.errors import PoseTrackError
from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17, Skeleton

_SIZE_WH = (96, 64)
_NUM_FRAMES = 8
_MOST_FRAMES = 40
_EXPORTS = ("coco", "csv", "mot", "openpose", "posetrack17", "posetrack18")
_VIDEOS = {
    "clip.mp4": ("libx264", "yuv420p"),
    "clip.mkv": ("ffv1", "yuv420p"),
    "clip.webm": ("libvpx", "yuv420p"),
    "clip.avi": ("mjpeg", "yuvj420p"),
    "clip.ts": ("libx264", "yuv420p"),
    "clip.gif": ("gif", "rgb8"),
}
_IMAGES = (".jpg", ".png", ".tif", ".webp", ".bmp", ".ppm")


def make_videos(folder: Path) -> list[Path]:
    """One short video of moving blocks in each container, one with sound."""
    for name, (codec, pixels) in _VIDEOS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = _SIZE_WH
            stream.pix_fmt = pixels
            sound = container.add_stream("aac", rate=16000) if name == "clip.mp4" else None
            for i in range(_NUM_FRAMES):
                frame = av.VideoFrame.from_ndarray(_make_image(i), format="rgb24")
                container.mux(stream.encode(frame.reformat(format=pixels)))
            container.mux(stream.encode(None))
            if sound is not None:
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
                tone.sample_rate, tone.pts = 16000, 0
                container.mux(sound.encode(tone))
                container.mux(sound.encode(None))
    return [folder / name for name in _VIDEOS]


def make_images(folder: Path) -> list[Path]:
    """One image of each format, and one of 16 bits."""
    paths = [folder / f"image{suffix}" for suffix in _IMAGES]
    for path in paths:
        cv2.imwrite(str(path), _make_image(1))
    cv2.imwrite(str(folder / "deep.png"), _make_image(1).astype(np.uint16) * 257)
    return [*paths, folder / "deep.png"]


def read_video(path: Path, out: Path, rng: Random) -> None:
    """Read frames of a source, check each, and write them as a video with the source's sound."""
    from posetrack.video.source import open_video
    from posetrack.video.writer import VideoWriter

    start_s = rng.choice((0.0, 0.0, 0.1))
    try:
        with open_video(path, start_s=start_s) as video, VideoWriter(out / "written.mp4", video.info) as writer:
            index, time_s = -1, -1.0
            for frame in islice(video, _MOST_FRAMES):
                if frame.index <= index or frame.time_s <= time_s or frame.image.dtype != np.uint8:
                    raise FindingError(f"frame {frame.index} at {frame.time_s} follows {index} at {time_s}")
                index, time_s = frame.index, frame.time_s
                writer.write(frame.image, frame.time_s)
    except PoseTrackError as error:
        check_line(error)


def make_poses(folder: Path) -> list[Path]:
    """Two people in a `poses.jsonl`, and in one with keypoints of its own."""
    names = tuple(f"own_{name}" for name in COCO_17.names)
    own = Skeleton("own17", names, ((names[0], names[1]),), ((names[1], names[2]),), COCO_17.sigmas)
    paths = []
    for name, skeleton in (("poses.jsonl", COCO_17), ("own.jsonl", own)):
        paths.append(folder / name)
        header = Header("clip.mp4", *_SIZE_WH, Fraction(25), skeleton, "default")
        with JsonlWriter(paths[-1], header) as writer:
            for i in range(_NUM_FRAMES):
                writer.write(i, i / 25, _make_people(i))
    return paths


def read_poses(path: Path, out: Path, rng: Random) -> None:
    """Convert saved poses, or track them anew."""
    if rng.random() < 0.5:
        run_command("convert", path, "--to", rng.choice(_EXPORTS), "--out", out)
    else:
        options = ["--smooth"] if rng.random() < 0.5 else []
        run_command("retrack", path, "--no-flow", "--out", out / "again.jsonl", "--overwrite", *options)


_OWN_KEYPOINTS = """
[skeleton]
name = "hand3"
names = ["left_tip", "right_tip", "palm"]
pairs = [["left_tip", "right_tip"]]
limbs = [["palm", "left_tip"], ["palm", "right_tip"]]
sigmas = [0.05, 0.05, 0.07]
"""


def make_recipes(folder: Path) -> list[Path]:
    """All recipes that ship, for tracking and for training."""
    from posetrack import recipe_files

    root = Path(recipe_files.__file__).parents[1]
    paths = []
    for source in sorted([*root.glob("posetrack/recipes/*.toml"), *root.glob("models/*/recipes/*.toml")]):
        part = "tracking" if source.parent.parent.name == "posetrack" else "training"
        paths.append(folder / f"{part}-{source.name}")
        paths[-1].write_text(source.read_text())
    for healthy in ("tracking-fast.toml", "training-coco-hrnet-w32-256x192.toml"):
        paths.append(folder / healthy.replace(".toml", "-own.toml"))
        paths[-1].write_text((folder / healthy).read_text() + _OWN_KEYPOINTS)
    make_poses(folder)
    return paths


def read_recipe(path: Path, out: Path, rng: Random) -> None:
    """Track saved poses by a recipe; of one for training, read what it says."""
    if path.name.startswith("tracking"):
        poses, again = path.parent / "poses.jsonl", out / "again.jsonl"
        return run_command("retrack", poses, "--no-flow", "--recipe", path, "--out", again, "--overwrite")
    # Training by it may take hours: there is no such data, and the command ends there.
    return run_command("train", path, "--data", out / "missing", "--out", out / "training")


def make_weights(folder: Path) -> list[Path]:
    """A published checkpoint, a checkpoint of a training, and a safetensors file; all small."""
    import torch
    from safetensors.torch import save_file

    state = {f"layer{i}.weight": torch.zeros(2, 3) for i in range(3)}
    torch.save({"state_dict": state, "epoch": 3, "name": "x"}, folder / "new.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"network": state, "ema": None, "step": 1, "best_score": 0.5}, folder / "checkpoint-00000001.pt")
    save_file(state, folder / "weights.safetensors", {"network": "hrnet-w18", "posetrack": "1"})
    return [folder / name for name in ("new.pth", "old.pth", "checkpoint-00000001.pt", "weights.safetensors")]


def read_weights(path: Path, out: Path, rng: Random) -> None:
    """Import, describe, or resume from weights."""
    from models.training.checkpoint import read_checkpoint
    from models.training.errors import TrainingError

    if path.suffix == ".pt":
        try:
            read_checkpoint(path)
        except TrainingError as error:
            check_line(error)
    elif path.suffix == ".safetensors" and rng.random() < 0.5:
        run_command("weights", "info", path)
    else:
        run_command("weights", "import", path, "--as", "hrnet-w18-256x192", "--out", out / "new.safetensors")


def _make_image(index: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    width, height = _SIZE_WH
    image = np.full((height, width, 3), 90, np.uint8)
    image[8:40, 4 + 6 * index : 30 + 6 * index] = (200, 60 + 10 * index, 30)
    return image


def _make_people(index: int) -> Instances:
    xy = np.stack([np.linspace(10, 40, 17), np.linspace(8, 60, 17)], 1)
    keypoints_xy = np.stack([xy + index, xy + np.array([40, index])]).astype(np.float32)
    corners = np.concatenate([keypoints_xy.min(1), keypoints_xy.max(1)], 1)
    return Instances(
        boxes_xyxy=corners,
        box_scores=np.array([0.9, 0.8], np.float32),
        keypoints_xy=keypoints_xy,
        keypoint_scores=np.full((2, 17), 0.7, np.float32),
        track_ids=np.array([1, 2]),
    )
