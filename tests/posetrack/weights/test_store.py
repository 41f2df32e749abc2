"""Published weights become files of ours in the cache, and fill a network from there, or not at all."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import made_family
import pytest
import torch
from made_family import TINY, make_tiny
from safetensors.torch import load_file
from torch import nn

from models.backbones.variants import MOVENET_MULTIPOSE
from models.checkpoints import compute_sha256
from models.hrnet.network import PoseHRNet
from models.movenet.network import MoveNet
from posetrack.errors import WeightsError
from posetrack.families import movenet
from posetrack.families.family import Importable
from posetrack.families.table import FAMILIES, list_embedded, list_importable
from posetrack.skeleton import CROWDPOSE_14, MPII_16, POSETRACK_15
from posetrack.weights import describe, published
from posetrack.weights.fetch import MIRROR_VARIABLE, fetch_weights, list_addresses
from posetrack.weights.metadata import find_metadata
from posetrack.weights.published import PUBLISHED
from posetrack.weights.publishers import PublishedWeights
from posetrack.weights.store import (
    find_weights,
    find_weights_file,
    find_weights_folder,
    load_weights,
    read_card,
)

FILE = "tiny-coco.pth"
SIDES = ("left", "right")


def save_as_mmpose(network, path):
    state = {
        f"{'keypoint_head' if key.startswith('final') else 'backbone'}.{key}": tensor
        for key, tensor in network.state_dict().items()
    }
    torch.save({"meta": {"epoch": 210}, "state_dict": state}, path)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(5)
    return make_tiny(5)


@pytest.fixture
def mirror(tmp_path, network):
    folder = tmp_path / "mirror"
    folder.mkdir()
    save_as_mmpose(network, folder / FILE)
    return folder


@pytest.fixture
def tiny(tmp_path, monkeypatch, mirror):
    """Published weights that only the mirror has, of which eight digits are published."""
    entry = PublishedWeights(
        name="tiny",
        kind="tiny-kind",
        file_name=FILE,
        urls=("http://127.0.0.1:9/tiny-coco.pth",),
        sha256=compute_sha256(mirror / FILE)[:8],
        size_bytes=None,
        licence="Apache-2.0",
        source="https://example.org/tiny",
        stated="AP 0.1",
        num_keypoints=5,
    )
    monkeypatch.setitem(FAMILIES, "made", "made_family")
    monkeypatch.setitem(published.PUBLISHED, "tiny", entry)
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    return entry


def fetch(mirror, **options):
    return fetch_weights("tiny", mirrors=[str(mirror)], **options)


def is_equal(module, other):
    return all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in module.state_dict().items())


def test_the_table_is_sound():
    assert {"hrnet-w32-256x192", "hrnet-w48-384x288"} <= PUBLISHED.keys()
    for name, entry in PUBLISHED.items():
        assert entry.name == name
        assert entry.kind in list_importable()
        assert all(url.endswith(f"/{entry.file_name}") and url.startswith("https://") for url in entry.urls)
        # Publishers that put digits into the name put the first of the digest there.
        if "_coco_" in entry.file_name:
            assert f"-{entry.sha256[:8]}_" in entry.file_name
    digits = [entry.sha256[:8] for entry in PUBLISHED.values() if entry.sha256]
    assert len(set(digits)) == len(digits)


def test_people_of_other_sets_have_their_keypoints():
    skeletons = {"crowdpose": CROWDPOSE_14, "mpii": MPII_16, "posetrack": POSETRACK_15}
    for part, skeleton in skeletons.items():
        entries = [entry for name, entry in PUBLISHED.items() if f"-{part}-" in name]
        assert entries
        for entry in entries:
            assert find_metadata(entry.name).traits["skeleton"] == skeleton.name
            assert entry.kind.rpartition("-")[2] in entry.name
    # PoseTrack18's own order, in the files of annotations: each keypoint is where ours asks for it.
    sides = [
        f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in SIDES
    ]
    names = ["nose", "neck", "head_top", "left_ear", "right_ear", *sides]
    outputs = PUBLISHED["hrnet-w48-posetrack-384x288"].outputs
    assert [names[i] for i in outputs] == list(POSETRACK_15.names)


def test_wanted_outputs_are_taken(mirror, tiny, monkeypatch):
    whole = load_file(fetch(mirror))
    chosen = replace(tiny, outputs=(3, 0), num_keypoints=2)
    monkeypatch.setitem(published.PUBLISHED, "tiny", chosen)
    found = load_file(fetch(mirror, is_forced=True))
    for name, tensor in whole.items():
        assert torch.equal(found[name], tensor[[3, 0]] if name.startswith("final_layer.") else tensor)
    assert len(found["final_layer.bias"]) == 2


def test_the_dense_networks_have_their_files_and_terms():
    """Those whose weights are published; which digest the digits in their names are of is not known."""
    entries = {name: entry for name, entry in PUBLISHED.items() if name.startswith("densepose-")}
    assert len(entries) == 14
    assert {entry.kind for entry in entries.values()} == {
        kind for kind in list_importable() if "densepose" in kind
    }
    assert len({entry.urls for entry in entries.values()}) == 14
    for name, entry in entries.items():
        (url,) = entry.urls
        _, model, number, file_name = url.removeprefix("https://dl.fbaipublicfiles.com/").split("/")
        words = {"densepose", "r50" if "_R_50_" in model else "r101"}
        words |= {word for word in ("dl", "wc1", "wc2", "wc1m", "wc2m") if f"_{word.upper()}_" in model}
        words |= {"improved"} if "_DL_" not in model and not model.endswith("legacy") else set()
        assert set(name.split("-")) == words
        assert number.isdecimal()
        assert file_name == entry.file_name
        assert re.fullmatch(r"model_final_[0-9a-f]{6}\.pkl", file_name)
        assert (entry.sha256, entry.size_bytes, entry.licence) == ("", None, "CC-BY-SA-3.0")
        assert "non-commercial" in entry.terms


@pytest.mark.parametrize("sha256", ["c78dce9", "C78DCE93", "c78dce93" * 9, "a web page"])
def test_what_is_no_digest_is_refused(tiny, sha256):
    with pytest.raises(ValueError, match="is no SHA-256, nor its first digits"):
        replace(tiny, sha256=sha256)


def test_fetched_weights_are_converted_noted_and_loaded(tiny, mirror, network):
    path = fetch(mirror)
    assert path == find_weights("tiny") == find_weights_folder() / "tiny.safetensors"
    card = read_card("tiny")
    assert card.url == (mirror / FILE).as_uri()
    assert card.source_sha256 == compute_sha256(mirror / FILE)
    assert card.sha256 == compute_sha256(path)
    assert (card.kind, card.licence) == ("tiny-kind", "Apache-2.0")
    assert sorted(file.name for file in path.parent.iterdir()) == ["tiny.json", "tiny.lock", "tiny.safetensors"]
    filled = make_tiny(5)
    load_weights(filled, "tiny")
    assert is_equal(filled, network)


def test_what_is_here_is_not_fetched_again_unless_told(tiny, mirror):
    before = fetch(mirror).stat().st_mtime_ns
    (mirror / FILE).unlink()
    assert fetch(mirror).stat().st_mtime_ns == before
    with pytest.raises(WeightsError, match="not fetched"):
        fetch(mirror, is_forced=True)
    assert find_weights("tiny").stat().st_mtime_ns == before


def test_a_file_is_found_by_name_or_by_itself(tiny, mirror):
    assert find_weights_file("movenet-person").name == "movenet-person.safetensors"
    assert find_weights_file("movenet-person").is_file()
    assert find_weights_file("mine/a.safetensors") == Path("mine/a.safetensors")
    with pytest.raises(WeightsError, match="not on this machine; fetch them"):
        find_weights_file("tiny")
    fetch(mirror)
    assert find_weights_file("tiny") == find_weights("tiny")


def test_what_is_missing_says_how_to_get_it(tiny):
    with pytest.raises(
        WeightsError,
        match=r"^tiny: not on this machine; fetch them with `posetrack weights fetch tiny`, or name a file in "
        r"the recipe, or for the network that gives the poses with --weights PATH$",
    ):
        load_weights(make_tiny(5), "tiny")
    with pytest.raises(WeightsError, match="did you mean 'hrnet-w32-256x192'"):
        find_weights("hrnet-w32-256x19")
    with pytest.raises(WeightsError, match="neither a file nor weights"):
        load_weights(make_tiny(5), "nowhere/x.safetensors")


def test_damage_is_found_and_repaired(tiny, mirror):
    path = fetch(mirror)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for use in (find_weights, lambda name: load_weights(make_tiny(5), name), describe.verify_weights):
        with pytest.raises(WeightsError, match="damaged; fetch them again with `posetrack weights fetch tiny"):
            use("tiny")
    fetch(mirror)
    assert describe.verify_weights("tiny") == read_card("tiny").sha256


def test_damage_that_keeps_size_and_time_is_found_when_verified(tiny, mirror):
    path = fetch(mirror)
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(WeightsError, match="damaged"):
        describe.verify_weights("tiny")


def test_a_copied_cache_is_hashed_and_used(tiny, mirror):
    path = fetch(mirror)
    os.utime(path, ns=(0, 0))
    assert find_weights("tiny") == path


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": "tiny"}', "\xff"])
def test_a_card_that_cannot_be_read_means_not_here(tiny, mirror, text):
    fetch(mirror)
    (find_weights_folder() / "tiny.json").write_text(text, encoding="latin-1")
    with pytest.raises(WeightsError, match="not on this machine"):
        find_weights("tiny")
    assert find_weights("tiny") if fetch(mirror) else None


def test_weights_of_an_older_table_are_not_used(tiny, mirror, monkeypatch):
    fetch(mirror)
    monkeypatch.setitem(published.PUBLISHED, "tiny", replace(tiny, sha256="0123456789abcdef"))
    with pytest.raises(WeightsError, match="made from another file than the one published now"):
        find_weights("tiny")


def test_the_first_fetch_notes_the_whole_digest_and_later_ones_keep_to_it(tiny, mirror):
    fetch(mirror)
    card = find_weights_folder() / "tiny.json"
    noted = json.loads(card.read_text())
    # As if the file that came first had been another one with the same first digits.
    noted["source_sha256"] = tiny.sha256 + "0" * 56
    card.write_text(json.dumps(noted))
    with pytest.raises(WeightsError, match=f"wrong file: SHA-256 {noted['source_sha256'][:8]}"):
        fetch(mirror, is_forced=True)


@pytest.fixture
def unknown(tiny, monkeypatch):
    """The same without a published digest."""
    monkeypatch.setitem(published.PUBLISHED, "tiny", replace(tiny, sha256="", terms="not to be sold"))


def test_without_a_published_digest_the_first_fetch_notes_it(unknown, mirror):
    assert describe.describe_weights("tiny")["its sha256"] == "not published; the first fetch notes it"
    assert "not known" in describe.describe_weights(str(mirror / FILE))["published as"]
    path = fetch(mirror)
    digest = compute_sha256(mirror / FILE)
    assert read_card("tiny").source_sha256 == digest
    described = describe.describe_weights(str(path))
    assert (described["source_sha256"], described["terms"]) == (digest, "not to be sold")
    assert describe.describe_weights("tiny")["its sha256"] == digest
    assert describe.describe_weights(str(mirror / FILE))["published as"] == "tiny"
    save_as_mmpose(make_tiny(5), mirror / FILE)
    with pytest.raises(WeightsError, match=f"wrong file: SHA-256 .*, expected {digest[:16]}"):
        fetch(mirror, is_forced=True)
    assert describe.verify_weights("tiny")


def test_without_a_published_digest_what_is_left_is_not_taken_for_the_file(unknown, mirror):
    find_weights_folder().mkdir(parents=True)
    part = find_weights_folder() / "tiny.part.pth"
    part.write_bytes((mirror / FILE).read_bytes()[:1000])
    fetch(mirror)
    assert describe.verify_weights("tiny")
    (mirror / FILE).write_bytes(b"another file")
    (find_weights_folder() / "tiny.json").unlink()
    with pytest.raises(WeightsError, match=r"fetched, but not imported: .* no PyTorch file"):
        fetch(mirror)
    assert not part.exists()


def test_a_wrong_file_leaves_nothing(tiny, mirror):
    save_as_mmpose(make_tiny(5), mirror / FILE)
    with pytest.raises(WeightsError, match=r"wrong file: SHA-256 .* 127\.0\.0\.1:9: Connection refused"):
        fetch(mirror)
    assert [path.name for path in find_weights_folder().iterdir()] == ["tiny.lock"]


def test_the_right_file_of_another_network_is_not_imported(tiny, mirror, monkeypatch):
    wider = Importable("tiny", lambda count: PoseHRNet(replace(TINY, width=8), count))
    monkeypatch.setitem(made_family.FAMILY.importable, "tiny-kind", wider)
    with pytest.raises(WeightsError, match=r"tiny: fetched, but not imported: .* does not fit the network"):
        fetch(mirror)


def test_offline_says_what_to_do_in_one_line(tiny, tmp_path):
    find_weights_folder().mkdir(parents=True)
    (find_weights_folder() / "tiny.part.pth").write_bytes(b"x" * 200_000)
    with pytest.raises(WeightsError) as caught:
        fetch_weights("tiny")
    message = str(caught.value)
    assert message.startswith("tiny: not fetched: 127.0.0.1:9: Connection refused (0.2 MB are kept")
    assert "posetrack weights import FILE --kind tiny-kind --out X.safetensors" in message
    assert "--mirror FOLDER" in message
    assert "\n" not in message
    assert (find_weights_folder() / "tiny.part.pth").stat().st_size == 200_000


def test_mirrors_come_before_the_publisher(tiny, mirror, monkeypatch):
    monkeypatch.setenv(MIRROR_VARIABLE, "https://mirror.example.org/w")
    assert list_addresses(tiny, ["file:///here", *tiny.urls]) == [
        f"file:///here/{FILE}",
        *tiny.urls,
        f"https://mirror.example.org/w/{FILE}",
    ]
    monkeypatch.setenv(MIRROR_VARIABLE, str(mirror))
    assert fetch_weights("tiny").is_file()
    with pytest.raises(WeightsError, match="ftp://x: not a mirror"):
        fetch_weights("tiny", mirrors=["ftp://x"], is_forced=True)


def test_files_are_loaded_whatever_their_names(tiny, mirror, network, tmp_path):
    filled = make_tiny(5)
    load_weights(filled, mirror / FILE)
    assert is_equal(filled, network)
    converted = fetch(mirror).rename(tmp_path / "mine.safetensors")
    filled = make_tiny(5)
    load_weights(filled, str(converted))
    assert is_equal(filled, network)
    for path in (mirror / FILE, converted):
        with pytest.raises(WeightsError, match="does not fit the network"):
            load_weights(make_tiny(6), path)
        with pytest.raises(WeightsError, match="does not fit the network"):
            load_weights(nn.Linear(1, 1), path)


def test_a_path_is_never_taken_for_a_name(tiny, mirror):
    fetch(mirror)
    with pytest.raises(WeightsError, match="neither a file"):
        load_weights(make_tiny(5), Path("tiny"))


def test_embedded_weights_are_loaded_by_name():
    filled = MoveNet(MOVENET_MULTIPOSE)
    before = next(filled.parameters()).clone()
    load_weights(filled, "movenet-multipose")
    assert not torch.equal(before, next(filled.parameters()))
    with pytest.raises(WeightsError, match="does not fit"):
        load_weights(filled, "thunder-heatmaps-256x192")


@pytest.mark.parametrize("name", list_embedded())
def test_embedded_weights_are_whole(name):
    assert describe.verify_weights(name) == list_embedded()[name]


def test_damaged_embedded_weights_are_found(monkeypatch):
    monkeypatch.setitem(movenet.FAMILY.embedded, "movenet-multipose", "0" * 64)
    with pytest.raises(WeightsError, match="embedded weights are damaged; install the package again"):
        describe.verify_weights("movenet-multipose")


_CHILD = """
import signal, sys
sys.path.insert(0, sys.argv[3])
signal.signal(signal.SIGINT, signal.default_int_handler)
from posetrack.families.table import FAMILIES
from posetrack.weights import published, publishers
from posetrack.weights.fetch import fetch_weights
FAMILIES["made"] = "made_family"
published.PUBLISHED["tiny"] = publishers.PublishedWeights(
    "tiny", "tiny-kind", "tiny-coco.pth", (), sys.argv[2], None, "Apache-2.0", "here", "AP 0.1", 5)
