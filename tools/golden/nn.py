"""Layers, optimizers, clipping and schedules: tests/spec/nn_spec.lua holds the library's against these."""
import torch
from torch import nn
from torchvision.models import swin_transformer

from golden.common import numbers, wave


def fill_parameters(module):
    """Parameters in the order of their names: [name, shape, phase, amplitude, offset]."""
    filled = []
    for i, (name, parameter) in enumerate(sorted(module.named_parameters())):
        is_norm = "norm" in name or isinstance(module, nn.LayerNorm) or name.startswith("features.0.2")
        recipe = [1 + i, 0.4, 1.0 if is_norm and name.endswith("weight") else 0.0]
        parameter.data = wave(parameter.shape, *recipe)
        filled.append([name, list(parameter.shape)] + recipe)
    return filled


def layer_case(name, layer, arguments, options, module, shape, kept=None):
    """Output, and gradients of a weighted sum of it, of one layer; `kept`: only these parameters' gradients."""
    case = {"name": name, "layer": layer, "arguments": arguments, "options": options, "input": shape,
            "parameters": fill_parameters(module)}
    x = wave(shape, 0.5).requires_grad_()
    y = module.eval()(x)
    (y * wave(y.shape, 9.0)).sum().backward()
    case["shape"], case["output"] = list(y.shape), numbers(y)
    case["gradients"] = {} if kept else {"input": numbers(x.grad)}
    for own, parameter in module.named_parameters():
        if kept is None or own in kept:
            case["gradients"][own] = numbers(parameter.grad)
    return case


def block_case(name, shape, shift):
    module = swin_transformer.SwinTransformerBlock(8, 2, [4, 4], shift, mlp_ratio=2.0)
    options = {"window_size": [4, 4], "shift_size": shift, "mlp_ratio": 2, "input_size": shape[1:3]}
    return layer_case(name, "SwinTransformerBlock", [8, 2], options, module, shape)


def swin_case():
    module = swin_transformer.SwinTransformer([4, 4], 8, [2, 2], [2, 4], [4, 4], mlp_ratio=2.0,
                                              stochastic_depth_prob=0.0, num_classes=5)
    options = {"patch_size": 4, "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4,
               "mlp_ratio": 2, "num_classes": 5}
    kept = ["features.0.0.weight", "features.1.1.attn.qkv.weight", "features.1.1.attn.relative_position_bias_table",
            "features.2.reduction.weight", "features.3.0.mlp.0.bias", "norm.weight", "head.bias"]
    return layer_case("SwinTransformer of two stages", "SwinTransformer", [32], options, module, [2, 3, 32, 32], kept)


def activation_cases():
    """Every activation as it is made without arguments, and with those it takes."""
    plain = ("ReLU", "LeakyReLU", "ReLU6", "Hardtanh", "Hardsigmoid", "Hardswish", "ELU", "CELU", "SELU", "GELU",
             "SiLU", "Mish", "Sigmoid", "Tanh", "Softplus", "Softsign", "LogSigmoid", "Softshrink", "Hardshrink")
    chosen = (("LeakyReLU", [0.2], {}), ("Hardtanh", [-0.5, 0.3], {}), ("ELU", [0.3], {}), ("CELU", [], {"alpha": 0.3}),
              ("Softplus", [2, 1.5], {}), ("Softshrink", [0.2], {}), ("Hardshrink", [], {"lambd": 0.7}),
              ("GELU", [], {"approximate": "tanh"}))
    return ([layer_case(name, name, [], {}, getattr(nn, name)(), [3, 7]) for name in plain]
            + [layer_case(f"{name}, chosen", name, arguments, options, getattr(nn, name)(*arguments, **options), [3, 7])
               for name, arguments, options in chosen])


