import numpy as np

from models.data.mosaic import cut_mosaic


def test_windows_of_a_mosaic_cover_the_canvas_once():
    covered = np.zeros((64, 96), int)
    for left, top, right, bottom in cut_mosaic((96, 64), np.random.default_rng(3)):
        covered[top:bottom, left:right] += 1
    assert (covered == 1).all()
