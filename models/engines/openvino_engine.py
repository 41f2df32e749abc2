"""The OpenVINO engine, the fastest on CPUs.

A network is converted once, with dynamic batch size and sides, and cached on disk. It is compiled for one image
of a fixed size. The images of a batch are computed in parallel, each on its own cores: this is 10 % faster than
a whole batch at once, and 30 % if another thread occupies a core, because no layer waits for the slowest core.
Small regions are computed as one batch, because otherwise the weights are loaded for each of them: 150 regions
of 7 x 7 cells then take a sixth of the time.
"""

from __future__ import annotations

import copy
import os
import threading
import warnings
from collections import OrderedDict

import torch
from torch import Tensor, nn

from models.engines.cache import compute_key, read_cached, write_cached
from models.engines.compare import check_outputs
from models.engines.engine import EngineError, TupleNetwork, make_examples, name_outputs
from models.engines.openvino_cache import CachedNetwork
from models.engines.openvino_compiled import Compilation, Compiled, Converted
from models.engines.openvino_core import count_threads, import_openvino
from models.engines.openvino_files import pack, take_channels_last

_HINTS = {"f32": "f32", "bf16": "bf16", "fp16": "f16"}
# Inputs of at most this many cells are computed in batches of this size.
_FEW_CELLS = 64
_SMALL_AT_ONCE = 32
# Compiled networks (image sizes times numbers of streams) to keep; each has its own workspace.
_MOST_COMPILED = 12


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
        self._compiled: OrderedDict[Compilation, Compiled] = OrderedDict()
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

    def _compile(self, shape: tuple[int, int, int], count: int) -> Compiled:
        """Get the network compiled for a shape (B, H, W), on all cores or on parallel streams."""
        with self._lock:
            streams = 1
            if count > 1:
                cores = self._threads or count_threads()
                streams = min(1 << (count - 1).bit_length(), cores)
            target = Compilation(shape, self._hint, streams, self._threads)
            if target not in self._compiled:
                self._compiled[target] = self._network.compile(target)
                if len(self._compiled) > _MOST_COMPILED:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(target)
            return self._compiled[target]


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
        converted = Converted(take_channels_last(model), tuple(expected))
        _check_numbers(converted, name, images, expected)
        _check_numbers(converted, name, others, name_outputs(plain(others)))
    return converted


def _load_or_convert(module: nn.Module, name: str, example: Tensor) -> Converted | CachedNetwork:
    ov = import_openvino()
    file_name = f"{name}-{compute_key(module, example, f'openvino {ov.__version__}')}.openvino"
    payload = read_cached(file_name)
    if payload is None:
        converted = convert(module, name, example)
        payload = pack(converted)
        if payload is None:
            return converted
        write_cached(file_name, payload)
    # Read back, so that the first run computes with the same file as later ones.
    return CachedNetwork(file_name, payload)


def _check_numbers(network: Converted, name: str, images: Tensor, expected: dict[str, Tensor]) -> None:
    """Raise unless the converted network has the outputs of the original."""
    compiled = network.compile(Compilation((1, images.shape[2], images.shape[3]), "f32"))
    request = compiled.take_request()
    for i, image in enumerate(images.permute(0, 2, 3, 1).contiguous().numpy()):
        outputs = request.infer([image[None]])
        found = {
            key: torch.from_numpy(outputs[port])
            for port, key in zip(compiled.model.outputs, expected, strict=True)
        }
        check_outputs(name, {key: output[i : i + 1] for key, output in expected.items()}, found, "openvino")


def _read_threads() -> int | None:
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) or None if text.isdecimal() and len(text) < 5 else None
