"""The OpenVINO engine, the fastest on CPUs.

A network is converted once, with dynamic batch size and sides, and cached on disk. It is compiled for one image
of a fixed size. The images of a batch are computed in parallel, each on its own cores: this is 10 % faster than
a whole batch at once, and 30 % if another thread occupies a core, because no layer waits for the slowest core.
Small regions are computed as one batch, because otherwise the weights are loaded for each of them: 150 regions
of 7 x 7 cells then take a sixth of the time.
"""

from __future__ import annotations

import copy
import importlib
import json
import os
import sys
import tempfile
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.engines.cache import compute_key, read_cached, write_cached
from models.engines.compare import check_outputs
from models.engines.engine import EngineError, TupleNetwork, make_examples, name_outputs

_HINTS = {"f32": "f32", "bf16": "bf16", "fp16": "f16"}
_CAPABILITIES = {"f32": "FP32", "bf16": "BF16", "fp16": "FP16"}
# Inputs of at most this many cells are computed in batches of this size.
_FEW_CELLS = 64
_SMALL_AT_ONCE = 32
# Compiled networks (image sizes times numbers of streams) to keep; each has its own workspace.
_MOST_COMPILED = 12
_IMPORTING = threading.RLock()


class OpenVinoEngine:
    """A network run by OpenVINO on the CPU.

    Args:
        module: The network, or what it was converted to.
        name: Name of the network in messages and in the cache.
        example: (B, C, H, W); only its sides and dtype are used. The sides should differ if the network takes
            any.
        precision: `f32`, `bf16` or `fp16`.
        threads: Number of threads; None for `OMP_NUM_THREADS` or all cores.

    Raises:
        EngineError: The network cannot be converted, or its outputs differ after the conversion.
    """

    def __init__(
        self,
        module: nn.Module | Converted,
        *,
        name: str,
        example: Tensor,
        precision: str,
        threads: int | None = None,
    ) -> None:
        self.device = torch.device("cpu")
        self._name = name
        self._dtype = example.dtype
        self._hint = _HINTS[precision]
        self._threads = threads or _read_threads()
        self._network = module if isinstance(module, Converted) else _load_or_convert(module, name, example)
        self._compiled: OrderedDict[tuple[int, int, int, int], _Compiled] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Run the network; see `Engine`.

        Raises:
            EngineError: The dtype is not the one that the engine was made for.
        """
        if images.dtype != self._dtype:
            raise EngineError(f"{self._name}: made for {self._dtype} images, got {images.dtype}")
        B, _, H, W = images.shape
        at_once = _SMALL_AT_ONCE if B > 1 and H * W <= _FEW_CELLS else 1
        count = -(-B // at_once)
        compiled = self._compile((at_once, H, W), count)
        channels_last = images.detach().cpu().permute(0, 2, 3, 1)
        if count * at_once > B:
            # The last one is padded with zeros, in the one copy that also orders the channels.
            padded = channels_last.new_empty((count * at_once, *channels_last.shape[1:]))
            padded[:B] = channels_last
            padded[B:] = 0
            channels_last = padded
        batch = channels_last.contiguous().numpy()
        outputs = {name: torch.empty((len(batch), *shape)) for name, shape in compiled.shapes.items()}
        arrays = [output.numpy() for output in outputs.values()]
        ov = import_openvino()
        requests = [compiled.take_request() for _ in range(count)]
        for i, request in enumerate(requests):
            rows = slice(i * at_once, (i + 1) * at_once)
            request.set_input_tensor(ov.Tensor(batch[rows], shared_memory=True))
            for port, array in enumerate(arrays):
                request.set_output_tensor(port, ov.Tensor(array[rows], shared_memory=True))
            request.start_async()
        for request in requests:
            request.wait()
        compiled.idle += requests
        return {name: output[:B] for name, output in outputs.items()}

    def _compile(self, shape: tuple[int, int, int], count: int) -> _Compiled:
        """Get the network compiled for a shape (B, H, W), on all cores or on parallel streams."""
        with self._lock:
            streams = 1
            if count > 1:
                cores = self._threads or self._find_or_compile(shape, 1).count_threads()
                streams = min(1 << (count - 1).bit_length(), cores)
            return self._find_or_compile(shape, streams)

    def _find_or_compile(self, shape: tuple[int, int, int], streams: int) -> _Compiled:
        key = (*shape, streams)
        if key not in self._compiled:
            self._compiled[key] = _compile(
                self._network, shape, {"INFERENCE_PRECISION_HINT": self._hint}, streams, self._threads
            )
            if len(self._compiled) > _MOST_COMPILED:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return self._compiled[key]


@dataclass(frozen=True)
class Converted:
    """A converted network.

    Attributes:
        model: An `openvino.Model` that takes (B, H, W, C), any B, H and W.
        outputs: The names of its outputs, in order.
    """

    model: Any
    outputs: tuple[str, ...]


@dataclass
class _Compiled:
    """A compiled network, its output shapes without the batch, and idle inference requests."""

    model: Any
    shapes: dict[str, tuple[int, ...]]
    idle: list[Any] = field(default_factory=list)

    def take_request(self) -> Any:
        return self.idle.pop() if self.idle else self.model.create_infer_request()

    def count_threads(self) -> int:
        return max(int(self.model.get_property("INFERENCE_NUM_THREADS")), 1)


def list_cpu_precisions() -> tuple[str, ...]:
    """List the precisions that this CPU supports."""
    found = _open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name, capability in _CAPABILITIES.items() if capability in found)


@cache
def import_openvino() -> Any:
    """Import openvino without its telemetry, which otherwise reports every import."""
    with without_telemetry(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("openvino")


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Make the context in which packages of OpenVINO are imported, so that they report nothing."""
    # None makes the import of their client fail, and they have a stub for that case.
    with _IMPORTING:
        had = sys.modules.get("openvino_telemetry")
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            if had is None:
                del sys.modules["openvino_telemetry"]
            else:
                sys.modules["openvino_telemetry"] = had


