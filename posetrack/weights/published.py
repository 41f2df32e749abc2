"""Published weights that PoseTrack can fetch, with their addresses and digests.

Facts, read from the publishers' pages: mmpose's model zoo (its `publish_model` puts the first eight digits of a
file's SHA-256 into the file's name), HRNet's release, and detectron2's DensePose, whose digits in names are of
no digest that is stated. Where only the first digits are published, only those are stated here, and where none
are, none; the whole digest is noted at the first fetch and holds from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

_MIN_DIGITS = 8
_MMPOSE_HOSTS = (
    "https://download.openmmlab.com/mmpose",
    "https://openmmlab.oss-cn-hangzhou.aliyuncs.com/mmpose",
)
_MMPOSE = "https://github.com/open-mmlab/mmpose"
_TORCHVISION = "https://github.com/pytorch/vision"
_DETECTRON2 = "https://github.com/facebookresearch/detectron2"
_DENSEPOSE_FILES = "https://dl.fbaipublicfiles.com/densepose"
_DENSEPOSE_TERMS = "trained on the DensePose annotations, which are for non-commercial use only"
_HRNET = "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch"
_TOP_DOWN = "COCO val2017, boxes of a detector with AP 56.4 on people, flip test"
_BOTTOM_UP = "COCO val2017, one scale, flip test"


@dataclass(frozen=True)
class PublishedWeights:
    """One file of weights that others publish.

    Attributes:
        name: Name in PoseTrack.
        kind: A kind of `posetrack.families.table.list_importable`.
        file_name: The publisher's name of the file; a mirror is a folder that contains it.
        urls: Addresses of the file, tried in order. Empty if its publisher gives no direct address.
        sha256: Digest of the file in hex: all digits, or the first ones (eight or more) if only those are
            published; empty if none are.
        size_bytes: Size of the file, if published.
        licence: SPDX identifier of the repository that publishes it.
        source: That repository.
        stated: Numbers stated by the publisher; not measured by PoseTrack.
        num_keypoints: Number of its keypoints.
        terms: What else limits its use, in one line.
    """

    name: str
    kind: str
    file_name: str
    urls: tuple[str, ...]
    sha256: str
    size_bytes: int | None
    licence: str
    source: str
    stated: str
    num_keypoints: int = 17
    terms: str = ""

    def __post_init__(self) -> None:
        is_short = bool(self.sha256) and not _MIN_DIGITS <= len(self.sha256) <= 64
        if is_short or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"{self.name}: '{self.sha256}' is no SHA-256, nor its first digits")

    @property
    def is_whole_digest(self) -> bool:
        """Whether the full SHA-256 of the file is published, not only its first digits."""
        return len(self.sha256) == 64


def _mmpose(
    name: str,
    path: str,
    scores: tuple[float, float],
    *,
    measured: str = _TOP_DOWN,
    size_bytes: int | None = None,
    sha256: str | None = None,
) -> PublishedWeights:
    """An entry of mmpose's, whose file names tell the first eight digits: `NAME-DIGITS_DATE.pth`."""
    file_name = path.rpartition("/")[2]
    return PublishedWeights(
        name=name,
        kind=name,
        file_name=file_name,
        urls=tuple(f"{host}/{path}" for host in _MMPOSE_HOSTS),
        sha256=sha256 or file_name.rpartition("-")[2][:_MIN_DIGITS],
        size_bytes=size_bytes,
        licence="Apache-2.0",
        source=_MMPOSE,
        stated=f"AP {scores[0]:.3f}, AR {scores[1]:.3f} ({measured})",
    )


def _release(name: str, kind: str, *, ap: float, size_bytes: int, sha256: str) -> PublishedWeights:
    """An entry of HRNet's own release, which lies in shared folders without plain addresses."""
    network, _, size = kind.rpartition("-")
    return PublishedWeights(
        name=name,
        kind=kind,
        file_name=f"pose_{network.replace('-', '_')}_{size}.pth",
        urls=(),
        sha256=sha256,
        size_bytes=size_bytes,
        licence="MIT",
        source=_HRNET,
        stated=f"AP {ap:.3f} ({_TOP_DOWN})",
    )


