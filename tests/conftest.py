"""Networks are converted once a session, into a folder of the session's own."""

import pytest

from models.engines import cache

# Of the networks of one test, others have little use.
_KEPT_BYTES = 200 * 2**20


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory):
    """The folder, in the environment so that commands started by tests share it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSETRACK_CACHE", str(folder))
        patch.setattr(cache, "_KEPT_BYTES", _KEPT_BYTES)
        yield folder
