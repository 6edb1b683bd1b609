"""Layers beyond nn.py's: convolutions, pooling, batch and group norm, attention, resizing. tests/spec/nn_spec.lua reads
them as it does nn.json, with these fields besides:

    "inputs":  shapes, where there are several; the i-th is wave(phase 0.5 + i)
    "forward": options of the call, {"shape", "values", "dtype"} for tensors
    "train":   how often the layer runs in training mode; "buffers" has the running statistics after that
    "second":  the second output; it takes part in the gradients with wave(phase 10)
"""
import torch
from torch import nn

from golden.common import given, numbers, wave

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.LayerNorm)


def fill_states(module):
    """Parameters and buffers: [name, shape, phase, amplitude, offset]."""
    filled, norms = [], [name for name, child in module.named_modules() if isinstance(child, NORMS)]
    for i, (name, state) in enumerate(sorted(module.state_dict(keep_vars=True).items())):
        owner, _, own = name.rpartition(".")
        recipe = [1 + i, 0.4, 1.0 if owner in norms and own == "weight" else 0.0]
        if own == "running_var":
            recipe = [1 + i, 0.4, 1.2]
        if own == "num_batches_tracked":
            recipe = [0, 0, 4]
        state.data = wave(state.shape, *recipe).to(state.dtype)
        filled.append([name, list(state.shape)] + recipe)
    return filled


def make_options(forward):
    """Tensors of a call's options; flags of an i32 mask are PyTorch's booleans."""
    made = {}
    for name, value in forward.items():
        if isinstance(value, dict):
            tensor = torch.tensor([float(v) for v in value["values"]]).reshape(value["shape"])
            value = tensor != 0 if value.get("dtype") == "i32" else tensor
        made[name] = value
    return made


def layer_case(name, arguments, options, module, *shapes, forward=None, train=0):
    """Outputs and gradients of a layer; its name begins with the class's."""
    case = {"name": name, "layer": name.split(",")[0], "arguments": arguments, "options": options,
            "inputs": list(shapes), "parameters": fill_states(module)}
    inputs = [wave(shape, 0.5 + i).requires_grad_() for i, shape in enumerate(shapes)]
    module.train(train > 0)
    for _ in range(max(train, 1)):
        outputs = module(*inputs, **make_options(forward or {}))
    outputs = [y for y in (outputs if isinstance(outputs, tuple) else (outputs,)) if y is not None]
    sum((y * wave(y.shape, 9.0 + i)).sum() for i, y in enumerate(outputs)).backward()
    case["shape"], case["output"] = list(outputs[0].shape), numbers(outputs[0])
    if len(outputs) > 1:
        case["second"] = numbers(outputs[1])
    if forward:
        case["forward"] = forward
    case["gradients"] = {f"input {i}": numbers(x.grad) for i, x in enumerate(inputs)}
    case["gradients"].update({own: numbers(p.grad) for own, p in module.named_parameters()})
    if train:
        case["train"] = train
        case["buffers"] = {own: numbers(buffer.double()) for own, buffer in module.named_buffers()}
    return case


def conv_layers():
    return [
        layer_case("Conv1d", [2, 4, 3], {"stride": 2, "padding": 1}, nn.Conv1d(2, 4, 3, stride=2, padding=1),
                   [2, 2, 7]),
        layer_case("Conv2d, groups and dilation", [4, 6, [3, 2]], {"groups": 2, "dilation": [1, 2], "padding": 1},
                   nn.Conv2d(4, 6, (3, 2), groups=2, dilation=(1, 2), padding=1), [1, 4, 5, 4]),
        layer_case("Conv2d, same", [2, 3, 3], {"padding": "same", "bias": False},
                   nn.Conv2d(2, 3, 3, padding="same", bias=False), [2, 2, 4, 3]),
        layer_case("Conv3d", [2, 3, 3], {"padding": 1, "stride": [1, 2, 2]},
                   nn.Conv3d(2, 3, 3, padding=1, stride=(1, 2, 2)), [1, 2, 3, 4, 5]),
        layer_case("ConvTranspose1d", [3, 2, 4], {"stride": 2, "padding": 1},
                   nn.ConvTranspose1d(3, 2, 4, stride=2, padding=1), [2, 3, 4]),
        layer_case("ConvTranspose2d", [3, 4, 3], {"stride": 2, "padding": 1, "output_padding": 1},
                   nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), [1, 3, 3, 4]),
        layer_case("ConvTranspose2d, groups without bias", [4, 6, 4], {"stride": 2, "padding": 1, "groups": 2,
                                                                     "bias": False},
                   nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1, groups=2, bias=False), [1, 4, 2, 3]),
        layer_case("ConvTranspose3d", [2, 2, 2], {"stride": 2}, nn.ConvTranspose3d(2, 2, 2, stride=2), [1, 2, 2, 3, 2]),
    ]


