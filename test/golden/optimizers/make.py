"""Writes sgd.json, adamw.json and orthogonal.json in float64.

sgd, adamw: five steps of PyTorch's optimizers with weight decay on one group and gradient clipping.
orthogonal: matrices and their nearest orthogonal matrices by singular value decomposition, with five quintic
Newton-Schulz iterations of each, for the orthogonalization of Muon.

Run with a Python that has torch (made with PyTorch 1.13.1): python3 test/golden/optimizers/make.py
"""
import json
import pathlib

import torch

FOLDER = pathlib.Path(__file__).parent


def run(name, make_optimizer):
    torch.manual_seed(3)
    weight = torch.randn(6, dtype=torch.float64)
    bias = torch.randn(3, dtype=torch.float64)
    steps = []
    parameters = [weight.clone().requires_grad_(), bias.clone().requires_grad_()]
    optimizer = make_optimizer(parameters)
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
    text = json.dumps({"torch": torch.__version__, "start": start, "steps": steps}) + "\n"
    (FOLDER / f"{name}.json").write_text(text)


def groups(parameters):
    return [{"params": parameters[:1], "weight_decay": 0.01}, {"params": parameters[1:], "weight_decay": 0.0}]


run("sgd", lambda p: torch.optim.SGD(groups(p), lr=0.1, momentum=0.9, nesterov=True))
run("adamw", lambda p: torch.optim.AdamW(groups(p), lr=0.1, betas=(0.9, 0.99)))

torch.manual_seed(4)
cases = []
for rows, columns in [(4, 6), (6, 4), (5, 5)]:
    matrix = torch.randn(rows, columns, dtype=torch.float64)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    x = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        if rows <= columns:
            square = x @ x.T
            x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
        else:
            square = x.T @ x
            x = 3.4445 * x + x @ (-4.775 * square + 2.0315 * square @ square)
    cases.append(
        {
            "rows": rows,
            "columns": columns,
            "matrix": matrix.flatten().tolist(),
            "nearest": (u @ v).flatten().tolist(),
            "iterated": x.flatten().tolist(),
            "singularValues": torch.linalg.svdvals(x).tolist(),
        }
    )
(FOLDER / "orthogonal.json").write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
