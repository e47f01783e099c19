"""The other side of bench/search-speed.ts: the published evolutionary search in Python, its predictor in PyTorch on one thread.

Written from the description of the method (Cai et al. 2020, section 3.4, and the published settings): a population of 100; the best quarter
stays and has 50 mutants at 0.1 and 50 children of two parents; every architecture is drawn again until it keeps the limit; each generation's
100 children are encoded one by one and scored in one call; the last generation's are scored and not looked at.

An architecture is a dictionary of lists. Two ways of handling it, the same search in both:
  "published"  copied deeply before every draw and before it is encoded, every entry of a child chosen from a pair, as in the published code
  "lean"       only what is changed is copied: how fast the same method is when written with care

Answers each line of JSON on stdin with one on stdout. Requests:
  {"kind": "open", "problem", "space", "resolutions", "objective", "costs", "lookup"?}  remembers a problem -> versions, the predictor's speed
  {"kind": "score", "problem", "archs"}  -> scores, costs, and costs by keys where there is a lookup table
  {"kind": "search", "problem", "seed", "generations", "max", "handling", "byKeys"}  -> seconds, CPU seconds, score, arch, evaluations, draws
"""

import copy
import json
import random
import sys
import time

import numpy
import torch

from line_process import serve

POPULATION = 100
PARENTS = 25
MUTANTS = 50
MUTATION_CHANCE = 0.1

# The predictor's input: a one-hot kernel per slot, a one-hot expand ratio per slot, a one-hot of resolutions 112, 128, ... 224.
ENCODED_RESOLUTIONS = 8
FIRST_RESOLUTION = 112
RESOLUTION_STEP = 16

# Calls by which a way of running the predictor is chosen.
TRIAL_CALLS = 10


def divisible(value, by=8):
    """The multiple of `by` nearest to a width, never below nine tenths of it."""
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


def mkldnn_model(model):
    """The same model with its weights in oneDNN's layout, for a PyTorch whose matrix library is slow."""
    from torch.utils import mkldnn

    inner = mkldnn.to_mkldnn(copy.deepcopy(model))
    return lambda rows: inner(rows.to_mkldnn()).to_dense()


def fastest(ways, rows):
    """The name of the quickest of several functions, and the milliseconds of each, best of several calls."""
    ms = {}
    for name, way in ways.items():
        times = []
        for _ in range(TRIAL_CALLS):
            start = time.perf_counter()
            way(rows)
            times.append((time.perf_counter() - start) * 1000)
        ms[name] = min(times)
    return min(ms, key=ms.get), ms


