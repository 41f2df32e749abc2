"""ONNX Runtime writes nothing to the terminal, whatever it warns of."""

import subprocess
import sys

import pytest

pytest.importorskip("onnxruntime")

# Stands in for the package that warns past Python while it is imported, as it does where it finds no GPU.
_CODE = """
import os, sys, types
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec

class Loud(MetaPathFinder, Loader):
    def find_spec(self, name, path, target=None):
        return ModuleSpec(name, self) if name == "onnxruntime" else None
    def exec_module(self, module):
        os.write(2, b"[W:onnxruntime:Default] GPU device discovery failed")
        module.set_default_logger_severity = lambda level: print("level", level)

sys.meta_path.insert(0, Loud())
from models.engines.onnx_engine import import_extra
import_extra("onnxruntime")
os.write(2, b"heard again")
"""


def test_warnings_of_its_import_do_not_reach_the_terminal():
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert done.stderr == "heard again"
    assert done.stdout == "level 3\n"
