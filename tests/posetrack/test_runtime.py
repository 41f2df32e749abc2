import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

from posetrack import runtime
from posetrack.runtime import keep_freed_memory, tune_process

CLIP = Path(__file__).parents[2] / "docs" / "media" / "street.mp4"

# Asks for 64 MiB and frees it, ten times over, and counts the fresh pages that the kernel had to give.
COUNT_PAGES = """
import resource, sys
import numpy as np
from posetrack.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_pages(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_PAGES, how], capture_output=True, text=True, check=True, timeout=120
    )
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library is not glibc")
def test_freed_memory_is_kept_for_the_next():
    assert count_pages("keep") < 0.2 * count_pages("leave")


def test_opencv_works_on_one_thread_and_so_does_torch_when_it_only_decodes():
    before = cv2.getNumThreads(), torch.get_num_threads()
    try:
        tune_process(torch_computes=False)
        assert (cv2.getNumThreads(), torch.get_num_threads()) == (1, 1)
        tune_process()
        assert cv2.getNumThreads() == 1
        assert torch.get_num_threads() == runtime._TORCH_THREADS
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


FORK = """
import multiprocessing, sys
import posetrack

def find(tracker):
    try:
        tracker = tracker or posetrack.Tracker("fast", device="cpu")
        print(sum(1 for _ in tracker.track(sys.argv[1], end_s=0.2)), flush=True)
    except posetrack.PoseTrackError as error:
        print(error, flush=True)

tracker = posetrack.Tracker("fast", device="cpu")
find(tracker)
for inherited in (None, tracker):
    child = multiprocessing.get_context("fork").Process(target=find, args=(inherited,))
    child.start()
    child.join(60)
    print(child.exitcode, flush=True)
    child.kill()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_networks_in_a_forked_child_are_an_error_with_the_remedy_and_no_hang():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(CLIP)],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    first, *rest = done.stdout.splitlines()
    assert first == "5"
    assert rest[1::2] == ["0", "0"]
    assert all("multiprocessing.get_context('spawn')" in line for line in rest[::2])


# RoIAlign of one cell of a map of ones, and whether torch's compiler was imported before it was asked for.
ALIGN = """
import sys, torch
from posetrack import runtime
if sys.argv[1] == "other":
    runtime._OF_COMPILER.clear()
runtime.import_torchvision()
early = "torch._dynamo" in sys.modules
from torchvision.ops import roi_align
from torchvision.ops.roi_align import is_compile_supported
assert roi_align(torch.ones(1, 1, 4, 4), [torch.tensor([[0.0, 0.0, 2.0, 2.0]])], 1).item() == 1
supported = is_compile_supported("cpu")
import torch._dynamo
assert supported == torch._dynamo.utils.is_compile_supported("cpu")
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item() == 2
print(early)
"""


@pytest.mark.parametrize("version", ["known", "other"])
def test_torchvision_comes_without_the_compiler_which_works_later(version):
    done = subprocess.run(
        [sys.executable, "-c", ALIGN, version], capture_output=True, text=True, check=False, timeout=240
    )
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