def convert(module: nn.Module, name: str, example: Tensor) -> Converted:
    """Convert a network, and check that its outputs are unchanged.

    Args:
        module: The network.
        name: Name of the network in messages.
        example: As for `OpenVinoEngine`.

    Raises:
        EngineError: It cannot be converted, or its outputs differ after the conversion.
    """
    ov = import_openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    images, others = make_examples(example)
    plain = copy.deepcopy(module).cpu().float().eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = name_outputs(plain(images))
            frontend = FrontEndManager().load_by_framework("pytorch")
            decoder = TorchScriptPythonDecoder(TupleNetwork(plain), example_input=images)
            model = frontend.convert(frontend.load(decoder))
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise EngineError(f"openvino: cannot convert {name}: {reason[0]}; use --engine torch") from error
        model.reshape(ov.PartialShape([-1, example.shape[1], -1, -1]))
        converted = Converted(_take_channels_last(model), tuple(expected))
        _check_numbers(converted, name, images, expected)
        _check_numbers(converted, name, others, name_outputs(plain(others)))
    return converted


def _load_or_convert(module: nn.Module, name: str, example: Tensor) -> Converted:
    ov = import_openvino()
    file_name = f"{name}-{compute_key(module, example, f'openvino {ov.__version__}')}.openvino"
    payload = read_cached(file_name)
    if payload is not None:
        return _unpack(payload)
    converted = convert(module, name, example)
    payload = _pack(converted)
    if payload is None:
        return converted
    write_cached(file_name, payload)
    # Read back, so that the first run computes with the same file as later ones.
    return _unpack(payload)


def _pack(converted: Converted) -> bytes | None:
    """Serialise a network: a line of JSON, the description, the weights. None on a full disk."""
    try:
        text, weights = serialize(converted)
    except (OSError, RuntimeError):
        return None
    header = json.dumps({"outputs": converted.outputs, "description_bytes": len(text)})
    return header.encode() + b"\n" + text + weights


def _unpack(payload: bytes) -> Converted:
    start = payload.index(b"\n") + 1
    header = json.loads(payload[:start])
    end = start + header["description_bytes"]
    return deserialize(payload[start:end], payload[end:], tuple(header["outputs"]))


def serialize(converted: Converted) -> tuple[bytes, bytes]:
    """Serialise a network as OpenVINO's description (.xml) and weights (.bin).

    Raises:
        OSError: The disk of the temporary folder is full; or, as OpenVINO says it, RuntimeError.
    """
    with tempfile.TemporaryDirectory() as folder:
        xml, weights = Path(folder) / "model.xml", Path(folder) / "model.bin"
        import_openvino().serialize(converted.model, str(xml), str(weights))
        return xml.read_bytes(), weights.read_bytes()


def deserialize(description: bytes, weights: bytes, outputs: tuple[str, ...]) -> Converted:
    """Read what `serialize` returned.

    Args:
        description: The .xml file.
        weights: The .bin file.
        outputs: The names of the outputs, in order.
    """
    return Converted(_open_core().read_model(description, weights), outputs)


def read_onnx(payload: bytes, outputs: tuple[str, ...]) -> Converted:
    """Read an ONNX file of one input (B, C, H, W).

    Args:
        payload: The file.
        outputs: The names of the outputs, in order.
    """
    return Converted(_take_channels_last(_open_core().read_model(payload, b"")), outputs)


def _compile(
    network: Converted,
    shape: tuple[int, int, int],
    settings: dict[str, Any],
    streams: int,
    threads: int | None,
) -> _Compiled:
    """Compile a network for a shape (B, H, W) and a number of parallel streams."""
    fixed = network.model.clone()
    fixed.reshape([*shape, fixed.input().partial_shape[3].get_length()])
    # Not pinned: two pinned runs on one machine would share the same cores while others are idle.
    settings = settings | {"ENABLE_CPU_PINNING": False}
    settings |= {"PERFORMANCE_HINT": "LATENCY"} if streams == 1 else {"NUM_STREAMS": streams}
    if threads:
        settings |= {"INFERENCE_NUM_THREADS": threads}
    compiled = _open_core().compile_model(fixed, "CPU", settings)
    shapes = [tuple(port.shape)[1:] for port in compiled.outputs]
    return _Compiled(compiled, dict(zip(network.outputs, shapes, strict=True)))


def _take_channels_last(model: Any) -> Any:
    """Let a model of images (B, C, H, W) take them as (B, H, W, C)."""
    ov = import_openvino()
    steps = ov.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    return steps.build()


def _check_numbers(network: Converted, name: str, images: Tensor, expected: dict[str, Tensor]) -> None:
    """Raise unless the converted network has the outputs of the original."""
    compiled = _compile(
        network, (1, images.shape[2], images.shape[3]), {"INFERENCE_PRECISION_HINT": "f32"}, 1, None
    )
    request = compiled.take_request()
    for i, image in enumerate(images.permute(0, 2, 3, 1).contiguous().numpy()):
        outputs = request.infer([image[None]])
        found = {
            key: torch.from_numpy(outputs[port])
            for port, key in zip(compiled.model.outputs, expected, strict=True)
        }
        check_outputs(name, {key: output[i : i + 1] for key, output in expected.items()}, found, "openvino")


@cache
def _open_core() -> Any:
    return import_openvino().Core()


def _read_threads() -> int | None:
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) or None if text.isdecimal() and len(text) < 5 else None
