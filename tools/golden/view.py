"""Views: index arithmetic, and what is composed of it. Forward they move numbers, backward they add them."""
import torch
from torch.nn import functional as F

from golden.common import case, given, waves

X = waves([2, 3, 4])
ODD = waves([3, 5])
IMAGE = waves([2, 3, 5, 7])


def basic_cases():
    return [
        case("reshape", "ops.reshape", [X], lambda x: x.reshape(4, -1), [[4, -1]]),
        case("permute", "ops.permute", [X], lambda x: x.permute(2, 0, 1), [[2, 0, 1]]),
        case("transpose", "ops.transpose", [X], lambda x: x.transpose(0, -1), [0, -1]),
        case("expand", "ops.expand", [waves([3, 1])], lambda x: x.expand(2, -1, 4), [[2, -1, 4]]),
        case("broadcast_to", "ops.broadcast_to", [waves([1, 3])], lambda x: x.broadcast_to(2, 3), [[2, 3]]),
        case("slice, strided", "ops.slice", [waves([9, 2])], lambda x: x[1:8:3], [0, 1, 3, 3]),
        case("unslice", "ops.unslice", [ODD],
             lambda x: torch.zeros(3, 11).slice_scatter(x, 1, 1, 11, 2), [1, 1, 11, 2]),
        case("unslice of one", "ops.unslice", [waves([1])],
             lambda x: torch.zeros(4).slice_scatter(x, 0, 3, 4), [0, 3, 4]),
        case("narrow", "ops.narrow", [ODD], lambda x: x.narrow(1, 2, 3), [1, 2, 3]),
        case("select", "ops.select", [X], lambda x: x.select(1, -1), [1, -1]),
        case("squeeze", "ops.squeeze", [waves([1, 3, 1])], lambda x: x.squeeze()),
        case("squeeze, one axis", "ops.squeeze", [waves([1, 3, 1])], lambda x: x.squeeze(-1), [-1]),
        case("unsqueeze", "ops.unsqueeze", [ODD], lambda x: x.unsqueeze(-2), [-2]),
        case("flatten", "ops.flatten", [X], lambda x: x.flatten(1), [1]),
        case("unflatten", "ops.unflatten", [waves([2, 12])], lambda x: x.unflatten(1, (3, -1)), [1, [3, -1]]),
        case("movedim", "ops.movedim", [X], lambda x: x.movedim(0, -1), [0, -1]),
        case("movedim, two", "ops.movedim", [X], lambda x: x.movedim((0, 2), (1, 0)), [[0, 2], [1, 0]]),
        case("flip", "ops.flip", [X], lambda x: x.flip(0, 2), [[0, 2]]),
        case("roll", "ops.roll", [ODD], lambda x: x.roll((-1, 7), (0, 1)), [[-1, 7], [0, 1]]),
        case("tril", "ops.tril", [X], torch.tril),
        case("tril, diagonal", "ops.tril", [ODD], lambda x: x.tril(1), [1]),
        case("triu", "ops.triu", [X], torch.triu),
        case("triu, diagonal", "ops.triu", [ODD], lambda x: x.triu(-1), [-1]),
        case("tril of what is not finite", "ops.tril", [given([[1.0, float("nan")], [float("inf"), 2.0]])], torch.tril,
             gradient=False),
        case("diagonal", "ops.diagonal", [X], lambda x: x.diagonal(dim1=-2, dim2=-1)),
        case("diagonal, above", "ops.diagonal", [X], lambda x: x.diagonal(2, -2, -1), [2]),
        case("diagonal, below", "ops.diagonal", [waves([5, 3])], lambda x: x.diagonal(-1, -2, -1), [-1]),
        case("diag_embed", "ops.diag_embed", [ODD], torch.diag_embed),
    ]