def _torchvision(
    kind: str,
    file_name: str,
    stated: str,
    *,
    num_keypoints: int = 17,
    size_bytes: int | None = None,
    sha256: str | None = None,
) -> PublishedWeights:
    """An entry of torchvision's, whose file names tell the first eight digits: `NAME-DIGITS.pth`."""
    return PublishedWeights(
        name=kind,
        kind=kind,
        file_name=file_name,
        urls=(f"https://download.pytorch.org/models/{file_name}",),
        sha256=sha256 or file_name.removesuffix(".pth").rpartition("-")[2],
        size_bytes=size_bytes,
        licence="BSD-3-Clause",
        source=_TORCHVISION,
        stated=f"{stated} (COCO val2017)",
        num_keypoints=num_keypoints,
    )


def _densepose(kind: str, model: str, number: int, digits: str, stated: str = "") -> PublishedWeights:
    """An entry of detectron2's DensePose: `densepose_rcnn_MODEL/NUMBER/model_final_DIGITS.pkl`."""
    file_name = f"model_final_{digits}.pkl"
    return PublishedWeights(
        name=kind,
        kind=kind,
        file_name=file_name,
        urls=(f"{_DENSEPOSE_FILES}/densepose_rcnn_{model}/{number}/{file_name}",),
        sha256="",
        size_bytes=None,
        licence="CC-BY-SA-3.0",
        source=_DETECTRON2,
        stated=f"{stated} (DensePose-COCO minival)" if stated else "no numbers",
        num_keypoints=0,
        terms=_DENSEPOSE_TERMS,
    )


