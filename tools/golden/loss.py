"""Losses of numbers and of classes."""
import torch
import torch.nn.functional as F

from golden.common import case, given, waves


def loss_cases():
    made = []
    pair = [waves([3, 4], 0.5, 2.0), waves([3, 4], 2.0)]
    for reduction in ("mean", "sum", "none"):
        for name, options in (("mse_loss", {}), ("l1_loss", {}), ("smooth_l1_loss", {}),
                              ("smooth_l1_loss", {"beta": 0.4}), ("smooth_l1_loss", {"beta": 0}), ("huber_loss", {}),
                              ("huber_loss", {"delta": 1.7})):
            chosen = {"reduction": reduction, **options}
            made.append(case(f"{name} {chosen}", f"F.{name}", pair,
                             lambda x, y, n=name, o=chosen: getattr(F, n)(x, y, **o), [chosen]))
        targets = [waves([3, 4], 0.5, 2.0), waves([3, 4], 2.0, 0.4, 0.5)]
        made.append(case(f"binary_cross_entropy_with_logits {reduction}", "F.binary_cross_entropy_with_logits", targets,
                         lambda x, y, r=reduction: F.binary_cross_entropy_with_logits(x, y, reduction=r),
                         [{"reduction": reduction}]))
    return made + class_cases()


def class_cases():
    """cross_entropy and nll_loss with indices and with probabilities."""
    made = []
    rows, maps = waves([5, 4], 0.5, 2.0), waves([2, 3, 2, 2], 0.5, 2.0)
    row_targets, map_targets = given([1, 0, 3, 3, 2], "i32"), given([[[0, 2], [1, 1]], [[2, 0], [0, -100]]], "i32")
    weights = [0.5, 1.25, 2.0, 0.75]
    for options in ({}, {"reduction": "sum"}, {"reduction": "none"}, {"weight": weights}, {"ignore_index": 3},
                    {"weight": weights, "ignore_index": 0, "reduction": "none"}):
        made += [class_case(name, rows, row_targets, options) for name in ("cross_entropy", "nll_loss")]
    for options in ({"label_smoothing": 0.1}, {"label_smoothing": 0.2, "weight": weights},
                    {"label_smoothing": 0.2, "ignore_index": 3, "reduction": "sum"}):
        made.append(class_case("cross_entropy", rows, row_targets, options))
    for options in ({}, {"reduction": "none"}, {"weight": [0.5, 1.5, 2.5]}):
        made += [class_case(name, maps, map_targets, options) for name in ("cross_entropy", "nll_loss")]
    made.append(class_case("cross_entropy", waves([4]), given(2, "i32"), {}))
    probabilities = waves([5, 4], 3.0, 0.2, 0.25)
    for options in ({}, {"reduction": "none"}, {"weight": weights, "label_smoothing": 0.3}):
        made.append(class_case("cross_entropy", rows, probabilities, options))
    made.append(class_case("cross_entropy", maps, waves([2, 3, 2, 2], 3.0, 0.2, 0.3), {}))
    return made


def class_case(name, scores, target, options):
    def loss(x, y):
        chosen = dict(options)
        if "weight" in chosen:
            chosen["weight"] = torch.tensor(chosen["weight"])
        return getattr(F, name)(x, y, **chosen)
    kind = "indices" if "dtype" in target else "probabilities"
    return case(f"{name} of {kind} {target['shape']} {options}", f"F.{name}", [scores, target], loss, [options])


def cases():
    return loss_cases()
