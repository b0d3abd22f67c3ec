"""Folds what a convolution can do itself into the convolution: the padding before it and the batch norm after it.

Compilers do some of that, but only in the precision of the weights. Folded in double precision and rounded once, a
bfloat16 model loses less; and a padding of its own is one more pass over the map.
"""

import torch
from torch import fx

from exporting.errors import brief, progress

aten = torch.ops.aten


def fold(module, images):
    """`module` with its convolutions folded, for any batch size; `module` itself if torch.export cannot read it."""
    try:
        with torch.no_grad():
            program = torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    except Exception as error:  # whatever the user's code does that cannot be captured
        progress(f"not folded, for torch.export cannot read the model: {brief(error)}")
        return module
    read = program.module(check_guards=False)
    folded = fx.GraphModule(read, read.graph)  # unlike `read`, a plain module that may change its type and mode
    for node in list(folded.graph.nodes):
        if node.target == aten.batch_norm.default:
            fold_batch_norm(folded, node)
    for node in list(folded.graph.nodes):
        if node.target == aten.conv2d.default:
            fold_padding(folded, node)
    folded.graph.eliminate_dead_code()
    folded.delete_all_unused_submodules()
    folded.recompile()
    return folded


def arguments(node, *defaults):
    """The positional arguments with the trailing ones that the graph leaves out."""
    return list(node.args) + list(defaults[len(node.args) :])


def constant(module, node):
    """The tensor that a node stands for; None if it is computed, or absent."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    value = module
    for name in node.target.split("."):
        value = getattr(value, name)
    return value


def add_constant(module, before, name, value):
    name = f"folded_{name}".replace(".", "_")
    module.register_buffer(name, value.float().contiguous())
    with module.graph.inserting_before(before):
        return module.graph.get_attr(name)


def only_user(node):
    return len(node.users) == 1


def fold_batch_norm(module, norm):
    x, weight, bias, mean, variance, training, _, epsilon = arguments(norm, *[None] * 5, False, 0.1, 1e-5)[:8]
    if training or x.target != aten.conv2d.default or not only_user(x):
        return
    conv = arguments(x, None, None, None)
    kernel, mean, variance = constant(module, conv[1]), constant(module, mean), constant(module, variance)
    old = constant(module, conv[2])
    if kernel is None or mean is None or variance is None or (conv[2] is not None and old is None):
        return
    scale = (variance.double() + epsilon).rsqrt()
    if weight is not None:
        scale = scale * constant(module, weight).double()
    shift = ((0 if old is None else old.double()) - mean.double()) * scale
    if bias is not None:
        shift = shift + constant(module, bias).double()
    conv[1] = add_constant(module, x, f"{x.name}_weight", kernel.double() * scale[:, None, None, None])
    conv[2] = add_constant(module, x, f"{x.name}_bias", shift)
    x.args = tuple(conv)
    norm.replace_all_uses_with(x)
    module.graph.erase_node(norm)


def fold_padding(module, conv):
    x, weight, bias, stride, padding, dilation, groups = arguments(conv, None, None, None, [1, 1], [0, 0], [1, 1], 1)
    if x.target != aten.pad.default:
        return
    padded, (left, right, top, bottom), mode, value = arguments(x, None, [0] * 4, "constant", 0.0)
    even = left == right and top == bottom
    kernel = constant(module, weight)
    if mode != "constant" or value or min(left, right, top, bottom) < 0:
        return
    if not even:
        if kernel is None or list(dilation) != [1, 1]:
            return
        weight = add_constant(module, conv, f"{conv.name}_padded_weight", widened(kernel, left, right, top, bottom))
    most = [max(top, bottom), max(left, right)]
    conv.args = (padded, weight, bias, stride, [padding[0] + most[0], padding[1] + most[1]], dilation, groups)
    if not x.users:
        module.graph.erase_node(x)


def widened(kernel, left, right, top, bottom):
    """The kernel with zeros where a map that is padded alike on both sides has more in front, or behind, than it had.

    Convolutions of compilers pad evenly, and a padding of its own is one more pass over the map; TensorFlow's "same" with
    stride 2 pads one side only.
    """
    return torch.nn.functional.pad(kernel, [max(0, right - left), max(0, left - right), max(0, bottom - top), max(0, top - bottom)])
