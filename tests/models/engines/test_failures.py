"""What engines' libraries raise becomes one line."""

import pytest

from models.engines.engine import EngineError
from models.engines.failures import explain_failures


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        RuntimeError("Exception from src/inference/src/cpp/core.cpp:109:\nstd::bad_alloc"),
    ],
)
def test_too_little_memory_says_what_to_lower(engine, error):
    with (
        pytest.raises(EngineError, match=r"^net: the memory is too small to run it; lower --batch"),
        explain_failures(engine, "net"),
    ):
        raise error


def test_failures_of_libraries_are_their_first_line():
    with (
        pytest.raises(EngineError, match=r"^openvino: cannot run net: no kernel; use --engine torch$"),
        explain_failures("openvino", "net"),
    ):
        raise RuntimeError("no kernel\nat line 3")


def test_failures_of_torch_stay_as_they_are():
    with pytest.raises(RuntimeError, match="shapes"), explain_failures("torch", "net"):
        raise RuntimeError("shapes do not match")
