import subprocess
import sys
from dataclasses import replace

import pytest

from models.backbones.variants import ResNetFPNConfig
from models.rcnn.variants import (
    FASTER_RCNN,
    FULL,
    FULL_SINGLE_SCALE,
    KEYPOINTS_ONLY,
    LITE0_DETECTOR,
    MOVENET_MULTITASK,
    NETWORKS,
)


def test_names_are_looked_up_without_torch():
    code = "import models.rcnn.variants, sys; assert not {'torch', 'torchvision', 'timm'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_heads_are_those_that_have_layers():
    heads = {name: (config.has_masks, config.has_keypoints) for name, config in NETWORKS.items()}
    assert heads["movenet-person"] == heads["faster-rcnn"] == (False, False)
    assert heads["movenet-multitask"] == heads["keypoint-rcnn"] == (False, True)
    assert heads["mask-rcnn"] == (True, False)
    assert heads["multitask-rb-h"] == (True, True)
    assert KEYPOINTS_ONLY.mask_layers == ()
    assert MOVENET_MULTITASK.loss_weights.keypoint == 0.2
    assert {weight for config in (FULL, FASTER_RCNN) for weight in vars(config.loss_weights).values()} == {1}


def test_strides_are_those_of_the_paper():
    expected = {FASTER_RCNN: (4, 8, 16, 32, 64), FULL: (8, 16, 32, 64), FULL_SINGLE_SCALE: (32, 64)}
    for config, strides in expected.items():
        assert config.backbone.strides == strides
        assert len(config.backbone.map_names) == len(strides) - 1


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="keypoint_loss 'l1': known: mse, cross_entropy"):
        replace(FULL, keypoint_loss="l1")
    with pytest.raises(ValueError, match="deformed 'all': known: none, backbone"):
        replace(FULL, deformed="all")
    with pytest.raises(ValueError, match="body 'vgg'"):
        ResNetFPNConfig(name="vgg")
    with pytest.raises(ValueError, match="scales 'two'"):
        ResNetFPNConfig(scales="two")


def test_options_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="anchor_sizes_px: 4 levels, the pyramid has 2"):
        replace(FULL, backbone=FULL_SINGLE_SCALE.backbone)
    with pytest.raises(ValueError, match="deformed 'backbone': only a ResNet"):
        replace(LITE0_DETECTOR, deformed="backbone")
