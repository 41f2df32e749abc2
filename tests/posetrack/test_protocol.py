"""What of a recipe is evaluated as papers test it."""

from dataclasses import replace

import pytest

from posetrack.predictors.settings import (
    BottomUpSettings,
    DetectorSettings,
    MultiposeSettings,
    RCNNSettings,
    TopDownSettings,
)
from posetrack.protocol import find_threshold, ranks_by_detector, use_protocol
from posetrack.recipe import Recipe


@pytest.mark.parametrize(
    ("detector", "least", "by_detector"),
    [
        (BottomUpSettings("swahr-w32"), 0.0, True),
        (MultiposeSettings("movenet-multipose"), 0.0, False),
        (RCNNSettings("keypoint-rcnn"), 0.05, True),
        (RCNNSettings("keypoint-rcnn", score_threshold=0.01), 0.01, True),
    ],
)
def test_low_scores_count_as_in_the_public_codes(detector, least, by_detector):
    recipe = Recipe("mine", detector)
    assert find_threshold(use_protocol(recipe)) == least
    assert find_threshold(use_protocol(recipe, 0.7)) == 0.7
    # Nothing else changes.
    assert use_protocol(recipe, detector.score_threshold) == recipe
    assert ranks_by_detector(recipe) is by_detector
    assert not ranks_by_detector(replace(recipe, estimator=TopDownSettings("hrnet-w32")))


def test_a_detector_without_a_threshold_stays():
    recipe = Recipe("mine", DetectorSettings("some"))
    assert use_protocol(recipe, 0.5) is recipe
    assert find_threshold(recipe) is None
