"""What all families share: the formula of inputs, how numbers are stored, and cases of operators.

A case is one call. tests/spec/golden_spec.lua makes the same call and compares outputs and gradients:

    {"name": text, "call": path below `mvgraph` such as "ops.sum" or "F.mse_loss",
     "inputs": [{"shape", "phase", "amplitude", "offset"} or {"shape", "values", "dtype"?}],
     "packed": true if the inputs are handed over as one list (concat),
     "places": [where each input stands in the call, from 1; the first ones when absent],
     "arguments": [what stands in the other places],
     "outputs": [{"shape", "values"}],
     "gradients": [numbers or null, one an input],
     "tolerance": relative, for f32 on the device; the spec's own when absent}

Gradients are those of sum over the outputs o of sum(output_o * wave(output_o.shape, 9 + o)); outputs without a gradient
(indices, flags) take no part. Not a number and infinities are stored as "nan", "inf" and "-inf".
"""
import math

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def wave(shape, phase, amplitude=1.0, offset=0.0):
    """offset + amplitude sin(phase + 0.73 i + 0.0031 i^2), i the flat index."""
    values = [offset + amplitude * math.sin(phase + 0.73 * i + 0.0031 * i * i) for i in range(math.prod(shape))]
    return torch.tensor(values).reshape(shape)


def store(value):
    """A number with eight digits, whole ones without a point; what JSON cannot hold as text."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return int(value) if value == int(value) and abs(value) < 1e8 else float(f"{value:.8g}")


def numbers(tensor):
    return [float(f"{value:.8g}") for value in tensor.detach().flatten().tolist()]


def waves(shape, phase=0.5, amplitude=1.0, offset=0.0):
    """An input by the formula."""
    return {"shape": list(shape), "phase": phase, "amplitude": amplitude, "offset": offset}


def given(values, dtype=None):
    """An input by its numbers: nested lists; dtype "i32" for indices."""
    tensor = torch.tensor(values, dtype=torch.int64 if dtype == "i32" else torch.float64)
    made = {"shape": list(tensor.shape), "values": [store(value) for value in tensor.flatten().tolist()]}
    if dtype:
        made["dtype"] = dtype
    return made


def make_input(spec):
    """The tensor of an input, a leaf where it can have a gradient."""
    if "values" not in spec:
        return wave(spec["shape"], spec["phase"], spec["amplitude"], spec["offset"]).requires_grad_()
    values = [float(value) for value in spec["values"]]
    tensor = torch.tensor(values).reshape(spec["shape"])
    return tensor.long() if spec.get("dtype") == "i32" else tensor.requires_grad_()


def case(name, call, inputs, function, arguments=(), packed=False, places=None, gradient=True,
         tolerance=None):
    """One call of `function` on tensors; it returns a tensor or several. gradient: False leaves gradients out, a list
    of positions keeps those alone."""
    tensors = [make_input(spec) for spec in inputs]
    outputs = function(tensors) if packed else function(*tensors)
    outputs = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
    made = {"name": name, "call": call, "inputs": list(inputs), "arguments": list(arguments)}
    if packed:
        made["packed"] = True
    if places:
        made["places"] = list(places)
    made["outputs"] = [{"shape": list(y.shape), "values": [store(float(v)) for v in y.detach().flatten().tolist()]}
                       for y in outputs]
    made["gradients"] = gradients(tensors, outputs, gradient)
    if tolerance:
        made["tolerance"] = tolerance
    return made


def gradients(tensors, outputs, wanted):
    total = 0
    for position, output in enumerate(outputs):
        if output.requires_grad:
            total = total + (output * wave(output.shape, 9.0 + position)).sum()
    if wanted is False or not torch.is_tensor(total):
        return [None] * len(tensors)
    total.backward()
    positions = range(len(tensors)) if wanted is True else wanted
    return [[store(v) for v in tensor.grad.flatten().tolist()] if i in positions and tensor.grad is not None else None
            for i, tensor in enumerate(tensors)]
