"""Writes small accuracy predictors in the two published layouts, with random weights, and outputs.json: architectures and what PyTorch predicts for them.

Run: python3 make.py   (made with PyTorch 1.13.0)
Inputs are encoded here by the published rules, not by this project's code:
tutorial: [kernels 3 x 20 | expand ratios 3 x 20 | resolution (r - 112) / 16 of 8], ofa.nas: [resolutions | kernels | expand ratios],
ofa.nas for ResNets: [resolutions | stem 2 | widths 3 x 6 | expand ratios 3 x 18]; inactive blocks all zero.
"""
import json
import os
import random

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(4)
random.seed(4)
HIDDEN = 5


def mobile_blocks(arch, stages):
    bits = [0.0] * (6 * 4 * stages)
    for slot in range(4 * stages):
        if slot % 4 < arch['d'][slot // 4]:
            bits[3 * slot + [3, 5, 7].index(arch['ks'][slot])] = 1.0
            bits[12 * stages + 3 * slot + [3, 4, 6].index(arch['e'][slot])] = 1.0
    return bits


def one_hot(index, length):
    return [1.0 if i == index else 0.0 for i in range(length)]


def tutorial(arch, _):
    return mobile_blocks(arch, 5) + one_hot((arch['r'] - 112) // 16, 8)


def nas_mobile(arch, resolutions):
    return one_hot(resolutions.index(arch['r']), len(resolutions)) + mobile_blocks(arch, 5)


def nas_resnet(arch, resolutions):
    bits = one_hot(resolutions.index(arch['r']), len(resolutions)) + one_hot(1 if arch['d'][0] > 0 else 0, 2)
    for width in arch['w']:
        bits += one_hot(width, 3)
    slot = 0
    for base, slots, extra in zip([2, 2, 4, 2], [4, 4, 6, 4], arch['d'][1:]):
        for block in range(slots):
            bits += one_hot([0.2, 0.25, 0.35].index(arch['e'][slot]), 3) if block < base + extra else [0.0] * 3
            slot += 1
    return bits


def mobile_arch(resolutions):
    return {
        'ks': [random.choice([3, 5, 7]) for _ in range(20)],
        'e': [random.choice([3, 4, 6]) for _ in range(20)],
        'd': [random.choice([2, 3, 4]) for _ in range(5)],
        'r': random.choice(resolutions),
    }


def resnet_arch(resolutions):
    return {
        'd': [random.choice([0, 2])] + [random.choice([0, 1, 2]) for _ in range(4)],
        'e': [random.choice([0.2, 0.25, 0.35]) for _ in range(18)],
        'w': [random.choice([0, 1, 2]) for _ in range(6)],
        'r': random.choice(resolutions),
    }


def tutorial_net(inputs):
    layers = [nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)]
    net = nn.Sequential(*layers)
    return net, net.state_dict()


class NasNet(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        hidden = [nn.Sequential(nn.Linear(i, HIDDEN), nn.ReLU()) for i in (inputs, HIDDEN)]
        self.layers = nn.Sequential(*hidden, nn.Linear(HIDDEN, 1, bias=False))
        self.base_acc = nn.Parameter(torch.tensor([0.755]), requires_grad=False)

    def forward(self, x):
        return self.layers(x) + self.base_acc


def nas_net(inputs):
    net = NasNet(inputs)
    return net, net.state_dict()


MOBILE = [128, 160, 176, 192, 208, 224]
RESNET = [128, 144, 160, 176, 192, 224, 240, 256]
FORMS = {
    'tutorial': (tutorial_net, tutorial, mobile_arch, [160, 176, 192, 208, 224], 128, 'ofa-mbv3-w1.2'),
    'nas-mobile': (nas_net, nas_mobile, mobile_arch, MOBILE, 126, 'ofa-mbv3-w1.0'),
    'nas-resnet': (nas_net, nas_resnet, resnet_arch, RESNET, 82, 'ofa-resnet50'),
}
out = {}
for name, (make_net, encode, draw, resolutions, inputs, space) in FORMS.items():
    net, state = make_net(inputs)
    legacy = name == 'tutorial'
    saved = {'state_dict': state} if name == 'nas-mobile' else state
    torch.save(saved, os.path.join(HERE, f'{name}.pth'), _use_new_zipfile_serialization=not legacy)
    archs = [draw(resolutions) for _ in range(12)]
    with torch.no_grad():
        rows = torch.tensor([encode(arch, resolutions) for arch in archs], dtype=torch.float64)
        outputs = net.double()(rows).flatten().tolist()
    out[name] = {'space': space, 'resolutions': resolutions, 'archs': archs, 'outputs': outputs}
with open(os.path.join(HERE, 'outputs.json'), 'w') as file:
    file.write(json.dumps(out) + '\n')
