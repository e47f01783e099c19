"""Writes a small supernet's checkpoint as published ones are: newer.pth (zip, newer names) and older.pth (the stream before PyTorch 1.6,
older names, beside what a training program keeps), and digests.json: newer name -> shape and sha256 of the little-endian bytes.

Run: python3 make.py   (made with PyTorch 1.13.0)
Names and shapes follow the published code's rules for the space of space.json, not this project's code; values are random with a fixed seed.
"""
import collections
import hashlib
import json
import os

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(6)
state = collections.OrderedDict()


def add(name, *dims):
    state[name] = torch.randn(*dims)


def norm(name, channels):
    add(f'{name}.weight', channels)
    add(f'{name}.bias', channels)
    add(f'{name}.running_mean', channels)
    state[f'{name}.running_var'] = torch.rand(channels) + 0.5
    state[f'{name}.num_batches_tracked'] = torch.tensor(100)


add('first_conv.conv.weight', 8, 3, 3, 3)
norm('first_conv.bn', 8)
add('blocks.0.conv.depth_conv.conv.weight', 8, 1, 3, 3)
norm('blocks.0.conv.depth_conv.bn', 8)
add('blocks.0.conv.point_linear.conv.weight', 8, 8, 1, 1)
norm('blocks.0.conv.point_linear.bn', 8)
HIDDEN = 24  # 3 x 8
for block, excited in ((1, False), (2, True), (3, True)):
    conv = f'blocks.{block}.conv'
    add(f'{conv}.inverted_bottleneck.conv.conv.weight', HIDDEN, 8, 1, 1)
    norm(f'{conv}.inverted_bottleneck.bn.bn', HIDDEN)
    add(f'{conv}.depth_conv.conv.5to3_matrix', 9, 9)
    add(f'{conv}.depth_conv.conv.7to5_matrix', 25, 25)
    add(f'{conv}.depth_conv.conv.conv.weight', HIDDEN, 1, 7, 7)
    norm(f'{conv}.depth_conv.bn.bn', HIDDEN)
    if excited:  # 24 // 4 = 6, made divisible by 8
        add(f'{conv}.depth_conv.se.fc.reduce.weight', 8, HIDDEN, 1, 1)
        add(f'{conv}.depth_conv.se.fc.reduce.bias', 8)
        add(f'{conv}.depth_conv.se.fc.expand.weight', HIDDEN, 8, 1, 1)
        add(f'{conv}.depth_conv.se.fc.expand.bias', HIDDEN)
    add(f'{conv}.point_linear.conv.conv.weight', 8, HIDDEN, 1, 1)
    norm(f'{conv}.point_linear.bn.bn', 8)
add('final_expand_layer.conv.weight', 16, 8, 1, 1)
norm('final_expand_layer.bn', 16)
add('feature_mix_layer.conv.weight', 8, 16, 1, 1)
add('classifier.linear.weight', 4, 8)
add('classifier.linear.bias', 4)

older = collections.OrderedDict()
for name, tensor in state.items():
    old = name.replace('.conv.', '.mobile_inverted_conv.', 1) if name.startswith('blocks.') else name
    older[old.replace('.conv.conv.', '.conv.').replace('.bn.bn.', '.bn.')] = tensor
training = {'epoch': 1, 'best_acc': 12.5, 'state_dict': older, 'optimizer': {'state': {}, 'param_groups': [{'lr': 0.1}]}, 'dataset': 'imagenet'}
torch.save({'state_dict': state}, os.path.join(HERE, 'newer.pth'))
torch.save(training, os.path.join(HERE, 'older.pth'), _use_new_zipfile_serialization=False)
digests = {
    name: {'shape': list(tensor.shape), 'sha256': hashlib.sha256(tensor.numpy().tobytes()).hexdigest()}
    for name, tensor in state.items()
}
with open(os.path.join(HERE, 'digests.json'), 'w') as out:
    out.write(json.dumps(digests, indent=1) + '\n')
