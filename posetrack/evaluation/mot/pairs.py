"""Ground truth and results of the same sequences, paired by their names."""

from __future__ import annotations

import logging
from pathlib import Path

from posetrack.edits.log import is_log
from posetrack.errors import ResultsError

_TRUTH_FILES = ("gt/gt.txt", "gt.txt")
_TRUTH_SUFFIX = ".gt.txt"
_RESULT_FILES = ("poses.jsonl", "mot.txt")
_RESULT_SUFFIXES = (".txt", ".mot.txt", ".jsonl")

_log = logging.getLogger(__name__)


def pair_sequences(truth: Path, results: Path) -> dict[str, tuple[Path, Path]]:
    """Pair ground truth with results by the name of the sequence.

    Results without ground truth are left out with a logged warning.

    Args:
        truth: A `gt.txt`, or a folder: of a sequence (`gt/gt.txt`), of sequences (`NAME/gt/gt.txt`,
            `NAME/gt.txt`), or of files (`NAME.gt.txt`, or else `NAME.txt`).
        results: A file, for one sequence; or a folder with `NAME.txt`, `NAME.mot.txt`, `NAME.jsonl`,
            `NAME/poses.jsonl` or `NAME/mot.txt` for each. The folder of a run will do for one sequence.

    Returns:
        The file of the ground truth and that of the results by the names of the sequences, sorted.

    Raises:
        ResultsError: There is no ground truth, or a sequence has no results.
    """
    truths = _find_truths(truth)
    if not results.exists():
        raise ResultsError(f"{results}: no such file or folder; --pred takes results of tracking")
    if not results.is_dir():
        if len(truths) > 1:
            raise ResultsError(
                f"{results}: one file, but {truth} has {len(truths)} sequences; give --pred a folder with one "
                "file a sequence"
            )
        return {name: (path, results) for name, path in truths.items()}
    found = {name: _find_results(name, results, is_alone=len(truths) == 1) for name in truths}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ResultsError(
            f"{results}: no results for {missing[0]}{more}; expected {missing[0]}.txt, {missing[0]}.jsonl or "
            f"{missing[0]}/poses.jsonl"
        )
    pairs = {name: (truths[name], path) for name, path in found.items() if path is not None}
    _warn_of_others(results, {path for _, path in pairs.values()})
    return pairs


def _find_truths(truth: Path) -> dict[str, Path]:
    if truth.is_file():
        return {_name_sequence(truth): truth}
    if not truth.is_dir():
        raise ResultsError(
            f"{truth}: no such file or folder; --gt takes MOTChallenge's gt.txt, or a folder of it"
        )
    own = _first_file(truth, _TRUTH_FILES)
    if own is not None:
        return {truth.resolve().name: own}
    children = sorted(truth.iterdir())
    in_folders = {child.name: _first_file(child, _TRUTH_FILES) for child in children if child.is_dir()}
    truths = {name: path for name, path in in_folders.items() if path is not None}
    files = [child for child in children if child.is_file() and child.suffix == ".txt"]
    named = [child for child in files if child.name.endswith(_TRUTH_SUFFIX)]
    truths |= {_name_sequence(path): path for path in named or ([] if truths else files)}
    if not truths:
        raise ResultsError(f"{truth}: no ground truth in it; expected NAME/gt/gt.txt, NAME.gt.txt or NAME.txt")
    return dict(sorted(truths.items()))


def _name_sequence(path: Path) -> str:
    if path.name == "gt.txt":
        folder = path.resolve().parent
        return folder.parent.name if folder.name == "gt" else folder.name
    return path.name.removesuffix(_TRUTH_SUFFIX).removesuffix(".txt")


def _find_results(name: str, folder: Path, *, is_alone: bool) -> Path | None:
    named = [f"{name}{suffix}" for suffix in _RESULT_SUFFIXES] + [f"{name}/{file}" for file in _RESULT_FILES]
    return _first_file(folder, (*named, *(_RESULT_FILES if is_alone else ())))


def _first_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _warn_of_others(folder: Path, used: set[Path]) -> None:
    names = {path.relative_to(folder).parts[0].removesuffix(".txt").removesuffix(".jsonl") for path in used}
    others = [
        path.name
        for path in sorted(folder.iterdir())
        if path.suffix in (".txt", ".jsonl")
        and not is_log(path)
        and path.stem not in names
        and path.name not in _RESULT_FILES
    ]
    others += [
        path.name
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name not in names and _first_file(path, _RESULT_FILES)
    ]
    if others:
        _log.warning("%s: %d without ground truth left out: %s", folder, len(others), ", ".join(others[:3]))
