"""Dense poses as Detectron2's tools save them: pickles, and files of torch.save.

Either a list of `image_id, bbox, score, uv`, or for each image `file_name` (or `image_id`), `scores`,
`pred_boxes_XYXY` and `pred_densepose`. Only plain values, arrays and tensors are read; files that hold classes
of Detectron2 are refused.
"""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.pickles import RefusedPickleError, read_pickle
from posetrack.errors import ResultsError
from posetrack.json_fields import expect_array, expect_id, expect_list, expect_object
from posetrack.results.array_cache import find_array_cache
from posetrack.results.dense_boxes import BoxXYWH, read_box
from posetrack.results.dense_png import check_charts
from posetrack.results.dense_results import Bytes, DenseResult, check_shape, read_category, read_track_id

FindImage = Callable[[str, str], int]
"""The number of an image by its file's name; its second argument names the field in messages."""

_ZIP = b"PK"
# Protocols from 2 on, and the text of protocols 0 and 1.
_PICKLES = (b"\x80", b"(l", b"]q")
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_REMEDY = "save dicts of arrays (labels, uv), or take the competition's JSON"
_UINT8 = 255


def is_raw(path: Path) -> bool:
    """Whether a file is a pickle, or one of torch.save, by its first bytes; of a missing file False."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
    except OSError:
        return False
    return start.startswith(_PICKLES) or (start == _ZIP and _is_of_torch(path))


def _is_of_torch(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    # Of a damaged directory, which the reader of torch.save refuses in one line.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return True


def read_raw_results(path: Path, find_image: FindImage) -> Iterator[tuple[int | None, DenseResult]]:
    """Read a list of results, or of images.

    Args:
        path: The file.
        find_image: Finds the number of an image of which only the file's name is given.

    Yields:
        The category of each result, None where it has none, and the result.

    Raises:
        ResultsError: The file cannot be read, or a result is not what it should be.
    """
    for i, entry in enumerate(expect_list(_load(path), str(path))):
        where = f"{path}: results[{i}]"
        fields = expect_object(entry, where)
        if "pred_densepose" in fields:
            for result in _decode_image(fields, where, find_image):
                yield None, result
            continue
        box = read_box(_to_list(fields.get("bbox")), f"{where}.bbox")
        yield (
            read_category(_to_list(fields.get("category_id")), where),
            DenseResult(
                image_id=expect_id(_to_list(fields.get("image_id")), f"{where}.image_id"),
                score=float(expect_array(_to_list(fields.get("score")), (), f"{where}.score")),
                box=box,
                content=_take_pose(fields.get("uv"), box, f"{where}.uv"),
                where=f"{where}.uv",
                track_id=read_track_id(_to_list(fields.get("track_id")), f"{where}.track_id"),
            ),
        )


def _decode_image(entry: dict[str, Any], where: str, find_image: FindImage) -> Iterator[DenseResult]:
    """Decode the results of one image."""
    if entry.get("image_id") is None:
        image_id = find_image(str(entry.get("file_name")), f"{where}.file_name")
    else:
        image_id = expect_id(_to_list(entry["image_id"]), f"{where}.image_id")
    poses = expect_list(entry["pred_densepose"], f"{where}.pred_densepose")
    count = len(poses)
    scores = expect_array(_to_list(entry.get("scores")), (count,), f"{where}.scores")
    corners = expect_array(
        _to_list(entry.get("pred_boxes_XYXY")), (count, 4) if count else (0,), f"{where}.pred_boxes_XYXY"
    )
    for n, pose in enumerate(poses):
        at = f"{where}.pred_densepose[{n}]"
        left, top, right, bottom = corners[n].tolist()
        box = read_box([left, top, right - left, bottom - top], f"{where}.pred_boxes_XYXY[{n}]")
        fields = expect_object(pose, at)
        labels = fields.get("labels")
        content = (
            _take_pose(fields.get("uv"), box, at)
            if labels is None
            else _join(labels, fields.get("uv"), box, at)
        )
        yield DenseResult(image_id, float(scores[n]), box, content, at)


def _take_pose(value: Any, box: BoxXYWH, where: str) -> Bytes:
    pose = _to_array(value, where)
    if pose.dtype != np.uint8 or pose.ndim != 3:
        raise ResultsError(
            f"{where}: expected (3, h, w) bytes of I, U and V, found {pose.dtype} {pose.shape}; {_REMEDY}"
        )
    check_shape(pose.shape, box, where)
    return pose


def _join(labels: Any, uv: Any, box: BoxXYWH, where: str) -> Bytes:
    """Bytes from labels (h, w) and coordinates (2, h, w) in 0..1, truncated as Detectron2 does."""
    charts, coordinates = _to_array(labels, f"{where}.labels"), _to_array(uv, f"{where}.uv")
    if (
        charts.dtype.kind not in "iu"
        or coordinates.dtype.kind != "f"
        or coordinates.shape != (2, *charts.shape)
    ):
        raise ResultsError(f"{where}: expected labels (h, w) and uv (2, h, w); {_REMEDY}")
    check_shape((3, *charts.shape), box, where)
    if not np.isfinite(coordinates).all():
        raise ResultsError(f"{where}.uv: NaN or infinity; correct it")
    check_charts(charts, f"{where}.labels")
    scaled = (coordinates.astype(np.float32) * np.float32(_UINT8)).clip(0, _UINT8)
    return np.concatenate([charts[None].astype(np.uint8), scaled.astype(np.uint8)])


def _to_array(value: Any, where: str) -> np.ndarray[Any, np.dtype[Any]]:
    array = value
    if hasattr(value, "detach"):  # A tensor, without importing torch for files that have none.
        try:
            array = value.detach().cpu().numpy()
        except (TypeError, RuntimeError) as error:
            raise ResultsError(
                f"{where}: a tensor of {value.dtype} that numpy cannot hold; {_REMEDY}"
            ) from error
    if not isinstance(array, np.ndarray):
        raise ResultsError(f"{where}: expected an array, found {type(value).__name__}; {_REMEDY}")
    return array


def _to_list(value: Any) -> Any:
    """Plain numbers of an array or a tensor, or of a list with some."""
    if isinstance(value, list):
        return [_to_list(each) for each in value]
    try:
        return value.tolist() if hasattr(value, "tolist") else value
    except (TypeError, RuntimeError):  # A tensor without plain numbers: refused for what it is.
        return value


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == _ZIP
        content = None if is_zip else read_pickle(path, find_array_cache)
    except RefusedPickleError as error:
        raise ResultsError(f"{path}: {error}; {_REMEDY}") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ResultsError(f"{error.filename or path}: {reason}; check the path") from error
    # Old files of torch.save are several pickles in a row.
    return _load_tensors(path) if is_zip or content == _TORCH_MAGIC else content


def _load_tensors(path: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_list_numpy()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"holds {named[1]}, which is not allowed" if named else "not a file of torch.save, or damaged"
        raise ResultsError(f"{path}: {what}; {_REMEDY}") from error
    # The exception that torch raises depends on where the file is damaged.
    except (
        *(RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError),
        *(AssertionError, ArithmeticError, MemoryError, struct.error),
    ) as error:
        raise ResultsError(f"{path}: not a file of torch.save, or damaged; save it again") from error


def _list_numpy() -> list[Any]:
    """What arrays and numbers of numpy are made of, under the names that numpy 1 and 2 pickle."""
    reconstruct, scalar = np.ndarray.__reduce__(np.zeros(1))[0], np.float64.__reduce__(np.float64(1))[0]
    named = [
        (part, f"{module}.multiarray.{name}")
        for module in ("numpy.core", "numpy._core")
        for part, name in ((reconstruct, "_reconstruct"), (scalar, "scalar"))
    ]
    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    return [np.ndarray, np.dtype, *named, *kinds]
