"""The benchmarks of `posetrack eval`."""

from __future__ import annotations

import typer

from posetrack.cli.eval.coco import coco_command
from posetrack.cli.eval.crowdpose import crowdpose_command
from posetrack.cli.eval.densepose import densepose_command
from posetrack.cli.eval.mot import mot_command
from posetrack.cli.eval.mpii import mpii_command
from posetrack.cli.eval.pictures import pictures_command
from posetrack.cli.eval.posetrack import posetrack_command
from posetrack.cli.help import HelpCommand
from posetrack.cli.options import make_command

eval_app = typer.Typer(no_args_is_help=True, help="Evaluate results as a benchmark does.")
eval_app.command("posetrack", cls=HelpCommand)(make_command(posetrack_command))
eval_app.command("mot", cls=HelpCommand)(mot_command)
eval_app.command("coco", cls=HelpCommand)(coco_command)
eval_app.command("densepose", cls=HelpCommand)(densepose_command)
eval_app.command("crowdpose", cls=HelpCommand)(crowdpose_command)
eval_app.command("mpii", cls=HelpCommand)(mpii_command)
eval_app.command("pictures", cls=HelpCommand)(make_command(pictures_command))
