"""Make images of people whose boxes, masks, keypoints and dense annotations are known, for training.

    python scripts/synthesize_people.py --out FOLDER --count N [--seed 0] [--data ../shared/data/makehuman]
        [--backgrounds FOLDER ...] [--size 640x480 ...] [--workers 2] [--keep-scenes] [--atlas FILE]

Writes FOLDER/images/*.jpg and FOLDER/people.json, in COCO's form with the fields `dp_*`. Image i depends on
the seed and the other settings alone: a stopped run goes on, and a larger --count adds images. Needs
`pip install 'posetrack[synthesis]'` and a folder of MakeHuman's CC0 bodies.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

import cv2
from synthesis.atlas import read_charts
from synthesis.backgrounds import find_backgrounds, sum_backgrounds
from synthesis.errors import SynthesisError, run_resumable
from synthesis.folder import ImageFolder
from synthesis.images import ImageMaker
from synthesis.pack import read_pack
from synthesis.wearables import Wardrobe

from posetrack.outputs import hold_folder

VERSION = 3
"""Of what is made of a seed; another one is refused in a folder of this one's."""
_REPORT_S = 10.0
_LOOK_S = 0.5
_WAITING_PER_WORKER = 4
_LEAST_SIDE, _MOST_SIDE = 32, 4096


class Job:
    """What each process does: image by image into a folder."""

    def __init__(self, maker: ImageMaker, folder: ImageFolder) -> None:
        self.maker = maker
        self.folder = folder

    def run(self, number: int) -> int:
        """Make and write an image."""
        self.folder.write(number, self.maker.make(number))
        return number


_jobs: list[Job] = []
"""The only one of a process."""


def _start(job: Job, parent: int) -> None:
    _jobs.append(job)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has: a killed one cannot say so, and the folder would stay held."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def _run(number: int) -> int:
    return _jobs[0].run(number)


def run_job(job: Job, numbers: list[int], workers: int) -> Iterator[int]:
    """Make images in processes, or in this one if there is but one; gives their numbers as they are written."""
    cv2.setNumThreads(1)
    if workers == 1 or len(numbers) < 2:
        yield from map(job.run, numbers)
        return
    # A forked process has the job without copying it.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(job, os.getpid())) as pool:
        # A few at a time: a million take a minute to submit, and Pythons before 3.11.6 may stop there.
        rest = iter(numbers)
        waiting = {pool.submit(_run, number) for number in islice(rest, _WAITING_PER_WORKER * workers)}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(_run, number) for number in islice(rest, len(done))}
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise SynthesisError(
                "a process was stopped, by lack of memory? start again with fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def synthesize(chosen: argparse.Namespace) -> None:
    """Make the images that are missing, and write `people.json`."""
    if chosen.count < 1:
        raise SynthesisError(f"--count {chosen.count}: nothing to make; give 1 or more")
    if chosen.seed < 0 or chosen.workers < 1:
        raise SynthesisError("--seed must be 0 or more, and --workers 1 or more")
    sizes = [parse_size(text) for text in chosen.size]
    pack = read_pack(chosen.data)
    atlas = read_charts(len(pack.quads["body"]), chosen.atlas)
    crops = find_backgrounds(chosen.backgrounds)
    settings = {
        "version": VERSION,
        "seed": chosen.seed,
        "sizes": [list(size) for size in sizes],
        "bodies": pack.checksum,
        "atlas": zlib.crc32(atlas.corner_uv.tobytes(), zlib.crc32(atlas.face_charts.tobytes())),
        "backgrounds": sum_backgrounds(crops),
        "keep_scenes": chosen.keep_scenes,
    }
    with hold_folder(chosen.out):
        folder = ImageFolder(chosen.out, settings)
        missing = folder.list_missing(chosen.count)
        if missing:
            job = Job(ImageMaker(Wardrobe(pack, atlas), crops, sizes, chosen.seed), folder)
            report(run_job(job, missing, chosen.workers), chosen.count - len(missing), chosen.count)
        info = {"description": "Made people; bodies of MakeHuman (CC0)", **settings}
        print(folder.write_people(chosen.count, info))


def report(numbers: Iterator[int], done: int, count: int) -> None:
    """Print now and then how many images there are."""
    start, last, before = time.monotonic(), time.monotonic(), done
    for _ in numbers:
        done += 1
        if time.monotonic() - last > _REPORT_S or done == count:
            last = time.monotonic()
            print(f"{done} of {count} images, {(done - before) / (last - start):.2f} a second", flush=True)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of `640x480`."""
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError as error:
        raise SynthesisError(f"--size {text}: expected WIDTHxHEIGHT, such as 640x480") from error
    if not all(_LEAST_SIDE <= side <= _MOST_SIDE for side in (width, height)):
        raise SynthesisError(f"--size {text}: sides must be {_LEAST_SIDE}..{_MOST_SIDE} px")
    return width, height


def main(arguments: list[str] | None = None) -> None:
    """Read the options, make the images, and say in one line what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/makehuman"))
    parser.add_argument("--atlas", type=Path)
    parser.add_argument("--backgrounds", type=Path, nargs="+", default=[])
    parser.add_argument("--size", nargs="+", default=["640x480"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep-scenes", action="store_true")
    run_resumable(lambda: synthesize(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
