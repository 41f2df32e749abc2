"""Embree, which casts rays at triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthesis.errors import SynthesisError
from synthesis.pack import Floats


def open_scene(corners: Floats) -> Any:
    """A scene of Embree with triangles (F, 3, 3).

    Raises:
        SynthesisError: Embree is not installed.
    """
    try:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh
    except ImportError as error:
        raise SynthesisError(
            "embreex is not installed; pip install 'posetrack[synthesis]' brings it"
        ) from error
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(corners, np.float32))
    return scene
