"""Reductions over any axes, and what depends on order along one."""
import torch

from golden.common import case, given, waves

X = waves([2, 3, 5])
ODD = waves([3, 7], amplitude=2.5)
TIES = given([[1, 3, 3, -2], [5, 5, 5, 5], [0, -1, 0, -1]])
NAN = float("nan")
INF = float("inf")
AXES = (("all", [], None), ("last", [-1], -1), ("two", [[0, 2]], (0, 2)), ("kept", [1, {"keepdim": True}], 1))


def whole_or(function, over_axes):
    """A case for every choice of axes; PyTorch spells reducing all of them in its own way."""
    made = []
    for kind, arguments, axes in AXES:
        keep = kind == "kept"
        made.append((kind, arguments, lambda x, a=axes, k=keep: function(x) if a is None else over_axes(x, a, k)))
    return made


def plain_cases():
    made = []
    for name, whole, over in (
            ("sum", torch.sum, torch.sum), ("mean", torch.mean, torch.mean), ("amax", torch.amax, torch.amax),
            ("amin", torch.amin, torch.amin), ("var", torch.var, lambda x, a, k: torch.var(x, a, True, k)),
            ("std", torch.std, lambda x, a, k: torch.std(x, a, True, k)),
            ("logsumexp", lambda x: torch.logsumexp(x, (0, 1, 2)), torch.logsumexp),
            ("count_nonzero", torch.count_nonzero, None)):
        if over is None:
            made.append(case(name, f"ops.{name}", [TIES], whole, gradient=False))
            made.append(case(f"{name}, axis", f"ops.{name}", [TIES], lambda x: torch.count_nonzero(x, 1), [1],
                             gradient=False))
            continue
        made += [case(f"{name}, {kind}", f"ops.{name}", [X], function, arguments)
                 for kind, arguments, function in whole_or(whole, over)]
    made += [case("max with ties", "ops.max", [TIES], lambda x: x.amax(1), [1]),
             case("min with ties", "ops.min", [TIES], lambda x: x.amin(1), [1]),
             case("prod", "ops.prod", [X], torch.prod), case("prod, axis", "ops.prod", [X], lambda x: x.prod(1), [1]),
             case("prod with zeros", "ops.prod", [given([[1, 2, 0], [0, 0, 3], [4, 5, 6.5]])], lambda x: x.prod(1),
                  [1]),
             case("var, biased", "ops.var", [X], lambda x: x.var(1, unbiased=False), [1, {"unbiased": False}]),
             case("var, correction", "ops.var", [ODD], lambda x: torch.var(x, (0,), correction=2),
                  [0, {"correction": 2}]),
             case("std of equals", "ops.std", [given([[2, 2, 2], [1, 2, 4]])], lambda x: x.std(1), [1])]
    return made


def norm_cases():
    made = []
    for p in (2, 1, "inf", "-inf", 0, 3, 1.5):
        order = float(p)
        made += [case(f"norm {p}, {kind}", "ops.norm", [X],
                      lambda x, o=order, a=axes, k=kind == "kept": torch.linalg.vector_norm(x, o, a, k),
                      [p] + (arguments or [None]), gradient=p != 0)
                 for kind, arguments, axes in AXES]
    zeros = given([[0, 0, 0], [0, 2, -1]])
    made.append(case("norm of zeros", "ops.norm", [zeros], lambda x: torch.linalg.vector_norm(x, 2, 1), [2, 1]))
    made.append(case("norm 3 of zeros", "ops.norm", [zeros], lambda x: torch.linalg.vector_norm(x, 3, 1), [3, 1]))
    return made


def truth_cases():
    flags = given([[0, 0, 0], [0, 2, 0], [1, -1, 0.5], [0, NAN, 0]])
    made = []
    for name, function in (("any", torch.any), ("all", torch.all)):
        made.append(case(name, f"ops.{name}", [flags], lambda x, f=function: f(x != 0)))
        made.append(case(f"{name}, axis", f"ops.{name}", [flags], lambda x, f=function: f(x != 0, 1), [1]))
    return made


def place_cases():
    first = given([[1, 3, 3, -2], [5, 5, 5, 5], [0, -1, NAN, NAN]])
    made = []
    for name, function in (("argmax", torch.argmax), ("argmin", torch.argmin)):
        made += [case(f"{name}, all", f"ops.{name}", [X], function),
                 case(f"{name}, axis", f"ops.{name}", [X], lambda x, f=function: f(x, 1), [1]),
                 case(f"{name}, kept", f"ops.{name}", [X], lambda x, f=function: f(x, -1, True),
                      [-1, {"keepdim": True}]),
                 case(f"{name}, ties and not a number", f"ops.{name}", [first], lambda x, f=function: f(x, 1), [1])]
    return made


