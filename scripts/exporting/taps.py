"""Finds the places in a model where feature maps are taken.

The model runs once with hooks on every submodule; what is wanted is then told from the order and the shapes of the
calls, so no network is known by name.
"""

import dataclasses

import torch
from torch import nn

from exporting.errors import ExportError, brief, unknown_layer, usage_error


@dataclasses.dataclass
class Call:
    """The index-th call of the submodule `name`, made inside the call `parent`, with its shapes."""

    name: str
    index: int
    parent: "Call | None"
    input: tuple | None
    output: tuple | None = None


@dataclasses.dataclass
class Tap:
    """A pool and its place: the input or the output of the index-th call of the submodule `layer`."""

    pool: str
    layer: str
    side: str
    index: int
    channels: int


def find_taps(model, pools, layer, size):
    """Taps: one for each of `pools`, or for the output of `layer` if there are none. Images are `size` x `size`."""
    calls = Calls(model, size)
    if not pools:
        return [calls.layer(layer)]
    return [calls.head() if pool == "head" else calls.stride(int(pool[1:])) for pool in pools]


class Calls:
    """The calls of a model's submodules on one image, in the order they began and in the order they ended."""

    def __init__(self, model, size):
        self.model, self.size = model, size
        self.began, self.ended = record(model, torch.zeros(1, 3, size, size))

    def layer(self, name):
        named = [call for call in self.ended if call.name == name]
        if not named:
            raise unknown_layer(name, dict.fromkeys(call.name for call in self.began))
        if not named[-1].output or len(named[-1].output) not in (2, 4):
            wanted = "an embedding is made of (N, C) or (N, C, height, width)"
            raise usage_error(f"layer '{name}' returns the shape {named[-1].output}; {wanted}")
        return output_of(name, named[-1])

    def head(self):
        """The input of the last average pool; or the last feature map, when the model pools without a submodule."""
        pools = [call for call in self.began if self.is_pool(call) and is_map(call.input)]
        if pools:
            return input_of("head", pools[-1])
        maps = [call for call in self.ended if is_map(call.output)]
        if not maps:
            raise usage_error("the model has no feature map to be the pool 'head': name a layer with --layer")
        return output_of("head", maps[-1])

    def stride(self, n):
        """The last feature map of total stride n.

        That is what enters the outermost submodule that makes the map coarser. Nothing does after the coarsest stride;
        there it is the output of the last block, a block being a submodule that has submodules with weights.
        """
        coarser = [call for call in self.began if self.coarsens(call, n)]
        outermost = [call for call in coarser if not any(call_is_inside(call, other) for other in coarser)]
        if outermost:
            return input_of(f"s{n}", outermost[-1])
        maps = [call for call in self.ended if self.stride_of(call.output) == n]
        if not maps:
            found = {self.stride_of(call.output) for call in self.ended if is_map(call.output) and call.output[2] > 1}
            likely = [stride for stride in (2, 4, 8, 16, 32, 64) if stride in found]  # padded maps have odd ones
            raise usage_error(f"the model has no pool s{n}; it has " + ", ".join(f"s{stride}" for stride in likely))
        return output_of(f"s{n}", ([call for call in maps if self.is_block(call)] or maps)[-1])

    def coarsens(self, call, n):
        # A map of one pixel is a pool, which squeeze-and-excitation blocks have inside, not a coarser map.
        return self.stride_of(call.input) == n and (self.stride_of(call.output) or 0) > n and call.output[2] > 1

    def stride_of(self, shape):
        return round(self.size / shape[2]) if is_map(shape) else None

    def is_pool(self, call):
        return isinstance(self.model.get_submodule(call.name), (nn.AdaptiveAvgPool2d, nn.AvgPool2d))

    def is_block(self, call):
        children = self.model.get_submodule(call.name).children()
        return any(next(child.parameters(), None) is not None for child in children)


def is_map(shape):
    return shape is not None and len(shape) == 4


def call_is_inside(call, other):
    while call.parent:
        call = call.parent
        if call is other:
            return True
    return False


def input_of(pool, call):
    return Tap(pool, call.name, "input", call.index, call.input[1])


def output_of(pool, call):
    return Tap(pool, call.name, "output", call.index, call.output[1])


def record(model, image):
    began, ended, stack, counts, handles = [], [], [], {}, []

    def enter(name):
        def hook(_, inputs):
            shape = shape_of(inputs[0]) if inputs else None
            call = Call(name, counts.get(name, 0), stack[-1] if stack else None, shape)
            counts[name] = call.index + 1
            began.append(call)
            stack.append(call)

        return hook

    def leave(_, __, output):
        call = stack.pop()
        call.output = shape_of(output)
        ended.append(call)

    for name, module in model.named_modules():
        if name:
            handles += [module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave)]
    try:
        with torch.no_grad():
            model(image)
    except Exception as error:  # it is the user's code
        raise ExportError(f"the model fails on an input of shape {list(image.shape)}: {brief(error)}") from error
    finally:
        for handle in handles:
            handle.remove()
    return began, ended


def shape_of(value):
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None
