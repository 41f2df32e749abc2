"""One browser for all tests of pages."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the browser's DevTools."""
    from browser import start_chromium

    with start_chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address
