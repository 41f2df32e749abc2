import pytest
import torch

from posetrack.compute import Compute, choose_device
from posetrack.errors import PoseTrackError

CPU = torch.device("cpu")


def test_engines_that_do_not_exist_are_errors_of_ours():
    with pytest.raises(PoseTrackError, match="engine openvin: unknown; did you mean"):
        Compute(CPU, "openvin")
    with pytest.raises(PoseTrackError, match="precision fp16: engine torch does not have it on this cpu"):
        Compute(CPU, "torch", "fp16")


def test_devices():
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in {"cpu", "cuda"}
    for name in ("gpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(PoseTrackError, match="no such device; use auto, cpu, cuda or cuda:N"):
            choose_device(name)
    with pytest.raises(PoseTrackError, match="torch sees"):
        choose_device("cuda:99")
