"""Required packages are few, and the optional ones are imported only by the features that need them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from posetrack.cli import doctor

ROOT = Path(__file__).parents[1]
OPTIONAL = ("matplotlib", "orjson", "timm", "nncf", "shapely", "motmetrics", "pandas", "embreex", "ray")
NEEDS_MATPLOTLIB = (
    "posetrack.evaluation.posetrack.plots",
    "posetrack.evaluation.densepose.plots",
    "posetrack.measuring.plots",
)
NEEDS_TK = "posetrack.live.window"


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_packages(requirements):
    return [re.match(r"[\w.-]+", requirement)[0] for requirement in requirements]


def test_at_most_twelve_packages_are_required(project):
    required = name_packages(project["dependencies"])
    assert len(required) <= 12
    assert not set(required) & set(OPTIONAL)


def test_doctor_lists_the_declared_packages(project):
    assert list(doctor._PACKAGES) == name_packages(project["dependencies"])
    extras = {name: packages for name, packages in project["optional-dependencies"].items() if name != "dev"}
    assert {name: set(name_packages(packages)) for name, packages in extras.items()} == {
        name: set(packages) for name, packages in doctor._EXTRAS.items()
    }


def test_dev_brings_every_extra(project):
    (own,) = (text for text in project["optional-dependencies"]["dev"] if text.startswith("posetrack"))
    assert set(re.findall(r"\w+", own)) - {"posetrack"} == set(doctor._EXTRAS)


def list_modules():
    paths = (path for package in ("posetrack", "models", "trackers") for path in (ROOT / package).rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return sorted(name.removesuffix(".__init__") for name in names)


def test_every_module_is_imported_without_the_optional_packages():
    """Except the module that draws plots; mobile backbones import timm when one is made."""
    names = [name for name in list_modules() if name not in (*NEEDS_MATPLOTLIB, NEEDS_TK)]
    assert len(names) > 100
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({OPTIONAL}))\n"
        "from importlib import import_module\n"
        f"for name in {names}: import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
