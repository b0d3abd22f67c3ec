"""Cuts a TorchScript classifier at a layer, from its graph: its Python source is not needed.

Torch has no public call for this. The graph passes used here are those of PyTorch 2.13;
tests/e2e/export_model_test.py holds them to the eager result.
"""

import torch
from torch import nn

from exporting.errors import ExportError, brief, unknown_layer


class CutModel(nn.Module):
    """What a TorchScript module computes up to and including the submodule `layer`, as a tuple of one feature map."""

    def __init__(self, module, layer):
        super().__init__()
        graph = cut(module, layer.split("."))
        tensors = lift_constants(graph, module)
        self.function = torch._C._create_function_from_graph("feature_map", graph)
        self.count = len(tensors)
        for index, tensor in enumerate(tensors):
            self.register_buffer(f"tensor{index}", tensor.detach())

    def forward(self, images):
        return (self.function(images, *(getattr(self, f"tensor{index}") for index in range(self.count))),)


def cut(module, path):
    """A copy of the module's graph that returns what the submodule at `path` returns.

    Calls on the way to it are replaced by the graphs of the modules called, one level at a time, so that the call of
    the wanted submodule comes to the top; then everything that follows it is dead code.
    """
    graph, owner = module.graph.copy(), module
    for depth, name in enumerate(path, start=1):
        call = find_call(graph, path[:depth])
        if call is None:
            raise unknown_layer(".".join(path), called_layers(module))
        if depth < len(path):
            owner = getattr(owner, name)
            with graph.insert_point_guard(call):
                graph.insertGraph(owner.graph, list(call.inputs()))
    for _ in list(graph.outputs()):
        graph.eraseOutput(0)
    graph.registerOutput(copy_output(graph, call))
    torch._C._jit_pass_dce(graph)
    torch._C._jit_pass_inline(graph)
    return graph


def copy_output(graph, call):
    """A copy of the call's output as it was then: an activation in place may follow, which only now is dead code."""
    with graph.insert_point_guard(call):
        memory_format = graph.insertConstant(None)
    copy = graph.create("aten::clone", [call.output(), memory_format], 1)
    copy.insertAfter(call)
    return copy.output()


def find_call(graph, path):
    calls = [node for node in graph.nodes() if node.kind() == "prim::CallMethod" and node.s("name") == "forward"]
    found = [node for node in calls if attribute_path(node.inputsAt(0)) == path]
    return found[-1] if found else None


def attribute_path(value):
    """["a", "b"] for the value self.a.b."""
    path = []
    while value.node().kind() == "prim::GetAttr":
        path.insert(0, value.node().s("name"))
        value = value.node().inputsAt(0)
    return path


def called_layers(module):
    return [name for name, _ in module.named_modules() if name]


def lift_constants(graph, module):
    """Makes the module's tensors inputs of the graph, its other attributes constants. Returns the tensors."""
    inputs, tensors = {}, []
    for node in graph.findAllNodes("prim::GetAttr", True):
        path = attribute_path(node.output())
        value = module
        for name in path:
            value = getattr(value, name)
        if isinstance(value, torch.jit.ScriptModule):
            continue
        if isinstance(value, torch.Tensor):
            if tuple(path) not in inputs:
                inputs[tuple(path)] = graph.addInput()
                inputs[tuple(path)].setType(node.output().type())
                tensors.append(value)
            node.output().replaceAllUsesWith(inputs[tuple(path)])
        else:
            with graph.insert_point_guard(node):
                node.output().replaceAllUsesWith(insert_constant(graph, value, path))
    torch._C._jit_pass_dce(graph)
    if next(graph.inputs()).uses():
        raise ExportError("the TorchScript model changes or passes on its own modules while it runs: use --factory")
    graph.eraseInput(0)
    graph.lint()
    return tensors


def insert_constant(graph, value, path):
    try:
        return graph.insertConstant(value)
    except (RuntimeError, TypeError) as error:
        what = f"attribute '{'.'.join(path)}' is a {type(value).__name__}"
        raise ExportError(f"cannot cut a model whose {what}: {brief(error)}") from error
