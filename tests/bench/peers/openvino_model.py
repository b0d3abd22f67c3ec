"""Networks for OpenVINO: the race's ResNet-18, bf16.xml (float weights, computed in bfloat16) and int8.xml (quantised by NNCF), and
driftd's default model, bf16.xml.

usage: python openvino_model.py CALIBRATION_IMAGES OUT
       python openvino_model.py default OUT
All read 8-bit RGB (N, 224, 224, 3); the normalisation is in the graph, where OpenVINO folds it into the first layer.
"""

import pathlib
import sys

import nncf
import openvino
import torch
from openvino.preprocess import PrePostProcessor
from picture import MEAN, STD, read_picture
from resnet18 import resnet18

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
from export_model import DEFAULT_MODEL, DEFAULT_POOLS
from exporting.embedding import FeatureMaps, unit_pool
from exporting.sources import default_model
from exporting.taps import find_taps

CALIBRATION_IMAGES = 128


class Embed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = resnet18()

    def forward(self, images):
        return self.model.embed(images)


class DefaultEmbed(torch.nn.Module):
    """EfficientNet-Lite0 with its weights and the pools of the default bundle, by the code that exports it."""

    def __init__(self):
        super().__init__()
        model = default_model().float().eval().requires_grad_(False)
        self.maps = FeatureMaps(model, find_taps(model, DEFAULT_POOLS.split(","), None, 224))

    def forward(self, images):
        return torch.cat([unit_pool(maps) for maps in self.maps(images)], 1)


def with_preprocessing(model, mean=MEAN, std=STD):
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean([255 * m for m in mean]).scale([255 * s for s in std])
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def read_network(network):
    return openvino.convert_model(network.eval(), example_input=torch.rand(1, 3, 224, 224), input=[-1, 3, 224, 224])


def calibration_set(folder):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    for path in sorted(pathlib.Path(folder).iterdir())[:CALIBRATION_IMAGES]:
        pixels = torch.from_numpy(read_picture(path.read_bytes())).permute(2, 0, 1).float() / 255
        yield ((pixels - mean) / std)[None].numpy()


def main(folder, out):
    pathlib.Path(out).mkdir(parents=True)
    if folder == "default":
        model = with_preprocessing(read_network(DefaultEmbed()), **DEFAULT_MODEL)
        return openvino.save_model(model, f"{out}/bf16.xml", compress_to_fp16=False)
    images = list(calibration_set(folder))
    quantised = nncf.quantize(read_network(Embed()), nncf.Dataset(images), subset_size=len(images))
    for name, model in (("bf16", read_network(Embed())), ("int8", quantised)):
        openvino.save_model(with_preprocessing(model), f"{out}/{name}.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