def joining_cases():
    parts = [waves([2, 1, 3]), waves([2, 4, 3], 1.0), waves([2, 2, 3], 2.0)]
    like = [waves([2, 3]), waves([2, 3], 1.0)]
    return [
        case("concat", "ops.concat", parts, lambda list: torch.cat(list, 1), [1], packed=True),
        case("cat of one", "ops.cat", parts[:1], torch.cat, packed=True),
        case("stack", "ops.stack", like, lambda list: torch.stack(list, 1), [1], packed=True),
        case("stack at the end", "ops.stack", like, lambda list: torch.stack(list, -1), [-1], packed=True),
        case("split", "ops.split", [ODD], lambda x: x.split(2, 1), [2, 1]),
        case("split by sizes", "ops.split", [ODD], lambda x: x.split([1, 4], 1), [[1, 4], 1]),
        case("chunk", "ops.chunk", [waves([7, 2])], lambda x: x.chunk(3), [3]),
        case("chunk, fewer", "ops.chunk", [waves([2, 5])], lambda x: x.chunk(4, 1), [4, 1]),
        case("unbind", "ops.unbind", [ODD], torch.unbind),
        case("unbind, axis", "ops.unbind", [X], lambda x: x.unbind(1), [1]),
        case("tile", "ops.tile", [ODD], lambda x: x.tile(2, 3), [[2, 3]]),
        case("tile, new axes", "ops.tile", [waves([3])], lambda x: x.tile(2, 1, 2), [[2, 1, 2]]),
        case("tile, few axes", "ops.tile", [X], lambda x: x.tile(2), [[2]]),
        case("repeat_interleave", "ops.repeat_interleave", [ODD], lambda x: x.repeat_interleave(3, 0), [3, 0]),
    ]


def padding_cases():
    pads = (2, 1, 0, 3)
    made = [
        case("pad", "ops.pad", [ODD], lambda x: F.pad(x, (2, 0, 0, 1)), [[[0, 1], [2, 0]]]),
        case("pad, cropping", "ops.pad", [waves([4, 5])], lambda x: F.pad(x, (-1, 3)), [[[0, 0], [-1, 3]]]),
        case("F.pad, value", "F.pad", [ODD], lambda x: F.pad(x, pads, value=1.5), [pads, {"value": 1.5}]),
        case("F.pad, zeros", "F.pad", [X], lambda x: F.pad(x, (1, -2)), [[1, -2]]),
    ]
    for mode in ("reflect", "replicate", "circular"):
        made.append(case(f"F.pad, {mode}", "F.pad", [IMAGE], lambda x, mode=mode: F.pad(x, pads, mode=mode),
                         [pads, {"mode": mode}]))
        made.append(case(f"F.pad, {mode}, one side", "F.pad", [waves([1, 2, 6])],
                         lambda x, mode=mode: F.pad(x, (0, 4), mode=mode), [[0, 4], {"mode": mode}]))
    return made


def amount_cases():
    """Amounts from the first axis on, in which torch takes the last one first."""
    made = [
        case("pad_constant", "ops.pad_constant", [ODD], lambda x: F.pad(x, (2, 0, 1, 3), value=-1.5),
             [[[1, 3], [2, 0]], -1.5]),
        case("pad_constant, cropping", "ops.pad_constant", [ODD], lambda x: F.pad(x, (-1, 2), value=0.25),
             [[[0, 0], [-1, 2]], 0.25]),
        case("pad_constant of one", "ops.pad_constant", [waves([1])], lambda x: F.pad(x, (0, 6)), [[[0, 6]]]),
    ]
    for mode in ("reflect", "replicate", "circular"):
        call = f"ops.pad_{mode}"
        made += [
            case(f"pad_{mode}", call, [IMAGE], lambda x, mode=mode: F.pad(x, (4, 1, 0, 3), mode=mode),
                 [[[0, 0], [0, 0], [0, 3], [4, 1]]]),
            case(f"pad_{mode} by nothing", call, [waves([1, 3, 1])], lambda x, mode=mode: F.pad(x, (0, 0), mode=mode),
                 [[[0, 0], [0, 0], [0, 0]]]),
        ]
    return made + [
        case("pad_replicate of one", "ops.pad_replicate", [waves([2, 3, 1])],
             lambda x: F.pad(x, (5, 2), mode="replicate"), [[[0, 0], [0, 0], [5, 2]]]),
        case("pad_circular, all of it", "ops.pad_circular", [waves([2, 1, 5])],
             lambda x: F.pad(x, (5, 5), mode="circular"), [[[0, 0], [0, 0], [5, 5]]]),
    ]


