"""Writes small files of torch.save in both containers and several pickle protocols, and expected.json: every tensor's values as PyTorch sees them.

Run: python3 make.py   (made with PyTorch 1.13.0; containers: zip of PyTorch 1.6 and later, and the stream of pickles before)
All values are random with a fixed seed. evil-*.pth name functions that a reader must not call.
"""
import base64
import collections
import json
import os
import pickle

import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(20)


def save(name, value, container='zip', protocol=2):
    path = os.path.join(HERE, name)
    torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=container == 'zip')


def expected(tensors):
    """name -> dims, element type once widened, and little-endian bytes in base64."""
    out = {}
    for name, tensor in tensors.items():
        wide = tensor.detach()
        wide = wide.float() if wide.is_floating_point() else wide
        data = wide.contiguous().numpy().tobytes()
        kind = 'float32' if wide.is_floating_point() else 'int64'
        out[name] = {'dims': list(wide.shape), 'type': kind, 'base64': base64.b64encode(data).decode()}
    return out


module = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3))
plain = module.state_dict()  # an OrderedDict with `_metadata`

grid = torch.randn(4, 6)
shared = torch.randn(12)
views = collections.OrderedDict(
    transposed=grid.t(),
    column=grid[:, 2],
    every_other=grid[1:, ::2],
    swapped=torch.randn(2, 3, 4).permute(2, 0, 1),
    expanded=torch.randn(3, 1).expand(3, 5),
    first=shared[:5],
    second=shared[5:].view(1, 7),
    whole=shared,
    same=shared,
    parameter=nn.Parameter(torch.randn(3)),
    scalar=torch.tensor(2.5),
    empty=torch.zeros(0, 3),
    one=torch.randn(1, 1, 1),
)
exponents = [2.0**e for e in range(-24, 16)]
kinds = {
    'half': torch.tensor(exponents + [0.0, -0.0, 1 / 3, -65504.0, 6e-8, float('inf'), float('-inf'), float('nan')]).half(),
    'half_view': torch.randn(4, 3).half().t(),
    'bfloat': torch.tensor([1 / 3, -3e38, 1e-40, 0.0, -0.0, float('inf'), float('nan')]).bfloat16(),
    'bfloat_view': torch.randn(4, 3).bfloat16()[:, 1],
    'long': torch.tensor([0, 1, -1, 2**62, -(2**63), 2**53 + 1]),
    'long_view': torch.arange(6).view(2, 3).t(),
}
training = {
    'epoch': 119,
    'best_acc': 76.4,
    'dataset': 'imagenet',
    'state_dict': plain,
    'optimizer': {
        'state': {0: {'momentum_buffer': torch.randn(2, 3), 'step': torch.tensor(7, dtype=torch.int32)}},
        'param_groups': [{'lr': 0.96, 'betas': (0.9, 0.999), 'nesterov': True, 'params': [0, 1, 2], 'big': 2**40, 'none': None}],
    },
}

for protocol in (2, 3, 4, 5):
    save(f'plain-zip-{protocol}.pth', plain, 'zip', protocol)
save('plain-legacy-2.pth', plain, 'legacy', 2)
save('plain-legacy-4.pth', plain, 'legacy', 4)
save('views-zip.pth', views, 'zip')
save('views-legacy.pth', views, 'legacy')
save('kinds-zip.pth', kinds, 'zip')
save('kinds-legacy.pth', kinds, 'legacy')
save('training-zip.pth', training, 'zip')
save('training-legacy.pth', training, 'legacy')
save('model-zip.pth', {'model': {'state_dict': dict(plain)}, 'args': 'none'}, 'zip')
save('double-zip.pth', {'weight': torch.randn(2, 2).double()}, 'zip')
save('list-zip.pth', [torch.randn(2)], 'zip')
save('mixed-zip.pth', {'weight': torch.randn(2), 'epoch': 3}, 'zip')
save('module-zip.pth', nn.Linear(1, 1), 'zip')


class Evil:
    def __init__(self, call, *args):
        self.call = call
        self.args = args

    def __reduce__(self):
        return self.call, self.args


CANARY = '/tmp/bespoke-evil-canary'
save('evil-system-zip.pth', {'state_dict': Evil(os.system, f'touch {CANARY}')}, 'zip')
save('evil-system-legacy.pth', {'state_dict': Evil(os.system, f'touch {CANARY}')}, 'legacy')
save('evil-eval-zip.pth', Evil(eval, f"open('{CANARY}', 'w')"), 'zip', 4)
with open(os.path.join(HERE, 'pickle.pth'), 'wb') as out:  # a pickle, but none of torch.save
    pickle.dump({'weight': [1.0, 2.0]}, out, protocol=2)

with open(os.path.join(HERE, 'expected.json'), 'w') as out:
    sets = {'plain': plain, 'views': views, 'kinds': kinds}
    out.write(json.dumps({name: expected(tensors) for name, tensors in sets.items()}, indent=1) + '\n')
