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


def other_cases():
    wide = waves(SHAPE, amplitude=2.5)
    condition = given([[1.0], [0.0], [1.0]])
    return [
        case("pow 3", "ops.pow", [wide], lambda x: x ** 3, [3]),
        case("pow -1", "ops.pow", [waves(SHAPE, **POSITIVE)], lambda x: x ** -1, [-1]),
        case("pow 1.7", "ops.pow", [waves(SHAPE, **POSITIVE)], lambda x: x ** 1.7, [1.7]),
        case("leaky_relu 0.2", "ops.leaky_relu", [wide], lambda x: F.leaky_relu(x, 0.2), [0.2]),
        case("clamp", "ops.clamp", [wide], lambda x: x.clamp(-0.5, 1.2), [-0.5, 1.2]),
        case("clamp below", "ops.clamp", [wide], lambda x: x.clamp(min=0.3), [{"low": 0.3}]),
        case("where", "ops.where", [condition, waves([1, 4]), waves([3, 4], 2.0)],
             lambda c, a, b: torch.where(c != 0, a, b), gradient=[1, 2]),
    ]


def cases():
    return unary_cases() + binary_cases() + other_cases()
