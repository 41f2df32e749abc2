"""The package of scripts that makes the body mesh."""

import pytest
from made_scripts import load_script


@pytest.fixture(scope="session", autouse=True)
def script():
    """Loads `made_mesh` too, which tests import."""
    return load_script("make_made_mesh")
