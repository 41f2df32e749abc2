"""The benchmarks of `posetrack eval`."""

from __future__ import annotations

import typer

from posetrack.cli.late import Panels, make_late_group

_COMMANDS: Panels = {
    "": {
        "posetrack": (
            "posetrack.cli.eval.posetrack:posetrack_command",
            "Evaluate predicted poses and tracks on PoseTrack: AP, MOTA, MOTP, precision, recall and HOTA.",
        ),
        "mot": (
            "posetrack.cli.eval.mot:mot_command",
            "Evaluate tracked boxes as MOTChallenge does: MOTA, IDF1 and HOTA. Needs the extra `mot`.",
        ),
        "coco": (
            "posetrack.cli.eval.coco:coco_command",
            "Evaluate results as COCO does: AP and AR over OKS or IoU of 0.50:0.95.",
        ),
        "densepose": (
            "posetrack.cli.eval.densepose:densepose_command",
            "Evaluate dense poses as DensePose's tool does: AP and AR over GPS, GPSm and mask IoU of "
            "0.50:0.95.",
        ),
        "crowdpose": (
            "posetrack.cli.eval.crowdpose:crowdpose_command",
            "Evaluate results as CrowdPose does: AP and AR, and AP of easy, medium and hard images.",
        ),
        "mpii": (
            "posetrack.cli.eval.mpii:mpii_command",
            "Evaluate single-person poses as MPII does: PCKh at 0.5 and 0.1 of the head size.",
        ),
        "pictures": (
            "posetrack.cli.eval.pictures:pictures_command",
            "Run a recipe's networks on the images of a data set, without tracking, and evaluate as COCO does.",
        ),
    }
}

eval_app = typer.Typer(
    no_args_is_help=True, help="Evaluate results as a benchmark does.", cls=make_late_group(_COMMANDS)
)
