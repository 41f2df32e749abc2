"""What `scripts/synthesize_people.py` refuses, in one line each, and what it leaves alone."""

import errno
import json
import os
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from made_bodies import write_bodies
from made_scripts import load_script

STREET = Path(__file__).parents[2] / "docs" / "media" / "street.mp4"


@pytest.fixture
def pack(tmp_path):
    write_bodies(tmp_path / "pack")
    return tmp_path / "pack"


def refuse(pack, out, *options, count=1):
    """Run, and give the only line of the refusal."""
    given = ["--out", out, "--count", count, "--data", pack, "--atlas", pack / "atlas.npz", "--size", "64x48"]
    with pytest.raises(SystemExit) as stopped:
        load_script("synthesize_people").main([str(value) for value in (*given, *options)])
    message = str(stopped.value.code)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


def make(pack, out, *options, count=1):
    given = ["--out", out, "--count", count, "--data", pack, "--atlas", pack / "atlas.npz", "--size", "64x48"]
    load_script("synthesize_people").main([str(value) for value in (*given, *options)])


@pytest.mark.parametrize(
    ("options", "count", "words"),
    [
        ((), 0, "--count 0: nothing to make"),
        ((), -3, "--count -3"),
        (("--size", "big"), 1, "--size big: expected WIDTHxHEIGHT"),
        (("--size", "8x8"), 1, "sides must be"),
        (("--seed", "-1"), 1, "--seed"),
        (("--workers", "0"), 1, "--workers"),
    ],
)
def test_options(pack, tmp_path, options, count, words):
    assert words in refuse(pack, tmp_path / "out", *options, count=count)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", ["body.npz", "bones.json", "keypoints.json", "targets.npz", "poses.npz", "clothes.npz"]
)
@pytest.mark.parametrize("damage", ["missing", "half", "empty", "flipped"])
def test_a_file_of_the_pack(pack, tmp_path, name, damage):
    path = pack / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "flipped" and name.endswith("npz"):
        middle = len(content) // 2
        path.write_bytes(
            content[:middle]
            + bytes(255 - byte for byte in content[middle : middle + 64])
            + content[middle + 64 :]
        )
    elif damage == "flipped":
        path.write_text(path.read_text().replace("e", "E"))
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    message = refuse(pack, tmp_path / "out")
    assert name in message
    assert "copy" in message
    assert not (tmp_path / "out").exists()


def test_a_pack_of_other_numbers(pack, tmp_path):
    with np.load(pack / "body.npz") as file:
        arrays = {key: file[key] for key in file.files}
    arrays["faces_tights"] = arrays["faces_tights"] + len(arrays["vertices"])
    np.savez(pack / "body.npz", **arrays)
    assert "numbers beyond" in refuse(pack, tmp_path / "out")
    assert "no such folder" in refuse(pack / "none", tmp_path / "out", "--atlas", pack / "atlas.npz")


def test_an_atlas_of_another_body(pack, tmp_path):
    np.savez(pack / "atlas.npz", face_charts=np.ones(5, np.uint8), corner_uv=np.zeros((5, 4, 2), np.float32))
    assert "5 quads" in refuse(pack, tmp_path / "out")
    with pytest.raises(SystemExit, match="the atlas has 13378 quads, but the body 84"):  # PoseTrack's own
        load_script("synthesize_people").main(["--out", str(tmp_path), "--count", "1", "--data", str(pack)])
    for charts in (np.float32(1), np.full(84, 25), np.full(84, -1), np.full(84, 1.5)):
        np.savez(pack / "atlas.npz", face_charts=charts, corner_uv=np.zeros((84, 4, 2), np.float32))
        assert "not an atlas of quads" in refuse(pack, tmp_path / "out")
    (pack / "atlas.npz").write_bytes(b"no")
    assert "no atlas" in refuse(pack, tmp_path / "out")


