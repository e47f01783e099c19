"""Writes subnet.json: batch-normalisation statistics and logits of one sub-network, computed by PyTorch in float64.

Run: python3 make_subnet.py   (made with PyTorch 1.13.1)
The weights and images are a formula (see `wave`) that the test repeats, so that the file stays small.
Follows the published network's rules, not this project's code.
"""
import json
import math
import os

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def wave(name, dims, scale=1.0, offset=0.0):
    """offset + scale * sin(sum of the name's character codes + 1.37 i), rounded to float32; row-major."""
    phase = sum(ord(c) for c in name)
    size = math.prod(dims)
    values = [offset + scale * math.sin(phase + 1.37 * i) for i in range(size)]
    return torch.tensor(values).float().double().reshape(dims)


def divisible(v):
    new = max(8, int(v + 4) // 8 * 8)
    return new + 8 if new < 0.9 * v else new


def act(name, x):
    if name == 'relu':
        return F.relu(x)
    if name == 'hSwish':
        return x * F.relu6(x + 3) / 6
    return x


EPS = 1e-3
KERNELS = [3, 5, 7]
MAX_EXPAND = 4
STAGES = [dict(channels=8, stride=2, act='relu', se=False), dict(channels=16, stride=2, act='hSwish', se=True)]
ARCH = dict(kernelSizes=[3, 5, 7, 3], expandRatios=[3, 2, 4, 3], depths=[2, 2])
SIDE, CLASSES, IMAGES, BATCH = 13, 4, 6, 4

statistics = {}   # name -> list of (mean, var, count)
fixed = None      # final statistics, in the second pass


def weight(name, full, keep):
    fan_in = math.prod(full[1:])
    w = wave(name, full, math.sqrt(4 / fan_in))
    return w[tuple(slice(k) for k in keep)]


def bn(name, x, full):
    c = x.shape[1]
    gamma = wave(f'{name}.bn.weight', [full], 0.4, 1.0)[:c]
    beta = wave(f'{name}.bn.bias', [full], 0.3)[:c]
    if fixed is not None:
        mean, var = fixed[name]
        return F.batch_norm(x, mean, var, gamma, beta, False, 0.0, EPS)
    mean = x.mean(dim=(0, 2, 3))
    var = x.var(dim=(0, 2, 3), unbiased=False)
    statistics.setdefault(name, []).append((mean, var, x.shape[0]))
    return F.batch_norm(x, mean, var, gamma, beta, False, 0.0, EPS)


def se(name, x, full):
    c = x.shape[1]
    mid, mid_full = divisible(c // 4), divisible(full // 4)
    s = x.mean(dim=(2, 3), keepdim=True)
    reduce = weight(f'{name}.reduce.weight', [mid_full, full], [mid, c])[:, :, None, None]
    expand = weight(f'{name}.expand.weight', [full, mid_full], [c, mid])[:, :, None, None]
    s = F.relu(F.conv2d(s, reduce, wave(f'{name}.reduce.bias', [mid_full], 0.3)[:mid]))
    s = F.conv2d(s, expand, wave(f'{name}.expand.bias', [full], 0.3)[:c])
    return x * F.relu6(s + 3) / 6


def transform(name, side):
    eye = torch.eye(side * side)
    return (eye + wave(name, [side * side, side * side], 0.05)).float().double()


def elastic_kernel(name, full, c, k):
    w = weight(f'{name}.weight', [full, 1, 7, 7], [c, 1, 7, 7])
    if k < 7:
        w = w[:, :, 1:6, 1:6].reshape(c, 25)
        w = F.linear(w, transform(f'{name}.transform7to5', 5)).reshape(c, 1, 5, 5)
    if k < 5:
        w = w[:, :, 1:4, 1:4].reshape(c, 9)
        w = F.linear(w, transform(f'{name}.transform5to3', 3)).reshape(c, 1, 3, 3)
    return w


def block(name, x, out, stride, activation, with_se, kernel, ratio, fixed_block=False):
    shortcut = x
    c_in = x.shape[1]
    hidden = c_in if fixed_block else divisible(round(c_in * ratio))
    full = c_in if fixed_block else divisible(round(c_in * MAX_EXPAND))
    if not fixed_block:
        x = F.conv2d(x, weight(f'{name}.expand.weight', [full, c_in, 1, 1], [hidden, c_in, 1, 1]))
        x = act(activation, bn(f'{name}.expand', x, full))
    if fixed_block:
        w = weight(f'{name}.depthwise.weight', [full, 1, kernel, kernel], [hidden, 1, kernel, kernel])
    else:
        w = elastic_kernel(f'{name}.depthwise', full, hidden, kernel)
    x = F.conv2d(x, w, stride=stride, padding=kernel // 2, groups=hidden)
    x = act(activation, bn(f'{name}.depthwise', x, full))
    if with_se:
        x = se(f'{name}.se', x, full)
    x = bn(f'{name}.project', F.conv2d(x, weight(f'{name}.project.weight', [out, full, 1, 1], [out, hidden, 1, 1])), out)
    return x + shortcut if stride == 1 and c_in == out else x


def forward(x):
    x = F.conv2d(x, weight('stem.weight', [8, 1, 3, 3], [8, 1, 3, 3]), padding=1)
    x = act('hSwish', bn('stem', x, 8))
    x = block('first', x, 8, 1, 'relu', True, 3, 1, fixed_block=True)
    slot = 0
    for s, stage in enumerate(STAGES):
        for b in range(ARCH['depths'][s]):
            x = block(f'stages.{s}.blocks.{b}', x, stage['channels'], stage['stride'] if b == 0 else 1, stage['act'],
                      stage['se'], ARCH['kernelSizes'][slot + b], ARCH['expandRatios'][slot + b])
        slot += 2
    x = act('hSwish', bn('finalExpand', F.conv2d(x, weight('finalExpand.weight', [24, 16, 1, 1], [24, 16, 1, 1])), 24))
    x = x.mean(dim=(2, 3))
    x = act('hSwish', F.linear(x, weight('featureMix.weight', [16, 24], [16, 24])))
    return F.linear(x, weight('classifier.weight', [CLASSES, 16], [CLASSES, 16]), wave('classifier.bias', [CLASSES], 0.3))


images = wave('images', [IMAGES, 1, SIDE, SIDE])
for start in range(0, IMAGES, BATCH):
    forward(images[start:start + BATCH])
fixed = {
    name: (sum(m * n for m, _, n in parts) / IMAGES, sum(v * n for _, v, n in parts) / IMAGES)
    for name, parts in statistics.items()
}
logits = forward(images)
result = dict(
    arch=dict(ARCH, resolution=SIDE), batch=BATCH, images=IMAGES,
    statistics={name: dict(mean=m.tolist(), variance=v.tolist()) for name, (m, v) in fixed.items()},
    logits=logits.tolist(),
)
rounded = json.loads(json.dumps(result), parse_float=lambda t: float(f'{float(t):.9g}'))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'subnet.json'), 'w') as f:
    json.dump(rounded, f, separators=(',', ':'))
    f.write('\n')
