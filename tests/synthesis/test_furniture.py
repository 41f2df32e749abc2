"""Things of furniture libraries, and the images without people that are made of them."""

import json
import zipfile

import cv2
import numpy as np
import pytest
from made_scripts import load_script

pytest.importorskip("embreex")
furnish_scenes = load_script("furnish_scenes")

CATALOG = """
name#1=Desk lamp
category#1=Lights
model#1=/lamp/lamp.obj
name#2=Sitting male
category#2=Characters
model#2=/lamp/lamp.obj
name#3=Door
category#3=Doors and windows
model#3=/lamp/lamp.obj
name#4=Old man
category#4=Miscellaneous
model#4=/lamp/lamp.obj
"""
# A cube of which one side has an image, one none of its own, and the others a colour.
CUBE = """
mtllib lamp.mtl
v 0 0 0
v 2 0 0
v 2 2 0
v 0 2 0
v 0 0 2
v 2 0 2
v 2 2 2
v 0 2 2
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl red
f 1 4 3 2
f 1 2 6 5
f 4 8 7 3
f -8 -4 -1 -5
usemtl shown
f 5/1 6/2 7/3 8/4
usemtl missing
f 2 3 7 6
"""
MATERIALS = "newmtl red\nKd 1 0 0\nnewmtl shown\nKd 0 0 0\nmap_Kd blue.png\n"


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "made.sh3f"
    blue = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("PluginFurnitureCatalog.properties", CATALOG)
        made.writestr("lamp/lamp.obj", CUBE)
        made.writestr("lamp/lamp.mtl", MATERIALS)
        made.writestr("lamp/blue.png", cv2.imencode(".png", blue)[1].tobytes())
    return path


def test_what_looks_like_people_is_left_out(library):
    (piece,) = furnish_scenes.list_pieces([library])
    assert (piece.name, piece.category) == ("Desk lamp", "Lights")


def test_a_model_has_its_materials_and_is_one_long(library):
    model = furnish_scenes.read_model(furnish_scenes.list_pieces([library])[0])
    assert len(model.corners) == 12
    points = model.corners.reshape(-1, 3)
    np.testing.assert_allclose(points.min(axis=0), -points.max(axis=0))
    assert np.isclose(np.linalg.norm(np.ptp(points, axis=0)), 1)
    np.testing.assert_array_equal(model.colours[model.materials[:8]], np.tile([1, 0, 0], (8, 1)))
    np.testing.assert_allclose(model.colours[model.materials[10:]], 0.6)
    assert [image is not None for image in model.images] == [False, False, True, False]


def test_things_are_drawn_in_their_colours_and_see_through_around_them(library):
    model = furnish_scenes.read_model(furnish_scenes.list_pieces([library])[0])
    seen = set()
    for seed in range(12):
        drawn = furnish_scenes.draw_piece(np.random.default_rng(seed), model, 64)
        assert max(drawn.shape[:2]) == 64
        assert drawn[0, 0, 3] == 0 or drawn[-1, 0, 3] == 0 or drawn[0, -1, 3] == 0 or drawn[-1, -1, 3] == 0
        solid = drawn[drawn[..., 3] == 255][:, :3].astype(int)
        strongest = solid.max(axis=1) - solid.min(axis=1) > 60
        seen |= {("blue", "green", "red")[channel] for channel in solid[strongest].argmax(axis=1)}
    assert seen == {"blue", "red"}


def test_scenes_depend_on_the_seed_and_a_stopped_run_goes_on(library, tmp_path):
    def run(name, count, seed=3):
        out = str(tmp_path / name)
        options = ["--out", out, "--count", str(count), "--furniture", str(library), "--seed", str(seed)]
        furnish_scenes.main(options)
        return json.loads((tmp_path / name / "people.json").read_text())

    run("a", 2)
    parts, whole = run("a", 4), run("b", 4)
    assert parts["images"] == whole["images"]
    assert parts["annotations"] == []
    for entry in whole["images"]:
        first, second = ((tmp_path / name / entry["file_name"]).read_bytes() for name in "ab")
        assert first == second
        image = cv2.imdecode(np.frombuffer(first, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (entry["height"], entry["width"], 3)
        for thing in entry["things"]:
            x, y, width, height = thing["bbox"]
            assert thing["name"] == "Desk lamp"
            assert 0 <= x < x + width <= entry["width"]
            assert 0 <= y < y + height <= entry["height"]
    with pytest.raises(SystemExit, match="other settings"):
        run("a", 5, seed=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "0"], "--count 0: nothing to make"),
        (["--count", "1", "--seed", "-1"], "--seed must be 0 or more"),
        (["--count", "1", "--furniture", "nowhere.sh3f"], "nowhere.sh3f: no library of Sweet Home 3D"),
        (["--count", "1", "--backgrounds", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_options_are_refused_in_a_line(options, message, library, tmp_path):
    given = ["--out", str(tmp_path / "out"), "--furniture", str(library), *options]
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        furnish_scenes.main(given)
    assert not (tmp_path / "out" / "people.json").exists()


def test_damaged_libraries_are_named(library, tmp_path):
    with zipfile.ZipFile(library, "a") as made:
        made.writestr("broken.obj", "v 0 0 x\nf 1 1 1\n")
    piece = furnish_scenes.list_pieces([library])[0]
    with pytest.raises(furnish_scenes.SynthesisError, match=r"broken.obj cannot be read .*get the file again"):
        furnish_scenes.read_model(type(piece)(library, "broken.obj", "Lamp", "Lights"))
    other = tmp_path / "other.sh3f"
    other.write_bytes(b"no zip file")
    with pytest.raises(furnish_scenes.SynthesisError, match=r"other.sh3f: no library"):
        furnish_scenes.list_pieces([other])