def layer_cases():
    return activation_cases() + [
        layer_case("Linear", "Linear", [5, 7], {}, nn.Linear(5, 7), [4, 3, 5]),
        layer_case("Linear without bias", "Linear", [3, 2], {"bias": False}, nn.Linear(3, 2, bias=False), [6, 3]),
        layer_case("LayerNorm", "LayerNorm", [9], {}, nn.LayerNorm(9), [5, 9]),
        layer_case("LayerNorm, eps", "LayerNorm", [6], {"eps": 0.1}, nn.LayerNorm(6, eps=0.1), [2, 3, 6]),
        layer_case("Conv2d", "Conv2d", [2, 3, 3], {}, nn.Conv2d(2, 3, 3), [2, 2, 5, 6]),
        layer_case("Conv2d, strided and padded, odd sizes", "Conv2d", [3, 4, 3], {"stride": 2, "padding": 1},
                   nn.Conv2d(3, 4, 3, stride=2, padding=1), [2, 3, 7, 9]),
        layer_case("Conv2d, uneven", "Conv2d", [2, 2, [2, 3]], {"stride": [3, 1], "padding": [0, 2], "bias": False},
                   nn.Conv2d(2, 2, (2, 3), stride=(3, 1), padding=(0, 2), bias=False), [1, 2, 8, 5]),
        layer_case("Conv2d, patches", "Conv2d", [3, 6, 4], {"stride": 4}, nn.Conv2d(3, 6, 4, stride=4), [2, 3, 8, 8]),
        layer_case("Softmax", "Softmax", [-1], {}, nn.Softmax(-1), [4, 5]),
        layer_case("LogSoftmax", "LogSoftmax", [1], {}, nn.LogSoftmax(1), [2, 6, 3]),
        layer_case("Softmax, middle axis", "Softmax", [1], {}, nn.Softmax(1), [2, 6, 3]),
        layer_case("PatchMerging, odd height", "PatchMerging", [4], {}, swin_transformer.PatchMerging(4), [2, 5, 6, 4]),
        block_case("SwinTransformerBlock", [2, 8, 8, 8], [0, 0]),
        block_case("SwinTransformerBlock, shifted", [2, 8, 8, 8], [2, 2]),
        block_case("SwinTransformerBlock, shifted and padded", [1, 6, 9, 8], [2, 2]),
        swin_case(),
    ]


def optimizer_case(layer, options):
    """Five steps down sum w (p - q)^2, w = wave(phase 3, 0.9, 1), q = wave(phase 2)."""
    p = wave([7], 1.0).requires_grad_()
    optimizer = getattr(torch.optim, layer)([p], **options)
    steps = []
    for _ in range(5):
        optimizer.zero_grad()
        (wave([7], 3.0, 0.9, 1.0) * (p - wave([7], 2.0)) ** 2).sum().backward()
        optimizer.step()
        steps.append(numbers(p))
    return {"layer": layer, "options": options, "steps": steps}


def optimizer_cases():
    return [
        optimizer_case("SGD", {"lr": 0.05}),
        optimizer_case("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
        optimizer_case("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
        optimizer_case("SGD", {"lr": 0.05, "momentum": 0.8, "dampening": 0.3}),
        optimizer_case("Adam", {"lr": 0.05}),
        optimizer_case("Adam", {"lr": 0.02, "betas": [0.8, 0.95], "eps": 0.01, "weight_decay": 0.1}),
        optimizer_case("AdamW", {"lr": 0.05, "weight_decay": 0.2}),
    ]


def clip_case(max_norm):
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in ([3, 4], [5])]
    for i, parameter in enumerate(parameters):
        parameter.grad = wave(parameter.shape, 4.0 + i)
    norm = nn.utils.clip_grad_norm_(parameters, max_norm)
    return {"max_norm": max_norm, "shapes": [[3, 4], [5]], "norm": float(f"{norm.item():.8g}"),
            "clipped": [numbers(parameter.grad) for parameter in parameters]}


def warm_up(optimizer, warmup_steps, start_factor, after=None):
    """LinearWarmup's first step is one of the ramp already, and its last one before the base rate; then `after`."""
    first = start_factor + (1 - start_factor) / warmup_steps
    ramp = torch.optim.lr_scheduler.LinearLR(optimizer, first, total_iters=warmup_steps - 1)
    if not after:
        return ramp
    following = getattr(torch.optim.lr_scheduler, after["layer"])(optimizer, **after["options"])
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [ramp, following], [warmup_steps])


def schedule_case(layer, options, count):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    make = warm_up if layer == "LinearWarmup" else getattr(torch.optim.lr_scheduler, layer)
    scheduler = make(optimizer, **options)
    rates = []
    for _ in range(count):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"layer": layer, "options": options, "lr": 0.3, "rates": [float(f"{rate:.8g}") for rate in rates]}


def golden():
    return {
        "layers": layer_cases(),
        "optimizers": optimizer_cases(),
        "clip_grad_norm_": [clip_case(0.5), clip_case(100.0)],
        "schedules": [
            schedule_case("StepLR", {"step_size": 3, "gamma": 0.5}, 11),
            schedule_case("MultiStepLR", {"milestones": [2, 5, 9], "gamma": 0.1}, 11),
            schedule_case("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}, 11),
            schedule_case("LinearWarmup", {"warmup_steps": 5, "start_factor": 0}, 11),
            schedule_case("LinearWarmup", {"warmup_steps": 7, "start_factor": 0.2}, 11),
            schedule_case("LinearWarmup", {"warmup_steps": 4, "start_factor": 0.1,
                                           "after": {"layer": "StepLR", "options": {"step_size": 3}}}, 14),
        ],
    }
