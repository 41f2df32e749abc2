"""Networks are converted once a session, into a folder of the session's own."""

import pytest

from models.engines import cache

# All that the tests convert has less: what is dropped would be converted again and again.
_KEPT_BYTES = 2**30


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory):
    """The folder, in the environment so that commands started by tests share it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSETRACK_CACHE", str(folder))
        patch.setattr(cache, "_KEPT_BYTES", _KEPT_BYTES)
        yield folder
