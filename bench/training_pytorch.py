"""The other side of bench/training.ts: the same networks, trained by PyTorch.

Answers each line of JSON on stdin with one on stdout. Requests:
  {"kind": "open", ...}                                       files and update settings, see bench/training-setup.ts
  {"kind": "steps", "key", "net", "batch", "threads", "layout", "count"}  so many steps of one network -> ms, CPU ms, the first loss
  {"kind": "drop"}                                            forgets the networks of "steps"
  {"kind": "elastic", "steps", "threads", "layout"}           each step some networks, gradients summed, one update -> ms
"""

import time

import numpy
import torch
import torch.nn.functional as F

from line_process import serve

FORMATS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


def activate(x, kind):
    if kind == "relu":
        return F.relu(x)
    if kind == "relu6":
        return F.relu6(x)
    return F.hardswish(x) if kind == "hSwish" else x


class Supernet:
    """Named parameters of which networks read the slices that their layers need."""

    def __init__(self, tensors, setup, layout):
        self.setup = setup
        self.format = FORMATS[layout]
        self.tensors = {}
        for name, tensor in tensors.items():
            tensor = tensor.clone()
            if tensor.dim() == 4:
                tensor = tensor.to(memory_format=self.format)
            self.tensors[name] = tensor.requires_grad_()
        update = setup["update"]
        decayed = [t for n, t in self.tensors.items() if n.endswith(".weight") and not n.endswith(".bn.weight")]
        rest = [t for n, t in self.tensors.items() if not (n.endswith(".weight") and not n.endswith(".bn.weight"))]
        groups = [{"params": decayed, "weight_decay": update["weightDecay"]}, {"params": rest, "weight_decay": 0}]
        self.optimizer = torch.optim.SGD(
            groups, lr=update["lr"], momentum=update["momentum"], nesterov=True, foreach=True
        )

    def part(self, name, *sizes):
        tensor = self.tensors[name]
        for axis, size in enumerate(sizes):
            if tensor.shape[axis] != size:
                tensor = tensor.narrow(axis, 0, size)
        return tensor

    def depthwise_kernel(self, layer):
        """The active kernel, made step by step from the stored one where it is elastic."""
        name, channels, kernel = layer["name"], layer["outChannels"], layer["kernel"]
        weight = self.part(f"{name}.weight", channels)
        size = weight.shape[2]
        if "blockIndex" not in layer:
            return weight
        for smaller in sorted(self.setup["kernelSizes"], reverse=True):
            if smaller >= size or smaller < kernel:
                continue
            margin = (size - smaller) // 2
            weight = weight[:, :, margin : margin + smaller, margin : margin + smaller]
            matrix = self.tensors.get(f"{name}.transform{size}to{smaller}")
            if matrix is not None:
                weight = (weight.reshape(channels, -1) @ matrix.t()).view(channels, 1, smaller, smaller)
            size = smaller
        return weight

    def convolution(self, layer, x):
        name, out, kernel = layer["name"], layer["outChannels"], layer["kernel"]
        depthwise = layer["op"] == "depthwise"
        weight = self.depthwise_kernel(layer) if depthwise else self.part(f"{name}.weight", out, layer["inChannels"])
        x = F.conv2d(x, weight, None, layer["stride"], kernel // 2, 1, out if depthwise else 1)
        gamma, beta = self.part(f"{name}.bn.weight", out), self.part(f"{name}.bn.bias", out)
        x = F.batch_norm(x, None, None, gamma, beta, True, 0.0, self.setup["epsilon"])
        return activate(x, layer["activation"])

    def squeeze_excite(self, layer, x):
        name, channels, middle = layer["name"], layer["inChannels"], layer["midChannels"]
        pooled = x.mean((2, 3))
        reduce = self.part(f"{name}.reduce.weight", middle, channels), self.part(f"{name}.reduce.bias", middle)
        expand = self.part(f"{name}.expand.weight", channels, middle), self.part(f"{name}.expand.bias", channels)
        scale = F.hardsigmoid(F.linear(F.relu(F.linear(pooled, *reduce)), *expand))
        return x * scale[:, :, None, None]

    def linear(self, layer, x):
        name, out = layer["name"], layer["outChannels"]
        bias = self.part(f"{name}.bias", out) if layer["bias"] else None
        return activate(F.linear(x, self.part(f"{name}.weight", out, layer["inChannels"]), bias), layer["activation"])

    def forward(self, layers, images):
        values = {"input": images}
        x = images
        for layer in layers:
            x = values[layer["input"]]
            op = layer["op"]
            if op in ("conv", "depthwise"):
                x = self.convolution(layer, x)
                if "addFrom" in layer:
                    x = x + values[layer["addFrom"]]
            elif op == "squeezeExcite":
                x = self.squeeze_excite(layer, x)
            elif op == "globalPool":
                x = x.mean((2, 3))
            elif op == "linear":
                x = self.linear(layer, x)
            else:
                raise ValueError(f"the layer {layer['name']} is a {op}")
            values[layer["name"]] = x
        return x

    def step(self, passes):
        """Gradients of all passes summed, clipped, one update. Returns the first pass's loss."""
        self.optimizer.zero_grad(set_to_none=False)
        losses = []
        for layers, images, targets in passes:
            loss = F.cross_entropy(self.forward(layers, images), targets)
            loss.backward()
            losses.append(loss.detach())
        parameters = [tensor for tensor in self.tensors.values() if tensor.grad is not None]
        torch.nn.utils.clip_grad_norm_(parameters, self.setup["update"]["clipNorm"])
        self.optimizer.step()
        return losses[0]


class Trainer:
    def open(self, request):
        self.setup = request
        flat = torch.from_numpy(numpy.fromfile(request["weights"], dtype=numpy.float32))
        self.full = {
            slot["name"]: flat[slot["offset"] : slot["offset"] + slot["size"]].view(*slot["dims"])
            for slot in request["slots"]
        }
        self.targets = torch.from_numpy(numpy.fromfile(request["targets"], dtype=numpy.float32))
        self.targets = self.targets.view(-1, request["classes"])
        self.nets = {}
        self.supernets = {}
        return {"torch": torch.__version__, "cpuCapability": torch.__config__.show().split("CPU capability usage: ")[-1].split()[0]}

    def images(self, resolution, layout):
        data = torch.from_numpy(numpy.fromfile(self.setup["images"][str(resolution)], dtype=numpy.float32))
        images = data.view(-1, self.setup["channels"], resolution, resolution)
        return images.contiguous(memory_format=FORMATS[layout])

    def own_tensors(self, layers):
        """The parameters of one network alone, in its shapes."""
        sizes = {}
        for layer in layers:
            name, inputs, out = layer["name"], layer["inChannels"], layer["outChannels"]
            if layer["op"] in ("conv", "depthwise"):
                sizes[f"{name}.weight"] = (out,) if layer["op"] == "depthwise" else (out, inputs)
                sizes[f"{name}.bn.weight"] = sizes[f"{name}.bn.bias"] = (out,)
                for other in self.full:
                    if other.startswith(f"{name}.transform"):
                        target = int(other.rsplit("to", 1)[1])
                        if target >= layer["kernel"]:
                            sizes[other] = ()
            elif layer["op"] == "squeezeExcite":
                middle = layer["midChannels"]
                sizes[f"{name}.reduce.weight"], sizes[f"{name}.reduce.bias"] = (middle, inputs), (middle,)
                sizes[f"{name}.expand.weight"], sizes[f"{name}.expand.bias"] = (inputs, middle), (inputs,)
            elif layer["op"] == "linear":
                sizes[f"{name}.weight"] = (out, inputs)
                if layer["bias"]:
                    sizes[f"{name}.bias"] = (out,)
        tensors = {}
        for name, size in sizes.items():
            tensor = self.full[name]
            for axis, length in enumerate(size):
                tensor = tensor.narrow(axis, 0, length)
            tensors[name] = tensor.contiguous()
        return tensors

    def steps(self, request):
        torch.set_num_threads(request["threads"])
        key, layout, batch, net = request["key"], request["layout"], request["batch"], request["net"]
        if key not in self.nets:
            supernet = Supernet(self.own_tensors(net["layers"]), self.setup, layout)
            self.nets[key] = supernet, self.images(net["resolution"], layout)[:batch]
        supernet, images = self.nets[key]
        passes = [(net["layers"], images, self.targets[:batch])]
        ms, cpu, first = [], [], None
        for _ in range(request["count"]):
            start, cpu_start = time.perf_counter(), time.process_time()
            loss = supernet.step(passes).item()
            ms.append((time.perf_counter() - start) * 1000)
            cpu.append((time.process_time() - cpu_start) * 1000)
            first = loss if first is None else first
        return {"ms": ms, "cpuMs": cpu, "loss": first}

    def drop(self, _):
        self.nets = {}
        return {}

    def elastic(self, request):
        torch.set_num_threads(request["threads"])
        layout = request["layout"]
        if layout not in self.supernets:
            images = {int(size): self.images(int(size), layout) for size in self.setup["images"]}
            self.supernets[layout] = Supernet(self.full, self.setup, layout), images
        supernet, images = self.supernets[layout]
        start, cpu_start = time.perf_counter(), time.process_time()
        for nets in request["steps"]:
            supernet.step(
                [
                    (n["net"]["layers"], images[n["net"]["resolution"]][n["from"] : n["to"]], self.targets[n["from"] : n["to"]])
                    for n in nets
                ]
            )
        return {"ms": (time.perf_counter() - start) * 1000, "cpuMs": (time.process_time() - cpu_start) * 1000}


serve(Trainer())
