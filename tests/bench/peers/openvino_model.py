"""The race's ResNet-18 for OpenVINO: bf16.xml (float weights, computed in bfloat16) and int8.xml (quantised by NNCF).

usage: python openvino_model.py CALIBRATION_IMAGES OUT
Both read 8-bit RGB (N, 224, 224, 3); the normalisation is in the graph, where OpenVINO folds it into the first layer.
"""

import pathlib
import sys

import nncf
import openvino
import torch
from openvino.preprocess import PrePostProcessor
from picture import MEAN, STD, read_picture
from resnet18 import resnet18

CALIBRATION_IMAGES = 128


class Embed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = resnet18()

    def forward(self, images):
        return self.model.embed(images)


def with_preprocessing(model):
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean([255 * m for m in MEAN]).scale([255 * s for s in STD])
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def read_network():
    return openvino.convert_model(Embed().eval(), example_input=torch.rand(1, 3, 224, 224), input=[-1, 3, 224, 224])


def calibration_set(folder):
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    for path in sorted(pathlib.Path(folder).iterdir())[:CALIBRATION_IMAGES]:
        pixels = torch.from_numpy(read_picture(path.read_bytes())).permute(2, 0, 1).float() / 255
        yield ((pixels - mean) / std)[None].numpy()


def main(folder, out):
    pathlib.Path(out).mkdir(parents=True)
    images = list(calibration_set(folder))
    quantised = nncf.quantize(read_network(), nncf.Dataset(images), subset_size=len(images))
    for name, model in (("bf16", read_network()), ("int8", quantised)):
        openvino.save_model(with_preprocessing(model), f"{out}/{name}.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
