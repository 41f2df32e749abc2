import numpy as np
import torch

from posetrack.frame import Instances
from posetrack.images.batches import predict_by_size, split_by_image, to_batch


def test_images_of_one_size_in_a_row_are_one_call():
    calls = []

    def predict(images):
        calls.append([image.shape[:2] for image in images])
        return [Instances(boxes_xyxy=image[:1, 0, :1].repeat(4, axis=1).astype(np.float32)) for image in images]

    images = [np.full((*hw, 3), i, np.uint8) for i, hw in enumerate([(4, 6), (4, 6), (6, 4), (4, 6)])]
    found = predict_by_size(predict, images)
    assert calls == [[(4, 6), (4, 6)], [(6, 4)], [(4, 6)]]
    assert [people.boxes_xyxy[0, 0] for people in found] == [0, 1, 2, 3]
    assert predict_by_size(predict, []) == []


def test_batches_have_channels_first_and_last_in_memory():
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    batch = to_batch(images, torch.device("cpu"))
    assert batch.shape == (2, 3, 4, 5)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch[1, 2, 3, 4] == images[1, 3, 4, 2]


def test_rows_go_to_their_images():
    rows = np.arange(5, dtype=np.float32)
    assert [part.tolist() for part in split_by_image(rows, (2, 0, 3))] == [[0, 1], [], [2, 3, 4]]
    assert split_by_image(rows[:0], ()) == []