def order_cases():
    strange = given([[2, NAN, -INF, INF, 2], [NAN, NAN, 1, 0, -1]])
    return [
        case("cumsum", "ops.cumsum", [ODD], lambda x: x.cumsum(-1), [-1]),
        case("cumsum, first axis", "ops.cumsum", [X], lambda x: x.cumsum(0), [0]),
        case("cumsum, long", "ops.cumsum", [waves([1, 257], amplitude=3, offset=2)], lambda x: x.cumsum(1), [1]),
        case("cumsum of what is not finite", "ops.cumsum", [given([[1, INF, 2], [NAN, 1, 2], [INF, -INF, 1]])],
             lambda x: x.cumsum(1), [1], gradient=False),
        case("cumprod", "ops.cumprod", [ODD], lambda x: x.cumprod(-1), [-1]),
        case("cumprod, first axis", "ops.cumprod", [X], lambda x: x.cumprod(0), [0]),
        case("cumprod with zeros", "ops.cumprod", [given([[1, 0, 3, 4], [0, 2, 0, 5], [2, 3, -1, 0], [0, 0, 0, 0]])],
             lambda x: x.cumprod(1), [1]),
        case("cumprod of what is not finite", "ops.cumprod", [given([[2, INF, 0, 1], [NAN, 1, 2, 0], [1, -INF, -1, 2]])],
             lambda x: x.cumprod(1), [1], gradient=False),
        case("sort", "ops.sort", [ODD], torch.sort),
        case("sort, descending, first axis", "ops.sort", [X], lambda x: x.sort(0, True), [0, {"descending": True}]),
        case("sort with ties", "ops.sort", [TIES], lambda x: x.sort(dim=-1, stable=True), [-1]),
        case("sort with ties, descending", "ops.sort", [TIES], lambda x: x.sort(dim=-1, descending=True, stable=True),
             [-1, {"descending": True}]),
        case("sort of what is not finite", "ops.sort", [strange], lambda x: x.sort(dim=-1, stable=True),
             gradient=False),
        case("sort of what is not finite, descending", "ops.sort", [strange],
             lambda x: x.sort(dim=-1, descending=True, stable=True), [-1, {"descending": True}], gradient=False),
    ] + [
        case(f"sort of {n} with ties", "ops.sort", [given([(37 * i % 101 - 50) / 8 for i in range(n)])],
             lambda x: x.sort(stable=True)) for n in (1, 2, 3, 17, 1000)
    ] + [
        case("argsort", "ops.argsort", [ODD], lambda x: x.argsort(0), [0]),
        case("topk", "ops.topk", [ODD], lambda x: x.topk(3), [3]),
        case("topk, smallest, middle axis", "ops.topk", [X], lambda x: x.topk(2, 1, largest=False),
             [2, 1, {"largest": False}]),
        case("topk of one", "ops.topk", [waves([1])], lambda x: x.topk(1), [1]),
        case("kthvalue", "ops.kthvalue", [ODD], lambda x: x.kthvalue(4), [4]),
        case("kthvalue, kept", "ops.kthvalue", [X], lambda x: x.kthvalue(2, 1, True), [2, 1, {"keepdim": True}]),
        case("median", "ops.median", [ODD], lambda x: x.median(-1), [-1]),
        case("median of an even number", "ops.median", [X], lambda x: x.median(0), [0]),
    ]


def strange_cases():
    strange = given([[1, NAN, 2], [INF, 1, 2], [-INF, INF, 0], [-INF, -INF, -INF]])
    made = []
    for name, function in (("sum", torch.sum), ("mean", torch.mean), ("amax", torch.amax), ("amin", torch.amin),
                           ("prod", torch.prod), ("logsumexp", torch.logsumexp), ("var", torch.var),
                           ("std", torch.std)):
        made.append(case(f"{name} of what is not finite", f"ops.{name}", [strange], lambda x, f=function: f(x, 1), [1],
                         gradient=False))
    for p in (2, 1, "inf"):
        made.append(case(f"norm {p} of what is not finite", "ops.norm", [strange],
                         lambda x, o=float(p): torch.linalg.vector_norm(x, o, 1), [p, 1], gradient=False))
    made.append(case("var of one", "ops.var", [given([[3.0], [4.0]])], lambda x: x.var(1), [1], gradient=False))
    return made


def cases():
    return plain_cases() + norm_cases() + truth_cases() + place_cases() + order_cases() + strange_cases()