class Predictor:
    """An MLP 128-400-400-400-1 from a bare state dict, called on a whole generation."""

    def __init__(self, path, space):
        state = torch.load(path, map_location="cpu")
        layers = []
        for index in (0, 2, 4, 6):
            out, size = state[f"{index}.weight"].shape
            layers += [torch.nn.Linear(size, out), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers[:-1])
        model.load_state_dict(state)
        model.eval()
        self.kernel_at = {kernel: i for i, kernel in enumerate(space["kernelSizes"])}
        self.expand_at = {ratio: i for i, ratio in enumerate(space["expandRatios"])}
        self.slots = slots_of(space)
        # Debian's PyTorch multiplies by the reference BLAS, which is slow: what is compared with is the better of two ways.
        ways = {"plain": model}
        if torch.backends.mkldnn.is_available():
            ways["oneDNN"] = mkldnn_model(model)
        with torch.no_grad():
            way, self.ms = fastest(ways, torch.zeros(POPULATION, len(state["0.weight"][0])))
        self.way, self.model = way, ways[way]

    def encode(self, net):
        """One row; the slots of blocks that are not there stay zero."""
        kernels, expands, depths = len(self.kernel_at), len(self.expand_at), net["depths"]
        slots = self.slots * len(depths)
        row = numpy.zeros(slots * (kernels + expands) + ENCODED_RESOLUTIONS, dtype=numpy.float32)
        for stage, depth in enumerate(depths):
            for slot in range(stage * self.slots, stage * self.slots + depth):
                row[slot * kernels + self.kernel_at[net["kernels"][slot]]] = 1
                row[slots * kernels + slot * expands + self.expand_at[net["expands"][slot]]] = 1
        row[slots * (kernels + expands) + (net["resolution"][0] - FIRST_RESOLUTION) // RESOLUTION_STEP] = 1
        return row

    def score(self, nets, is_copied=False):
        if is_copied:
            nets = map(copy.deepcopy, nets)
        rows = torch.from_numpy(numpy.stack([self.encode(net) for net in nets]))
        with torch.no_grad():
            return self.model(rows)[:, 0].tolist()


class Synthetic:
    """Terms of resolutions, depths, blocks and neighboring blocks, added up."""

    def __init__(self, path, space):
        with open(path) as file:
            terms = json.load(file)
        self.unit, self.pair, self.depth = terms["unit"], terms["pair"], terms["depth"]
        self.resolution = {int(side): term for side, term in terms["res"].items()}
        choices = [(k, e) for k in space["kernelSizes"] for e in space["expandRatios"]]
        self.choice_at = {choice: i for i, choice in enumerate(choices)}
        self.slots = slots_of(space)

    def score_one(self, net):
        total = self.resolution[net["resolution"][0]]
        for stage, depth in enumerate(net["depths"]):
            total += self.depth[stage][depth]
            before = None
            for slot in range(stage * self.slots, stage * self.slots + depth):
                choice = self.choice_at[net["kernels"][slot], net["expands"][slot]]
                total += self.unit[slot][choice]
                if before is not None:
                    total += self.pair[slot][before][choice]
                before = choice
        return total

    def score(self, nets, is_copied=False):
        return [self.score_one(net) for net in nets]


class BlockCosts:
    """What is fixed at a resolution, and a number per slot and choice."""

    def __init__(self, costs, space):
        choices = [(k, e) for k in space["kernelSizes"] for e in space["expandRatios"]]
        self.slots = slots_of(space)
        self.tables = {
            table["resolution"]: (table["fixed"], [dict(zip(choices, slot)) for slot in table["slots"]])
            for table in costs
        }

    def of(self, net):
        total, blocks = self.tables[net["resolution"][0]]
        for stage, depth in enumerate(net["depths"]):
            for slot in range(stage * self.slots, stage * self.slots + depth):
                total += blocks[slot][net["kernels"][slot], net["expands"][slot]]
        return total


class KeyedCosts:
    """The published latency tables as they are used: a network is walked, a key written for each of its layers and blocks, and looked up."""

    def __init__(self, lookup, space):
        self.tables = {table["resolution"]: table["ms"] for table in lookup}
        self.space = space
        self.slots = slots_of(space)

    def block(self, table, at, stage, kernel, expand):
        """Adds a block to a walk `at` (size, channels); returns its ms and where it leads."""
        size, channels = at
        stride, out = stage["stride"], stage["channels"]
        out_size = (size - 1) // stride + 1
        key = (
            f"expanded_conv-input:{size}x{size}x{channels}-output:{out_size}x{out_size}x{out}"
            f"-expand:{divisible(round(channels * expand))}-kernel:{kernel}-stride:{stride}"
            f"-idskip:{int(stride == 1 and channels == out)}"
            f"-se:{int(stage['squeezeExcite'])}-hs:{int(stage['activation'] == 'hSwish')}"
        )
        return table[key], (out_size, out)

    def of(self, net):
        space, side = self.space, net["resolution"][0]
        table = self.tables[side]
        size, channels = (side + 1) // 2, space["stem"]["channels"]
        total = table[f"Conv-input:{side}x{side}x3-output:{size}x{size}x{channels}"]
        ms, at = self.block(table, (size, channels), space["firstBlock"], space["firstBlock"]["kernel"], 1)
        total += ms
        for index, (stage, depth) in enumerate(zip(space["stages"], net["depths"])):
            for slot in range(index * self.slots, index * self.slots + depth):
                ms, at = self.block(table, at, stage, net["kernels"][slot], net["expands"][slot])
                total += ms
                stage = stage if stage["stride"] == 1 else {**stage, "stride": 1}
        (size, channels), expanded, mixed = at, space["finalExpand"]["channels"], space["featureMix"]["channels"]
        total += table[f"Conv_1-input:{size}x{size}x{channels}-output:{size}x{size}x{expanded}"]
        total += table[f"AvgPool2D-input:{size}x{size}x{expanded}-output:1x1x{expanded}"]
        total += table[f"Conv_2-input:1x1x{expanded}-output:1x1x{mixed}"]
        return total + table[f"Logits-input:1x1x{mixed}-output:{space['classes']}"]


def slots_of(space):
    """Block slots of a stage; the spaces searched here have equally many in each."""
    return max(space["stages"][0]["depths"])


class Problem:
    def __init__(self, request):
        self.space = space = request["space"]
        self.resolutions = request["resolutions"]
        kind = Predictor if request["objective"]["kind"] == "predictor" else Synthetic
        self.objective = kind(request["objective"]["file"], space)
        self.costs = BlockCosts(request["costs"], space)
        self.keyed = KeyedCosts(request["lookup"], space) if "lookup" in request else None
        self.slots = slots_of(space) * len(space["stages"])

    def net(self, arch):
        return {
            "kernels": arch["kernelSizes"],
            "expands": arch["expandRatios"],
            "depths": arch["depths"],
            "resolution": [arch["resolution"]],
        }


class Evolution:
    """One search, architectures handled as published. `draws` counts those that were held against the limit."""

    is_copied = True

    def __init__(self, problem, rng, cost_of, limit):
        self.problem, self.rng, self.cost_of, self.limit = problem, rng, cost_of, limit
        self.draws = 0

    def copy_of(self, net):
        return copy.deepcopy(net)

    def mix(self, left, right):
        """Each entry from either parent with equal chance."""
        return [self.rng.choice([a, b]) for a, b in zip(left, right)]

    def until_feasible(self, draw):
        while True:
            net = draw()
            self.draws += 1
            if self.cost_of(net) <= self.limit:
                return net

    def random_net(self):
        space, choice = self.problem.space, self.rng.choice
        kernels, expands, slots = space["kernelSizes"], space["expandRatios"], range(self.problem.slots)
        return {
            "kernels": [choice(kernels) for _ in slots],
            "expands": [choice(expands) for _ in slots],
            "depths": [choice(stage["depths"]) for stage in space["stages"]],
            "resolution": [choice(self.problem.resolutions)],
        }

    def mutant_of(self, parent):
        """Kernel and expand ratio of a slot are drawn together, each stage's depth and the resolution by themselves."""
        space, rng, net = self.problem.space, self.rng, self.copy_of(parent)
        if rng.random() < MUTATION_CHANCE:
            net["resolution"][0] = rng.choice(self.problem.resolutions)
        for slot in range(self.problem.slots):
            if rng.random() < MUTATION_CHANCE:
                net["kernels"][slot] = rng.choice(space["kernelSizes"])
                net["expands"][slot] = rng.choice(space["expandRatios"])
        for index, stage in enumerate(space["stages"]):
            if rng.random() < MUTATION_CHANCE:
                net["depths"][index] = rng.choice(stage["depths"])
        return net

    def child_of(self, mother, father):
        net = self.copy_of(mother)
        for name in net:
            net[name] = self.mix(mother[name], father[name])
        return net

    def offspring(self, parents):
        nets = []
        for index in range(POPULATION):
            if index < MUTANTS:
                parent = self.rng.choice(parents)[1]
                nets.append(self.until_feasible(lambda: self.mutant_of(parent)))
            else:
                mother, father = self.rng.choice(parents)[1], self.rng.choice(parents)[1]
                nets.append(self.until_feasible(lambda: self.child_of(mother, father)))
        return nets

    def scored(self, nets):
        return list(zip(self.problem.objective.score(nets, self.is_copied), nets))

    def run(self, generations):
        population = self.scored([self.until_feasible(self.random_net) for _ in range(POPULATION)])
        best = max(population, key=lambda member: member[0])
        for _ in range(generations):
            parents = sorted(population, key=lambda member: member[0], reverse=True)[:PARENTS]
            if parents[0][0] > best[0]:
                best = parents[0]
            population = parents + self.scored(self.offspring(parents))
        return best


class LeanEvolution(Evolution):
    """The same search; copies are as deep as what is changed in them."""

    is_copied = False

    def copy_of(self, net):
        return {name: list(values) for name, values in net.items()}

    def child_of(self, mother, father):
        return {name: self.mix(values, father[name]) for name, values in mother.items()}

    def mix(self, left, right):
        chance = self.rng.random
        return [a if chance() < 0.5 else b for a, b in zip(left, right)]


HANDLINGS = {"published": Evolution, "lean": LeanEvolution}


class Searcher:
    def __init__(self):
        torch.set_num_threads(1)
        self.problems = {}

    def open(self, request):
        problem = self.problems[request["problem"]] = Problem(request)
        versions = {"python": sys.version.split()[0], "torch": torch.__version__, "numpy": numpy.__version__}
        if isinstance(problem.objective, Predictor):
            versions["predictor"] = {"way": problem.objective.way, "ms": problem.objective.ms}
        return versions

    def score(self, request):
        problem = self.problems[request["problem"]]
        nets = [problem.net(arch) for arch in request["archs"]]
        answer = {"scores": problem.objective.score(nets), "costs": [problem.costs.of(net) for net in nets]}
        if problem.keyed is not None:
            answer["keyedCosts"] = [problem.keyed.of(net) for net in nets]
        return answer

    def search(self, request):
        problem = self.problems[request["problem"]]
        costs = problem.keyed if request["byKeys"] else problem.costs
        evolution = HANDLINGS[request["handling"]](problem, random.Random(request["seed"]), costs.of, request["max"])
        start, cpu_start = time.perf_counter(), time.process_time()
        score, net = evolution.run(request["generations"])
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        return {
            "seconds": seconds,
            "cpuSeconds": cpu_seconds,
            "score": score,
            "arch": {
                "kernelSizes": net["kernels"],
                "expandRatios": net["expands"],
                "depths": net["depths"],
                "resolution": net["resolution"][0],
            },
            "evaluations": POPULATION * (1 + request["generations"]),
            "draws": evolution.draws,
        }


serve(Searcher())
