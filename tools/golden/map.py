"""Elementwise operators."""
import torch
from torch.nn import functional as F

from golden.common import case, given, waves

SHAPE = [3, 7]
POSITIVE = {"amplitude": 0.8, "offset": 1.1}  # 0.3 to 1.9


def unary_cases():
    wide, unit = waves(SHAPE, amplitude=2.5), waves(SHAPE, amplitude=0.9)
    positive = waves(SHAPE, **POSITIVE)
    plain = {
        "neg": torch.neg, "abs": torch.abs, "sign": torch.sign, "floor": torch.floor, "ceil": torch.ceil,
        "round": torch.round, "square": torch.square, "exp": torch.exp, "sin": torch.sin, "cos": torch.cos,
        "atan": torch.atan, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "erf": torch.erf, "relu": torch.relu,
        "leaky_relu": F.leaky_relu, "gelu": F.gelu, "silu": F.silu, "softplus": F.softplus,
    }
    unit_ones = {"tan": torch.tan, "asin": torch.asin, "acos": torch.acos}
    positive_ones = {"log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal}
    made = []
    for functions, x in ((plain, wide), (unit_ones, unit), (positive_ones, positive)):
        made += [case(name, f"ops.{name}", [x], function, gradient=name not in ("sign", "floor", "ceil", "round"))
                 for name, function in functions.items()]
    return made


def binary_cases():
    made = []
    pairs = {"equal shapes": (waves(SHAPE), waves(SHAPE, 2.0, **POSITIVE)),
             "broadcast": (waves([2, 1, 5]), waves([3, 1], 2.0, **POSITIVE)),
             "scalar": (waves([]), waves([1, 4], 2.0, **POSITIVE))}
    functions = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum,
                 "minimum": torch.minimum, "atan2": torch.atan2}
    for name, function in functions.items():
        made += [case(f"{name}, {kind}", f"ops.{name}", pair, function) for kind, pair in pairs.items()]
    positive = (waves(SHAPE, **POSITIVE), waves(SHAPE, 2.0))
    made.append(case("power", "ops.power", positive, torch.pow))
    a, b = waves(SHAPE, amplitude=2.5), waves(SHAPE, 2.0, **POSITIVE)
    made.append(case("remainder", "ops.remainder", (a, b), torch.remainder, gradient=[0]))
    left, right = given([[1, 2, 3], [2, 5, -1]]), given([2.0, 2.0, -1.0])
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        made.append(case(name, f"ops.{name}", (left, right), getattr(torch, name)))
    return made


def activation_cases():
    wide = waves(SHAPE, 0.3, amplitude=4.5)
    plain = {"hardtanh": F.hardtanh, "relu6": F.relu6, "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish,
             "elu": F.elu, "celu": F.celu, "selu": F.selu, "mish": F.mish, "softsign": F.softsign,
             "logsigmoid": F.logsigmoid, "softshrink": F.softshrink, "hardshrink": F.hardshrink,
             "softplus": F.softplus}
    made = [case(name, f"ops.{name}", [wide], function) for name, function in plain.items()]

    def geman_mcclure(x, sigma):
        return sigma ** 2 * x ** 2 / (sigma ** 2 + x ** 2)
    return made + [
        case("hardtanh 0 to 6", "ops.hardtanh", [wide], lambda x: F.hardtanh(x, 0, 6), [0, 6]),
        case("elu 0.3", "ops.elu", [wide], lambda x: F.elu(x, 0.3), [0.3]),
        case("celu 0.3", "ops.celu", [wide], lambda x: F.celu(x, 0.3), [0.3]),
        case("softplus, beta 2, threshold 3", "ops.softplus", [wide], lambda x: F.softplus(x, 2, 3), [2, 3]),
        case("softshrink 1.5", "ops.softshrink", [wide], lambda x: F.softshrink(x, 1.5), [1.5]),
        case("hardshrink 1.5", "ops.hardshrink", [wide], lambda x: F.hardshrink(x, 1.5), [1.5]),
        case("gelu_tanh", "ops.gelu_tanh", [wide], lambda x: F.gelu(x, approximate="tanh")),
        case("geman_mcclure", "ops.geman_mcclure", [wide], lambda x: geman_mcclure(x, 1.0)),
        case("geman_mcclure, sigma 2.5", "ops.geman_mcclure", [wide], lambda x: geman_mcclure(x, 2.5), [2.5]),
    ]


def special_cases():
    wide, unit = waves(SHAPE, amplitude=2.5), waves(SHAPE, amplitude=0.9)
    small, positive = waves(SHAPE, amplitude=1e-3), waves(SHAPE, **POSITIVE)
    made = []
    for x, kind, names in ((wide, "", "expm1 exp2 sinh cosh asinh"), (small, ", small", "expm1 log1p sinh asinh atanh"),
                           (unit, "", "log1p atanh"), (positive, "", "log2 log10"),
                           (waves(SHAPE, amplitude=2, offset=3.1), "", "acosh"),
                           (waves(SHAPE, amplitude=1e4, offset=1.1e4), ", large", "log1p asinh acosh")):
        made += [case(name + kind, f"ops.{name}", [x], getattr(torch, name)) for name in names.split()]
    made += [case(name, f"ops.{name}", [wide], getattr(torch, name), gradient=False) for name in ("trunc", "frac")]
    pair = (waves([2, 1, 5], amplitude=2), waves([3, 1], 2.0, **POSITIVE))
    for name in ("logaddexp", "xlogy", "hypot", "fmod"):
        made.append(case(name, f"ops.{name}", pair, getattr(torch, name), gradient=True if name != "fmod" else [0]))
    made.append(case("floor_divide", "ops.floor_divide", pair, torch.floor_divide, gradient=False))
    weights = waves([3, 1], 1.0, amplitude=0.7, offset=0.5)
    made.append(case("lerp", "ops.lerp", (waves([2, 1, 5]), waves([3, 5], 2.0), weights), torch.lerp))
    return made


