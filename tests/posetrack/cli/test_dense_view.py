"""Dense poses in the annotated video, by the command line, with a small network of random weights."""

import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from made_densepose import make_small_densepose
from safetensors.torch import save_file

from posetrack.cli.main import main

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
PART = ["--start", "3.2", "--end", "3.25"]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """The recipe `fast` with dense poses."""
    monkeypatch.setattr("models.densepose.network.make_densepose", make_small_densepose)
    save_file(make_small_densepose().state_dict(), tmp_path / "dense.safetensors")
    path = tmp_path / "mine.toml"
    path.write_text(
        '[detector]\nweights = "movenet-multipose"\n'
        '[dense]\nnetwork = "densepose-r50"\nweights = "dense.safetensors"\n'
    )
    return path


def run_cli(*arguments: object) -> int:
    before = sys.argv
    sys.argv = ["posetrack", *map(str, arguments)]
    try:
        main()
    except SystemExit as done:
        return int(done.code or 0)
    finally:
        sys.argv = before
    return 0


def read_images(path):
    with av.open(str(path)) as video:
        return np.array([image.to_ndarray(format="rgb24") for image in video.decode(video=0)]).astype(float)


def test_the_overlay_shows_the_view_that_is_asked_for(recipe, tmp_path, capfd):
    atlas = tmp_path / "atlas.png"
    cv2.imwrite(str(atlas), np.full((12, 8, 3), (255, 0, 0), np.uint8))
    views = {
        "off": ["--dense-view", "off"],
        "parts": [],
        "texture": ["--texture", atlas],
    }
    images = {}
    for name, options in views.items():
        out = tmp_path / name
        assert (
            run_cli(
                "run",
                CLIP,
                *PART,
                "--recipe",
                recipe,
                "--out",
                out,
                "--quiet",
                "--no-stitch",
                "--engine",
                "torch",
                *options,
            )
            == 0
        )
        images[name] = read_images(out / "overlay.mp4")
    assert capfd.readouterr().err == ""
    for name in ("parts", "texture"):
        assert np.abs(images[name] - images["off"]).mean() > 1, name
    is_blue = (images["texture"] - images["off"])[..., 2] > 60
    assert is_blue.mean() > 0.01
