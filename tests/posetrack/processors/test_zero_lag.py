from dataclasses import replace

import numpy as np
import pytest

from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.low_pass import LowPass
from posetrack.processors.smooth import SmootherConfig, smooth
from posetrack.processors.zero_lag import smooth_without_lag


def make_frames(xs, times_s, track_id=1, size_wh=(100, 100)):
    image = np.broadcast_to(np.zeros(3, np.uint8), (size_wh[1], size_wh[0], 3))
    return [
        Frame(
            i,
            float(time_s),
            image,
            Instances(boxes_xyxy=[[0, 0, 50, 80]], keypoints_xy=[[[x, 2 * x]]], track_ids=[track_id]),
        )
        for i, (x, time_s) in enumerate(zip(xs, times_s, strict=True))
    ]


def smooth_xs(frames, config=None):
    out = list(smooth_without_lag(config or SmootherConfig())(iter(frames)))
    assert [frame.index for frame in out] == [frame.index for frame in frames]
    return np.array([frame.instances.smoothed_xy[0, 0, 0] for frame in out])


def test_the_whole_track_is_filtered_forwards_and_backwards_across_the_parts_of_a_long_file():
    times_s = np.arange(1500) / 25
    xs = np.random.default_rng(0).normal(0, 1, 1500).cumsum() + 500
    expected = LowPass(6).filter(times_s, xs[:, None])[:, 0]
    np.testing.assert_allclose(smooth_xs(make_frames(xs, times_s)), expected, atol=1e-3)


def test_frames_go_on_before_the_file_ends():
    seen = []

    def watch(frames):
        for frame in frames:
            seen.append(frame.index)
            yield frame

    times_s = np.arange(2000) / 25
    out = smooth_without_lag(SmootherConfig())(watch(iter(make_frames(times_s, times_s))))
    next(out)
    assert len(seen) < 400


def test_motion_has_no_lag_where_the_filter_for_live_video_has():
    times_s = np.arange(200) / 25
    xs = 50 + 20 * np.sin(2 * np.pi * times_s)
    frames = make_frames(xs, times_s)
    live = [frame.instances.smoothed_xy[0, 0, 0] for frame in smooth(SmootherConfig())(iter(frames))]

    def find_lag_s(smoothed):
        wave = np.exp(-2j * np.pi * times_s[25:175])
        return np.angle(((smoothed - 50)[25:175] * wave).sum() / ((xs - 50)[25:175] * wave).sum()) / -2 / np.pi

    assert abs(find_lag_s(smooth_xs(frames))) < 1e-3
    assert find_lag_s(np.array(live)) > 5e-3


def test_short_tracks_and_people_without_id_stay():
    xs, times_s = np.random.default_rng(0).normal(0, 1, 60), np.arange(60) / 25
    np.testing.assert_allclose(smooth_xs(make_frames(xs, times_s, UNTRACKED)), xs, atol=1e-6)
    np.testing.assert_allclose(smooth_xs(make_frames(xs[:9], times_s[:9])), xs[:9], atol=1e-6)
    assert list(smooth_without_lag(SmootherConfig())(iter([]))) == []
    nobody = Frame(0, 0.0, np.zeros((1, 1, 3), np.uint8))
    assert list(smooth_without_lag(SmootherConfig())(iter([nobody]))) == [nobody]


def test_a_low_frame_rate_lowers_the_cutoff():
    xs, times_s = np.random.default_rng(0).normal(0, 1, 100), np.arange(100) / 5
    assert smooth_xs(make_frames(xs, times_s)).std() < 0.8 * xs.std()


def test_clocks_that_jump_back_or_stand_still_lose_nothing():
    xs = np.random.default_rng(0).normal(0, 1, 90)
    times_s = np.concatenate([np.arange(40), np.arange(20, 50), np.full(20, 50)]) / 25
    out = smooth_xs(make_frames(xs, times_s))
    assert np.isfinite(out).all()
    assert out[:40].std() < xs[:40].std()
    np.testing.assert_allclose(out[-19:], xs[-19:], atol=1e-6)


def test_a_change_of_the_image_size_is_no_motion():
    times_s = np.arange(40) / 25
    small = make_frames(np.full(20, 10.0), times_s[:20])
    large = make_frames(np.full(20, 20.0), times_s[20:], size_wh=(200, 200))
    frames = [replace(frame, index=i) for i, frame in enumerate([*small, *large])]
    np.testing.assert_allclose(smooth_xs(frames), [10] * 20 + [20] * 20, rtol=1e-5)


def test_raw_keypoints_stay():
    frames = make_frames(np.array([0.0, 9.0] * 10), np.arange(20) / 25)
    out = list(smooth_without_lag(SmootherConfig())(iter(frames)))
    assert [frame.instances.keypoints_xy[0, 0, 0] for frame in out] == [0, 9] * 10


def test_a_cutoff_of_zero_is_refused():
    with pytest.raises(ValueError, match=r"cutoff_hz: expected a number from 0\.1 up"):
        SmootherConfig(cutoff_hz=0.0)


def test_a_keypoint_that_was_not_found_does_not_pull_at_those_beside_it():
    times_s = np.arange(100) / 25
    xs = 50 + 20 * np.sin(2 * np.pi * times_s)
    found = np.arange(100) % 10 != 4
    found[:3] = False
    frames = [
        replace(frame, instances=frame.instances.with_columns(keypoint_scores=[[0.9 if is_found else 0]]))
        for frame, is_found in zip(make_frames(np.where(found, xs, 0), times_s), found, strict=True)
    ]
    out = smooth_xs(frames)
    np.testing.assert_allclose(out[found], xs[found], atol=1)
    np.testing.assert_array_equal(out[~found], 0)
