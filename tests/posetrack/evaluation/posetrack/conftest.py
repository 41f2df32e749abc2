"""Evaluation of made sequences through files, as the command line does it."""

import pytest
from reference.evaluation_cases import write_case

from posetrack.evaluation.posetrack.evaluate import evaluate_posetrack


@pytest.fixture
def evaluate(tmp_path):
    """`evaluate(truth, predictions, corrected=..., years=(17, 18))`: the measures of one sequence."""

    def run(truth, predictions, *, corrected=False, years=(17, 17), name="000001_mpii_test"):
        folders = write_case(tmp_path, {name: (truth, predictions)}, *years)
        return evaluate_posetrack(*folders, corrected=corrected).total.to_dict()

    return run
