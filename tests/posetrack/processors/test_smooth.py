from dataclasses import replace

import numpy as np
import pytest
from reference.one_euro import naive_one_euro

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.processors.smooth import SmootherConfig, smooth

HEIGHT_PX = 100.0


def make_frames(xs: np.ndarray, times_s: np.ndarray, ids: list[int] | None = None) -> list[Frame]:
    """One person of one keypoint at (x, 0), whose box is HEIGHT_PX high."""
    return [
        Frame(
            i,
            float(time_s),
            np.zeros((1, 1, 3), np.uint8),
            Instances(
                boxes_xyxy=[[0, 0, 50, HEIGHT_PX]],
                keypoints_xy=[[[x, 0.0]]],
                track_ids=[1 if ids is None else ids[i]],
            ),
        )
        for i, (x, time_s) in enumerate(zip(xs, times_s, strict=True))
    ]


def smooth_xs(frames: list[Frame], config: SmootherConfig | None = None) -> np.ndarray:
    out = smooth(config or SmootherConfig())(iter(frames))
    return np.array([frame.instances.smoothed_xy[0, 0, 0] for frame in out])


def test_is_the_papers_filter_at_uneven_times():
    rng = np.random.default_rng(3)
    times_s = np.cumsum(rng.uniform(0.01, 0.2, 60))
    xs = np.cumsum(rng.normal(0, 3, 60))
    config = SmootherConfig(min_cutoff_hz=1.5, beta=4.0, derivative_cutoff_hz=0.7)
    expected = naive_one_euro(list(xs), list(times_s), 1.5, 4.0 / HEIGHT_PX, 0.7)
    np.testing.assert_allclose(smooth_xs(make_frames(xs, times_s), config), expected, atol=1e-3)


def test_jitter_shrinks_and_fast_motion_keeps_up():
    times_s = np.arange(100) / 25
    noise = np.random.default_rng(0).normal(0, 1, 100)
    assert smooth_xs(make_frames(noise, times_s))[20:].std() < 0.6 * noise[20:].std()
    run = 300 * times_s
    lag = run - smooth_xs(make_frames(run, times_s))
    assert np.abs(lag[20:]).max() < 0.1 * HEIGHT_PX


def test_raw_keypoints_stay():
    frames = make_frames(np.array([0.0, 10.0]), np.array([0.0, 0.04]))
    out = list(smooth(SmootherConfig())(iter(frames)))
    assert [frame.instances.keypoints_xy[0, 0, 0] for frame in out] == [0, 10]
    assert 0 < out[1].instances.smoothed_xy[0, 0, 0] < 10


def test_each_track_has_its_own_past_and_a_long_absence_ends_it():
    xs, times_s = np.array([0.0, 50.0, 0.0]), np.array([0.0, 0.04, 0.08])
    np.testing.assert_array_equal(smooth_xs(make_frames(xs, times_s, [1, 2, 1])), [0, 50, 0])
    np.testing.assert_array_equal(smooth_xs(make_frames(xs, times_s, [UNTRACKED] * 3)), xs)
    apart = np.array([0.0, 5.0, 10.0])
    np.testing.assert_array_equal(smooth_xs(make_frames(xs, apart)), xs)


def test_a_change_of_the_image_size_is_no_motion():
    frames = make_frames(np.array([10.0, 12.0, 28.0, 32.0]), np.arange(4) / 25)
    wide = np.zeros((2, 2, 3), np.uint8)
    boxes = np.float32([[0, 0, 100, 2 * HEIGHT_PX]])
    changed = [
        replace(frame, image=wide, instances=replace(frame.instances, boxes_xyxy=boxes)) for frame in frames[2:]
    ]
    same = make_frames(np.array([10.0, 12.0, 14.0, 16.0]), np.arange(4) / 25)
    expected = smooth_xs(same) * [1, 1, 2, 2]
    np.testing.assert_allclose(smooth_xs([*frames[:2], *changed]), expected, rtol=1e-5)


def test_frames_without_people_pass():
    frame = Frame(0, 0.0, np.zeros((1, 1, 3), np.uint8))
    assert list(smooth(SmootherConfig())(iter([frame]))) == [frame]


@pytest.mark.parametrize("setting", ["min_cutoff_hz", "derivative_cutoff_hz", "forget_s"])
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f"{setting}: expected a number above 0"):
        SmootherConfig(**{setting: 0.0})


def test_a_keypoint_that_was_not_found_stays_and_its_filter_waits():
    times_s = np.arange(60) / 25
    found = np.arange(60) % 10 != 4
    found[:3] = False
    frames = [
        replace(frame, instances=frame.instances.with_columns(keypoint_scores=[[0.9 if is_found else 0]]))
        for frame, is_found in zip(make_frames(np.where(found, 500.0, 0), times_s), found, strict=True)
    ]
    np.testing.assert_allclose(smooth_xs(frames), np.where(found, 500, 0), atol=1e-3)
