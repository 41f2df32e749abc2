"""Random sequences of edits, undo and redo, against a model that has the ids of each frame as a list."""

import copy
import math
import random

import numpy as np
import pytest
from made_crossing import write_poses

from posetrack.edits.editor import PosesEditor
from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.poses import read_poses


class Model:
    """The ids of each frame, changed at once by each edit; None where the edit has to be refused."""

    def __init__(self, frames):
        self.frames = frames

    def list_ids(self):
        return sorted({each for ids in self.frames for each in ids})

    def where(self, track_id):
        return [i for i, ids in enumerate(self.frames) if track_id in ids]

    def map(self, new_of, first=0, last=math.inf):
        after = copy.deepcopy(self)
        for i, ids in enumerate(after.frames):
            if first <= i <= last:
                after.frames[i] = [new for new in (new_of.get(each, each) for each in ids) if new is not None]
        return after

    def merge(self, keep, other):
        here = set(self.where(keep)), set(self.where(other))
        is_possible = keep != other and all(here) and not here[0] & here[1]
        return self.map({other: keep}) if is_possible else None

    def split(self, track_id, frame, new):
        here = self.where(track_id)
        return self.map({track_id: new}, frame) if here and here[0] < frame <= here[-1] else None

    def swap(self, a, b, frame):
        here = self.where(a), self.where(b)
        is_possible = a != b and all(here) and frame <= max(*here[0], *here[1])
        return self.map({a: b, b: a}, frame) if is_possible else None

    def rename(self, track_id, new):
        return self.map({track_id: new}) if self.where(track_id) and not self.where(new) else None

    def delete(self, track_id, first, last):
        is_possible = any(first <= i <= last for i in self.where(track_id))
        return self.map({track_id: None}, first, last) if is_possible else None

    def interpolate(self, track_id):
        here = self.where(track_id)
        if not here or len(here) == here[-1] - here[0] + 1:
            return None
        after = copy.deepcopy(self)
        for i in set(range(here[0], here[-1])) - set(here):
            after.frames[i].append(track_id)
        return after


def make_edit(rng, model, editor):
    """Make a random edit; return the model after it, or the one before it where it was refused."""
    there = model.list_ids() or [1]
    a, b, frame = rng.choice(there), rng.choice([*there, 99]), rng.randrange(len(model.frames) + 2)
    kind = rng.choice(["merge", "merge", "split", "swap", "rename", "delete", "interpolate"])
    given = {
        "merge": (a, b),
        "split": (a, frame),
        "swap": (a, b, frame),
        "rename": (a, rng.randint(1, 12)),
        "delete": (a, frame, frame + rng.randrange(4)),
        "interpolate": (a,),
    }[kind]
    try:
        edit = getattr(editor, kind)(*given)
    except ResultsError:
        edit = None
    new = () if kind != "split" else (99 if edit is None else edit.new,)
    assert kind != "split" or new[0] not in there
    after = getattr(model, kind)(*given, *new)
    assert (edit is None) == (after is None), (kind, given)
    return model if after is None else after


def make_frames(rng):
    ids = rng.sample(range(1, 9), 4)
    often = rng.choice([0.3, 0.6, 0.9])
    return [[each for each in ids if rng.random() < often] for _ in range(rng.randint(3, 14))]


@pytest.mark.parametrize("seed", range(40))
def test_edits_in_any_order(tmp_path, seed):
    rng = random.Random(seed)
    model = Model(make_frames(rng))
    people = [Instances(np.ones((len(ids), 4)), track_ids=np.array(ids, np.int64)) for ids in model.frames]
    path = write_poses(tmp_path / "poses.jsonl", people)
    editors = [PosesEditor(path), PosesEditor(path)]
    done, undone = [], []
    for _ in range(12):
        if rng.random() < 0.2:
            editors[0] = PosesEditor(path)
        editor = rng.choice(editors)
        editor.refresh()
        kind = rng.choice(["undo", "redo", "edit", "edit", "edit", "edit"])
        if kind == "undo" and done:
            editor.undo()
            undone.append(model)
            model = done.pop()
        elif kind == "redo" and undone:
            editor.redo()
            done.append(model)
            model = undone.pop()
        elif kind == "edit":
            after = make_edit(rng, model, editor)
            if after is not model:
                done, undone, model = [*done, model], [], after
        assert [frame.instances.track_ids.tolist() for frame in read_poses(path)] == model.frames
        runs = {each: [i for a, b in spans for i in range(a, b)] for each, spans in editor.tracks.runs.items()}
        assert runs == {each: model.where(each) for each in model.list_ids()}
