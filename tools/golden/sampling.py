"""Gather and scatter, grid_sample, affine maps, colour, heatmaps and soft-argmax, against PyTorch and torchvision."""
import torch
from torch.nn import functional as F
from torchvision.transforms import functional as TF

from .common import case, given, waves


def index_cases():
    index = [[2, 0, 0, 3, 1], [1, 1, 1, 0, 3]]
    segments = [3, 0, 0, 2, 3, 3, 0]

    def take(rows, at):
        return torch.gather(rows, 1, at[:, :, None].expand(-1, -1, rows.shape[2]))

    def add(dy, at):
        return torch.zeros(2, 4, 3).scatter_add(1, at[:, :, None].expand(-1, -1, 3), dy)

    def segment_sum(x, at):
        return torch.zeros(5, 2, 3).index_add(0, at, x)

    def segment_mean(x, at):
        counts = torch.bincount(at, minlength=5).clamp(min=1)
        return segment_sum(x, at) / counts[:, None, None]

    return [
        case("gather of rows", "ops.take_rows", [waves([2, 4, 3]), given(index, "i32")], take),
        case("scatter_add of rows", "ops.add_rows", [waves([2, 5, 3]), given(index, "i32")], add, [4]),
        case("index_add", "ops.segment_sum", [waves([7, 2, 3]), given(segments, "i32")], segment_sum, [5]),
        case("means by segment", "ops.segment_mean", [waves([7, 2, 3]), given(segments, "i32")], segment_mean, [5]),
        case("embedding", "ops.embedding", [waves([4, 3]), given(index, "i32")], lambda rows, at: F.embedding(at, rows)),
        case("gather of a table's rows", "ops.gather_rows", [waves([5, 3]), given(segments[1:], "i32")],
             lambda rows, at: rows.index_select(0, at)),
        case("rows added into a table", "ops.scatter_add_rows", [waves([7, 3]), given(segments, "i32")],
             lambda rows, at: torch.zeros(5, 3).index_add(0, at, rows), [5]),
        case("values of volumes by flat index", "ops.values_at",
             [waves([2, 2, 3, 1]), given([[5, 0, 5], [2, 1, 4]], "i32")], lambda x, at: x.flatten(1).gather(1, at)),
    ]


def indices(shape, count):
    """Below `count`, in no order, with repeats."""
    flat = torch.arange(torch.Size(shape).numel())
    return {**given(((7 * flat * flat + 3 * flat + 2) % 11 % count).tolist(), "i32"), "shape": list(shape)}


def axis_cases():
    """Those whose axis stands between the tensors: (shape, axis, shape of the index)."""
    made = []
    for shape, axis, other in (([4, 3], 0, [7, 3]), ([2, 5, 3], 1, [2, 4, 3]), ([2, 3, 7], -1, [2, 3, 1]),
                               ([1], 0, [5]), ([1, 13], 1, [1, 2]), ([3, 2], 0, [0, 2])):
        index, source = indices(other, shape[axis]), waves(other, 2.0)
        made += [
            case(f"gather {other} of {shape} along {axis}", "ops.gather", [waves(shape), index],
                 lambda x, at, a=axis: x.gather(a, at), [axis], places=[1, 3]),
            case(f"scatter_add {other} into {shape} along {axis}", "ops.scatter_add", [waves(shape), index, source],
                 lambda x, at, y, a=axis: x.scatter_add(a, at, y), [axis], places=[1, 3, 4]),
        ]
    for shape, axis, count in (([5, 3], 0, 8), ([2, 3, 4], 1, 2), ([2, 3, 7], -1, 5), ([1], 0, 3), ([3, 1, 2], 1, 4),
                               ([4, 2], 0, 0)):
        index, some = indices([count], shape[axis]), list(shape)
        some[axis] = count
        made += [
            case(f"index_select {count} of {shape} along {axis}", "ops.index_select", [waves(shape), index],
                 lambda x, at, a=axis: x.index_select(a, at), [axis], places=[1, 3]),
            case(f"index_add {count} into {shape} along {axis}", "ops.index_add",
                 [waves(shape), index, waves(some, 2.0)], lambda x, at, y, a=axis: x.index_add(a, at, y), [axis],
                 places=[1, 3, 4]),
        ]
    return made


