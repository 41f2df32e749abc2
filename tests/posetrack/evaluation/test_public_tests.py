"""`eval pictures` and the tests of public codes: the same results and AP with the same random weights."""

import json

import cv2
import numpy as np
import pytest
import torch
from reference import public_tests
from typer.testing import CliRunner

from models.backbones.imagenet import ImageNetwork
from models.checkpoints import write_weights
from models.hrnet.network import make_pose_network
from models.hrnet.variants import NETWORKS as POSE_NETWORKS
from models.metadata import WeightsMetadata
from models.swahr.network import make_swahr_network
from models.swahr.variants import NETWORKS
from posetrack.cli.main import app
from posetrack.evaluation.coco import evaluate_coco
from posetrack.evaluation.crowdpose import evaluate_crowdpose
from posetrack.skeleton import COCO_17, CROWDPOSE_14

# All of another size, so that batches have one image; with a shorter side that is halved, so that the public
# codes' single precision places pixels as our double precision does.
SIZES = {3: (128, 150), 5: (161, 128), 8: (128, 129)}
TRAITS = {"width_px": 64, "height_px": 96, "coding": "offset", "sigma_cells": 2.0, "padding": 1.25}


@pytest.fixture
def images(tmp_path):
    rng, images = np.random.default_rng(1), {}
    for number, (w, h) in SIZES.items():
        coarse = rng.integers(0, 256, (h // 10 + 1, w // 10 + 1, 3)).astype(np.uint8)
        images[number] = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / f"{number}.png"), images[number][..., ::-1])
    return images


def settle(network, layers, stds):
    """Random weights with outputs neither huge nor nothing: batch norms see an image, last layers are scaled.

    Args:
        network: The network, from (B, 3, H, W) to one or several outputs.
        layers: Its last layers, in the order of computing.
        stds: Wanted standard deviation of each one's output.
    """
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    example = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        network.train()(example)
        network.eval()
        for i, (layer, std) in enumerate(zip(layers, stds, strict=True)):
            outputs = network(example)
            output = outputs if isinstance(outputs, torch.Tensor) else outputs[i]
            layer.weight *= std / output.std()
            layer.bias.zero_()


def annotate(folder, entries, skeleton):
    """Annotations near some of the results, and a person whom nobody finds; AP is neither 0 nor 1."""
    rng, people = np.random.default_rng(2), []
    for entry in entries[::2]:
        points = np.array(entry["keypoints"]).reshape(-1, 3)[:, :2]
        low, high = points.min(axis=0), points.max(axis=0)
        area = float(np.prod(high - low)) + 1
        moved = points + rng.normal(0, rng.uniform(0.01, 0.15) * np.sqrt(area), points.shape)
        triples = np.column_stack([moved, np.full(len(points), 2)]).ravel()
        people.append(
            {
                "id": len(people) + 1,
                "image_id": entry["image_id"],
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "area": area,
                "num_keypoints": len(points),
                "keypoints": triples.tolist(),
            }
        )
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": w, "height": h, "crowdIndex": 0.5}
            for i, (w, h) in SIZES.items()
        ],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.names)}],
    }
    (folder / "gt.json").write_text(json.dumps(content))
    return content


def run(folder, recipe, *options):
    (folder / "recipe.toml").write_text(recipe)
    files = ("--gt", folder / "gt.json", "--images", folder, "-r", folder / "recipe.toml")
    outputs = ("--results", folder / "found", "--out", folder / "numbers.json")
    computed = ("--device", "cpu", "--engine", "torch", "--precision", "f32")
    arguments = ["eval", "pictures", *map(str, (*files, *outputs, *computed, *options))]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads((folder / "found" / "keypoints.json").read_text()), json.loads(
        (folder / "numbers.json").read_text()
    )


def compare(found, wanted, most_px=0.02):
    """The same people in the same order of their scores, image by image.

    Of random maps, a keypoint without a peak depends on where a distance is rounded, so on the last digits of
    the maps, which our engine computes with batch norms folded into the weights: a few of these differ.
    """
    assert len(found) == len(wanted)
    is_same = []
    order = {"key": lambda entry: (entry["image_id"], -entry["score"])}
    for ours, theirs in zip(sorted(found, **order), sorted(wanted, **order), strict=True):
        assert ours["image_id"] == theirs["image_id"]
        assert ours["score"] == pytest.approx(theirs["score"], rel=1e-2)
        is_same += np.isclose(ours["keypoints"], theirs["keypoints"], rtol=1e-2, atol=most_px).tolist()
    assert np.mean(is_same) > 0.95


