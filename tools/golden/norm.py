"""Normalisation by statistics, and softmax."""
import torch
import torch.nn.functional as F

from golden.common import case, given, waves


def norm_cases():
    made = []
    for name, shape in (("1d", [6, 3]), ("1d of signals", [2, 3, 5]), ("2d", [2, 3, 4, 5]), ("3d", [2, 2, 3, 2, 3])):
        c = [shape[1]]
        inputs = [waves(shape, 0.5, 2.0, 0.7), waves(c, 1.0), waves(c, 2.0, 0.5, 1.5), waves(c, 3.0, 0.4, 1.0),
                  waves(c, 4.0)]
        made += [
            case(f"batch_norm {name}, training", "F.batch_norm", inputs,
                 lambda x, mean, var, *affine: F.batch_norm(x, mean.detach() + 0, var.detach() + 0, *affine, True),
                 [{"training": True}], gradient=[0, 3, 4]),
            case(f"batch_norm {name}, frozen", "F.batch_norm", inputs,
                 lambda x, mean, var, *affine: F.batch_norm(x, mean.detach(), var.detach(), *affine, False, 0.1, 1e-3),
                 [{"eps": 1e-3}], gradient=[0, 3, 4]),
        ]
    for name, shape, groups in (("", [2, 6, 3, 4], 3), (", one group", [2, 4, 5], 1),
                                (", a group a channel", [2, 3, 7], 3), (" of rows", [3, 6], 2),
                                (" of volumes", [1, 4, 2, 3, 2], 2)):
        made.append(case(f"group_norm{name}", "F.group_norm", [waves(shape, 0.5, 2.0, 0.7)],
                         lambda x, g=groups: F.group_norm(x, g), [groups]))
    for shape in ([4, 7], [2, 3, 1], [2, 1, 13]):
        inputs = [waves(shape, 0.5, 2.0, 0.7), waves(shape[-1:], 3.0, 0.4, 1.0), waves(shape[-1:], 4.0)]
        made.append(case(f"layer_norm {shape}", "F.layer_norm", inputs,
                         lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b, 1e-3), [1e-3]))
    return made


def softmax_cases():
    made = []
    for shape, axis in (([4, 7], -1), ([2, 5, 3], 1), ([3, 1], -1), ([5, 2], 0)):
        for name in ("softmax", "log_softmax"):
            made.append(case(f"{name} {shape} along {axis}", f"F.{name}", [waves(shape, 0.5, 3.0)],
                             lambda x, n=name, a=axis: getattr(F, n)(x, a), [axis]))
    far = given([[1000.0, 999.0, -1000.0], [0.0, -200.0, 3.0]])
    made.append(case("log_softmax, far apart", "F.log_softmax", [far], lambda x: F.log_softmax(x, -1), [-1]))
    made.append(case("softmax, far apart", "F.softmax", [far], lambda x: F.softmax(x, -1), [-1]))
    return made


def cases():
    return norm_cases() + softmax_cases()
