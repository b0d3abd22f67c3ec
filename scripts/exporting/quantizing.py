"""Turns the float32 module into one that multiplies 8-bit integers: static quantisation after training (PT2E).

Weights get a scale for each output channel, feature maps one scale each, measured on the user's own images. Convolutions
and linear layers run in int8; pools and norms stay float32, as in the other precisions.
"""

import logging
import operator

import torch
from torch import nn

from exporting.errors import ExportError, brief, progress

aten = torch.ops.aten
CHUNK = 16  # calibration images at a time

# What the quantiser looks for, by the operation in the graph: the folded graph has forgotten its modules.
SOURCES = {
    aten.conv2d.default: nn.Conv2d, aten.linear.default: nn.Linear, aten.max_pool2d.default: nn.MaxPool2d,
    aten.relu.default: nn.ReLU, aten.relu_.default: nn.ReLU, aten.relu6.default: nn.ReLU6,
    aten.hardtanh.default: nn.Hardtanh, aten.hardtanh_.default: nn.Hardtanh,
    aten.hardswish.default: nn.Hardswish, aten.hardswish_.default: nn.Hardswish,
    aten.silu.default: nn.SiLU, aten.silu_.default: nn.SiLU,
    aten.add.Tensor: operator.add, aten.add_.Tensor: operator.add,
}  # fmt: skip


def quantize(module, images):
    """The module in int8, for any batch size. images: its inputs, of the kind that it will see."""
    logging.getLogger("torchao").setLevel(logging.ERROR)  # it warns of its GPU libraries, which no CPU needs
    try:
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
    except ImportError as error:
        advice = "pip install --no-deps -r scripts/requirements-nodeps.txt"
        raise ExportError(f"int8 needs the package torchao ({error}): {advice}") from error
    progress(f"calibrating int8 on {len(images)} images")
    try:
        with torch.no_grad():
            dynamic = ({0: torch.export.Dim.AUTO},)
            graph = torch.export.export(module, (images[:CHUNK],), dynamic_shapes=dynamic).module(check_guards=False)
            for node in graph.graph.nodes:
                if node.target in SOURCES:
                    node.meta["source_fn_stack"] = [(node.name, SOURCES[node.target])]
            quantizer = x86.X86InductorQuantizer()
            quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
            observed = prepare_pt2e(graph, quantizer)
            for start in range(0, len(images), CHUNK):
                observed(images[start : start + CHUNK])
            quantized = rename_weights(convert_pt2e(observed))
    except Exception as error:  # whatever the user's code does that the quantiser cannot follow
        raise ExportError(f"the model cannot be quantised; try --precision bf16: {brief(error)}") from error
    scales = sum("quantize_per_tensor" in str(node.target) for node in quantized.graph.nodes)
    if scales == 0:
        raise ExportError("the model has no convolution or linear layer that int8 applies to: try --precision bf16")
    return quantized


def rename_weights(module):
    """The compiler calls the weights that it packs _frozen_param0 and so on, as the quantiser did: it would confuse them."""
    for node in module.graph.nodes:
        if node.op == "get_attr" and node.target.startswith("_frozen_param"):
            name = node.target.replace("_frozen_param", "quantized_weight")
            if hasattr(module, node.target):
                module.register_buffer(name, getattr(module, node.target))
                delattr(module, node.target)
            node.target = name
    module.recompile()
    return module
