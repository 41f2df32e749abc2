"""Live sessions with fake sources, pipelines and outputs: order, latency, recipes, errors, endings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest

from posetrack.build import Pipeline, build_pipeline
from posetrack.compute import Compute, choose_device
from posetrack.errors import RecipeError, VideoError
from posetrack.frame import UNTRACKED, Frame, Instances
from posetrack.live import session as session_module
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.session import LiveFrame, LiveSession
from posetrack.pipeline import Stage
from posetrack.recipe import read_recipe, without_delay
from posetrack.render import RenderStyle
from posetrack.skeleton import COCO_17, MPII_16, Skeleton
from posetrack.video.live import LiveSource

PATIENCE_S = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


def play(count: int | None, *, every_s: float = 0.002, size_wh: tuple[int, int] = (64, 48)) -> Callable:
    """A source of images; without a count it goes on until it is closed."""

    def connect(stop: Event) -> Iterator[np.ndarray]:
        made = 0
        while made != count and not stop.is_set():
            yield np.full((size_wh[1], size_wh[0], 3), made % 256, np.uint8)
            made += 1
            stop.wait(every_s)

    return connect


def open_source(count: int | None = None, **options) -> LiveSource:
    return LiveSource(play(count, **options), "test", comes_back=False)


def number_people(frames: Iterator[Frame]) -> Iterator[Frame]:
    """A tracker: a frame's people are one who was there before, a new one, and one it does not know."""
    for position, frame in enumerate(frames, 1):
        boxes = np.array([[4, 4, 20, 30], [24, 4, 40, 30], [44, 4, 60, 30]], np.float32)
        ids = np.array([position, position + 1, UNTRACKED])
        yield replace(frame, instances=Instances(boxes_xyxy=boxes, track_ids=ids))


def build(name: str) -> Pipeline:
    if name == "broken":
        raise RecipeError("broken: no such network")
    return Pipeline((Stage("track", number_people),), COCO_17)


class Output:
    """Remembers what it was shown.

    Args:
        work: Done with each image.
    """

    def __init__(self, work: Callable[[LiveFrame], None] = lambda shown: None) -> None:
        self.images: list[LiveFrame] = []
        self.num_closed = 0
        self._work = work

    def show(self, shown: LiveFrame) -> None:
        assert self.num_closed == 0
        self.images.append(shown)
        self._work(shown)

    def close(self) -> None:
        self.num_closed += 1


def make_controls(*recipes: str) -> LiveControls:
    recipes = recipes or ("one",)
    return LiveControls(LiveSettings(recipes[0]), recipes)


def run_in_thread(session: LiveSession) -> tuple[Thread, list[BaseException]]:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            session.run()
        except BaseException as error:  # noqa: BLE001, looked at by the test
            failures.append(error)

    thread = Thread(target=work)
    thread.start()
    return thread, failures


def finish(thread: Thread) -> None:
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_images_go_to_every_output_in_order_until_the_source_ends():
    outputs = [Output(), Output()]
    session = LiveSession(open_source(40), build, make_controls(), outputs)
    session.run()
    for output in outputs:
        indexes = [shown.frame.index for shown in output.images]
        assert indexes == sorted(set(indexes))
        assert indexes[-1] == 39, "the last image is not lost"
        assert output.num_closed == 1
    drawn = outputs[0].images[-1]
    assert drawn.drawn.shape == (48, 64, 3)
    assert (drawn.drawn != drawn.frame.image).any()
    assert drawn.stats.fps > 0
    assert 0 < drawn.stats.latency_p50_ms <= drawn.stats.latency_p95_ms
    assert "3 people" in drawn.describe()
    assert drawn.status.num_captured <= 40


