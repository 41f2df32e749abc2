"""Files to write: they must not be what is read, and temporary names must not lead elsewhere."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from posetrack.errors import ResultsError

if sys.platform != "win32":
    import fcntl

_DEVICES = (Path("/dev"), Path("/dev/fd"))


_REMEDIES = {
    errno.ENOSPC: "free some space or choose another output folder",
    errno.EDQUOT: "free some space or choose another output folder",
    errno.EACCES: "choose an output folder that you may write to",
    errno.EPERM: "choose an output folder that you may write to",
    errno.EROFS: "choose an output folder that you may write to",
    errno.ENOENT: "make the output folder first",
    errno.EEXIST: "choose an output folder that is a folder",
    errno.ENOTDIR: "choose an output folder that is a folder",
    errno.EISDIR: "remove the folder of that name",
}


def find_remedy(number: int | None) -> str:
    """What to do about a file that the system refuses to write, by the number of its error."""
    return _REMEDIES.get(number or 0, "check the disk and the output folder")


def make_part(path: Path, suffix: str = ".part") -> Path:
    """Create the temporary file beside an output, to be renamed when everything is in it.

    Whatever had its name before is removed first, and a link of that name is not followed.

    Args:
        path: The output.
        suffix: End of the temporary name.

    Returns:
        The new, empty file.

    Raises:
        OSError: It cannot be created.
    """
    part = name_part(path, suffix)
    with suppress(FileNotFoundError):
        part.unlink()
    create_file(part)
    return part


def name_part(path: Path, suffix: str = ".part") -> Path:
    """Name of the temporary file beside an output."""
    return path.with_name(f".{path.name}{suffix}")


def create_file(path: Path) -> None:
    """Create an empty file where there is nothing, not even a link.

    Raises:
        OSError: There is something, or it cannot be created.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def check_output_file(path: Path, inputs: Iterable[Path] = (), option: str = "--out") -> None:
    """Check a file to write, before any work.

    Args:
        path: The file.
        inputs: Files that are read.
        option: What the user gave it with.

    Raises:
        ResultsError: It is a folder, a pipe or a device, has no name, or is an input itself.
    """
    if path.name in ("", ".", ".."):
        raise ResultsError(f"'{path}': not the name of a file; give one with {option}")
    if path.is_dir():
        raise ResultsError(f"{path}: is a folder, and a file is written; give its name with {option}")
    if (path.exists() and not path.is_file()) or path.absolute().parent in _DEVICES:
        raise ResultsError(f"{path}: is no file, and would be replaced by one; use another {option}")
    for given in inputs:
        if _is_same(path, given):
            raise ResultsError(f"{path}: is the input itself; use another {option}")


def check_output_folder(folder: Path, outputs: Sequence[Path], source: str, option: str = "--out") -> None:
    """Check the folder of a run's results, before any work.

    Args:
        folder: The folder.
        outputs: Files that will be written in it.
        source: The source of the run, as the user gave it: a path, a pattern or an address.
        option: What the user gave the folder with.

    Raises:
        ResultsError: It is a file, or the folder of the source's images, or one of the outputs is the source.
    """
    if folder.exists() and not folder.is_dir():
        raise ResultsError(f"{folder}: is a file, and the results need a folder; use another {option}")
    given = Path(unquote(urlsplit(source).path) if source.startswith("file:") else source)
    if given.is_dir() and _is_same(folder, given):
        raise ResultsError(f"{folder}: is the folder of the input; use another {option}")
    for path in outputs:
        if path.is_dir() and not path.is_symlink():
            raise ResultsError(f"{path}: is a folder, where a file would be written; use another {option}")
        if _is_same(path, given):
            raise ResultsError(f"{path}: is the input itself; use another {option}")


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold the folder of a run's results, which is created, so that no other run writes into it meanwhile.

    The system lets go of it when the process ends, however it ends. Where there are no such locks, on some
    network drives and on Windows, nothing is held.

    Raises:
        ResultsError: Another run holds it, or it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); use another --out") from error
    if sys.platform == "win32":
        yield
        return
    with ExitStack() as stack:
        with suppress(OSError):  # Without locks, and where a folder may be written and not read.
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ResultsError(
                    f"{folder}: another run is writing into it; wait for its end, or use another --out"
                ) from error
        yield


def check_is_no_input(path: Path, given: Path, option: str = "--out") -> None:
    """Check that an output is not what is read, nor a folder that has it inside.

    Args:
        path: The file or folder to write.
        given: The file or folder that is read.
        option: What the user gave the output with.

    Raises:
        ResultsError: It is.
    """
    if _is_same(path, given):
        raise ResultsError(f"{path}: is the input itself; use another {option}")
    if path.is_dir() and any(_is_same(path, folder) for folder in given.absolute().parents):
        raise ResultsError(f"{path}: would be replaced, and the input is in it; use another {option}")


def make_folder_name(name: str) -> str:
    """A name for a folder of results that leads nowhere else: `video` for one of dots or of nothing."""
    safe = name.translate({ord(character): "_" for character in ("/", "\\", "\0")})
    return safe if safe.strip(". ") else "video"


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.exists() and other.exists() and path.samefile(other)
    except (OSError, ValueError):  # A name that the system does not allow is no file.
        return False
