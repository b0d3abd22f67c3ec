"""The module that is exported: feature maps of a model, pooled to one embedding."""

import torch
from torch import nn


class FeatureMaps(nn.Module):
    """What a model computes at the taps, as a tuple. Layers after the last tap are dead code, which exporters drop."""

    def __init__(self, model, taps):
        super().__init__()
        self.model, self.taps = model, taps

    def forward(self, images):
        found = {}
        handles = [self.attach(tap, found) for tap in self.taps]
        try:
            self.model(images)
        finally:
            for handle in handles:
                handle.remove()
        return tuple(found[tap.pool] for tap in self.taps)

    def attach(self, tap, found):
        calls = 0

        def hook(_, inputs, output=None):
            nonlocal calls
            if calls == tap.index:  # a copy, for an activation in place may follow
                found[tap.pool] = (inputs[0] if tap.side == "input" else output).clone()
            calls += 1

        layer = self.model.get_submodule(tap.layer)
        return layer.register_forward_pre_hook(hook) if tap.side == "input" else layer.register_forward_hook(hook)


class Normalise(nn.Module):
    """Pixels, bytes (N, height, width, 3), to what classifiers read: torchvision's ToTensor and Normalize, to within rounding.

    A factor and a shift for each byte of a row: compilers turn that into vector instructions, three channels they do not.
    """

    def __init__(self, mean, std, width):
        super().__init__()
        mean, std = (torch.tensor(values, dtype=torch.float64).repeat(width) for values in (mean, std))
        self.register_buffer("factor", (1 / (255 * std)).float())
        self.register_buffer("shift", (-mean / std).float())

    def forward(self, pixels):
        rows = pixels.flatten(2).float() * self.factor + self.shift
        return rows.unflatten(2, (-1, 3)).permute(0, 3, 1, 2)


class Embedding(nn.Module):
    """Pixels to (N, dimension): average pool of each map, unit L2 norm each, side by side.

    Weights and maps are of type `dtype`; pools and norms are float32, for a sum over a map needs more than 8 bits.
    """

    def __init__(self, normalise, feature_maps, dtype=torch.float32):
        super().__init__()
        self.normalise = normalise
        self.feature_maps = feature_maps.to(dtype=dtype)
        self.dtype = dtype

    def forward(self, pixels):
        images = self.normalise(pixels).to(self.dtype).contiguous(memory_format=torch.channels_last)
        return torch.cat([unit_pool(features.float()) for features in self.feature_maps(images)], 1)


def unit_pool(features):
    pool = features.mean((2, 3)) if features.dim() == 4 else features
    return nn.functional.normalize(pool, dim=1, eps=1e-12)