def test_a_folder_with_something_in_it(pack, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    assert "not empty" in refuse(pack, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (tmp_path / "file").write_text("")
    assert "file" in refuse(pack, tmp_path / "file")


def test_a_folder_of_other_settings(pack, tmp_path):
    out = tmp_path / "out"
    make(pack, out, count=2)
    people = (out / "people.json").read_bytes()
    assert "seed 0, not 1" in refuse(pack, out, "--seed", "1", count=3)
    assert "sizes" in refuse(pack, out, "--size", "64x64", count=3)
    assert "has 2 images already" in refuse(pack, out)
    assert (out / "people.json").read_bytes() == people
    (out / "records" / "00000000.json").write_text("{")
    assert "remove it" in refuse(pack, out, count=2)


def test_a_full_disk(pack, tmp_path, monkeypatch):
    write = Path.write_bytes

    def fail(path, content):
        if path.name.endswith("1.jpg.part"):
            write(path, content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    assert "No space left on device; free some space" in refuse(pack, tmp_path / "out", count=2)
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {"settings.json", "00000000.jpg", "00000000.json"}
    monkeypatch.undo()
    make(pack, tmp_path / "out", count=2)
    assert len(json.loads((tmp_path / "out" / "people.json").read_text())["images"]) == 2


def write_photos(folder, boxes_xywh, name="train.json"):
    """Images of 240 x 180 with people."""
    (folder / "photos").mkdir(parents=True)
    images, annotations = [], []
    for i, boxes in enumerate(boxes_xywh):
        cv2.imwrite(str(folder / "photos" / f"{i}.png"), np.full((180, 240, 3), 40 * i + 40, np.uint8))
        images.append({"id": i, "file_name": f"photos/{i}.png", "width": 240, "height": 180})
        annotations += [{"image_id": i, "bbox": box, "iscrowd": k} for k, box in enumerate(boxes)]
    (folder / name).write_text(json.dumps({"images": images, "annotations": annotations}))


def test_backgrounds_are_parts_without_people(pack, tmp_path, caplog):
    write_photos(
        tmp_path / "photos", [[], [[0, 0, 60, 180]], [[0, 0, 60, 180], [150, 0, 60, 90]], [[60, 20, 90, 150]]]
    )
    load_script("synthesize_people")
    from synthesis.backgrounds import find_backgrounds

    caplog.set_level("INFO")
    crops = find_backgrounds([tmp_path / "photos"])
    assert [(crop.path.name, crop.box) for crop in crops] == [
        ("0.png", (0, 0, 240, 180)),
        ("1.png", (71, 0, 240, 180)),
    ]
    assert "2 of 4 images have room" in caplog.text
    assert find_backgrounds([tmp_path / "photos" / "photos"]) == crops
    make(pack, tmp_path / "out", "--backgrounds", tmp_path / "photos", count=2)


@pytest.mark.parametrize("name", ["dev", "val2017", "minival", "test"])
def test_backgrounds_kept_for_evaluation(pack, tmp_path, name):
    write_photos(tmp_path / name, [[]])
    assert "kept for evaluation" in refuse(pack, tmp_path / "out", "--backgrounds", tmp_path / name)
    # In a folder of both, what belongs to the evaluation is left out.
    (tmp_path / "both" / name).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "both" / name / "0.png"), np.zeros((180, 240, 3), np.uint8))
    images = [{"id": 0, "file_name": f"{name}/0.png", "width": 240, "height": 180}]
    for file in (f"{name}.json", "train.json"):
        (tmp_path / "both" / file).write_text(json.dumps({"images": images, "annotations": []}))
    assert "0 annotated images" in refuse(pack, tmp_path / "out", "--backgrounds", tmp_path / "both")


def test_backgrounds_without_annotations_are_looked_at(pack, tmp_path, caplog):
    load_script("synthesize_people")
    from synthesis.backgrounds import find_backgrounds

    caplog.set_level("INFO")
    with av.open(str(STREET)) as video:
        people = next(islice(video.decode(video=0), 80, None)).to_ndarray(format="bgr24")
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abc":
        cv2.imwrite(str(folder / f"{name}.png"), np.full((180, 240, 3), ord(name), np.uint8))
    cv2.imwrite(str(folder / "street.png"), people)
    assert [crop.path.name for crop in find_backgrounds([folder])] == ["a.png", "b.png", "c.png"]
    assert "street.png: shows people" in caplog.text
    cv2.imwrite(str(folder / "again.png"), people)
    message = refuse(pack, tmp_path / "out", "--backgrounds", folder)
    assert "2 of 5 images looked at show people, such as again.png" in message


def test_backgrounds_of_people(pack, tmp_path):
    write_photos(tmp_path / "crowd", [[[0, 0, 240, 180]]])
    assert "people are all over its 1" in refuse(pack, tmp_path / "out", "--backgrounds", tmp_path / "crowd")
    assert "no such folder" in refuse(pack, tmp_path / "out", "--backgrounds", tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "no images" in refuse(pack, tmp_path / "out", "--backgrounds", tmp_path / "empty")
    (tmp_path / "crowd" / "train.json").write_text('{"images": [{"id": 1}], "annotations": []}')
    assert "cannot be read" in refuse(pack, tmp_path / "out", "--backgrounds", tmp_path / "crowd")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_bytes(b"no image")
    assert "a.jpg: cannot be read" in refuse(pack, tmp_path / "out", "--backgrounds", tmp_path / "broken")
