"""The server of a review without a browser."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

from posetrack.edits.editor import PosesEditor
from posetrack.errors import PoseTrackError
from posetrack.results.poses import read_poses
from posetrack.video.fingerprint import fingerprint_files
from posetrack.web.server import WebServer

Client = aiohttp.ClientSession


def talk(server: WebServer, use: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        base, jar = f"http://127.0.0.1:{server.port}", aiohttp.DummyCookieJar()
        async with asyncio.timeout(30), aiohttp.ClientSession(base, cookie_jar=jar) as client:
            await use(client)

    asyncio.run(run())


async def get_json(client: Client, path: str) -> Any:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def edit(client: Client, **command: Any) -> tuple[int, str]:
    async with client.post("/edit", json=command) as answer:
        return answer.status, await answer.text()


def test_what_a_page_is_told(make_poses, serve):
    path = make_poses(num_frames=30, every=2)

    async def use(client: Client) -> None:
        session = await get_json(client, "/session.json")
        assert session["length"] == 30
        assert session["size"] == [640, 400]
        assert session["fps"] == 25
        assert session["skeleton"]["names"][9] == "left_wrist"
        assert session["skeleton"]["sides"][9] == "left"
        assert len(session["colors"]) == 64
        assert not session["has_video"]
        assert len(session["notes"]) == 1
        assert "not-there.mp4" in session["notes"][0]

        async with client.get("/rows.bin") as answer:
            packed = await answer.read()
        assert struct.unpack("<30d", packed[:240]) == pytest.approx(np.arange(30) * 0.08)
        assert struct.unpack("<30i", packed[240:]) == tuple(range(0, 60, 2))

        timeline = await get_json(client, "/timeline.json")
        lanes = {lane["id"]: lane for lane in timeline["lanes"]}
        # Positions among the frames that are there: 10, 12 and 14 are the gap.
        assert lanes[3]["runs"] == [0, 5, 8, 30]
        assert lanes[3]["low"] == []
        assert lanes[4]["runs"] == [15, 17]
        assert lanes[4]["seconds"] == 0.16
        assert [row[:2] for row in lanes[1]["suspects"]] == [[10, 2]]
        assert timeline["edits"] == []
        assert timeline["revision"] == 0

        people = await get_json(client, "/people.json?start=4&stop=6")
        assert people["start"] == 4
        assert [len(frame["people"]) for frame in people["frames"]] == [3, 2]
        first = people["frames"][0]["people"][0]
        assert first["id"] == 1
        assert first["box"] == [70, 130, 150, 270]
        assert first["points"][:6] == [86, 152, 0.9, 98, 152, 0.9]
        assert (await get_json(client, "/people.json?start=28&stop=999"))["frames"][2:] == []

    talk(serve(path), use)


def test_every_edit_is_on_the_disk_when_it_is_answered_and_a_refused_one_says_why(make_poses, serve):
    path = make_poses()

    async def use(client: Client) -> None:
        async def take(**command: Any) -> str:
            status, text = await edit(client, **command)
            assert status == 200, text
            return str(json.loads(text)["done"])

        assert await take(edit="swap", a=1, b=2, frame=20) == "swap 1 2 --frame 20"
        lines = (path.parent / "edits.jsonl").read_text().splitlines()
        assert json.loads(lines[-1]) == {"edit": "swap", "a": 1, "b": 2, "frame": 20}
        assert (await take(edit="split", id=3, frame=25)).startswith("split 3 --frame 25")
        await take(edit="merge", keep=3, other=5)
        await take(edit="rename", id=3, new=12)
        await take(edit="interpolate", id=12)
        await take(edit="drop-short", seconds=0.5)
        await take(edit="delete", id=2, first=0, last=9)
        await take(edit="keypoint", id=1, frame=7, keypoint=9, xy=[20.126, 30])
        await take(edit="keypoint", id=1, frame=7, keypoint=0, xy=None)
        frames = list(read_poses(path))
        assert [frame.instances.track_ids.tolist() for frame in frames[9:11]] == [[1, 12], [1, 2, 12]]
        assert frames[31].instances.track_ids.tolist() == [2, 1, 12]
        assert frames[12].instances.is_interpolated.tolist() == [False, False, True]
        assert frames[7].instances.keypoints_xy[0, 9].tolist() == pytest.approx([20.13, 30])
        assert frames[7].instances.keypoint_scores[0, [0, 9]].tolist() == [0, 1]

        assert (await take(edit="undo")).startswith("undone: keypoint 1")
        assert (await take(edit="redo")).startswith("redone: keypoint 1")
        timeline = await get_json(client, "/timeline.json")
        assert timeline["num_edits"] == 9
        assert timeline["revision"] == 11
        # A swap at a suspected switch has dealt with it.
        assert [lane["suspects"] for lane in timeline["lanes"]] == [[], [], []]

        for command, reason in (
            ({"edit": "merge", "keep": 1, "other": 2}, "merge: 1 and 2 are both in frame 10"),
            ({"edit": "split", "id": 99, "frame": 3}, "no id 99; ids there: 1, 2, 12"),
            ({"edit": "split", "id": "1", "frame": 3}, "edit: id: expected"),
            ({"edit": "melt"}, "edit: unknown 'melt'; known: merge, split"),
            ({"edit": "keypoint", "id": 1, "frame": 7, "keypoint": 99, "xy": [1, 1]}, "keypoint: no 99"),
            ({"edit": "keypoint", "id": 1, "frame": 7, "keypoint": 1}, "edit: xy: expected"),
            ({"edit": "redo"}, "nothing to redo"),
        ):
            status, text = await edit(client, **command)
            assert (status, text.count("\n")) == (409, 1)
            assert reason in text
        assert (await get_json(client, "/timeline.json"))["revision"] == 11

    talk(serve(path), use)


def test_edits_of_other_programs_are_seen(make_poses, serve):
    path = make_poses()

    async def use(client: Client) -> None:
        assert (await get_json(client, "/timeline.json"))["revision"] == 0
        PosesEditor(path).rename(3, 8)
        timeline = await get_json(client, "/timeline.json")
        assert timeline["revision"] == 1
        assert timeline["edits"] == ["rename 3 8"]
        people = await get_json(client, "/people.json?start=0&stop=1")
        assert [person["id"] for person in people["frames"][0]["people"]] == [1, 2, 8]

    talk(serve(path), use)


def test_nonsense_is_refused(make_poses, serve):
    path = make_poses()

    async def use(client: Client) -> None:
        for query in ("start=0", "start=-1&stop=2", "start=a&stop=2", "start=0&stop=9999999999999"):
            async with client.get(f"/people.json?{query}") as answer:
                assert answer.status == 400
        for body, kind, status in (
            ("{", "application/json", 400),
            ("[]", "application/json", 400),
            ("{}", "text/plain", 415),
            ('{"edit": "undo", "x": "' + "x" * 100_000 + '"}', "application/json", 413),
        ):
            async with client.post("/edit", data=body, headers={"Content-Type": kind}) as answer:
                assert answer.status == status
        for place in ("/video", "/image.jpg?position=0", "/../session.py"):
            async with client.get(place) as answer:
                assert answer.status == 404
        for headers in ({"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}):
            async with client.post("/edit", json={"edit": "undo"}, headers=headers) as answer:
                assert answer.status == 403
        async with client.post("/export", json={"format": "mot"}) as answer:
            assert answer.status == 400
        async with client.get("/session.json") as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]

    talk(serve(path), use)
    assert not (path.parent / "edits.jsonl").exists()


def test_other_machines_need_the_token(make_poses, serve):
    server = serve(make_poses(), token="word")
    assert server.url.endswith("?token=word")

    async def use(client: Client) -> None:
        async with client.get("/session.json") as answer:
            assert answer.status == 401
        assert (await edit(client, edit="delete", id=1))[0] == 401
        async with client.get("/?token=word") as answer:
            cookies = answer.cookies
        async with client.get(
            "/session.json", cookies={name: each.value for name, each in cookies.items()}
        ) as answer:
            assert answer.status == 200

    talk(server, use)


def test_export_is_what_convert_writes_of_edited_poses(make_poses, serve):
    path = make_poses()

    async def use(client: Client) -> None:
        await edit(client, edit="delete", id=1)
        async with client.post("/export", json={"format": "coco"}) as answer:
            written = Path((await answer.json())["path"])
        assert written.parent == path.parent
        annotations = json.loads(written.read_text())["annotations"]
        assert {each["track_id"] for each in annotations} == {2, 3, 4}
        assert "score" not in annotations[0]

    talk(serve(path), use)


def test_images_of_the_video_in_any_order_and_its_bytes(make_poses, make_clip, serve):
    clip = make_clip("clip.mp4", NUM := 40)
    path = make_poses(str(clip))

    async def use(client: Client) -> None:
        assert (await get_json(client, "/session.json"))["is_playable"]
        for position in (30, 3, 4, 2, 39, 20, 0):
            async with client.get(f"/image.jpg?position={position}") as answer:
                assert answer.status == 200
                assert answer.content_type == "image/jpeg"
                image = cv2.imdecode(np.frombuffer(await answer.read(), np.uint8), cv2.IMREAD_COLOR)
            assert image.shape == (400, 640, 3)
            assert round((float(image[200, 320].mean()) - 20) / 5) == position
        async with client.get(f"/image.jpg?position={NUM}") as answer:
            assert answer.status == 404
        async with client.get("/video", headers={"Range": "bytes=100-199"}) as answer:
            assert answer.status == 206
            assert await answer.read() == clip.read_bytes()[100:200]

    talk(serve(path), use)


def test_a_video_of_another_size_or_length_is_said_in_one_line(make_poses, make_clip, serve, caplog):
    path = make_poses()
    small, other = make_clip("small.mp4", 10, (320, 200)), make_clip("other.mp4", 40, (300, 400))
    with pytest.raises(PoseTrackError, match=r"other.mp4: 300 x 400, but the poses are from 640 x 400"):
        serve(path, str(other))
    with pytest.raises(PoseTrackError, match=r"nowhere.mp4"):
        serve(path, "nowhere.mp4")

    async def use(client: Client) -> None:
        notes = (await get_json(client, "/session.json"))["notes"]
        assert len(notes) == 2
        assert "320 x 200, but the poses are from 640 x 400; they are scaled" in notes[0]
        assert "ends at 0.4 s, but the poses at 1.6 s" in notes[1]
        async with client.get("/image.jpg?position=9") as answer:
            assert answer.status == 200
        async with client.get("/image.jpg?position=20") as answer:
            assert answer.status == 404
            assert (await answer.text()).count("\n") == 1

    talk(serve(path, str(small)), use)
    assert len(caplog.messages) == 2


@pytest.mark.parametrize(("num_frames", "is_same"), [(40, True), (40, False), (70, True)])
def test_a_longer_or_another_video_is_said(make_poses, make_clip, serve, num_frames, is_same):
    clip = make_clip("clip.mp4", num_frames)
    path = make_poses(str(clip), fingerprint=fingerprint_files([clip]) if is_same else "0123456789abcdef")

    async def use(client: Client) -> None:
        notes = (await get_json(client, "/session.json"))["notes"]
        expected = []
        if not is_same:
            expected = [f"{clip}: not the file that the poses were made from; its frames may not be theirs"]
        if num_frames > 40:
            expected = [f"{clip}: ends at 2.8 s, but the poses at 1.6 s already"]
        assert notes == expected

    talk(serve(path), use)


def test_poses_without_frames_are_refused(make_poses, serve):
    with pytest.raises(PoseTrackError, match=r"poses.jsonl: has no frames to review"):
        serve(make_poses(num_frames=0))
