"""Zip files that other programs read, also beyond 4 GB and 65,535 members."""

import zipfile

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.results import zip_members
from posetrack.results.zip_members import Member, MemberWalk, MemberWriter, read_directory, read_member


def write(path, count=3):
    writer = MemberWriter(path)
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        writer.append([each for i in numbers for each in ((f"{i:05d}", b"x" * (i % 9)), (f"{i:05d}b", b""))])
    writer.close()
    writer.close()


def test_other_programs_read_it(tmp_path):
    path = tmp_path / "a.zip"
    write(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["00000", "00000b", "00001", "00001b", "00002", "00002b"]
        assert archive.read("00002") == b"xx"
    assert list(MemberWalk(path)) == read_directory(path)


def test_members_are_found_without_the_directory(tmp_path):
    path = tmp_path / "a.zip"
    write(path)
    listed = read_directory(path)
    content = path.read_bytes()
    path.write_bytes(content[: listed[-1].end])
    assert read_directory(path) is None
    walk = MemberWalk(path)
    assert list(walk) == listed
    assert (walk.end, walk.rest_bytes) == (listed[-1].end, 0)
    with path.open("rb") as file:
        assert read_member(file, listed[4]) == b"xx"
    path.write_bytes(content[: listed[4].end - 1])
    assert list(walk) == listed[:4]
    assert walk.rest_bytes == listed[4].end - 1 - listed[3].end


def test_more_members_than_16_bits_count(tmp_path):
    path = tmp_path / "a.zip"
    write(path, 2**15)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 2**16
        assert archive.read("32767") == b"x" * (32767 % 9)
    assert len(read_directory(path)) == 2**16


def test_beyond_4_gb(tmp_path):
    """The members before are holes in a sparse file; their place alone is what matters."""
    path = tmp_path / "a.npz"
    first = Member("first", 0, 0, 0, 5 * 2**29)
    second = Member("second", first.end, 0, 0, 5 * 2**29)
    path.write_bytes(b"PK\3\4")
    writer = MemberWriter(path, [first, second])
    np.save(tmp_path / "far.npy", np.array([1, 2, 3]))
    writer.append([("far.npy", (tmp_path / "far.npy").read_bytes())])
    writer.close()
    assert path.stat().st_size > 5 * 2**30
    with np.load(path) as file:
        assert file["far"].tolist() == [1, 2, 3]
    far = read_directory(path)[2]
    assert far.offset == second.end > 2**32
    with path.open("rb") as file:
        assert read_member(file, far) == (tmp_path / "far.npy").read_bytes()


def test_a_member_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_members, "_LARGEST_32", 100)
    writer = MemberWriter(tmp_path / "a.zip")
    with pytest.raises(ResultsError, match="larger than 4 GB"):
        writer.append([("a", bytes(100))])
    writer.abandon()


def test_packed_members_are_read_no_further_than_they_say(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10**6))
    (member,) = read_directory(path)
    with path.open("rb") as file:
        assert read_member(file, member) == bytes(10**6)
        assert read_member(file, member._replace(size=100)) is None
        assert read_member(file, member._replace(method=12)) is None
        assert read_member(file, member._replace(offset=3)) is None
