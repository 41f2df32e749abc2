"""Converted networks on disk."""

import copy
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import torch
from torch import nn

from models.cache_folder import find_cache_folder
from models.engines import cache, openvino_engine
from models.engines.cache import compute_key, read_cached, write_cached
from models.engines.openvino_compiled import Converted
from models.engines.openvino_core import without_telemetry
from models.engines.openvino_engine import OpenVinoEngine

EXAMPLE = torch.zeros(1, 3, 8, 12)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path))
    return tmp_path / "engines"


@pytest.fixture
def conversions(monkeypatch) -> list[str]:
    """The name of each network that was converted."""
    names: list[str] = []
    convert = openvino_engine.convert

    def count(module, name, example):
        names.append(name)
        return convert(module, name, example)

    monkeypatch.setattr(openvino_engine, "convert", count)
    return names


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()


def make(network: nn.Module) -> OpenVinoEngine:
    return OpenVinoEngine(network, name="net", example=EXAMPLE, precision="f32")


def run(engine: OpenVinoEngine) -> torch.Tensor:
    return engine(torch.ones(2, 3, 8, 12))["output"]


def test_a_network_is_converted_once(folder, conversions):
    first = run(make(make_network()))
    assert torch.equal(run(make(make_network())), first)
    assert conversions == ["net"]
    assert len(list(folder.glob("*.openvino"))) == 1
    other = make_network()
    with torch.no_grad():
        other[0].bias += 1
    torch.testing.assert_close(run(make(other)), torch.relu(run(make(other))))
    assert conversions == ["net", "net"]
    assert len(list(folder.glob("*.openvino"))) == 2


def do_damage(damage: str, path: Path) -> None:
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-3] ^= 1
    path.write_bytes({"cut": content[: len(content) // 2], "flip": content, "empty": b""}[damage])


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_file_is_made_anew(damage, folder, conversions):
    first = run(make(make_network()))
    (path,) = folder.glob("*.openvino")
    do_damage(damage, path)
    assert torch.equal(run(make(make_network())), first)
    assert len(conversions) == 2
    make(make_network())
    assert len(conversions) == 2


@pytest.fixture
def compilations(monkeypatch) -> list[tuple[int, int, int]]:
    """The shape of each network that was compiled to be run."""
    shapes: list[tuple[int, int, int]] = []
    compile_network = Converted.compile

    def count(network, target):
        shapes.append(target.shape)
        return compile_network(network, target)

    monkeypatch.setattr(Converted, "compile", count)
    return shapes


def test_what_a_network_is_compiled_to_is_read(folder, compilations):
    first = run(make(make_network()))
    assert compilations == [(1, 8, 12), (1, 12, 8), (1, 8, 12)], "two to check the conversion"
    engine = make(make_network())
    assert torch.equal(run(engine), first)
    assert torch.equal(engine(torch.ones(3, 3, 8, 12))["output"][:2], first)
    assert len(compilations) == 3
    run(OpenVinoEngine(make_network(), name="net", example=EXAMPLE, precision="f32", threads=3))
    assert len(compilations) == 4, "what is compiled for other threads is another"


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_compiled_network_is_compiled_anew(damage, folder, compilations, conversions):
    first = run(make(make_network()))
    (path,) = folder.glob("*.compiled")
    if damage == "other":
        write_cached(path.name, b"of another version")
    else:
        do_damage(damage, path)
    before = len(compilations)
    assert torch.equal(run(make(make_network())), first)
    assert len(compilations) == before + 1
    assert torch.equal(run(make(make_network())), first)
    assert len(compilations) == before + 1
    assert conversions == ["net"]


def test_a_folder_of_many_sizes_does_not_fill_the_cache(folder, compilations):
    engine = make(make_network())
    outputs = [engine(torch.ones(1, 3, 8, width))["output"] for width in range(10, 16)]
    assert len(list(folder.glob("*.compiled"))) == 2
    assert [output.shape[3] for output in outputs] == [8, 9, 10, 11, 12, 13]


def test_a_disk_that_cannot_be_written_only_costs_the_caching(tmp_path, monkeypatch, conversions):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    monkeypatch.setenv("POSETRACK_CACHE", str(in_the_way))
    assert run(make(make_network())).shape == (2, 4, 6, 10)
    assert conversions == ["net"]
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path))

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.Path, "replace", fail)
    assert run(make(make_network())).shape == (2, 4, 6, 10)
    assert list((tmp_path / "engines").iterdir()) == [], "no half file is left"


