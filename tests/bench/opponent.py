"""PyTorch's side of tools/bench: one case at one batch size, trained on command; see worker.lua for the protocol."""
import importlib
import json
import os
import re
import sys
import time

import torch

import tensor_file

IGNORED = ("num_batches_tracked", "relative_position_index")  # buffers that one side alone keeps in files


class Opponent:
    def open(self, case, file, device="cpu", autocast=False, compile=None, tf32=False):
        """Loads weights and inputs; convolutional networks run channels last."""
        self.device, self.autocast = torch.device(device), autocast
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
        tensors = tensor_file.load(file)
        states = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("state.")}
        module = importlib.import_module("networks." + case)
        self.network = module.Network(states)
        load_states(self.network, states)
        self.inputs = {name[6:]: tensor.to(self.device) for name, tensor in tensors.items()
                       if name.startswith("input.")}
        self.network.to(self.device)
        if hasattr(module, "MEMORY_FORMAT"):
            self.arrange(module.MEMORY_FORMAT)
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = module.make_optimizer(parameters, **({"fused": True} if device == "cuda" else {}))
        self.loss = torch.compile(self.network, mode=compile) if compile else self.network
        return {}

    def arrange(self, memory_format):
        rank = 5 if memory_format == torch.channels_last_3d else 4
        self.network.to(memory_format=memory_format)
        for name, tensor in self.inputs.items():
            if tensor.dim() == rank:
                self.inputs[name] = tensor.to(memory_format=memory_format)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            loss = self.loss(self.inputs)
        loss.backward()
        self.optimizer.step()
        return loss.detach().clone()  # CUDA graphs write the next one into the same place

    def run(self, steps):
        begun = time.perf_counter()
        losses = [self.step() for _ in range(steps)]
        losses = [loss.item() for loss in losses]
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return {"losses": losses, "seconds": time.perf_counter() - begun}

    def memory(self):
        """Peak of what the device held, where it is no CPU."""
        return {"device_megabytes": torch.cuda.max_memory_allocated() / 2 ** 20} if self.device.type == "cuda" else {}

    def describe(self):
        """Which PyTorch this is, and what one linear layer reaches of the processor's rate."""
        maps = open("/proc/self/maps").read()
        found = sorted({os.path.realpath(path) for path in re.findall(r"\s(/\S*(?:libblas|mkl_rt)\S*)", maps)})
        return {
            "version": torch.__version__, "blas": found, "threads": torch.get_num_threads(),
            "gigaflops": measure_linear(), "has_compile": hasattr(torch, "compile"),
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "onednn": torch.backends.mkldnn.is_available(),
        }


def load_states(network, states):
    missing, unknown = network.load_state_dict({name: tensor for name, tensor in states.items()
                                                if not name.startswith("smpl.")}, strict=False)
    parameters = {name for name, _ in network.named_parameters()}
    wrong = [name for name in missing if name in parameters]
    wrong += [name for name in unknown if not name.endswith(IGNORED)]
    if wrong:
        raise SystemExit("weights differ: " + ", ".join(wrong[:5]))


def measure_linear():
    """The best of a few products of 1024, in 10^9 operations a second."""
    layer, x = torch.nn.Linear(1024, 1024), torch.randn(1024, 1024)
    best = float("inf")
    with torch.no_grad():
        for _ in range(8):
            begun = time.perf_counter()
            layer(x)
            best = min(best, time.perf_counter() - begun)
    return 2 * 1024 ** 3 / best * 1e-9


def main():
    opponent = Opponent()
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(opponent, command.pop("do"))(**command)
        print("bench " + json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
