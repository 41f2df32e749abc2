"""Commands that are killed at any moment: what was written before is whole, and the work can go on."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp

import av
import cv2
import numpy as np
from safetensors.torch import load_file

from faulting.commands import CLIP, FaultError, run, start, start_program
from faulting.servers import read_bytes, send_slowly, serve
from posetrack.errors import PoseTrackError
from posetrack.results.jsonl import read_jsonl
from posetrack.skeleton import COCO_17

_RUN = ("run", CLIP, "--recipe", "fast", "--end", "1.5", "--quiet", "--out", "out")
_MOST_LOST_S = 1.5
_TRAINING = """
[network]
name = "hrnet-w18"
[data]
format = "coco"
skeleton = "coco17"
train = "train.json"
train_images = "."
dev = "train.json"
dev_images = "."
[crop]
width_px = 64
height_px = 64
sigma_cells = 1.5
[optimizer]
learning_rate = 1e-3
[schedule]
name = "constant"
[loop]
epochs = 4
batch_size = 4
num_workers = 0
evaluate_every_epochs = 2
save_every_steps = 2
log_every_steps = 1
"""
_FETCH = """
import sys
from posetrack.weights.published import PUBLISHED, PublishedWeights
PUBLISHED["made"] = PublishedWeights(
    name="made", kind="hrnet-w18-256x192", file_name="made.pth", urls=("http://127.0.0.1:{port}/made.pth",),
    sha256="{digest}", size_bytes={size}, licence="MIT", source="https://example.org", stated="nothing",
    num_keypoints=17,
)
sys.argv = ["posetrack", "weights", "fetch", "made"]
from posetrack.cli.entry import main
main()
"""


def kill_run(folder: Path, rng: Random) -> None:
    """A run: its lines are those of a whole run; resumed, it has all of them, and leaves nothing else."""
    lines, seconds = _run_whole()
    with start(folder, *_RUN, "--no-stitch") as command:
        command.kill_after(rng.uniform(0.5, seconds))
    poses = folder / "out" / "poses.jsonl"
    there = poses.read_bytes().split(b"\n")[1:-1] if poses.exists() else []
    if there != lines[: len(there)]:
        raise FaultError("the saved lines are not those of a whole run")
    run(folder, *_RUN, "--no-stitch", "--resume").expect(0)
    if len(poses.read_bytes().splitlines()) != len(lines) + 1:
        raise FaultError("the resumed run lacks frames")
    _check_names(folder / "out", {"poses.jsonl", "overlay.mp4"})


def kill_stitched_run(folder: Path, rng: Random) -> None:
    """A run with its last pass over the file: the file can be read whenever it is killed."""
    seconds = _run_whole()[1]
    with start(folder, *_RUN) as command:
        command.kill_after(seconds * rng.uniform(0.7, 1.3))
    poses = folder / "out" / "poses.jsonl"
    if poses.exists() and poses.stat().st_size:
        _count_records(poses)
    run(folder, *_RUN, "--resume").expect(0)
    if _count_records(poses) != len(_run_whole()[0]):
        raise FaultError("the resumed run lacks frames")
    _check_names(folder / "out", {"poses.jsonl", "overlay.mp4"})


def kill_live(folder: Path, rng: Random) -> None:
    """A live session: its recording plays up to about the last second."""
    with start(
        folder, "live", CLIP, "--loop", "--recipe", "fast", "--record", "a.mp4", "--json", "-", "--quiet"
    ) as command:
        said = command.kill_after(rng.uniform(10, 16)).said
    times = [json.loads(line)["time"] for line in said.splitlines() if line.startswith('{"frame"')]
    if len(times) < 2:
        return
    recorded_s = _play(folder / "a.mp4")
    if recorded_s < times[-1] - times[0] - _MOST_LOST_S:
        raise FaultError(f"of {times[-1] - times[0]:.1f} s, {recorded_s:.1f} s were recorded")


def kill_train(folder: Path, rng: Random) -> None:
    """A training: resumed, it ends with the weights of one that was not killed."""
    weights, seconds = _train_whole()
    _write_training(folder)
    train = ("train", "made.toml", "--data", ".", "--out", "out", "--device", "cpu")
    with start(folder, *train) as command:
        command.kill_after(seconds * rng.uniform(0.3, 1.0))
    if not (folder / "out" / "weights.safetensors").exists():
        has_checkpoint = any((folder / "out").glob("checkpoint-*.pt"))
        run(folder, *train, *(["--resume"] if has_checkpoint else [])).expect(0)
    if _read_weights(folder) != weights:
        raise FaultError("the weights are not those of a training that was not killed")


def kill_convert(folder: Path, rng: Random) -> None:
    """A conversion: the file is there whole, or not at all; the next one leaves nothing else."""
    poses = folder / "poses.jsonl"
    _write_long_poses(poses)
    convert = ("convert", "poses.jsonl", "--to", "coco", "--out", "out")
    with start(folder, *convert) as command:
        command.kill_after(rng.uniform(0.5, 6))
    _check_json(folder / "out" / "coco.json")
    run(folder, *convert).expect(0)
    _check_json(folder / "out" / "coco.json")
    if len(list((folder / "out").iterdir())) != 1:
        raise FaultError(f"other files stay: {sorted(path.name for path in (folder / 'out').iterdir())}")


def kill_evaluation(folder: Path, rng: Random) -> None:
    """An evaluation with `--out`: the older numbers stay until the new ones are whole."""
    _write_coco(folder)
    evaluate = ("eval", "coco", "--gt", "train.json", "--pred", "pred.json", "--out", "metrics.json")
    begin_s = time.monotonic()
    run(folder, *evaluate).expect(0)
    seconds = time.monotonic() - begin_s
    with start(folder, *evaluate) as command:
        command.kill_after(seconds * rng.uniform(0.3, 1.1))
    if not isinstance(_check_json(folder / "metrics.json"), dict):
        raise FaultError("metrics.json is gone")


def kill_fetch(folder: Path, rng: Random) -> None:
    """A download: the next one goes on, and what it brings is right."""
    import torch

    from models.checkpoints import compute_sha256
    from posetrack.families.table import list_importable

    path = folder / "made.pth"
    torch.save(list_importable()["hrnet-w18-256x192"].make_network(17).state_dict(), path)
    with serve(send_slowly(read_bytes(path), 8_000_000)) as port:
        digest, size = compute_sha256(path), path.stat().st_size
        code = _FETCH.format(port=port, digest=digest, size=size)
        code = f"import os; os.environ['POSETRACK_CACHE'] = {str(folder / 'cache')!r}\n{code}"
        with start_program(folder, code) as command:
            command.kill_after(rng.uniform(2, 9))
        with start_program(folder, code) as command:
            command.wait().expect(0)
    _check_names(folder / "cache" / "weights", {"made.safetensors", "made.json", "made.lock"})


@cache
def _run_whole() -> tuple[list[bytes], float]:
    folder = Path(mkdtemp())
    begin_s = time.monotonic()
    run(folder, *_RUN, "--no-stitch").expect(0)
    seconds = time.monotonic() - begin_s
    return (folder / "out" / "poses.jsonl").read_bytes().split(b"\n")[1:-1], seconds


@cache
def _train_whole() -> tuple[dict[str, bytes], float]:
    folder = Path(mkdtemp())
    _write_training(folder)
    begin_s = time.monotonic()
    run(folder, "train", "made.toml", "--data", ".", "--out", "out", "--device", "cpu").expect(0)
    return _read_weights(folder), time.monotonic() - begin_s


def _read_weights(folder: Path) -> dict[str, bytes]:
    """The tensors of a training; the order of what a file says of itself is not the same each time."""
    state = load_file(folder / "out" / "weights.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in state.items()}


def _write_training(folder: Path) -> None:
    _write_coco(folder)
    (folder / "made.toml").write_text(_TRAINING)


def _write_coco(folder: Path) -> None:
    """A small COCO data set: annotations, results, and images."""
    rng = np.random.default_rng(0)
    images, people = [], []
    for i in range(8):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 255, (100, 120, 3), np.uint8))
        images.append({"id": i, "file_name": f"{i}.png", "width": 120, "height": 100})
        points = [v for k in range(17) for v in (30 + 3 * k, 20 + 4 * k, 2)]
        people.append({"id": i, "image_id": i, "category_id": 1, "keypoints": points, "bbox": [25, 15, 60, 75]})
        people[-1].update({"iscrowd": 0, "area": 3000, "num_keypoints": 17})
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.names), "skeleton": []}
    truth = {"images": images, "annotations": people, "categories": [category]}
    (folder / "train.json").write_text(json.dumps(truth))
    (folder / "pred.json").write_text(json.dumps([{**person, "score": 0.5} for person in people]))


def _write_long_poses(path: Path) -> None:
    lines = _run_whole()[0]
    header = json.dumps({**json.loads(_read_header(path.parent)), "source": "clip.mp4"}).encode()
    frames = []
    for i in range(4000):
        record = json.loads(lines[i % len(lines)])
        frames.append(json.dumps({**record, "frame": i, "time": i / 25}).encode())
    path.write_bytes(b"\n".join([header, *frames]) + b"\n")


def _read_header(folder: Path) -> bytes:
    run(folder, "run", CLIP, "--recipe", "fast", "--end", "0.1", "--no-video", "--quiet", "--out", "first")
    return (folder / "first" / "poses.jsonl").read_bytes().split(b"\n")[0]


def _count_records(poses: Path) -> int:
    try:
        return sum(1 for _ in read_jsonl(poses)[1])
    except PoseTrackError as error:
        raise FaultError(f"cannot be read: {error}") from error


def _check_json(path: Path) -> object:
    """Check that a file is whole JSON, or not there."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise FaultError(f"{path.name} is not whole: {error}") from error


def _check_names(folder: Path, names: set[str]) -> None:
    there = {path.name for path in folder.iterdir()}
    if there != names:
        raise FaultError(f"{folder.name} holds {sorted(there)} instead of {sorted(names)}")


def _play(path: Path) -> float:
    """Play a video to its end; returns its length in seconds."""
    try:
        with av.open(str(path)) as container:
            times = [frame.time for frame in container.decode(video=0) if frame.time is not None]
    except (av.FFmpegError, OSError) as error:
        raise FaultError(f"{path.name} does not play: {error}") from error
    return times[-1] - times[0] if times else 0.0
