"""The error for a package that only some features need, and that is not installed."""

from __future__ import annotations


class MissingPackageError(ImportError):
    """A package of one of PoseTrack's extras is not installed; the message is one line with the remedy.

    Args:
        what: What needs it.
        package: The package.
        extra: The extra of PoseTrack that brings it.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what}: needs {package}, which is not installed; pip install 'posetrack[{extra}]'", name=package
        )