def pool_layers():
    return [
        layer_case("MaxPool1d", [2], {}, nn.MaxPool1d(2), [2, 3, 6]),
        layer_case("MaxPool2d", [3], {"stride": 2, "padding": 1}, nn.MaxPool2d(3, 2, 1), [2, 2, 6, 5]),
        layer_case("MaxPool3d", [[2, 1, 2]], {}, nn.MaxPool3d((2, 1, 2)), [1, 2, 4, 3, 4]),
        layer_case("AvgPool1d", [3], {"stride": 1}, nn.AvgPool1d(3, 1), [2, 3, 6]),
        layer_case("AvgPool2d", [3], {"stride": 2, "padding": 1, "count_include_pad": False},
                   nn.AvgPool2d(3, 2, 1, count_include_pad=False), [2, 2, 6, 5]),
        layer_case("AvgPool3d", [2], {"ceil_mode": True}, nn.AvgPool3d(2, ceil_mode=True), [1, 2, 3, 4, 5]),
        layer_case("AdaptiveAvgPool1d", [2], {}, nn.AdaptiveAvgPool1d(2), [2, 3, 5]),
        layer_case("AdaptiveAvgPool2d", [1], {}, nn.AdaptiveAvgPool2d(1), [2, 3, 4, 5]),
        layer_case("AdaptiveAvgPool2d, uneven", [[2, 3]], {}, nn.AdaptiveAvgPool2d((2, 3)), [1, 2, 5, 4]),
        layer_case("AdaptiveAvgPool3d", [1], {}, nn.AdaptiveAvgPool3d(1), [1, 3, 2, 3, 4]),
        layer_case("Upsample", [], {"scale_factor": 2}, nn.Upsample(scale_factor=2), [1, 2, 3, 2]),
        layer_case("Upsample, bilinear", [], {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
                   nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), [1, 2, 3, 4]),
        layer_case("Upsample, trilinear", [], {"size": [4, 3, 5], "mode": "trilinear"},
                   nn.Upsample(size=(4, 3, 5), mode="trilinear"), [1, 1, 2, 3, 3]),
    ]


def norm_layers():
    made = []
    for name, shape in (("BatchNorm1d", [5, 3]), ("BatchNorm1d, signals", [3, 2, 4]), ("BatchNorm2d", [2, 3, 3, 4]),
                        ("BatchNorm3d", [2, 2, 2, 3, 2])):
        layer, c = getattr(nn, name.split(",")[0]), shape[1]
        made += [
            layer_case(f"{name}, evaluated", [c], {}, layer(c), shape),
            layer_case(f"{name}, trained twice", [c], {}, layer(c), shape, train=2),
        ]
    return made + [
        layer_case("BatchNorm2d, momentum and eps", [2], {"momentum": 0.4, "eps": 0.01},
                   nn.BatchNorm2d(2, momentum=0.4, eps=0.01), [3, 2, 2, 2], train=1),
        layer_case("BatchNorm2d, average of all batches", [2], {"momentum": False}, nn.BatchNorm2d(2, momentum=None),
                   [3, 2, 2, 2], train=3),
        layer_case("BatchNorm1d, no statistics kept", [3], {"track_running_stats": False},
                   nn.BatchNorm1d(3, track_running_stats=False), [4, 3]),
        layer_case("BatchNorm2d, not affine", [2], {"affine": False}, nn.BatchNorm2d(2, affine=False), [2, 2, 3, 2],
                   train=1),
        layer_case("GroupNorm", [2, 6], {}, nn.GroupNorm(2, 6), [2, 6, 3, 2]),
        layer_case("GroupNorm, eps, a group a channel", [3, 3], {"eps": 0.1}, nn.GroupNorm(3, 3, eps=0.1), [2, 3, 5]),
        layer_case("GroupNorm, not affine", [1, 4], {"affine": False}, nn.GroupNorm(1, 4, affine=False), [3, 4]),
    ]


def attention_layers():
    def attend(name, options, *shapes, forward=None):
        module = nn.MultiheadAttention(8, 2, **options)
        made = layer_case(name, [8, 2], options, module, *shapes, forward=forward)
        return made
    same, other = [[4, 2, 8]] * 3, [[3, 2, 8], [5, 2, 8], [5, 2, 8]]
    hidden = given([[0, 0, 1, 0, 1], [0, 0, 0, 0, 0]], "i32")
    causal = given([[0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 1, 1]], "i32")
    added = {"shape": [4, 3, 5], "values": numbers(wave([4, 3, 5], 7.0))}
    return [
        attend("MultiheadAttention", {}, *same),
        attend("MultiheadAttention, batch first", {"batch_first": True}, [2, 3, 8], [2, 5, 8], [2, 5, 8]),
        attend("MultiheadAttention, without bias", {"bias": False}, *other, forward={"need_weights": False}),
        attend("MultiheadAttention, weights of each head", {}, *other, forward={"average_attn_weights": False}),
        attend("MultiheadAttention, padded and causal", {}, *other,
               forward={"key_padding_mask": hidden, "attn_mask": causal}),
        attend("MultiheadAttention, added mask", {}, *other, forward={"attn_mask": added}),
        attend("MultiheadAttention, padded and causal, without weights", {}, *other,
               forward={"key_padding_mask": hidden, "attn_mask": causal, "need_weights": False}),
        attend("MultiheadAttention, added mask and rows, without weights", {"add_zero_attn": True}, *other,
               forward={"key_padding_mask": hidden, "attn_mask": added, "need_weights": False}),
        attend("MultiheadAttention, kdim and vdim", {"kdim": 5, "vdim": 3}, [3, 2, 8], [4, 2, 5], [4, 2, 3]),
        attend("MultiheadAttention, added rows", {"add_bias_kv": True, "add_zero_attn": True}, *other,
               forward={"key_padding_mask": hidden, "attn_mask": added}),
        attend("MultiheadAttention, added rows, flags", {"add_bias_kv": True, "batch_first": True}, [2, 3, 8],
               [2, 5, 8], [2, 5, 8], forward={"key_padding_mask": hidden, "attn_mask": causal}),
    ]


def golden():
    return {"layers": conv_layers() + pool_layers() + norm_layers() + attention_layers()}
