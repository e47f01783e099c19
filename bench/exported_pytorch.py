"""The other side of bench/exported.ts: plain PyTorch modules of given networks, exported by torch.onnx.export.

Reads one JSON object on stdin: {"opset", "networks": [{"layers", "epsilon", "weights", "tensors": [[name, dims], ...], "dims", "out"}]};
`weights` is a file of little-endian float32 in the order of `tensors`. Writes `out` of each and prints the version of torch.
The modules are written as torchvision writes its own networks: torch.nn's layers, batch normalisation apart, no hand-made operators.
"""

import json
import sys
import warnings

import numpy
import torch
from torch import nn

ACTIVATIONS = {"none": nn.Identity, "relu": nn.ReLU, "relu6": nn.ReLU6, "hSwish": nn.Hardswish}


class Convolution(nn.Module):
    def __init__(self, layer, epsilon):
        super().__init__()
        out, kernel = layer["outChannels"], layer["kernel"]
        groups = out if layer["op"] == "depthwise" else 1
        self.conv = nn.Conv2d(layer["inChannels"], out, kernel, layer["stride"], kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=epsilon)
        self.activation = ACTIVATIONS[layer["activation"]]()
        self.last = ACTIVATIONS[layer.get("sumActivation", "none")]()

    def forward(self, x, shortcut=None):
        x = self.activation(self.bn(self.conv(x)))
        return x if shortcut is None else self.last(x + shortcut)

    def load(self, tensors, name):
        self.conv.weight.copy_(tensors[f"{name}.weight"])
        for part in ("weight", "bias", "running_mean", "running_var"):
            getattr(self.bn, part).copy_(tensors[f"{name}.bn.{part}"])


class SqueezeExcite(nn.Module):
    def __init__(self, layer):
        super().__init__()
        channels, middle = layer["inChannels"], layer["midChannels"]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, middle, 1)
        self.expand = nn.Conv2d(middle, channels, 1)
        self.relu = nn.ReLU()
        self.gate = nn.Hardsigmoid()

    def forward(self, x):
        return x * self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))

    def load(self, tensors, name):
        for part in ("reduce", "expand"):
            conv = getattr(self, part)
            conv.weight.copy_(tensors[f"{name}.{part}.weight"].reshape(conv.weight.shape))
            conv.bias.copy_(tensors[f"{name}.{part}.bias"])


class Linear(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.linear = nn.Linear(layer["inChannels"], layer["outChannels"], bias=layer["bias"])
        self.activation = ACTIVATIONS[layer["activation"]]()

    def forward(self, x):
        return self.activation(self.linear(x))

    def load(self, tensors, name):
        self.linear.weight.copy_(tensors[f"{name}.weight"])
        if self.linear.bias is not None:
            self.linear.bias.copy_(tensors[f"{name}.bias"])


def module_of(layer, epsilon):
    op = layer["op"]
    if op in ("conv", "depthwise"):
        return Convolution(layer, epsilon)
    if op == "squeezeExcite":
        return SqueezeExcite(layer)
    if op == "linear":
        return Linear(layer)
    if op == "globalPool":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    kernel, stride = layer["kernel"], layer["stride"]
    if op == "maxPool":
        return nn.MaxPool2d(kernel, stride, kernel // 2)
    return nn.AvgPool2d(kernel, stride, ceil_mode=True, count_include_pad=False)


class Network(nn.Module):
    def __init__(self, network, tensors):
        super().__init__()
        self.layers = network["layers"]
        self.steps = nn.ModuleList(module_of(layer, network["epsilon"]) for layer in self.layers)
        with torch.no_grad():
            for layer, step in zip(self.layers, self.steps):
                if hasattr(step, "load"):
                    step.load(tensors, layer["name"])

    def forward(self, x):
        values = {"input": x}
        for layer, step in zip(self.layers, self.steps):
            inputs = [values[layer["input"]]]
            if "addFrom" in layer:
                inputs.append(values[layer["addFrom"]])
            x = values[layer["name"]] = step(*inputs)
        return x


def read_tensors(network):
    data = numpy.fromfile(network["weights"], dtype="<f4")
    tensors, at = {}, 0
    for name, dims in network["tensors"]:
        size = int(numpy.prod(dims))
        tensors[name] = torch.from_numpy(data[at : at + size].copy()).reshape(dims)
        at += size
    return tensors


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    request = json.load(sys.stdin)
    for network in request["networks"]:
        module = Network(network, read_tensors(network)).eval()
        torch.onnx.export(
            module,
            torch.zeros(network["dims"]),
            network["out"],
            opset_version=request["opset"],
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}},
        )
    print(torch.__version__)


main()
