"""Errors for packages that only some features need, and that are not installed, or not in the right version."""

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


class OldPackageError(MissingPackageError):
    """The version of such a package lacks what is needed of it.

    Args:
        what: What it lacks.
        package: The package, with its version.
        extra: The extra of PoseTrack that brings it.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        ImportError.__init__(
            self, f"{what}: {package} does not have it; pip install --upgrade 'posetrack[{extra}]'"
        )
