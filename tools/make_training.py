#!/usr/bin/env python3
"""First training steps of models in PyTorch: losses, and the norm of every parameter's gradient in the first step, for
tests/spec/training_spec.lua. Weights and inputs are those of tools/bench. CMANet's are ten of preset `paper` with
torchvision's Swin-T, EpipolarPose's twenty of preset `tiny`, those of lifting networks twenty of preset `paper`, those
of VoxelPose and SelfPose3d twenty in a small studio.
usage: tools/make_training.py build/engine/cli/mvgraph MODEL > tests/golden/training/MODEL.json
"""
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "bench"))
import workers  # noqa: E402
from opponent import Opponent  # noqa: E402

CASES = {  # cases of tools/bench, batch, steps
    "cmanet": (("cmanet_one", 1, 10), ("cmanet_two", 1, 10)),
    "epipolarpose": (("epipolarpose", 8, 20),),
    "voxelpose": (("voxelpose", 2, 20), ("selfpose3d", 2, 20)),
    "lifting": (("lifting", 32, 20), ("cvsf_first", 32, 20), ("cvsf_second", 32, 20)),
}
DIGITS = 8  # significant ones, of an f32


def round_number(x):
    return float(f"{x:.{DIGITS}g}")


def train(binary, case, batch, steps, folder):
    file = str(folder / "start.safetensors")
    with workers.start_mvgraph(binary, folder / "cache") as worker:
        worker.ask(do="open", case=case, batch=batch, file=file)
    side = Opponent()
    side.open(case, file)
    losses, gradients = [round_number(side.step().item())], {}
    for name, parameter in side.network.named_parameters():
        if parameter.grad is not None:
            gradients[name] = round_number(parameter.grad.norm().item())
    losses += [round_number(side.step().item()) for _ in range(steps - 1)]
    return {"case": case, "batch": batch, "losses": losses, "gradients": gradients}


def main():
    found = []
    for case in CASES[sys.argv[2]]:
        with tempfile.TemporaryDirectory() as folder:
            found.append(train(sys.argv[1], *case, Path(folder)))
    json.dump({"cases": found}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
