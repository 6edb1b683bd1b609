"""Pooling over windows and resizing of maps."""
import torch.nn.functional as F

from golden.common import case, given, waves
from golden.dense import with_tuples


def pool_case(name, x, kernel, values=None, **options):
    function = name.split(",")[0]
    source = given(values) if values else waves(x)
    return case(name, f"F.{function}", [source],
                lambda t: getattr(F, function)(t, kernel, **with_tuples(options)), [kernel, options])


def pool_cases():
    ties = [[[[1.0, 1, 0, 2], [1, 0, 2, 2], [-1, 0, 0, 0], [0, 0, 0, -1]]]]
    return [
        pool_case("max_pool1d", [2, 3, 9], 3, stride=2, padding=1),
        pool_case("max_pool2d", [2, 3, 6, 4], 2),
        pool_case("max_pool2d, of a stem", [1, 4, 9, 8], 3, stride=2, padding=1),
        pool_case("max_pool2d, overlapping", [1, 2, 6, 5], [3, 2], stride=1),
        pool_case("max_pool2d, ceil_mode", [1, 2, 8, 5], 3, stride=2, ceil_mode=True),
        pool_case("max_pool2d, ceil_mode without a last window", [1, 1, 6, 6], 2, stride=3, padding=1, ceil_mode=True),
        pool_case("max_pool2d, dilated", [1, 2, 9, 7], [3, 2], stride=2, dilation=[2, 3], padding=1),
        pool_case("max_pool2d, negative and padded", [], 3, [[[[-4.0, -3], [-2, -6]]]], stride=1, padding=1),
        pool_case("max_pool2d, equal elements", [], 2, ties, stride=1),
        pool_case("max_pool2d, equal elements apart", [], 2, ties),
        case("first_max", "ops.first_max", [given(ties[0][0])], lambda x: x.max(1).values, [1]),
        pool_case("max_pool3d", [1, 2, 4, 5, 4], 2),
        pool_case("max_pool3d, padded", [1, 2, 4, 5, 3], [3, 2, 3], stride=[2, 1, 2], padding=1, ceil_mode=True),
        pool_case("avg_pool1d", [2, 3, 9], 3, stride=2, padding=1),
        pool_case("avg_pool2d", [2, 3, 6, 4], 2),
        pool_case("avg_pool2d, padded", [1, 3, 7, 6], 3, stride=2, padding=1),
        pool_case("avg_pool2d, padding not counted", [1, 3, 7, 6], [3, 2], stride=2, padding=1,
                  count_include_pad=False),
        pool_case("avg_pool2d, ceil_mode", [1, 2, 8, 5], 3, stride=2, padding=1, ceil_mode=True),
        pool_case("avg_pool2d, ceil_mode, padding not counted", [1, 2, 8, 5], 3, stride=2, padding=1, ceil_mode=True,
                  count_include_pad=False),
        pool_case("avg_pool2d, divisor_override", [1, 2, 5, 5], 3, stride=2, divisor_override=4),
        pool_case("avg_pool3d", [1, 2, 4, 5, 4], 2),
        pool_case("avg_pool3d, padded", [1, 2, 4, 5, 3], [3, 2, 3], stride=2, padding=1, count_include_pad=False),
        pool_case("adaptive_avg_pool1d", [2, 3, 7], 3),
        pool_case("adaptive_avg_pool2d, to one", [2, 3, 5, 4], 1),
        pool_case("adaptive_avg_pool2d", [2, 2, 6, 4], [3, 2]),
        pool_case("adaptive_avg_pool2d, uneven", [1, 2, 7, 5], [3, 4]),
        pool_case("adaptive_avg_pool2d, more than there is", [1, 2, 3, 2], [5, 2]),
        pool_case("adaptive_avg_pool3d", [1, 2, 5, 4, 3], [2, 1, 3]),
    ]


def resize_case(name, x, **options):
    return case(f"interpolate, {name}", "F.interpolate", [waves(x)], lambda t: F.interpolate(t, **with_tuples(options)),
                [options])


def resize_cases():
    made = [
        resize_case("nearest to twice", [2, 3, 3, 4], scale_factor=2),
        resize_case("nearest", [1, 2, 5, 3], size=[7, 4]),
        resize_case("nearest to less", [1, 2, 7, 6], size=[3, 4]),
        resize_case("nearest by 1.5", [1, 2, 5, 4], scale_factor=1.5),
        resize_case("nearest of a signal", [2, 3, 5], size=8),
        resize_case("nearest of a volume", [1, 2, 3, 2, 3], size=[4, 4, 2]),
        resize_case("nearest-exact", [1, 2, 5, 3], size=[7, 4], mode="nearest-exact"),
        resize_case("nearest-exact to less", [1, 2, 7, 6], size=[3, 4], mode="nearest-exact"),
    ]
    for aligned in (False, True):
        kind = ", align_corners" if aligned else ""
        both = {"align_corners": aligned}
        made += [
            resize_case("linear" + kind, [2, 3, 5], size=8, mode="linear", **both),
            resize_case("bilinear to twice" + kind, [2, 2, 3, 4], scale_factor=2, mode="bilinear", **both),
            resize_case("bilinear" + kind, [1, 2, 5, 3], size=[8, 4], mode="bilinear", **both),
            resize_case("bilinear to less" + kind, [1, 2, 7, 9], size=[3, 4], mode="bilinear", **both),
            resize_case("bilinear one axis" + kind, [1, 2, 4, 3], size=[4, 7], mode="bilinear", **both),
            resize_case("bilinear from one" + kind, [1, 2, 1, 3], size=[3, 1], mode="bilinear", **both),
            resize_case("bilinear by 1.5 and 0.7" + kind, [1, 2, 5, 9], scale_factor=[1.5, 0.7], mode="bilinear",
                        **both),
            resize_case("trilinear" + kind, [1, 2, 3, 4, 2], size=[5, 3, 4], mode="trilinear", **both),
        ]
    return made


def cases():
    return pool_cases() + resize_cases()
