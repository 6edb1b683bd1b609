"""Whole networks of torchvision: ResNet-18 and ResNet-50 in training and frozen mode, Swin-T at two sizes, outputs of
Swin-S and Swin-B. Read by tests/spec/networks_spec.lua. Weights and inputs are a formula; of the results a norm and a
few elements are stored, see digest().

    {"name": function of nn, "options": its options, "states": [[name, start, amplitude, offset, shape]],
     "runs": [{"size", "training", "shifts": {norm: one hexadecimal digit a channel}, "scores": digest, "map": digest of the last map, "buffers": {name: digest} after
               training, "gradients": {"input" or a parameter's name: digest}, in some}]}

A rectifier whose input lies within rounding of 0 makes f32 and f64 gradients differ by far more than rounding. So the
bias of every norm before one is moved, a channel at a time, by that multiple of SHIFT up to 15 that keeps the inputs
farthest from 0; "shifts" holds the multiples.

Gradients are those of sum(scores * wave(phase 9)) + sum(map * wave(phase 10)) / sqrt(elements of the map).
"""
import math

import torch
from torch import nn
from torchvision import models

from golden.common import wave

PERIOD = 65521
SHIFT = 0.01
NORMS = (nn.BatchNorm2d, nn.LayerNorm)


def noise():
    """Numbers in [-1, 1): a linear congruential generator, the same in any language."""
    values, x = [], 1
    for _ in range(PERIOD):
        x = (1664525 * x + 1013904223) % 2 ** 32
        values.append(x / 2 ** 31 - 1)
    return torch.tensor(values)


NOISE = noise()


def fill(shape, start, amplitude, offset):
    """offset + amplitude noise[(start + i) % PERIOD], i the flat index."""
    index = (start + torch.arange(math.prod(shape))) % PERIOD
    return (offset + amplitude * NOISE[index]).reshape(shape)


def amplitude_of(own, state, is_norm):
    """(amplitude, offset) that keep the maps of a deep network in range."""
    if own == "running_var":
        return 0.3, 1.0
    if is_norm:
        return (0.2, 1.0) if own == "weight" else (0.1, 0.0)
    if state.dim() < 2 or own == "relative_position_bias_table":
        return 0.2, 0.0
    gain = 2 if state.dim() == 4 else 1
    return math.sqrt(3 * gain / state[0].numel()), 0.0


def fill_states(module):
    filled, norms = [], [name for name, child in module.named_modules() if isinstance(child, NORMS)]
    for i, (name, state) in enumerate(sorted(module.state_dict(keep_vars=True).items())):
        if name.endswith("num_batches_tracked") or name.endswith("relative_position_index"):
            continue
        owner, _, own = name.rpartition(".")
        amplitude, offset = amplitude_of(own, state, owner in norms)
        recipe = [i * 977 % PERIOD, float(f"{amplitude:.6g}"), offset]
        state.data = fill(state.shape, *recipe)
        filled.append([name] + recipe + [list(state.shape)])
    return filled


def digest(tensor, count=8, digits=6):
    """Norm, then `count` elements of the flat tensor: 0, step, 2 step, ...; step = max(1, size // count)."""
    flat = tensor.detach().flatten()
    step = max(1, flat.numel() // count)
    return [float(f"{v:.{digits}g}") for v in [flat.norm().item()] + flat[::step][:count].tolist()]


def settle(norm, x, residual=0.0):
    """Moves the bias of `norm` so that norm(x) + residual keeps away from 0; returns that sum and the digits."""
    y = norm(x) + residual
    values = y.transpose(0, 1).flatten(1)
    margins = torch.stack([(values + SHIFT * k).abs().amin(1) for k in range(16)])
    chosen = margins.argmax(0)
    moved = SHIFT * chosen.to(y.dtype)
    norm.bias.data += moved
    return y + moved[:, None, None], "".join(f"{k:x}" for k in chosen.tolist())


def settle_resnet(module, images):
    """Settles every norm before a rectifier in the order of the forward pass."""
    shifts = {}
    x, shifts["bn1"] = settle(module.bn1, module.conv1(images))
    x = module.maxpool(x.relu())
    for name, block in module.named_modules():
        if not isinstance(block, (models.resnet.BasicBlock, models.resnet.Bottleneck)):
            continue
        last = 3 if isinstance(block, models.resnet.Bottleneck) else 2
        residual, y = block.downsample(x) if block.downsample else x, x
        for i in range(1, last + 1):
            y = getattr(block, f"conv{i}")(y)
            y, shifts[f"{name}.bn{i}"] = settle(getattr(block, f"bn{i}"), y, residual if i == last else 0.0)
            y = y.relu()
        x = y
    return shifts


def run(module, layer, size, training, has_gradients=True):
    """`layer`: the child whose output is the last map."""
    fill_states(module)
    module.train(training)
    module.zero_grad()
    images = fill([2, 3, size, size], 0, 1.7, 0.0)
    shifts = {}
    if isinstance(module, models.ResNet):
        with torch.no_grad():
            kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
            shifts = settle_resnet(module, images)
            for name, buffer in module.named_buffers():
                buffer.copy_(kept[name])
    images.requires_grad_(has_gradients)
    maps = []
    hook = module.get_submodule(layer).register_forward_hook(lambda _module, _inputs, y: maps.append(y))
    scores = module(images)
    last = maps[0]
    hook.remove()
    made = {"size": size, "training": training, "shifts": shifts, "scores": digest(scores, 250, 8), "map": digest(last, 100, 8)}
    if not has_gradients:
        return made
    ((scores * wave(scores.shape, 9.0)).sum() + (last * wave(last.shape, 10.0)).sum() / last.numel() ** 0.5).backward()
    if training:
        buffers = module.named_buffers()
        made["buffers"] = {name: digest(b, 4) for name, b in buffers if name.endswith(("_mean", "_var"))}
    gradients = {"input": digest(images.grad)}
    gradients.update({name: digest(p.grad) for name, p in module.named_parameters()})
    return {**made, "gradients": gradients}


def network(name, options, module, layer, *runs):
    states = fill_states(module)
    return {"name": name, "options": options, "states": states,
            "runs": [run(module, layer, *each) for each in runs]}


def golden():
    swin = models.SwinTransformer([4, 4], 96, [2, 2, 6, 2], [3, 6, 12, 24], [7, 7], stochastic_depth_prob=0.0)
    modes = ((224, False), (224, True))
    return {"networks": [
        network("resnet18", {}, models.resnet18(), "layer4", *modes),
        network("resnet50", {}, models.resnet50(), "layer4", *modes),
        network("swin_t", {"stochastic_depth_prob": 0}, swin, "norm", (224, True), (256, True)),
        network("swin_s", {}, models.swin_s(), "norm", (224, False, False)),
        network("swin_b", {}, models.swin_b(), "norm", (224, False, False)),
    ]}
