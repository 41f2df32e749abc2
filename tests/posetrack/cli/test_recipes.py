from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.recipe import read_recipe
from posetrack.recipe_files import list_recipes


def test_recipes_are_listed_best_first_with_purpose_speed_and_accuracy():
    lines = CliRunner().invoke(app, ["recipes"]).output.splitlines()
    names = [line for line in lines if not line.startswith(" ")]
    assert sorted(names) == sorted(list_recipes())
    assert names[:3] == ["accurate", "default", "dense"]
    # Those that need a download are behind those that do not.
    assert names.index("hrnet-w48-384") > names.index("hrnet-w18")
    about, row = read_recipe("default").about, lines.index("default")
    assert lines[row + 1] == f"  for       {about.purpose}"
    assert lines[row + 2] == (
        f"  measured  AP {about.ap:.3f} on {about.ap_on}, {about.frames_per_s:g} frames/s on two CPU cores"
    )


def test_every_recipe_says_what_it_is_for():
    assert [name for name in list_recipes() if not read_recipe(name).about.purpose] == []
