"""Recognition of the errors that libraries raise when memory is too small."""

from __future__ import annotations

import errno

LESS_MEMORY = "lower --batch or the recipe's sizes (longest_side_px, batch_frames, batch_size), or free memory"
"""What to do about it."""

_LIBRARIES = ("cv2", "onnxruntime", "safetensors_rust")
# In lower case; each library has its own words.
_WORDS = (
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "insufficient memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "could not create a memory object",
    "failed to map segment",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or the one that caused it, says that memory is too small.

    Args:
        error: An error of Python, torch, OpenVINO, ONNX Runtime, OpenCV, numpy or FFmpeg.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or getattr(seen, "errno", None) == errno.ENOMEM:
            return True
        is_of_system = isinstance(seen, RuntimeError | OSError | ImportError)
        if is_of_system or type(seen).__module__.partition(".")[0] in (
            "cv2",
            "onnxruntime",
            "safetensors_rust",
        ):
            text = str(seen).lower()
            if any(words in text for words in _WORDS):
                return True
        seen = seen.__cause__
    return False
