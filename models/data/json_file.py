"""JSON files of data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.json_text import parse_json
from models.training.errors import DataError


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give the data folder with --data") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise DataError(f"{path}: not valid JSON: nested too deeply") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not valid JSON: no UTF-8 text at byte {error.start}; if it is compressed, unpack it"
        ) from error
    except ValueError as error:
        if "int_max_str_digits" in str(error):  # its advice is for programmers
            raise DataError(f"{path}: not valid JSON: a number has too many digits") from error
        raise DataError(f"{path}: not valid JSON: {error}") from error