def peak_cases():
    """A maximum is what max pooling keeps."""
    def maxima(x, count, threshold):
        is_peak = (F.max_pool3d(x[:, None], 3, 1, 1)[:, 0] == x) & (x > threshold)
        values, at = x.where(is_peak, torch.tensor(float("-inf"))).flatten(1).sort(dim=1, descending=True, stable=True)
        return at.masked_fill(values.isinf(), -1)[:, :count]

    made = []
    for shape, count, threshold in (([2, 4, 5, 3], 6, -9), ([1, 1, 7, 11], 5, 0.5), ([3, 1, 1, 1], 1, 0.4)):
        made.append(case(f"local maxima of {shape}", "ops.local_maxima", [waves(shape)],
                         lambda x, c=count, t=threshold: maxima(x, c, t), [count, threshold]))
    flat = [[0, 7, 23], [11, 4, 18]]
    made.append(case("voxels of flat indices", "ops.unravel", [given(flat, "i32")],
                     lambda at: torch.stack([at % 4, at.div(4, rounding_mode="floor") % 3, at // 12], -1), [[2, 3, 4]]))
    return made


def grid_cases():
    made = []
    pictures, grid = waves([2, 3, 5, 4]), waves([2, 3, 6, 2], 1.7, 1.3)
    volumes, cells = waves([1, 2, 4, 3, 5]), waves([1, 2, 3, 4, 3], 2.3, 1.2)
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border"):
            for align in (False, True):
                options = {"mode": mode, "padding_mode": padding, "align_corners": align}
                name = f"{mode}, {padding}{', aligned' if align else ''}"
                wanted = [0, 1] if mode == "bilinear" else [0]

                def sample(x, at):
                    return F.grid_sample(x, at, **options)

                made.append(case(f"grid_sample, {name}", "ops.grid_sample", [pictures, grid], sample, [options],
                                 gradient=wanted))
                made.append(case(f"grid_sample of a volume, {name}", "ops.grid_sample", [volumes, cells], sample,
                                 [options], gradient=wanted))
    narrow = [waves([1, 1, 1, 7]), waves([1, 1, 9, 2], 0.3, 1.1)]
    made.append(case("grid_sample of one row", "ops.grid_sample", narrow,
                     lambda x, at: F.grid_sample(x, at, align_corners=False)))
    return made


def affine_cases():
    made = []
    for align in (False, True):
        def grid(theta, size):
            return F.affine_grid(theta, size, align_corners=align)
        for size, shape in (([2, 1, 3, 4], [2, 2, 3]), ([1, 1, 2, 3, 4], [1, 3, 4]), ([1, 3, 1, 5], [1, 2, 3])):
            made.append(case(f"affine_grid {size}{', aligned' if align else ''}", "ops.affine_grid", [waves(shape)],
                             lambda theta: grid(theta, size), [size, {"align_corners": align}]))

    def crop(x, m):
        """The same cut by way of normalised coordinates: -1 to 1 over the borders of input and output."""
        (h, w), (rows, columns) = x.shape[2:], (4, 3)
        to_pixels = torch.tensor([[columns / 2, 0, columns / 2], [0, rows / 2, rows / 2], [0, 0, 1.0]])
        to_unit = torch.tensor([[2 / w, 0, -1], [0, 2 / h, -1]])
        full = torch.cat([m, torch.tensor([[[0, 0, 1.0]]]).expand(len(m), 1, 3)], 1)
        return F.grid_sample(x, F.affine_grid(to_unit @ full @ to_pixels, [len(m), 1, rows, columns],
                                              align_corners=False), align_corners=False)

    matrices = given([[[1.213, -0.427, 0.871], [0.519, 1.137, -0.343]], [[-0.911, 0.223, 4.169], [0.113, 0.731, 1.317]]])
    made.append(case("affine_crop", "ops.affine_crop", [waves([2, 3, 6, 5]), matrices], crop, [[4, 3]]))
    boxes = given([[3.5, 2.0, 4.0], [-1.0, 7.25, 11.5], [0.0, 0.0, 0.5]])
    turned = [boxes, given([0.4, -2.1, 0.0]), given([0.0, 1.0, 1.0])]
    return made + [
        case("crop_matrices", "ops.crop_matrices", [boxes], lambda b: squares(b, 7), [7]),
        case("crop_matrices, turned", "ops.crop_matrices", turned[:2], lambda b, a: squares(b, 1, a), [1],
             places=[1, 3]),
        case("crop_matrices, turned and mirrored", "ops.crop_matrices", turned, lambda b, a, f: squares(b, 4, a, f),
             [4], places=[1, 3, 4]),
    ]


def squares(boxes, size, angle=None, flip=None):
    """Of the output's centre as origin: mirrored, turned, scaled, moved to the box, one matrix each."""
    n = len(boxes)
    zero, one = torch.zeros(n), torch.ones(n)
    turn = zero if angle is None else angle
    mirror = one if flip is None else 1 - 2 * flip

    def matrices(*entries):
        return torch.stack(entries, -1).reshape(n, 3, 3)
    centred = matrices(one, zero, one * -size / 2, zero, one, one * -size / 2, zero, zero, one)
    mirrored = matrices(mirror, zero, zero, zero, one, zero, zero, zero, one)
    scale = boxes[:, 2] / size
    scaled = matrices(scale, zero, zero, zero, scale, zero, zero, zero, one)
    moved = matrices(one, zero, boxes[:, 0], zero, one, boxes[:, 1], zero, zero, one)
    rotated = torch.matrix_exp(matrices(zero, -turn, zero, turn, zero, zero, zero, zero, zero))
    return (moved @ scaled @ rotated @ mirrored @ centred)[:, :2]


def color_cases():
    pictures = waves([2, 3, 4, 3], 0.8, 0.45, 0.5)
    factors = [0.6, 1.7]

    def each(adjust):
        return lambda x, f: torch.stack([adjust(x[i], f[i].item()) for i in range(len(x))])

    made = [case("rgb_to_grayscale", "ops.rgb_to_grayscale", [pictures], TF.rgb_to_grayscale)]
    for name in ("brightness", "contrast", "saturation"):
        adjust = getattr(TF, f"adjust_{name}")
        made.append(case(f"adjust_{name}", f"ops.adjust_{name}", [pictures, given(factors)], each(adjust),
                         gradient=[0]))
    made.append(case("adjust_hue", "ops.adjust_hue", [pictures, given([-0.3, 0.45])], each(TF.adjust_hue),
                     gradient=[0]))
    return made


def gaussian(squared, sigma):
    return torch.exp(-squared / (2 * sigma ** 2))


def heatmap_cases():
    x, y = torch.arange(5.0), torch.arange(4.0)[:, None]
    z = torch.arange(3.0)[:, None, None]

    def render(points):
        return gaussian((x - points[..., 0, None, None]) ** 2 + (y - points[..., 1, None, None]) ** 2, 1.5)

    def render_volume(points):
        px, py, pz = (points[..., i, None, None, None] for i in range(3))
        return gaussian((x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2, 1.2)

    def render_lines(lines):
        a, b, c = (lines[..., i, None, None] for i in range(3))
        return gaussian(((a * x + b * y + c) / torch.sqrt(a ** 2 + b ** 2)) ** 2, 2.0)

    def lines_of(points, fundamental):
        return torch.einsum("nij,nkj->nki", fundamental, F.pad(points, (0, 1), value=1.0))

    def soft_argmax(maps, beta):
        flat = torch.softmax(beta * maps.flatten(-2), -1).reshape(maps.shape)
        h, w = maps.shape[-2:]
        return torch.stack([(flat * torch.arange(w)).sum((-2, -1)), (flat * torch.arange(h)[:, None]).sum((-2, -1))], -1)

    def soft_argmax_volume(maps):
        flat = torch.softmax(5.0 * maps.flatten(-3), -1).reshape(maps.shape)
        d, h, w = maps.shape[-3:]
        axes = torch.arange(w), torch.arange(h)[:, None], torch.arange(d)[:, None, None]
        return torch.stack([(flat * axis).sum((-3, -2, -1)) for axis in axes], -1)

    def unproject(maps, at, seen):
        n, v, j, h, w = maps.shape
        unit = 2 * at / torch.tensor([w - 1.0, h - 1.0]) - 1
        values = F.grid_sample(maps.reshape(n * v, j, h, w), unit.reshape(n * v, 1, -1, 2), align_corners=True)
        values = values.reshape(n, v, j, -1) * seen[:, :, None]
        return (values.sum(1) / (seen[:, :, None].sum(1) + 1e-6)).clamp(0, 1)

    points = waves([2, 3, 2], 0.4, 2.0, 2.0)
    seen = given([[[1, 0, 1, 1, 0], [1, 1, 0, 1, 0]], [[0, 1, 1, 1, 1], [1, 1, 1, 0, 0]]])
    views = [waves([2, 2, 3, 4, 5], 0.2, 0.6, 0.4), waves([2, 2, 5, 2], 1.1, 2.5, 1.5), seen]
    return [
        case("Gaussians", "ops.gaussian_heatmap_2d", [points], render, [[4, 5], {"sigma": 1.5}]),
        case("Gaussians in a volume", "ops.gaussian_heatmap_3d", [waves([2, 3], 0.4, 1.5, 1.5)], render_volume,
             [[3, 4, 5], {"sigma": 1.2}]),
        case("heatmaps of lines", "ops.line_heatmap", [waves([2, 2, 3])], render_lines, [[4, 5], {"sigma": 2}]),
        case("epipolar lines", "ops.epipolar_lines", [waves([2, 3, 3]), points],
             lambda f, p: lines_of(p, f)),
        case("soft-argmax", "ops.soft_argmax_2d", [waves([2, 3, 4, 5])], lambda x: soft_argmax(x, 1.0)),
        case("soft-argmax, sharp", "ops.soft_argmax_2d", [waves([2, 4, 5])], lambda x: soft_argmax(x, 10.0),
             [{"beta": 10}]),
        case("soft-argmax of a volume", "ops.soft_argmax_3d", [waves([2, 3, 4, 5])], soft_argmax_volume, [{"beta": 5}]),
        case("unprojection", "ops.unproject", views, unproject, gradient=[0, 1]),
    ]


def cases():
    return index_cases() + axis_cases() + peak_cases() + grid_cases() + affine_cases() + color_cases() + heatmap_cases()