def test_dense_poses_are_drawn_until_they_are_switched_off_and_outputs_know_whether_there_are_any():
    pose = np.full((40, 30, 3), 3, np.uint8)

    def map_people(frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            people = Instances(boxes_xyxy=[[4, 4, 34, 44]], dense=(pose,))
            # Every other image has nobody in it.
            yield replace(frame, instances=people if frame.index % 2 else Instances())

    def build_one(name: str) -> Pipeline:
        if name == "dense":
            return Pipeline((Stage("dense", map_people),), COCO_17, gives_dense=True)
        return build(name)

    def work(shown: LiveFrame) -> None:
        seen.setdefault((shown.settings.recipe, shown.settings.style.iuv, shown.frame.index % 2), shown)
        if len(seen) == 2 and shown.settings.style.iuv:
            controls.toggle("iuv")
        elif len(seen) == 4:
            controls.choose_recipe("one")
        if shown.settings.recipe == "one":
            session.stop()

    seen: dict[tuple[str, bool, int], LiveFrame] = {}
    settings = LiveSettings("dense", RenderStyle(boxes=False, ids=False, trails=False))
    controls = LiveControls(settings, ("dense", "one"))
    session = LiveSession(open_source(), build_one, controls, [Output(work)])
    session.run()
    assert [shown.gives_dense for (recipe, _, _), shown in seen.items() if recipe == "dense"] == [True] * 4
    assert not any(shown.gives_dense for (recipe, _, _), shown in seen.items() if recipe == "one")
    drawn = {
        is_on: (shown.drawn != shown.frame.image).any()
        for (recipe, is_on, is_odd), shown in seen.items()
        if recipe == "dense" and is_odd
    }
    assert drawn == {True: True, False: False}


def test_a_source_that_ended_while_the_pipeline_was_built_shows_its_last_image():
    source = open_source(3)
    wait_until(lambda: source.status.state == "ended")
    output = Output()
    LiveSession(source, build, make_controls(), [output]).run()
    assert [shown.frame.index for shown in output.images] == [2]


def test_what_went_wrong_with_the_source_reaches_the_caller():
    def fail(stop: Event) -> Iterator[np.ndarray]:
        yield np.zeros((48, 64, 3), np.uint8)
        raise VideoError("clip: damaged")

    source = LiveSource(fail, "clip", comes_back=False)
    wait_until(lambda: source.status.state == "ended")
    output = Output()
    with pytest.raises(VideoError, match="damaged"):
        LiveSession(source, build, make_controls(), [output]).run()
    assert (len(output.images), output.num_closed) == (1, 1)


def test_pausing_keeps_the_last_image_and_unpausing_starts_with_a_new_one():
    controls, output = make_controls(), Output()
    source = open_source()
    session = LiveSession(source, build, controls, [output])
    thread, failures = run_in_thread(session)
    wait_until(lambda: len(output.images) > 3)
    controls.toggle("pause")
    count = -1
    while count != len(output.images):
        count = len(output.images)
        time.sleep(0.15)
    captured = source.status.num_captured
    wait_until(lambda: source.status.num_captured > captured + 20)
    assert len(output.images) == count
    controls.toggle("pause")
    wait_until(lambda: len(output.images) > count)
    session.stop()
    finish(thread)
    assert output.images[count].frame.index >= captured
    assert failures == []


@pytest.mark.parametrize("state", ["playing", "paused", "lost", "connecting"])
def test_stopping_from_another_thread_ends_it_in_every_state(state):
    def connect(stop: Event) -> Iterator[np.ndarray]:
        if state == "connecting":
            stop.wait(PATIENCE_S)
            return
        yield from play(5 if state == "lost" else None)(stop)

    source = LiveSource(connect, "cam")
    controls, output = make_controls(), Output()
    if state == "paused":
        controls.toggle("pause")
    session = LiveSession(source, build, controls, [output])
    thread, failures = run_in_thread(session)
    if state == "lost":
        wait_until(lambda: source.status.state == "lost")
    if state in ("playing", "lost"):
        wait_until(lambda: len(output.images) > 0)
    start = time.monotonic()
    session.stop()
    finish(thread)
    assert time.monotonic() - start < 5
    assert (failures, output.num_closed) == ([], 1)


def find_owners(images: list[LiveFrame]) -> dict[int, set[str]]:
    """In which runs of the tracker each id was given: a run begins where the people of position 1 are."""
    owners: dict[int, set[str]] = {}
    for shown in images:
        for track_id in shown.frame.instances.track_ids.tolist():
            owners.setdefault(track_id, set()).add(shown.settings.recipe)
    return owners


def test_a_change_of_recipe_gives_nobody_the_id_of_somebody_else():
    controls, output = make_controls("one", "two"), Output()
    session = LiveSession(open_source(), build, controls, [output])
    thread, failures = run_in_thread(session)
    wait_until(lambda: len(output.images) > 5)
    controls.choose_recipe("two")
    wait_until(lambda: output.images[-1].settings.recipe == "two")
    controls.next_recipe()
    wait_until(lambda: output.images[-1].settings.recipe == "one")
    session.stop()
    finish(thread)
    assert failures == []
    check_ids_rise(output.images)
    owners = find_owners(output.images)
    assert owners.pop(UNTRACKED) == {"one", "two"}
    assert all(len(recipes) == 1 for recipes in owners.values())


def check_ids_rise(images: list[LiveFrame]) -> None:
    """The new person of each frame has an id that nobody had."""
    new = [int(shown.frame.instances.track_ids[1]) for shown in images]
    assert new == sorted(set(new))


def test_a_recipe_that_cannot_be_built_leaves_the_old_one_and_its_ids(caplog):
    controls, output = make_controls("one", "broken"), Output()
    session = LiveSession(open_source(), build, controls, [output])
    thread, failures = run_in_thread(session)
    wait_until(lambda: len(output.images) > 5)
    controls.choose_recipe("broken")
    wait_until(lambda: controls.settings.recipe == "one")
    count = len(output.images)
    wait_until(lambda: len(output.images) > count + 5)
    session.stop()
    finish(thread)
    assert failures == []
    assert [record.getMessage() for record in caplog.records] == [
        "recipe broken: broken: no such network; keeping one"
    ]
    check_ids_rise(output.images)


def test_a_recipe_chosen_and_taken_back_gives_no_id_twice():
    controls, output = make_controls("one", "two"), Output()
    session = LiveSession(open_source(), build, controls, [output])
    thread, failures = run_in_thread(session)
    for count in (5, 10, 15, 20):
        wait_until(lambda count=count: len(output.images) > count)
        controls.choose_recipe("two")
        controls.choose_recipe("one")
    session.stop()
    finish(thread)
    assert failures == []
    check_ids_rise(output.images)


def test_images_are_drawn_with_the_skeleton_that_they_were_made_with():
    def make(skeleton: Skeleton) -> Pipeline:
        def pose(frames: Iterator[Frame]) -> Iterator[Frame]:
            for frame in frames:
                K = skeleton.num_keypoints
                people = Instances(
                    boxes_xyxy=np.array([[4, 4, 40, 40]]),
                    keypoints_xy=np.full((1, K, 2), 20.0),
                    keypoint_scores=np.ones((1, K)),
                    track_ids=np.array([1]),
                )
                yield replace(frame, instances=people)

        return Pipeline((Stage("detect", pose),), skeleton)

    controls = make_controls("coco", "mpii")
    output = Output(lambda shown: time.sleep(0.01))
    pipelines = {"coco": make(COCO_17), "mpii": make(MPII_16)}
    session = LiveSession(open_source(), pipelines.__getitem__, controls, [output])
    thread, failures = run_in_thread(session)
    for turn in range(6):
        wait_until(lambda turn=turn: len(output.images) > 4 * turn)
        controls.next_recipe()
    session.stop()
    finish(thread)
    assert failures == []
    shapes = {p.frame.instances.keypoints_xy.shape[1]: p.settings.recipe for p in output.images}
    assert shapes == {17: "coco", 16: "mpii"}


def test_an_output_that_raises_ends_the_session_and_closes_the_others():
    def fail(shown: LiveFrame) -> None:
        raise BrokenPipeError("nobody reads")

    first, failing, last = Output(), Output(fail), Output()
    session = LiveSession(open_source(), build, make_controls(), [first, failing, last])
    with pytest.raises(BrokenPipeError, match="nobody reads"):
        session.run()
    assert [output.num_closed for output in (first, failing, last)] == [1, 1, 1]
    assert len(first.images) == 1


def test_an_output_that_cannot_be_closed_does_not_keep_the_others_open():
    class Stubborn(Output):
        def close(self) -> None:
            super().close()
            raise VideoError("cannot be closed")

    outputs = [Stubborn(), Output()]
    session = LiveSession(open_source(5), build, make_controls(), outputs)
    with pytest.raises(VideoError, match="cannot be closed"):
        session.run()
    assert [output.num_closed for output in outputs] == [1, 1]


def test_a_processor_that_raises_ends_the_session():
    def fail(frames: Iterator[Frame]) -> Iterator[Frame]:
        yield next(frames)
        raise ZeroDivisionError("a bug")

    output = Output()
    session = LiveSession(
        open_source(), lambda name: Pipeline((Stage("detect", fail),), COCO_17), make_controls(), [output]
    )
    with pytest.raises(ZeroDivisionError, match="a bug"):
        session.run()
    assert output.num_closed == 1
    assert len(output.images) == 1, "what was finished before is shown"


def test_a_slow_output_makes_images_rare_and_not_old():
    source = open_source(every_s=0.005)
    lags: list[int] = []

    def work(shown: LiveFrame) -> None:
        lags.append(source.status.num_captured - 1 - shown.frame.index)
        time.sleep(0.05)

    output = Output(work)
    session = LiveSession(source, build, make_controls(), [output])
    thread, failures = run_in_thread(session)
    wait_until(lambda: len(output.images) > 30)
    session.stop()
    finish(thread)
    assert failures == []
    # One image waits to be drawn and one to be handed over: three turns of the slowest stage, each of ten
    # captured images; a queue that grows would be at 300 by now.
    assert np.median(lags[-10:]) < 100
    assert source.status.num_dropped > source.status.num_captured / 2


def test_an_output_that_is_stuck_does_not_hold_the_end(monkeypatch, caplog):
    monkeypatch.setattr(session_module, "_JOIN_S", 0.1)
    release = Event()
    stuck, other = Output(lambda shown: release.wait(PATIENCE_S) and None), Output()
    session = LiveSession(open_source(), build, make_controls(), [stuck, other])
    thread, failures = run_in_thread(session)
    wait_until(lambda: len(stuck.images) == 1)
    session.stop()
    finish(thread)
    assert (failures, stuck.num_closed, other.num_closed) == ([], 1, 1)
    assert "is blocked by a reader" in caplog.text
    release.set()
    wait_until(lambda: not any(t.name == session_module._THREAD_NAME for t in threading.enumerate()))
    assert other.images == [], "nothing comes after the end"


def test_styles_change_from_image_to_image():
    controls = make_controls()
    for name in ("skeletons", "boxes", "ids"):
        controls.toggle(name)
    output = Output()
    LiveSession(open_source(5), build, controls, [output]).run()
    assert all((shown.drawn == shown.frame.image).all() for shown in output.images)


def test_a_change_of_resolution_is_taken_as_it_comes():
    def connect(stop: Event) -> Iterator[np.ndarray]:
        yield from play(15, every_s=0.01)(stop)
        yield from play(15, every_s=0.01, size_wh=(96, 80))(stop)

    output = Output()
    LiveSession(LiveSource(connect, "cam", comes_back=False), build, make_controls(), [output]).run()
    assert {shown.drawn.shape for shown in output.images} == {(48, 64, 3), (80, 96, 3)}


def test_the_networks_follow_somebody_through_a_change_of_recipe_and_resolution():
    import av

    clip = __file__.replace("\\", "/").rsplit("/tests/", 1)[0] + "/docs/media/street.mp4"
    with av.open(clip) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][92:104]
    go_on = Event()

    def connect(stop: Event) -> Iterator[np.ndarray]:
        for position, image in enumerate(images):
            # A busy machine may need longer than PATIENCE_S for the second recipe.
            while not go_on.wait(0.1) and not stop.is_set():
                pass
            go_on.clear()
            yield image if position < 8 else image[::2, ::2].copy()

    compute = Compute(choose_device("cpu"))
    controls = make_controls("fast", "default")

    def work(shown: LiveFrame) -> None:
        if len(output.images) == 4:
            controls.next_recipe()
        go_on.set()

    output = Output(work)
    session = LiveSession(
        LiveSource(connect, "clip", comes_back=False),
        lambda name: build_pipeline(without_delay(read_recipe(name)), compute),
        controls,
        [output],
    )
    go_on.set()
    session.run()
    assert [shown.frame.index for shown in output.images] == list(range(len(images)))
    ids = {"fast": set(), "default": set()}
    for shown in output.images:
        people = shown.frame.instances
        assert len(people) >= 1
        assert (people.boxes_xyxy[:, :2].max(axis=0) < shown.frame.size_wh).all()
        ids[shown.settings.recipe] |= set(people.track_ids.tolist())
    assert ids["fast"]
    assert ids["default"]
    assert not ids["fast"] & ids["default"]
