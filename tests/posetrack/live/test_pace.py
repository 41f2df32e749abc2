"""Whether a session keeps up, what holds it up, and what it is told."""

from posetrack.live.pace import DRAW, WAIT, Adviser, PaceMeter, SessionPace

RECIPES = ("default", "fast")


class Session:
    """A session whose stages take given fractions of the time."""

    def __init__(self):
        self.meter = PaceMeter()
        self._now_s = self._num_captured = 0.0
        self._busy_s = {}

    def run(self, source_fps, fps, busy, *, seconds=12):
        for _ in range(round(seconds * fps) + 1):
            self._now_s += 1 / fps
            self._num_captured += source_fps / fps
            for name, part in busy.items():
                self._busy_s[name] = self._busy_s.get(name, 0) + part / fps
            pace = self.meter.add(self._now_s, int(self._num_captured), self._busy_s)
        return pace


def measure(source_fps, fps, busy, **options):
    return Session().run(source_fps, fps, busy, **options)


def test_rates_and_the_slowest_stage_are_measured():
    pace = measure(30, 10, {WAIT: 0.9, "detect": 0.3, "estimate": 0.6, DRAW: 0.1})
    assert (round(pace.source_fps), round(pace.fps)) == (30, 10)
    assert (pace.slowest, round(pace.fraction, 2), pace.is_too_slow) == ("estimate", 0.6, True)


def test_nothing_is_said_before_five_seconds_and_of_a_session_that_keeps_up():
    assert measure(30, 10, {"detect": 1}, seconds=4) == SessionPace()
    assert not measure(30, 29, {"detect": 0.9}).is_too_slow
    # A source that is slow itself is no fault of ours.
    assert not measure(0.5, 0.3, {"detect": 0.9}, seconds=30).is_too_slow


def test_between_too_slow_and_fast_enough_it_stays_what_it_was():
    session = Session()
    paces = [session.run(30, fps, {"detect": 0.9}) for fps in (27, 10, 27, 30)]
    assert [pace.is_too_slow for pace in paces] == [False, True, True, False]


def test_the_slowest_stage_does_not_waver():
    session = Session()
    cases = (
        {"detect": 0.5, "estimate": 0.4},
        {"detect": 0.45, "estimate": 0.5},
        {"detect": 0.2, "estimate": 0.7},
    )
    assert [session.run(30, 10, busy).slowest for busy in cases] == ["detect", "detect", "estimate"]


def test_after_a_pause_it_is_measured_anew():
    session = Session()
    session.run(30, 30, {"detect": 0.9})
    session.meter.restart()
    assert session.meter.add(500, 9000, {"detect": 90}) == SessionPace()


def advise(stage, *, recipe="default", **known):
    return Adviser(RECIPES).advise(SessionPace(30, 9.6, stage, 0.7, is_too_slow=True), recipe=recipe, **known)


def test_advice_names_the_rates_the_stage_and_what_would_help():
    text = advise("detect")
    assert text.startswith(
        "too slow for this source: 9.6 of its 30.0 images a second, the others are left out."
    )
    assert "70 % goes into finding people" in text
    assert "--recipe fast" in text
    assert "\n" not in text


def test_advice_fits_the_case():
    assert "--recipe fast" not in advise("detect", recipe="fast")
    assert "--max-people" in advise("estimate", num_people=8)
    assert "--max-people" not in advise("estimate", num_people=1)
    assert "--engine openvino" in advise("detect", is_plain_cpu=True)
    assert "--engine" not in advise("detect")
    assert "without dense poses" in advise("dense")
    assert "a smaller image from the camera" in advise(DRAW)
    assert "--recipe" not in advise(DRAW)


def test_the_words_stay_until_something_else_would_help():
    adviser = Adviser(RECIPES)
    slow = SessionPace(30, 9.6, "detect", 0.7, is_too_slow=True)
    first = adviser.advise(slow, recipe="default")
    assert adviser.advise(SessionPace(30, 11, "detect", 0.6, is_too_slow=True), recipe="default") == first
    assert adviser.advise(SessionPace(30, 11, "estimate", 0.6, is_too_slow=True), recipe="default") != first
    assert adviser.advise(SessionPace(30, 30, "detect", 0.6), recipe="default") == ""
    assert adviser.advise(slow, recipe="default") == first
