"""What weights are, when they are not those of the network that was wanted."""

from __future__ import annotations

from models.checkpoints import MisfitError
from models.fit import count_outputs, find_nearest
from posetrack.families.family import Importable
from posetrack.families.table import list_importable, load_families

_FAMILY_OF_DETECTRON2 = "densepose"


def describe_misfit(misfit: MisfitError, *, is_import: bool = False) -> str:
    """Describe weights that do not fit, with the network that they are of, or nearly, where one is known.

    Args:
        misfit: The error.
        is_import: Whether to say which kind to import them as.

    Returns:
        One line.
    """
    importable = _list_candidates(misfit)
    makers = {kind.network: kind.make_network for kind in importable.values()}
    nearest = find_nearest(misfit.shapes, makers, misfit.wanted)
    if nearest is None:
        return str(misfit)
    outputs = count_outputs(misfit.shapes)
    named = f"{nearest.name} with {outputs} keypoints or classes" if outputs else nearest.name
    kinds = [name for name, kind in importable.items() if kind.network == nearest.name]
    remedy = f"; use --kind {' or '.join(kinds)}" if is_import else ""
    how = "they are those of" if not nearest.differences else "nearest are those of"
    but = f", except for {nearest.differences} names or shapes" if nearest.differences else ""
    return f"{misfit}; {how} {named}{but}{remedy}"


def _list_candidates(misfit: MisfitError) -> dict[str, Importable]:
    """The kinds that weights can be of: making all networks takes some seconds."""
    if not misfit.origin:
        return list_importable()
    families = [family for family in load_families() if family.name == _FAMILY_OF_DETECTRON2]
    return {name: kind for family in families for name, kind in family.importable.items()}
