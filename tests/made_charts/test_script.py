import sys
from zipfile import ZipFile

import pytest


@pytest.mark.parametrize("content", [None, b"", b"no archive", "empty"])
def test_what_is_no_body_is_named_in_one_line(script, tmp_path, monkeypatch, capsys, content):
    if content == "empty":
        ZipFile(tmp_path / "body.npz", "w").close()
    elif content is not None:
        (tmp_path / "body.npz").write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["make_made_mesh", str(tmp_path), "--out", str(tmp_path / "new.npz")])
    with pytest.raises(SystemExit) as done:
        script.main()
    assert done.value.code == 2
    assert f"{tmp_path}: not MakeHuman's body" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "new.npz").exists()
