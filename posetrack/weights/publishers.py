"""What the publishers of weights state of their files, and how they name them.

Facts, read from the publishers' pages: mmpose's model zoo (its `publish_model` puts the first eight digits of a
file's SHA-256 into the file's name), HRNet's release, and detectron2's DensePose, whose digits in names are of
no digest that is stated. Where only the first digits are published, only those are stated here, and where none
are, none; the whole digest is noted at the first fetch and holds from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
BOTTOM_UP = "COCO val2017, one scale, flip test"
# In the order of posetrack15, from PoseTrack18's: nose, neck, head top, ears, then from the shoulders down to
# the ankles, left before right.
_POSETRACK_OUTPUTS = (16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, 1, 0, 2)


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
        outputs: For each of its keypoints the output of the file's network that is taken for it; empty for all
            as they are.
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
    outputs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        is_short = bool(self.sha256) and not _MIN_DIGITS <= len(self.sha256) <= 64
        if is_short or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError(f"{self.name}: '{self.sha256}' is no SHA-256, nor its first digits")

    @property
    def is_whole_digest(self) -> bool:
        """Whether the full SHA-256 of the file is published, not only its first digits."""
        return len(self.sha256) == 64


def from_mmpose(
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


def from_mmpose_crowdpose(name: str, path: str, ap: float) -> PublishedWeights:
    """An entry of mmpose's for CrowdPose."""
    entry = from_mmpose(name.replace("-crowdpose", ""), path, (0, 0))
    stated = f"AP {ap:.3f} (CrowdPose test, one scale, flip test)"
    return replace(entry, name=name, stated=stated, num_keypoints=14)


def from_mmpose_mpii(name: str, path: str, pckh: float) -> PublishedWeights:
    """An entry of mmpose's for MPII."""
    entry = from_mmpose(name.replace("-mpii", ""), path, (0, 0))
    return replace(entry, name=name, stated=f"PCKh {pckh:.3f} (MPII, validation set)", num_keypoints=16)


def from_mmpose_posetrack(name: str, path: str, scores: tuple[float, float]) -> PublishedWeights:
    """An entry of mmpose's for PoseTrack18, with its keypoints, of which two, the ears, are never annotated."""
    entry = from_mmpose(name.replace("-posetrack", ""), path, (0, 0))
    given, found = scores
    stated = (
        f"AP {given:.1f} in annotated boxes, {found:.1f} in those of a detector (PoseTrack18, validation set)"
    )
    return replace(entry, name=name, stated=stated, num_keypoints=15, outputs=_POSETRACK_OUTPUTS)


def from_hrnet_mpii(kind: str, stated: str) -> PublishedWeights:
    """An entry of HRNet's release for MPII, of which no digest is known."""
    network, _, size = kind.rpartition("-")
    name = f"{network}-mpii-{size}-release"
    entry = from_hrnet(name, kind, ap=0, size_bytes=None, sha256="")
    return replace(entry, stated=stated, num_keypoints=16)


def from_hrnet(name: str, kind: str, *, ap: float, size_bytes: int | None, sha256: str) -> PublishedWeights:
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


def from_torchvision(
    kind: str,
    file_name: str,
    stated: str,
    *,
    measured: str = "COCO val2017",
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
        stated=f"{stated} ({measured})",
        num_keypoints=num_keypoints,
    )


def from_densepose(kind: str, model: str, number: int, digits: str, stated: str = "") -> PublishedWeights:
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
