"""The ONNX Runtime engine for CPUs, whose packages are the extra `onnx`."""

from __future__ import annotations

import copy
import importlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from models.engines.cache import compute_key, read_cached, write_cached
from models.engines.compare import check_outputs
from models.engines.engine import EngineError, TupleNetwork, make_examples, name_outputs

# Of ONNX Runtime's levels of logging: errors, not warnings.
_ERRORS = 3


class OnnxEngine:
    """A network run by ONNX Runtime on the CPU, in f32.

    Args:
        module: The network, or the ONNX file that it was converted to.
        name: Name of the network in messages and in the cache.
        example: (B, C, H, W); only its sides and dtype are used. The sides should differ if the network takes
            any.
        threads: Number of threads; None for ONNX Runtime's choice.

    Raises:
        EngineError: A package is missing, or the network cannot be converted.
    """

    def __init__(
        self, module: nn.Module | bytes, *, name: str, example: Tensor, threads: int | None = None
    ) -> None:
        self.device = torch.device("cpu")
        self._name = name
        self._dtype = example.dtype
        runtime = import_extra("onnxruntime")
        options = _make_options(runtime)
        # Otherwise its threads keep spinning after a call, on cores that other threads need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if threads:
            options.intra_op_num_threads = threads
        if isinstance(module, bytes):
            payload = module
        else:
            payload = _load_or_convert(module, name, example, runtime.__version__)
        self._session = runtime.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network; see `Engine`.

        Raises:
            EngineError: The dtype is not the one that the engine was made for.
        """
        if images.dtype != self._dtype:
            raise EngineError(f"{self._name}: made for {self._dtype} images, got {images.dtype}")
        batch = images.detach().cpu().contiguous()
        if not len(batch):
            # Not all of its kernels support an empty batch.
            one = self(torch.zeros(1, *images.shape[1:], dtype=images.dtype))
            return {name: output[:0] for name, output in one.items()}
        arrays = self._session.run(self._outputs, {self._input: batch.numpy()})
        return {name: torch.from_numpy(array) for name, array in zip(self._outputs, arrays, strict=True)}


def convert(module: nn.Module, name: str, example: Tensor) -> bytes:
    """Convert a network to an ONNX file that takes (B, C, H, W), any B, H and W.

    Args:
        module: The network.
        name: Name of the network in messages.
        example: As for `OnnxEngine`.

    Raises:
        EngineError: A package is missing, or the network cannot be converted.
    """
    for package in ("onnx", "onnxscript"):
        import_extra(package)
    images, others = make_examples(example)
    plain = copy.deepcopy(module).cpu().float().eval()
    free = torch.export.Dim.AUTO
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            expected = name_outputs(plain(others))
            program = torch.onnx.export(
                TupleNetwork(plain),
                # A batch of one would be exported as a fixed size.
                (images.expand(2, -1, -1, -1),),
                dynamo=True,
                dynamic_shapes=({0: free, 2: free, 3: free},),
                input_names=["images"],
                output_names=list(expected),
                verbose=False,
            )
            assert program is not None
            payload: bytes = program.model_proto.SerializeToString()
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise EngineError(f"onnxruntime: cannot convert {name}: {reason[0]}; use --engine torch") from error
    runtime = import_extra("onnxruntime")
    session = runtime.InferenceSession(payload, _make_options(runtime), providers=["CPUExecutionProvider"])
    found = session.run(list(expected), {session.get_inputs()[0].name: others.numpy()})
    arrays = {key: torch.from_numpy(array) for key, array in zip(expected, found, strict=True)}
    check_outputs(name, expected, arrays, "onnxruntime")
    return payload


def _make_options(runtime: Any) -> Any:
    """Make settings under which errors alone are written: it writes its log to the terminal directly."""
    options = runtime.SessionOptions()
    options.log_severity_level = _ERRORS
    return options


def _load_or_convert(module: nn.Module, name: str, example: Tensor, version: str) -> bytes:
    file_name = f"{name}-{compute_key(module, example, f'onnxruntime {version}')}.onnx"
    payload = read_cached(file_name)
    if payload is None:
        payload = convert(module, name, example)
        write_cached(file_name, payload)
    return payload


def import_extra(package: str) -> Any:
    """Import a package of the extra `onnx`.

    Raises:
        EngineError: It is not installed.
    """
    try:
        with _silence_stderr() if package not in sys.modules else nullcontext():
            found = importlib.import_module(package)
    except ImportError as error:
        raise EngineError(
            f"engine onnxruntime: {package} is not installed; pip install 'posetrack[onnx]', "
            "or use --engine torch"
        ) from error
    if package == "onnxruntime":
        found.set_default_logger_severity(_ERRORS)
    return found


@contextmanager
def _silence_stderr() -> Iterator[None]:
    """Drop what is written to standard error, by libraries too.

    ONNX Runtime looks for devices when it is imported, and warns, past Python, of those that it does not find.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
