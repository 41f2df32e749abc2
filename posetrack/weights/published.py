"""Published weights that PoseTrack can fetch, with their addresses and digests."""

from __future__ import annotations

from posetrack.weights.publishers import (
    BOTTOM_UP,
    PublishedWeights,
    from_densepose,
    from_hrnet,
    from_hrnet_mpii,
    from_mmpose,
    from_mmpose_crowdpose,
    from_mmpose_mpii,
    from_mmpose_posetrack,
    from_torchvision,
)

_ENTRIES = (
    from_mmpose(
        "hrnet-w32-256x192", "top_down/hrnet/hrnet_w32_coco_256x192-c78dce93_20200708.pth", (0.746, 0.799)
    ),
    from_mmpose(
        "hrnet-w32-384x288", "top_down/hrnet/hrnet_w32_coco_384x288-d9f0d786_20200708.pth", (0.760, 0.810)
    ),
    from_mmpose(
        "hrnet-w48-256x192",
        "top_down/hrnet/hrnet_w48_coco_256x192-b9e0b3ab_20200708.pth",
        (0.756, 0.806),
        size_bytes=255_011_654,
        sha256="b9e0b3ab0439cb68e166c7543e59d2587cd8d7e9acf5ea62a8378eeb82fb50e5",
    ),
    from_mmpose(
        "hrnet-w48-384x288", "top_down/hrnet/hrnet_w48_coco_384x288-314c8528_20200708.pth", (0.767, 0.816)
    ),
    from_mmpose(
        "simple-baseline-r50-256x192",
        "top_down/resnet/res50_coco_256x192-ec54d7f3_20200709.pth",
        (0.718, 0.773),
        sha256="ec54d7f3a287169022530c15dc5b5e6d0224e3c7a3881c26231c63f63686c9b3",
    ),
    from_mmpose(
        "simple-baseline-r50-384x288",
        "top_down/resnet/res50_coco_384x288-e6f795e9_20200709.pth",
        (0.731, 0.783),
    ),
    from_mmpose(
        "simple-baseline-r101-256x192",
        "top_down/resnet/res101_coco_256x192-6e6babf0_20200708.pth",
        (0.726, 0.781),
    ),
    from_mmpose(
        "simple-baseline-r101-384x288",
        "top_down/resnet/res101_coco_384x288-8c71bdc9_20200709.pth",
        (0.748, 0.798),
    ),
    from_mmpose(
        "simple-baseline-r152-256x192",
        "top_down/resnet/res152_coco_256x192-f6e307c2_20200709.pth",
        (0.735, 0.790),
    ),
    from_mmpose(
        "simple-baseline-r152-384x288",
        "top_down/resnet/res152_coco_384x288-3860d4c9_20200709.pth",
        (0.750, 0.800),
    ),
    from_mmpose(
        "higher-hrnet-w32-512",
        "bottom_up/higher_hrnet32_coco_512x512-8ae85183_20200713.pth",
        (0.677, 0.723),
        measured=BOTTOM_UP,
    ),
    from_mmpose(
        "higher-hrnet-w32-640",
        "bottom_up/higher_hrnet32_coco_640x640-a22fe938_20200712.pth",
        (0.686, 0.733),
        measured=BOTTOM_UP,
    ),
    from_mmpose(
        "higher-hrnet-w48-512",
        "bottom_up/higher_hrnet48_coco_512x512-60fedcbc_20200712.pth",
        (0.686, 0.731),
        measured=BOTTOM_UP,
    ),
    from_mmpose_crowdpose(
        "higher-hrnet-w32-crowdpose-512",
        "bottom_up/higher_hrnet32_crowdpose_512x512-1aa4a132_20201017.pth",
        0.655,
    ),
    from_mmpose_mpii(
        "hrnet-w32-mpii-256x256", "top_down/hrnet/hrnet_w32_mpii_256x256-6c4f923f_20200812.pth", 0.900
    ),
    from_mmpose_mpii(
        "hrnet-w48-mpii-256x256", "top_down/hrnet/hrnet_w48_mpii_256x256-92cab7bd_20200812.pth", 0.901
    ),
    from_mmpose_mpii(
        "simple-baseline-r50-mpii-256x256", "top_down/resnet/res50_mpii_256x256-418ffc88_20200812.pth", 0.882
    ),
    from_mmpose_mpii(
        "simple-baseline-r101-mpii-256x256", "top_down/resnet/res101_mpii_256x256-416f5d71_20200812.pth", 0.888
    ),
    from_mmpose_mpii(
        "simple-baseline-r152-mpii-256x256", "top_down/resnet/res152_mpii_256x256-3ecba29d_20200812.pth", 0.889
    ),
    from_mmpose_posetrack(
        "hrnet-w32-posetrack-256x192",
        "top_down/hrnet/hrnet_w32_posetrack18_256x192-1ee951c4_20201028.pth",
        (83.0, 76.9),
    ),
    from_mmpose_posetrack(
        "hrnet-w32-posetrack-384x288",
        "top_down/hrnet/hrnet_w32_posetrack18_384x288-806f00a3_20211130.pth",
        (83.6, 77.3),
    ),
    from_mmpose_posetrack(
        "hrnet-w48-posetrack-256x192",
        "top_down/hrnet/hrnet_w48_posetrack18_256x192-b5d9b3f1_20211130.pth",
        (84.4, 77.4),
    ),
    from_mmpose_posetrack(
        "hrnet-w48-posetrack-384x288",
        "top_down/hrnet/hrnet_w48_posetrack18_384x288-5fd6d3ff_20211130.pth",
        (84.5, 77.8),
    ),
    from_torchvision(
        "faster-rcnn-r50",
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        "box AP 0.370",
        num_keypoints=0,
        size_bytes=167_502_836,
        sha256="258fb6c638b15964ddcdd1ae0748c5eef1be9e732750120cc857feed3faac384",
    ),
    from_torchvision(
        "mask-rcnn-r50",
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        "box AP 0.379, mask AP 0.346",
        num_keypoints=0,
        size_bytes=178_090_079,
    ),
    from_torchvision(
        "keypoint-rcnn-r50",
        "keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
        "box AP 0.546, AP 0.650",
        size_bytes=237_034_793,
        sha256="fc266e953d2b302cdcbb9ae66f71f6b0d4649928bf02dc573961e361e4918926",
    ),
    from_torchvision(
        "raft-large",
        "raft_large_C_T_SKHT_V2-ff5fadd5.pth",
        "end-point error 1.819 and 3.067 px",
        measured="Sintel's test set, clean and final pass",
        num_keypoints=0,
    ),
    from_torchvision(
        "raft-small",
        "raft_small_C_T_V2-01064c6d.pth",
        "end-point error 1.990 and 3.283 px",
        measured="Sintel's training set, clean and final pass",
        num_keypoints=0,
    ),
    from_hrnet(
        "hrnet-w32-256x192-release",
        "hrnet-w32-256x192",
        ap=0.744,
        size_bytes=114_721_619,
        sha256="19bc083708bb8d873211e50d85d56344c10290c6e8b564c813fdde09645c4c1c",
    ),
    from_hrnet(
        "hrnet-w48-384x288-release",
        "hrnet-w48-384x288",
        ap=0.763,
        size_bytes=255_061_287,
        sha256="95e0fec3194826d5e3f806ea89be68bbb84517b114c3a32b3058c56610b5ef61",
    ),
    from_hrnet_mpii("hrnet-w32-256x256", "PCKh 0.903 (MPII, validation set)"),
    from_hrnet_mpii("hrnet-w48-256x256", "no numbers"),
    from_densepose(
        "densepose-r50",
        "R_50_FPN_s1x_legacy",
        164_832_157,
        "d366fa",
        "GPS AP 0.521, GPSm AP 0.549, box AP 0.581",
    ),
    from_densepose("densepose-r101", "R_101_FPN_s1x_legacy", 164_832_182, "10af0e"),
    from_densepose(
        "densepose-r50-improved",
        "R_50_FPN_s1x",
        165_712_039,
        "162be9",
        "GPS AP 0.637, GPSm AP 0.653, box AP 0.612",
    ),
    from_densepose("densepose-r101-improved", "R_101_FPN_s1x", 165_712_084, "c6ab63"),
    from_densepose("densepose-r50-improved-wc1", "R_50_FPN_WC1_s1x", 173_862_049, "289019"),
    from_densepose("densepose-r50-improved-wc2", "R_50_FPN_WC2_s1x", 173_861_455, "3abe14"),
    from_densepose("densepose-r50-improved-wc1m", "R_50_FPN_WC1M_s1x", 217_144_516, "48a9d9"),
    from_densepose("densepose-r50-improved-wc2m", "R_50_FPN_WC2M_s1x", 216_245_640, "d79ada"),
    from_densepose(
        "densepose-r50-dl",
        "R_50_FPN_DL_s1x",
        165_712_097,
        "0ed407",
        "GPS AP 0.656, GPSm AP 0.667, box AP 0.611",
    ),
    from_densepose(
        "densepose-r101-dl",
        "R_101_FPN_DL_s1x",
        165_712_116,
        "844d15",
        "GPS AP 0.663, GPSm AP 0.676, box AP 0.623",
    ),
    from_densepose(
        "densepose-r50-dl-wc1", "R_50_FPN_DL_WC1_s1x", 173_067_973, "b1e525", "GPS AP 0.658, GPSm AP 0.670"
    ),
    from_densepose("densepose-r50-dl-wc2", "R_50_FPN_DL_WC2_s1x", 173_859_335, "60fed4"),
    from_densepose("densepose-r50-dl-wc1m", "R_50_FPN_DL_WC1M_s1x", 216_245_703, "61971e"),
    from_densepose("densepose-r50-dl-wc2m", "R_50_FPN_DL_WC2M_s1x", 216_245_758, "7bfb43"),
)

PUBLISHED: dict[str, PublishedWeights] = {entry.name: entry for entry in _ENTRIES}
"""Published weights by name. To add some, add an entry above whose kind a family can import."""
