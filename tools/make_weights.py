#!/usr/bin/env python3
"""Files of weights as PyTorch, NumPy and Python write them, for the readers of scripts/mvgraph/weights: small, and with
every form that real files have (types, strides, byte orders, protocols, a body as chumpy and SciPy pickle it).

usage: tools/make_weights.py [tests/golden/weights]
"""
import collections
import os
import pickle
import sys
import types

import numpy as np
import torch


def state_dict():
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 8 - 0.5
    return collections.OrderedDict([
        ("plain", base), ("transposed", base.t()), ("slice", torch.arange(10.0)[3:7]), ("scalar", torch.tensor(2.5)),
        ("empty", torch.zeros(0, 3)), ("half", base.half()), ("bfloat", base.bfloat16()), ("double", base.double()),
        ("long", torch.tensor([-1, 2**31 - 1])), ("bool", torch.tensor([True, False])), ("byte", base.byte()),
        ("short", torch.tensor([-300, 300], dtype=torch.int16)),
    ])


def fake_class(module, name):
    """A class that pickles as `module.name` without the package it stands for."""
    made = type(name, (), {})
    made.__module__ = module
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    setattr(sys.modules[module], name, made)
    return made


def body():
    """The keys of an SMPL file, three vertices and two joints small."""
    ch, csc = fake_class("chumpy.ch", "Ch")(), fake_class("scipy.sparse.csc", "csc_matrix")()
    ch.__dict__.update({"x": np.arange(18, dtype=np.float64).reshape(3, 3, 2), "_dirty_vars": set(), "_itr": None})
    select = fake_class("chumpy.reordering", "Select")()
    select.__dict__.update({
        "a": ch, "idxs": np.arange(18).reshape(3, 3, 2)[:, :, 1:].ravel(), "preferred_shape": (3, 3, 1)})
    csc.__dict__.update({
        "_shape": (2, 3), "maxprint": 50, "data": np.array([0.25, 0.75, 1.0]),
        "indices": np.array([0, 1, 1], dtype=np.int32), "indptr": np.array([0, 1, 2, 3], dtype=np.int32)})
    return {
        "v_template": np.arange(9, dtype=np.float64).reshape(3, 3), "shapedirs": ch, "posedirs": select,
        "J_regressor": csc,
        "kintree_table": np.array([[2**32 - 1, 0], [0, 1]], dtype=np.uint32), "f": np.array([[0, 1, 2]], dtype=">u4"),
        "bs_style": "lbs", "weights": np.asfortranarray(np.arange(6.0).reshape(3, 2)),
    }


class Command:
    """What a hostile pickle is made of."""

    def __reduce__(self):
        return (os.system, ("echo a pickle was executed",))


def main(folder):
    os.makedirs(folder, exist_ok=True)

    def place(name):
        return os.path.join(folder, name)

    torch.save({"state_dict": state_dict(), "epoch": 3}, place("archive.pth"))
    torch.save({"state_dict": state_dict(), "epoch": 3}, place("stream.pth"), _use_new_zipfile_serialization=False)
    torch.manual_seed(0)
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1)), place("module.pth"))
    plain, wide = np.arange(6.0).reshape(2, 3), np.arange(6, dtype=">i4").reshape(2, 3)
    np.save(place("big_endian.npy"), wide)
    np.save(place("fortran.npy"), np.asfortranarray(plain))
    np.savez(place("stored.npz"), plain=plain, wide=wide)
    np.savez_compressed(place("packed.npz"), plain=plain, wide=wide)
    np.save(place("objects.npy"), np.array([{}, 1], dtype=object), allow_pickle=True)
    for protocol in range(6):
        with open(place(f"body_{protocol}.pkl"), "wb") as file:
            pickle.dump(body(), file, protocol=protocol)
    with open(place("hostile.pkl"), "wb") as file:
        pickle.dump({"weights": plain, "run": Command()}, file, protocol=2)
    loop = [plain]
    loop.append(loop)
    with open(place("loop.pkl"), "wb") as file:
        pickle.dump(loop, file, protocol=2)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/weights")