print(fetch_weights("tiny", mirrors=[sys.argv[1]]), flush=True)
"""


@pytest.fixture
def slow_url(mirror):
    """Address of the mirror on a server that takes its time."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(mirror))

        def log_message(self, *_):
            pass

        def copyfile(self, source, outputfile):
            while piece := source.read(1 << 16):
                outputfile.write(piece)
                time.sleep(0.3)

    class QuietServer(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """A client that hangs up is part of the test."""

    with QuietServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def start(url, entry):
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(url), entry.sha256, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_processes_one_fetches_and_both_have_it(tiny, mirror, tmp_path):
    others = []

    def meet(here, total):
        if not others:
            others.append(start(tmp_path / "nothing here", tiny))
            assert others[0].stderr.readline() == "tiny: another process fetches them; waiting for it\n"
            # Did it not wait, it would now look for the file, and fail.
            time.sleep(0.5)

    path = fetch(mirror, on_progress=meet)
    out, errors = others[0].communicate(timeout=60)
    assert (out, errors) == (f"{path}\n", "")
    assert describe.verify_weights("tiny")


def test_ctrl_c_leaves_a_part_that_the_next_fetch_goes_on_with(tiny, slow_url, mirror):
    process = start(slow_url, tiny)
    part = find_weights_folder() / "tiny.part.pth"
    deadline_s = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    kept = part.read_bytes()
    assert 0 < len(kept) < (mirror / FILE).stat().st_size
    assert (mirror / FILE).read_bytes().startswith(kept)
    assert not (find_weights_folder() / "tiny.safetensors").exists()
    fetch(mirror)
    assert describe.verify_weights("tiny")
    assert not part.exists()
