"""Writes sums.json: latencies of architectures by the published lookup tables, summed as the published code sums them.

Run: python3 make.py FOLDER   (FOLDER holds 160_lookup_table.yaml ... 224_lookup_table.yaml of one device; PyYAML)
The walk over a network is written here from the published rules (stem, fixed first block, stages, final expand, pool, mix, classifier),
not with this project's code. Made with the Note10 tables of the reference data.
"""
import json
import os
import random
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
STEM, STAGES, EXPAND, MIX, CLASSES = 24, [32, 48, 96, 136, 192], 1152, 1536, 1000
STRIDES, SE, HSWISH = [2, 2, 2, 1, 2], [0, 1, 0, 1, 1], [0, 0, 1, 1, 1]


def block(size, out_size, cin, cout, mid, kernel, stride, skip, se, hs):
    return (f'expanded_conv-input:{size}x{size}x{cin}-output:{out_size}x{out_size}x{cout}'
            f'-expand:{mid}-kernel:{kernel}-stride:{stride}-idskip:{skip}-se:{se}-hs:{hs}')


def keys(arch, side):
    size = (side + 1) // 2
    yield f'Conv-input:{side}x{side}x3-output:{size}x{size}x{STEM}'
    yield block(size, size, STEM, STEM, STEM, 3, 1, 1, 0, 0)
    cin = STEM
    for stage, cout in enumerate(STAGES):
        for index in range(arch['d'][stage]):
            slot = 4 * stage + index
            stride = STRIDES[stage] if index == 0 else 1
            out_size = int((size - 1) / stride + 1)
            yield block(size, out_size, cin, cout, cin * arch['e'][slot], arch['ks'][slot], stride,
                        int(stride == 1 and cin == cout), SE[stage], HSWISH[stage])
            size, cin = out_size, cout
    yield f'Conv_1-input:{size}x{size}x{cin}-output:{size}x{size}x{EXPAND}'
    yield f'AvgPool2D-input:{size}x{size}x{EXPAND}-output:1x1x{EXPAND}'
    yield f'Conv_2-input:1x1x{EXPAND}-output:1x1x{MIX}'
    yield f'Logits-input:1x1x{MIX}-output:{CLASSES}'


random.seed(7)
archs = [{'ks': [k] * 20, 'e': [e] * 20, 'd': [d] * 5} for k, e, d in [(3, 3, 2), (7, 6, 4)]]
archs += [{'ks': random.choices([3, 5, 7], k=20), 'e': random.choices([3, 4, 6], k=20),
           'd': random.choices([2, 3, 4], k=5)} for _ in range(10)]
rows = []
for side in [160, 176, 192, 208, 224]:
    with open(os.path.join(sys.argv[1], f'{side}_lookup_table.yaml')) as file:
        table = yaml.safe_load(file)
    rows += [{**arch, 'r': side, 'ms': sum(table[key]['mean'] for key in keys(arch, side))} for arch in archs]
with open(os.path.join(HERE, 'sums.json'), 'w') as file:
    file.write('[\n' + ',\n'.join(json.dumps(row) for row in rows) + '\n]\n')
