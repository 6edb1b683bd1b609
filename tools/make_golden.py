#!/usr/bin/env python3
"""Writes tests/golden/FAMILY.json for every module in tools/golden/: what PyTorch and torchvision compute. Operators
are held against it by tests/spec/golden_spec.lua, layers, optimizers and schedules (nn) by tests/spec/nn_spec.lua.
Inputs and weights are a formula that both sides share; only results are stored.

usage: tools/make_golden.py [FAMILY ...]     (default: all; Debian: python3-torch, python3-torchvision, of two_views
       python3-opencv)
"""
import importlib
import json
import pathlib
import sys

import torch
import torchvision

ROOT = pathlib.Path(__file__).resolve().parent.parent


def families():
    modules = (ROOT / "tools" / "golden").glob("*.py")
    return sorted(path.stem for path in modules if path.stem not in ("__init__", "common"))


def make(family):
    """A module has cases(), a list of operator cases, or golden(), whatever its own spec reads."""
    module = importlib.import_module(f"golden.{family}")
    content = module.golden() if hasattr(module, "golden") else {"cases": module.cases()}
    made_with = f"PyTorch {torch.__version__}, torchvision {torchvision.__version__}, in double precision"
    return {"made_with": made_with, **content}


def main():
    for family in sys.argv[1:] or families():
        text = json.dumps(make(family), separators=(",", ":"), allow_nan=False)
        text = text.replace('{"name"', '\n{"name"').replace('{"layer"', '\n{"layer"') + "\n"
        (ROOT / "tests" / "golden" / f"{family}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
