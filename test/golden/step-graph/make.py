"""Writes golden.safetensors: one training step of the tiny net of space.json (N = 4), gradients by PyTorch autograd in float64.

The net is written out here by hand, from the papers, and shares nothing with src/. Blocks: stages.0.blocks.0 with a 3x3 kernel
(transformed from 5x5), stages.0.blocks.1 with 5x5 and an identity shortcut, stages.1.blocks.0 with 3x3, squeeze-excite and h-swish.
Inputs and parameters are float32 values; everything is computed in float64 and the results are rounded to float32.
The seed is the one of 200 whose pre-activations stay farthest from the kinks of relu and h-swish, so that float32 arithmetic
cannot fall on the other side of one.

Run: python3 test/golden/step-graph/make.py      (made with PyTorch 1.13.1; any version gives the same to float32 rounding)
"""
import json
import os
import struct

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH, SIDE, CLASSES = 4, 12, 10
KINKS = {"relu": (0.0,), "h_swish": (-3.0, 3.0), "h_sigmoid": (-3.0, 3.0)}


class Net:
    def __init__(self, seed):
        self.random = np.random.RandomState(seed)
        self.parameters = {}
        self.margin = float("inf")

    def parameter(self, name, dims, spread, center=0.0):
        if name not in self.parameters:
            value = (center + spread * self.random.standard_normal(dims)).astype(np.float32)
            self.parameters[name] = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        return self.parameters[name]

    def act(self, kind, x):
        for kink in KINKS[kind]:
            self.margin = min(self.margin, float((x - kink).abs().min()))
        if kind == "relu":
            return F.relu(x)
        gate = torch.clamp(x + 3, 0, 6) / 6
        return gate if kind == "h_sigmoid" else x * gate

    def norm(self, name, x):
        gamma = self.parameter(name + ".bn.weight", [x.shape[1]], 0.1, 1.0)
        beta = self.parameter(name + ".bn.bias", [x.shape[1]], 0.2)
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)

    def conv(self, name, x, out, kernel):
        weight = self.parameter(name + ".weight", [out, x.shape[1], kernel, kernel], (x.shape[1] * kernel**2) ** -0.5)
        return self.norm(name, F.conv2d(x, weight, padding=kernel // 2))

    def depthwise(self, name, x, kernel, stride):
        c = x.shape[1]
        weight = self.parameter(name + ".weight", [c, 1, 5, 5], 0.2)
        if kernel == 3:
            noise = self.parameter(name + ".transform5to3", [9, 9], 0.3)
            weight = F.linear(weight[:, 0, 1:4, 1:4].reshape(c, 9), noise).reshape(c, 1, 3, 3)
        return self.norm(name, F.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=c))

    def linear(self, name, x, out):
        weight = self.parameter(name + ".weight", [out, x.shape[1]], x.shape[1] ** -0.5)
        return F.linear(x, weight, self.parameter(name + ".bias", [out], 0.1))

    def squeeze_excite(self, name, x, mid):
        pooled = x.mean((2, 3))
        gate = self.linear(name + ".expand", self.act("relu", self.linear(name + ".reduce", pooled, mid)), x.shape[1])
        return x * self.act("h_sigmoid", gate)[:, :, None, None]

    def block(self, name, x, kernel, stride, act, out, mid=None):
        y = self.act(act, self.conv(name + ".expand", x, 3 * x.shape[1], 1))
        y = self.act(act, self.depthwise(name + ".depthwise", y, kernel, stride))
        if mid is not None:
            y = self.squeeze_excite(name + ".se", y, mid)
        y = self.conv(name + ".project", y, out, 1)
        return x + y if stride == 1 and out == x.shape[1] else y

    def logits(self, images):
        x = self.act("relu", self.conv("stem", images, 16, 3))
        x = self.block("stages.0.blocks.0", x, 3, 2, "relu", 16)
        x = self.block("stages.0.blocks.1", x, 5, 1, "relu", 16)
        x = self.block("stages.1.blocks.0", x, 3, 2, "h_swish", 32, mid=16)
        x = self.act("h_swish", self.linear("featureMix", x.mean((2, 3)), 32))
        return self.linear("classifier", x, CLASSES)


def step(seed):
    random = np.random.RandomState(1000 + seed)
    images = torch.tensor(random.standard_normal([BATCH, 1, SIDE, SIDE]).astype(np.float32), dtype=torch.float64)
    hard = np.eye(CLASSES)[random.randint(0, CLASSES, BATCH)]
    targets = torch.tensor((0.9 * hard + 0.1 / CLASSES).astype(np.float32), dtype=torch.float64)
    net = Net(seed)
    logits = net.logits(images)
    loss = -(targets * F.log_softmax(logits, 1)).sum(1).mean()
    return net, images, targets, logits, loss


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name in sorted(tensors):
        value = tensors[name].detach().numpy().astype("<f4")
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    best = max(range(200), key=lambda seed: step(seed)[0].margin)
    net, images, targets, logits, loss = step(best)
    loss.backward()
    tensors = {"images": images, "targets": targets, "logits": logits, "loss": loss}
    for name, parameter in net.parameters.items():
        tensors[name] = parameter
        tensors["grad/" + name] = parameter.grad
    write_safetensors(os.path.join(HERE, "golden.safetensors"), tensors)
    print(f"seed {best}, nearest kink {net.margin:.2e}, loss {loss.item():.6f}, {len(net.parameters)} parameters")


if __name__ == "__main__":
    main()