def logic_cases():
    a, b = given([[0.0], [2.0], [-1.0]]), given([0.0, 0.5, -3.0])
    strange = given([float("nan"), float("inf"), float("-inf"), 1.5, 0.0])
    names = ("logical_and", "logical_or", "logical_xor")
    made = [case(name, f"ops.{name}", (a, b), getattr(torch, name)) for name in names]
    made.append(case("logical_not", "ops.logical_not", [b], torch.logical_not))
    made += [case(name, f"ops.{name}", [strange], getattr(torch, name)) for name in ("isnan", "isinf", "isfinite")]
    made.append(case("nan_to_num", "ops.nan_to_num", [strange], lambda x: torch.nan_to_num(x, 1, 2, 3), [1, 2, 3]))
    return made


def strange_cases():
    """Not a number and infinities in: the same ones out."""
    strange = given([float("nan"), float("inf"), float("-inf"), 0.0, -0.0])
    unary = {
        "neg": torch.neg, "abs": torch.abs, "square": torch.square, "reciprocal": torch.reciprocal, "exp": torch.exp,
        "log": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "sin": torch.sin, "cos": torch.cos,
        "tan": torch.tan, "asin": torch.asin, "acos": torch.acos, "atan": torch.atan, "tanh": torch.tanh,
        "sigmoid": torch.sigmoid, "erf": torch.erf, "relu": torch.relu, "leaky_relu": F.leaky_relu, "elu": F.elu,
        "softplus": F.softplus, "log1p": torch.log1p, "expm1": torch.expm1, "log2": torch.log2, "exp2": torch.exp2,
        "floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc, "sinh": torch.sinh,
        "cosh": torch.cosh, "asinh": torch.asinh, "atanh": torch.atanh, "hardtanh": F.hardtanh, "relu6": F.relu6,
        "selu": F.selu,
    }
    made = [case(f"{name} of what is not finite", f"ops.{name}", [strange], function, gradient=False)
            for name, function in unary.items()]
    made.append(case("clamp of what is not finite", "ops.clamp", [strange], lambda x: x.clamp(-1, 1), [-1, 1],
                     gradient=False))
    left = given([[float("nan")], [float("inf")], [float("-inf")], [0.0], [1.5]])
    for name in ("add", "sub", "mul", "div", "maximum", "minimum", "atan2", "logaddexp"):
        made.append(case(f"{name} of what is not finite", f"ops.{name}", (left, strange), getattr(torch, name),
                         gradient=False))
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        made.append(case(f"{name} of what is not finite", f"ops.{name}", (left, strange), getattr(torch, name)))
    made.append(case("power of what is not finite", "ops.power", (left, given([float("nan"), 0.0, 1.0, 2.0, -1.0])),
                     torch.pow, gradient=False))
    return made


def other_cases():
    wide = waves(SHAPE, amplitude=2.5)
    condition = given([[1.0], [0.0], [1.0]])
    return [
        case("pow 3", "ops.pow", [wide], lambda x: x ** 3, [3]),
        case("pow -1", "ops.pow", [waves(SHAPE, **POSITIVE)], lambda x: x ** -1, [-1]),
        case("pow 1.7", "ops.pow", [waves(SHAPE, **POSITIVE)], lambda x: x ** 1.7, [1.7]),
        case("cube", "ops.cube", [wide], lambda x: torch.pow(x, 3)),
        case("cube of one", "ops.cube", [waves([1])], lambda x: torch.pow(x, 3)),
        case("power_by 2.3", "ops.power_by", [waves([13], **POSITIVE)], lambda x: torch.pow(x, 2.3), [2.3]),
        case("power_by -1.5", "ops.power_by", [waves([5, 1], **POSITIVE)], lambda x: torch.pow(x, -1.5), [-1.5]),
        case("power_by 4 of negative bases", "ops.power_by", [wide], lambda x: torch.pow(x, 4), [4]),
        case("power_by 0", "ops.power_by", [given([-1.5, 0.0, 2.0])], lambda x: torch.pow(x, 0), [0]),
        case("int", "ops.int", [waves([17], amplitude=40)], lambda x: x.int()),
        case("int near whole numbers", "ops.int", [given([-1.0, -0.99999, -0.5, 0.5, 0.99999, 2.0, -7.0])],
             lambda x: x.int()),
        # 0 * x: for PyTorch to have the gradient, zeros
        case("stop_gradient", "ops.stop_gradient", [wide], lambda x: x.detach() + 0 * x),
        case("stop_gradient of one", "ops.stop_gradient", [waves([])], lambda x: x.detach() + 0 * x),
        case("leaky_relu 0.2", "ops.leaky_relu", [wide], lambda x: F.leaky_relu(x, 0.2), [0.2]),
        case("clamp", "ops.clamp", [wide], lambda x: x.clamp(-0.5, 1.2), [-0.5, 1.2]),
        case("clamp below", "ops.clamp", [wide], lambda x: x.clamp(min=0.3), [{"low": 0.3}]),
        case("where", "ops.where", [condition, waves([1, 4]), waves([3, 4], 2.0)],
             lambda c, a, b: torch.where(c != 0, a, b), gradient=[1, 2]),
    ]


def cases():
    return (unary_cases() + binary_cases() + activation_cases() + special_cases() + logic_cases() + strange_cases()
            + other_cases())