def made_cases():
    """Tensors of no input, and of an input's shape alone, whose gradient is zeros (0 * x)."""
    made = [case(f"arange {n}", "ops.arange", [], lambda n=n: torch.arange(n), [n]) for n in (0, 1, 7)]
    made += [case(f"linspace {range_}", "ops.linspace", [], lambda r=range_: torch.linspace(*r), range_)
             for range_ in ([-1, 1, 9], [2.5, -0.5, 7], [3, 4, 1], [0, 1, 11], [1, 2, 0])]
    for shape in ([], [1], [3, 5], [2, 0, 3]):
        made += [
            case(f"full {shape}", "ops.full", [], lambda s=shape: torch.full(s, 1.75), [shape, 1.75]),
            case(f"zeros {shape}", "ops.zeros", [], lambda s=shape: torch.zeros(s), [shape]),
            case(f"ones {shape}", "ops.ones", [], lambda s=shape: torch.ones(s), [shape]),
            case(f"zeros_like {shape}", "ops.zeros_like", [waves(shape)], lambda x: torch.zeros_like(x) + 0 * x),
            case(f"ones_like {shape}", "ops.ones_like", [waves(shape)], lambda x: torch.ones_like(x) + 0 * x),
        ]
    for values in (2.5, [1.0], [[1, 2.5, -3], [0, 4, 0.5]]):
        made.append(case(f"constant {values}", "ops.constant", [], lambda v=values: torch.tensor(v), [values]))
    return made


def window_partition(x, h, w):
    b, rows, columns, c = x.shape
    return x.view(b, rows // h, h, columns // w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, h * w, c)


def window_reverse(x, h, w, rows, columns):
    return x.view(-1, rows // h, columns // w, h, w, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).reshape(
        -1, rows, columns, x.shape[-1])


def patch_cases():
    made = [
        case("windows", "ops.windows", [waves([2, 9, 2])], lambda x: x.unfold(1, 4, 2), [1, 4, 2]),
        case("windows, apart", "ops.windows", [waves([11])], lambda x: x.unfold(0, 3, 4), [0, 3, 4]),
        case("pixel_shuffle", "F.pixel_shuffle", [waves([1, 8, 2, 3])], lambda x: F.pixel_shuffle(x, 2), [2]),
        case("pixel_unshuffle", "F.pixel_unshuffle", [waves([2, 1, 6, 3])], lambda x: F.pixel_unshuffle(x, 3), [3]),
        case("window_partition", "ops.window_partition", [waves([2, 4, 6, 2])],
             lambda x: window_partition(x, 2, 3), [[2, 3]]),
        case("window_reverse", "ops.window_reverse", [waves([8, 6, 2])],
             lambda x: window_reverse(x, 2, 3, 4, 6), [[2, 3], 4, 6]),
    ]
    for kernel, options in ((2, {}), ([3, 2], {"padding": 1}), (2, {"stride": [2, 3], "dilation": 2}),
                            ([2, 3], {"dilation": [3, 1], "padding": [2, 0], "stride": 2})):
        made.append(case(f"F.unfold {kernel} {options}", "F.unfold", [waves([2, 2, 5, 6])],
                         lambda x, k=kernel, o=options: F.unfold(x, k, **o), [kernel, options]))
        columns = F.unfold(torch.zeros(1, 2, 5, 6), kernel, **options)
        made.append(case(f"F.fold {kernel} {options}", "F.fold", [waves(columns.shape)],
                         lambda x, k=kernel, o=options: F.fold(x, (5, 6), k, **o), [[5, 6], kernel, options]))
    return made


def cases():
    return (basic_cases() + joining_cases() + padding_cases() + amount_cases() + made_cases() + patch_cases())