_ENTRIES = (
    _mmpose("hrnet-w32-256x192", "top_down/hrnet/hrnet_w32_coco_256x192-c78dce93_20200708.pth", (0.746, 0.799)),
    _mmpose("hrnet-w32-384x288", "top_down/hrnet/hrnet_w32_coco_384x288-d9f0d786_20200708.pth", (0.760, 0.810)),
    _mmpose(
        "hrnet-w48-256x192",
        "top_down/hrnet/hrnet_w48_coco_256x192-b9e0b3ab_20200708.pth",
        (0.756, 0.806),
        size_bytes=255_011_654,
        sha256="b9e0b3ab0439cb68e166c7543e59d2587cd8d7e9acf5ea62a8378eeb82fb50e5",
    ),
    _mmpose("hrnet-w48-384x288", "top_down/hrnet/hrnet_w48_coco_384x288-314c8528_20200708.pth", (0.767, 0.816)),
    _mmpose(
        "simple-baseline-r50-256x192",
        "top_down/resnet/res50_coco_256x192-ec54d7f3_20200709.pth",
        (0.718, 0.773),
        sha256="ec54d7f3a287169022530c15dc5b5e6d0224e3c7a3881c26231c63f63686c9b3",
    ),
    _mmpose(
        "simple-baseline-r50-384x288",
        "top_down/resnet/res50_coco_384x288-e6f795e9_20200709.pth",
        (0.731, 0.783),
    ),
    _mmpose(
        "simple-baseline-r101-256x192",
        "top_down/resnet/res101_coco_256x192-6e6babf0_20200708.pth",
        (0.726, 0.781),
    ),
    _mmpose(
        "simple-baseline-r101-384x288",
        "top_down/resnet/res101_coco_384x288-8c71bdc9_20200709.pth",
        (0.748, 0.798),
    ),
    _mmpose(
        "simple-baseline-r152-256x192",
        "top_down/resnet/res152_coco_256x192-f6e307c2_20200709.pth",
        (0.735, 0.790),
    ),
    _mmpose(
        "simple-baseline-r152-384x288",
        "top_down/resnet/res152_coco_384x288-3860d4c9_20200709.pth",
        (0.750, 0.800),
    ),
    _mmpose(
        "higher-hrnet-w32-512",
        "bottom_up/higher_hrnet32_coco_512x512-8ae85183_20200713.pth",
        (0.677, 0.723),
        measured=_BOTTOM_UP,
    ),
    _mmpose(
        "higher-hrnet-w32-640",
        "bottom_up/higher_hrnet32_coco_640x640-a22fe938_20200712.pth",
        (0.686, 0.733),
        measured=_BOTTOM_UP,
    ),
    _mmpose(
        "higher-hrnet-w48-512",
        "bottom_up/higher_hrnet48_coco_512x512-60fedcbc_20200712.pth",
        (0.686, 0.731),
        measured=_BOTTOM_UP,
    ),
    _torchvision(
        "faster-rcnn-r50",
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        "box AP 0.370",
        num_keypoints=0,
        size_bytes=167_502_836,
        sha256="258fb6c638b15964ddcdd1ae0748c5eef1be9e732750120cc857feed3faac384",
    ),
    _torchvision(
        "mask-rcnn-r50",
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        "box AP 0.379, mask AP 0.346",
        num_keypoints=0,
        size_bytes=178_090_079,
    ),
    _torchvision(
        "keypoint-rcnn-r50",
        "keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
        "box AP 0.546, AP 0.650",
        size_bytes=237_034_793,
        sha256="fc266e953d2b302cdcbb9ae66f71f6b0d4649928bf02dc573961e361e4918926",
    ),
    _release(
        "hrnet-w32-256x192-release",
        "hrnet-w32-256x192",
        ap=0.744,
        size_bytes=114_721_619,
        sha256="19bc083708bb8d873211e50d85d56344c10290c6e8b564c813fdde09645c4c1c",
    ),
    _release(
        "hrnet-w48-384x288-release",
        "hrnet-w48-384x288",
        ap=0.763,
        size_bytes=255_061_287,
        sha256="95e0fec3194826d5e3f806ea89be68bbb84517b114c3a32b3058c56610b5ef61",
    ),
    _densepose(
        "densepose-r50",
        "R_50_FPN_s1x_legacy",
        164_832_157,
        "d366fa",
        "GPS AP 0.521, GPSm AP 0.549, box AP 0.581",
    ),
    _densepose("densepose-r101", "R_101_FPN_s1x_legacy", 164_832_182, "10af0e"),
    _densepose(
        "densepose-r50-improved",
        "R_50_FPN_s1x",
        165_712_039,
        "162be9",
        "GPS AP 0.637, GPSm AP 0.653, box AP 0.612",
    ),
    _densepose("densepose-r101-improved", "R_101_FPN_s1x", 165_712_084, "c6ab63"),
    _densepose("densepose-r50-improved-wc1", "R_50_FPN_WC1_s1x", 173_862_049, "289019"),
    _densepose("densepose-r50-improved-wc2", "R_50_FPN_WC2_s1x", 173_861_455, "3abe14"),
    _densepose("densepose-r50-improved-wc1m", "R_50_FPN_WC1M_s1x", 217_144_516, "48a9d9"),
    _densepose("densepose-r50-improved-wc2m", "R_50_FPN_WC2M_s1x", 216_245_640, "d79ada"),
    _densepose(
        "densepose-r50-dl",
        "R_50_FPN_DL_s1x",
        165_712_097,
        "0ed407",
        "GPS AP 0.656, GPSm AP 0.667, box AP 0.611",
    ),
    _densepose(
        "densepose-r101-dl",
        "R_101_FPN_DL_s1x",
        165_712_116,
        "844d15",
        "GPS AP 0.663, GPSm AP 0.676, box AP 0.623",
    ),
    _densepose(
        "densepose-r50-dl-wc1", "R_50_FPN_DL_WC1_s1x", 173_067_973, "b1e525", "GPS AP 0.658, GPSm AP 0.670"
    ),
    _densepose("densepose-r50-dl-wc2", "R_50_FPN_DL_WC2_s1x", 173_859_335, "60fed4"),
    _densepose("densepose-r50-dl-wc1m", "R_50_FPN_DL_WC1M_s1x", 216_245_703, "61971e"),
    _densepose("densepose-r50-dl-wc2m", "R_50_FPN_DL_WC2M_s1x", 216_245_758, "7bfb43"),
)

PUBLISHED: dict[str, PublishedWeights] = {entry.name: entry for entry in _ENTRIES}
"""Published weights by name. To add some, add an entry above whose kind a family can import."""
