"""Attention: PyTorch's, and in windows."""
import torch
from torchvision.models import swin_transformer

from golden.common import case, given, waves


def dot(q, k, v, mask=None):
    scores = q @ k.mT * q.shape[-1] ** -0.5
    return torch.softmax(scores if mask is None else scores + mask, -1) @ v


def attention_cases():
    name = "scaled_dot_product_attention"
    qkv = [waves([2, 3, 4, 5]), waves([2, 3, 6, 5], 2.0), waves([2, 3, 6, 2], 3.0)]
    flags = [[1, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 0]]

    def hide(q, k, v, mask):
        return dot(q, k, v, torch.zeros(mask.shape).masked_fill(mask == 0, float("-inf")))

    def past(q, k, v):
        hidden = torch.ones(q.shape[-2], k.shape[-2]).tril() == 0
        return dot(q, k, v, torch.zeros(hidden.shape).masked_fill(hidden, float("-inf")))
    return [
        case(name, f"F.{name}", qkv, dot),
        case(f"{name}, one key", f"F.{name}", [waves([3, 2]), waves([1, 2], 2.0), waves([1, 4], 3.0)], dot),
        case(f"{name}, scale", f"F.{name}", qkv, lambda q, k, v: dot(q * 0.3 * 5 ** 0.5, k, v), [None, {"scale": 0.3}]),
        case(f"{name}, added mask", f"F.{name}", qkv + [waves([3, 4, 6], 4.0)], dot),
        case(f"{name}, flags", f"F.{name}", qkv + [given(flags, "i32")], hide),
        case(f"{name}, causal", f"F.{name}", qkv, past, [None, {"is_causal": True}]),
    ]


def attention_shapes():
    """Odd lengths and widths, masks that broadcast, scores far apart."""
    name = "F.scaled_dot_product_attention"
    made = []
    for rows, keys, width, value_width in ((1, 1, 1, 1), (1, 7, 8, 8), (7, 1, 24, 3), (7, 49, 8, 8), (65, 3, 8, 2),
                                           (3, 65, 2, 4), (5, 5, 64, 32), (2, 3, 40, 1)):
        inputs = [waves([2, rows, width], 0.5), waves([2, keys, width], 2.0), waves([2, keys, value_width], 3.0)]
        made.append(case(f"attention of {rows} queries, {keys} keys, {width} and {value_width} channels", name, inputs,
                         dot))
    qkv = [waves([2, 3, 5, 4]), waves([2, 3, 7, 4], 2.0), waves([2, 3, 7, 2], 3.0)]
    for shape in ([5, 7], [7], [1, 3, 5, 7], [2, 1, 1, 7], [2, 1, 5, 7], [2, 3, 5, 7], [3, 5, 1]):
        full = shape if len(shape) > 1 else [1] + shape
        made.append(case(f"attention, mask of {full}", name, qkv + [waves(full, 4.0, 2.0)], dot))
    made.append(case("attention, keys and values of all heads", name,
                     [waves([2, 3, 5, 4]), waves([7, 4], 2.0), waves([2, 1, 7, 2], 3.0)], dot))
    made.append(case("attention, scores far apart", name, [waves([1, 3, 2], 0.5, 200.0), waves([1, 4, 2], 2.0, 200.0),
                                                           waves([1, 4, 2], 3.0)], dot, gradient=[2]))
    return made


def windows():
    """Attention in windows of one tensor [windows, tokens, 3, C] with a bias of each head and a mask of each window."""
    def mix(qkv, bias, mask):
        count, tokens, _, channels = qkv.shape
        heads = bias.shape[1]
        q, k, v = qkv.reshape(count, tokens, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
        scores = 0.3 * q @ k.mT + bias
        scores = scores.reshape(-1, mask.shape[0], heads, tokens, tokens) + mask
        y = torch.softmax(scores.reshape(count, heads, tokens, tokens), -1) @ v
        return y.transpose(1, 2).reshape(count, tokens, channels)

    made = []
    for count, tokens, channels, heads, masks in ((4, 4, 6, 2, 2), (3, 1, 4, 1, 1), (2, 49, 2, 1, 2), (6, 7, 6, 1, 3)):
        inputs = [waves([count, tokens, 3, channels]), waves([1, heads, tokens, tokens], 2.0),
                  waves([masks, 1, tokens, tokens], 3.0, 2.0)]
        made.append(case(f"self_attention of {tokens} tokens, {heads} heads, {masks} masks", "ops.self_attention",
                         inputs, mix, [heads, 0.3], gradient=[0, 1] if tokens < 49 else [0]))
    return made


def biases():
    made = []
    for h, w, heads in ((2, 3, 2), (1, 1, 3), (1, 5, 1), (4, 4, 1)):
        layer = swin_transformer.ShiftedWindowAttention(heads, [h, w], [0, 0], heads)
        spread = swin_transformer._get_relative_position_bias
        made.append(case(f"relative position bias of {h}x{w}", "ops.relative_position_bias",
                         [waves(layer.relative_position_bias_table.shape)],
                         lambda table, at=layer.relative_position_index, size=(h, w): spread(table, at, size)[0],
                         [h, w]))
    return made


def masks():
    """Of numbers, which are added, and of flags: what takes part, or what is left out."""
    scores, flags = waves([2, 3, 5]), given([[1, 0, 2, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, -1]], "i32")

    def hide(x, mask, value):
        return x.masked_fill((mask == 0) == value, float("-inf"))
    return [
        case("mask_scores, numbers", "ops.mask_scores", [scores, waves([3, 1], 2.0)], torch.add),
        case("mask_scores, flags", "ops.mask_scores", [scores, flags], lambda x, mask: hide(x, mask, True)),
        case("mask_scores, flags of the left out", "ops.mask_scores", [scores, flags],
             lambda x, mask: hide(x, mask, False), [True]),
        case("additive_mask", "ops.additive_mask", [flags], lambda mask: hide(torch.zeros(mask.shape), mask, True)),
        case("fill_absent", "ops.fill_absent", [scores, given([1.0, 0.0, -2.0, 0.0, 0.5])],
             lambda x, present: hide(x, present, True), gradient=[0]),
    ]


def cases():
    return attention_cases() + attention_shapes() + windows() + biases() + masks()
