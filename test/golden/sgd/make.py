"""Writes sgd.json: five steps of PyTorch's Nesterov SGD with weight decay on one group and gradient clipping, in float64.

Run with a Python that has torch (made with PyTorch 1.13.1): python3 test/golden/sgd/make.py
"""
import json
import pathlib

import torch

torch.manual_seed(3)
weight = torch.randn(6, dtype=torch.float64)
bias = torch.randn(3, dtype=torch.float64)
steps = []
parameters = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]
optimizer = torch.optim.SGD(
    [{"params": parameters[:1], "weight_decay": 0.01}, {"params": parameters[1:], "weight_decay": 0.0}],
    lr=0.1,
    momentum=0.9,
    nesterov=True,
)
for index in range(5):
    gradients = [torch.randn_like(p) * (3.0 if index == 2 else 0.5) for p in parameters]
    if index == 3:
        gradients = [torch.zeros_like(p) for p in parameters]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    optimizer.step()
    steps.append(
        {
            "gradient": torch.cat(gradients).tolist(),
            "norm": norm.item(),
            "weights": torch.cat([p.detach() for p in parameters]).tolist(),
        }
    )
start = torch.cat([weight, bias]).tolist()
path = pathlib.Path(__file__).with_name("sgd.json")
path.write_text(json.dumps({"torch": torch.__version__, "start": start, "steps": steps}) + "\n")
