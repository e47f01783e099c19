"""Writes resize.json: PyTorch's bilinear, antialiased resize of small random images.

Run with a Python that has torch (made with PyTorch 1.13.1): python3 test/golden/resize/make.py
"""
import json
import pathlib

import torch
import torch.nn.functional as functional

torch.manual_seed(7)
cases = []
for height, width, channels, size in [(28, 28, 1, 20), (28, 28, 1, 24), (9, 14, 3, 5), (6, 6, 1, 11), (7, 5, 2, 6)]:
    pixels = torch.randint(0, 256, (2, channels, height, width), dtype=torch.uint8)
    if height == 28:
        pixels = pixels[:1]
    out = functional.interpolate(
        pixels.to(torch.float64), size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )
    cases.append(
        {
            "count": pixels.shape[0],
            "height": height,
            "width": width,
            "channels": channels,
            "size": size,
            "pixels": pixels.permute(0, 2, 3, 1).flatten().tolist(),
            "expected": [round(v, 5) for v in out.flatten().tolist()],
        }
    )
path = pathlib.Path(__file__).with_name("resize.json")
path.write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