def test_what_the_key_depends_on():
    network = make_network()
    key = compute_key(network, EXAMPLE, "a 1")
    assert key == compute_key(copy.deepcopy(network), EXAMPLE.clone(), "a 1")
    assert key != compute_key(network, EXAMPLE, "a 2")
    assert key != compute_key(network, EXAMPLE.to(torch.uint8), "a 1")
    assert key != compute_key(network, torch.zeros(1, 3, 8, 16), "a 1")
    network[1] = nn.ReLU6()
    assert key != compute_key(network, EXAMPLE, "a 1")
    network[1] = nn.ReLU()
    network[0].marker = 3
    assert key != compute_key(network, EXAMPLE, "a 1")
    del network[0].marker
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] += 1e-6
    assert key != compute_key(network, EXAMPLE, "a 1")


def test_the_key_depends_on_the_code_and_on_what_it_imports(tmp_path, monkeypatch):
    package = tmp_path / "keyed_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    (package / "net.py").write_text(
        "from torch import nn\nfrom keyed_package.helper import twice\n\n\nclass Net(nn.Module):\n"
        "    def forward(self, x):\n        return twice(x)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from keyed_package.net import Net

    keys = [compute_key(Net(), EXAMPLE, "a")]
    for name in ("helper", "net"):
        with (package / f"{name}.py").open("a") as file:
            file.write("# changed\n")
        keys.append(compute_key(Net(), EXAMPLE, "a"))
    assert len(set(keys)) == 3


def test_where_the_folder_is(monkeypatch, tmp_path):
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "own"))
    assert find_cache_folder() == tmp_path / "own" / "engines"
    monkeypatch.delenv("POSETRACK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert find_cache_folder() == tmp_path / "xdg" / "posetrack" / "engines"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_cache_folder() == tmp_path / ".cache" / "posetrack" / "engines"


def test_files_that_nobody_used_for_long_are_removed(folder):
    assert read_cached("a.x") is None
    assert write_cached("a.x", b"old")
    long_ago = time.time() - 61 * 24 * 3600
    os.utime(folder / "a.x", (long_ago, long_ago))
    assert write_cached("b.x", b"new")
    assert [path.name for path in folder.iterdir()] == ["b.x"]
    assert read_cached("b.x") == b"new"


def test_what_was_not_used_of_late_makes_room(folder, monkeypatch):
    monkeypatch.setattr(cache, "_KEPT_BYTES", 250)
    for age, name in enumerate(("c.x", "b.x", "a.x")):
        assert write_cached(name, bytes(60))
        used_at = time.time() - 100 * (age + 1)
        os.utime(folder / name, (used_at, used_at))
    assert read_cached("a.x") is not None
    assert write_cached("d.x", bytes(60))
    assert sorted(path.name for path in folder.iterdir()) == ["a.x", "d.x"]
    assert write_cached("e.x", bytes(300))
    assert [path.name for path in folder.iterdir()] == ["e.x"]


def test_openvino_sends_no_telemetry(tmp_path):
    """Imported plainly, openvino reports the import and leaves a client id in the home folder."""
    code = (
        "import sys; from models.engines.openvino_core import list_cpu_precisions as f; print(f());"
        "print('openvino_telemetry' in sys.modules)"
    )
    environment = os.environ | {"HOME": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    assert "f32" in done.stdout
    assert done.stdout.endswith("False\n")
    assert not (tmp_path / "intel").exists()


def test_two_threads_may_import_openvino_at_once():
    is_second_in, is_first_out = Event(), Event()
    before = sys.modules.get("openvino_telemetry")

    def enter_second() -> None:
        with without_telemetry():
            is_second_in.set()
            is_first_out.wait(10)

    with ThreadPoolExecutor(1) as threads:
        with without_telemetry():
            second = threads.submit(enter_second)
            is_second_in.wait(0.2)
        is_first_out.set()
        second.result(10)
    assert sys.modules.get("openvino_telemetry") is before
