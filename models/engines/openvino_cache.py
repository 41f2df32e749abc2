"""Converted networks in the disk cache, with the first of what they were compiled to."""

from __future__ import annotations

import hashlib
import logging

from models.engines.cache import read_cached, write_cached
from models.engines.openvino_compiled import Compilation, Compiled, Converted
from models.engines.openvino_core import describe_cpu, open_core
from models.engines.openvino_files import read_outputs, unpack

# Those of a camera or a video; a folder of photographs may have hundreds of sizes.
_MOST_KEPT = 2
_LOG = logging.getLogger(__name__)


class CachedNetwork:
    """A converted network of the cache, which is read when it is to be compiled.

    What it is compiled to for the first image sizes of a process is cached as well: reading that takes a third
    of the time.

    Args:
        file_name: Name of the network's file.
        payload: What `pack` made of it.
    """

    def __init__(self, file_name: str, payload: bytes) -> None:
        self._name = file_name.rpartition(".")[0]
        self._payload = payload
        self._network: Converted | None = None
        self._outputs = read_outputs(payload)
        self._num_kept = 0

    def compile(self, target: Compilation) -> Compiled:
        """Compile the network, or read what it was compiled to."""
        if self._num_kept == _MOST_KEPT:
            return self._read().compile(target)
        self._num_kept += 1
        key = hashlib.sha256(f"{target} {target.settings} {describe_cpu()}".encode()).hexdigest()[:16]
        file_name = f"{self._name}-{key}.compiled"
        payload = read_cached(file_name)
        if payload is not None:
            try:
                model = open_core().import_model(payload, "CPU", target.settings)
                return Compiled(model, self._outputs)
            except RuntimeError as error:
                _LOG.info("%s: not read (%s); compiling again", file_name, str(error).partition("\n")[0])
        compiled = self._read().compile(target)
        write_cached(file_name, compiled.model.export_model().getvalue())
        return compiled

    def _read(self) -> Converted:
        if self._network is None:
            self._network, self._payload = unpack(self._payload), b""
        return self._network
