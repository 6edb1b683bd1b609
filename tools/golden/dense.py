"""Products of matrices, convolutions and their transposes."""
import torch
import torch.nn.functional as F

from golden.common import case, waves

HALF = {"amplitude": 0.5}


def with_tuples(options):
    """Options as PyTorch takes them: lists as tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


def matmul_cases():
    def product(name, a, b, transpose_a=False, transpose_b=False):
        options = {"transpose_a": transpose_a, "transpose_b": transpose_b}

        def multiply(x, y):
            return torch.matmul(x.mT if transpose_a else x, y.mT if transpose_b else y)
        return case(f"matmul, {name}", "ops.matmul", [waves(a), waves(b, 2.0)], multiply, [options])

    return [
        product("plain", [3, 5], [5, 4]), product("transposed", [5, 3], [4, 5], True, True),
        product("batched", [2, 3, 4, 7], [2, 3, 7, 2]), product("broadcast", [2, 1, 4, 3], [5, 2, 3], False, True),
        product("of one", [1, 1], [1, 1]), product("a row", [1, 17], [17, 3]),
        product("one matrix for all", [6, 2, 3], [3, 5]),
    ]


def conv_case(name, x, weight, **options):
    """`name` begins with the function's."""
    function = name.split(",")[0]
    channels = weight[1] * options.get("groups", 1) if "transpose" in function else weight[0]
    inputs = [waves(x), waves(weight, 2.0, **HALF), waves([channels], 3.0)]
    return case(name, f"F.{function}", inputs, lambda *t: getattr(F, function)(*t, **with_tuples(options)), [options])


def conv_cases():
    return [
        conv_case("conv1d", [2, 3, 9], [4, 3, 3]),
        conv_case("conv1d, strided, padded and dilated", [1, 2, 11], [3, 2, 3], stride=2, padding=3, dilation=3),
        conv_case("conv2d", [2, 3, 5, 6], [4, 3, 3, 3]),
        conv_case("conv2d, 1x1", [2, 5, 3, 4], [3, 5, 1, 1]),
        conv_case("conv2d, 1x1 strided", [1, 4, 5, 4], [3, 4, 1, 1], stride=2),
        conv_case("conv2d, patches", [1, 3, 6, 4], [5, 3, 2, 2], stride=2),
        conv_case("conv2d, strided and padded", [1, 2, 7, 6], [3, 2, 3, 3], stride=2, padding=1),
        conv_case("conv2d, uneven", [1, 2, 8, 5], [2, 2, 2, 3], stride=[3, 1], padding=[0, 2]),
        conv_case("conv2d, dilated", [1, 2, 9, 8], [3, 2, 3, 2], dilation=[2, 3], padding=[2, 1]),
        conv_case("conv2d, strided by 2 and dilated by 2", [1, 2, 9, 8], [2, 2, 3, 3], stride=2, dilation=2, padding=2),
        conv_case("conv2d, strided by 3 and dilated by 2", [1, 1, 11, 10], [2, 1, 3, 3], stride=3, dilation=2,
                  padding=1),
        conv_case("conv2d, strided by 4 and dilated by 6", [1, 1, 17, 9], [1, 1, 3, 2], stride=4, dilation=6,
                  padding=3),
        conv_case("conv2d, same", [1, 2, 5, 6], [3, 2, 4, 3], padding="same", dilation=[1, 2]),
        conv_case("conv2d, valid", [1, 2, 5, 6], [3, 2, 4, 3], padding="valid"),
        conv_case("conv2d, groups", [2, 4, 5, 5], [6, 2, 3, 3], groups=2, padding=1),
        conv_case("conv2d, groups of 1x1", [1, 6, 3, 3], [3, 2, 1, 1], groups=3),
        conv_case("conv2d, depthwise", [1, 5, 6, 5], [5, 1, 3, 3], groups=5, padding=1, stride=2),
        conv_case("conv2d, depthwise with two filters each", [1, 3, 5, 5], [6, 1, 3, 3], groups=3),
        conv_case("conv2d, one pixel", [1, 1, 1, 1], [1, 1, 1, 1]),
        conv_case("conv3d", [1, 2, 4, 5, 3], [3, 2, 2, 3, 2]),
        conv_case("conv3d, strided and padded", [2, 2, 5, 4, 5], [2, 2, 3, 3, 3], stride=2, padding=1),
        conv_case("conv3d, 1x1x1", [2, 3, 2, 3, 2], [4, 3, 1, 1, 1]),
        conv_case("conv3d, groups and dilation", [1, 4, 5, 5, 4], [4, 2, 2, 2, 2], groups=2, dilation=[2, 1, 3],
                  padding=[1, 0, 1]),
        conv_case("conv_transpose1d", [2, 3, 5], [3, 2, 3], stride=2, padding=1, output_padding=1),
        conv_case("conv_transpose2d", [2, 3, 4, 3], [3, 4, 3, 3]),
        conv_case("conv_transpose2d, 4x4 by 2", [1, 3, 3, 4], [3, 2, 4, 4], stride=2, padding=1),
        conv_case("conv_transpose2d, patches", [1, 2, 3, 3], [2, 3, 2, 2], stride=2),
        conv_case("conv_transpose2d, output_padding", [1, 2, 3, 4], [2, 3, 3, 3], stride=[3, 2], padding=[1, 0],
                  output_padding=[2, 1]),
        conv_case("conv_transpose2d, gaps", [1, 2, 3, 3], [2, 2, 2, 1], stride=3),
        conv_case("conv_transpose2d, dilated", [1, 2, 4, 3], [2, 3, 3, 2], stride=2, dilation=[2, 3], padding=[1, 2],
                  output_padding=[1, 2]),
        conv_case("conv_transpose2d, groups", [2, 4, 3, 3], [4, 3, 3, 3], stride=2, padding=1, groups=2),
        conv_case("conv_transpose3d", [1, 2, 2, 3, 2], [2, 3, 3, 2, 3], stride=2, padding=[1, 0, 1],
                  output_padding=[1, 1, 0]),
        conv_case("conv_transpose3d, groups", [1, 4, 2, 2, 3], [4, 1, 2, 2, 2], stride=[1, 2, 2], groups=4),
    ]


def cases():
    return matmul_cases() + conv_cases()