def make_entries(number, keypoints, scores, people_scores):
    rows = np.concatenate([keypoints, scores[..., None]], axis=2).reshape(len(scores), -1)
    return [
        {"image_id": number, "category_id": 1, "keypoints": row.tolist(), "score": float(score)}
        for row, score in zip(rows, people_scores, strict=True)
    ]


def test_top_down_results_are_those_of_hrnets_test(tmp_path, images):
    torch.manual_seed(0)
    network = make_pose_network(POSE_NETWORKS["hrnet-w18"], 17).eval()
    # So that peaks are of all heights, also above 1.
    settle(network, [network.final_layer], [0.3])
    metadata = WeightsMetadata("hrnet-w18", {**TRAITS, "skeleton": "coco17", "heatmap_branch": 0})
    write_weights(tmp_path / "w.safetensors", network.state_dict(), metadata)
    rng, boxes, wanted = np.random.default_rng(3), [], []
    whole = ImageNetwork(network)

    @torch.inference_mode()
    def compute(crop):
        return whole(crop).numpy()

    for number, image in images.items():
        h, w = image.shape[:2]
        xywh = np.concatenate([rng.uniform(0, (w / 2, h / 2), (4, 2)), rng.uniform(20, 50, (4, 2))], axis=1)
        # The last is the first, and found twice.
        xywh[3] = xywh[0]
        scores = rng.uniform(0.01, 1, 4)
        for box, score in zip(xywh.tolist(), scores.tolist(), strict=True):
            boxes.append({"image_id": number, "category_id": 1, "bbox": box, "score": score})
        points, point_scores, areas = public_tests.run_top_down(
            compute, image, xywh, (64, 96), list(COCO_17.flip_index)
        )
        people_scores = public_tests.rescore(point_scores, scores)
        rows = public_tests.keep_unlike(points, people_scores, areas, COCO_17.sigmas)
        wanted += make_entries(number, points[rows], point_scores[rows], people_scores[rows])
    assert len(wanted) == 9
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    content = annotate(tmp_path, wanted, COCO_17)
    recipe = (
        '[detector]\nweights = "movenet-person"\n[estimator]\nweights = "w.safetensors"\nflip_test = true\n'
    )
    found, numbers = run(tmp_path, recipe + "batch_crops = 1\n", "--boxes", tmp_path / "boxes.json")
    compare(found, wanted)
    assert max(max(entry["keypoints"][2::3]) for entry in wanted) > 1
    metrics = evaluate_coco(content, wanted)
    assert 0 < metrics["AP"] < 1
    for name, value in metrics.items():
        assert numbers[f"keypoints_{name}"] == (None if value is None else pytest.approx(value, abs=2e-2))


@pytest.mark.parametrize("skeleton", [COCO_17, CROWDPOSE_14], ids=["coco", "crowdpose"])
@pytest.mark.parametrize(("scales", "projected"), [((1.0,), True), ((1.5, 1.0, 0.5), True), ((1.0,), False)])
def test_bottom_up_results_are_those_of_swahrs_test(tmp_path, images, skeleton, scales, projected):
    torch.manual_seed(0)
    K = skeleton.num_keypoints
    network = make_swahr_network(NETWORKS["swahr-w18"], K).eval()
    settle(network, network.final_layers, [0.5, 0.5])
    metadata = WeightsMetadata("swahr-w18", {"skeleton": skeleton.name})
    write_weights(tmp_path / "w.safetensors", network.state_dict(), metadata)
    network.remove_scale_maps()
    whole, wanted = ImageNetwork(network), []

    @torch.inference_mode()
    def compute(crop):
        return [maps[0].numpy() for maps in whole(crop)]

    for number, image in images.items():
        people, scores = public_tests.run_bottom_up(
            compute,
            image,
            64,
            scales,
            skeleton.grouping_order,
            list(skeleton.flip_index),
            0.12,
            projected=projected,
        )
        wanted += make_entries(number, people[..., :2], people[..., 2], scores)
    assert len(wanted) > 10
    content = annotate(tmp_path, wanted, skeleton)
    recipe = '[detector]\nweights = "w.safetensors"\nshorter_side_px = 64\nflip_test = true\nmin_peak = 0.12\n'
    recipe += f"projected = {str(projected).lower()}\nscales = {list(scales)}\n"
    form = "crowdpose" if skeleton is CROWDPOSE_14 else "coco"
    found, numbers = run(tmp_path, recipe, "--format", form)
    compare(found, wanted)
    metrics = (evaluate_crowdpose if form == "crowdpose" else evaluate_coco)(content, wanted)
    assert 0 < metrics["AP"] < 1
    for name, value in metrics.items():
        assert numbers[f"keypoints_{name}"] == (None if value is None else pytest.approx(value, abs=2e-2))
