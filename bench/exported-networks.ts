import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../src/common/errors.js';
import { sha256 } from '../src/common/hash.js';
import { PACKAGE_ROOT } from '../src/config.js';
import { maxArch } from '../src/space/arch.js';
import { lower } from '../src/space/lower.js';
import { PUBLISHED_SPACES } from '../src/space/published.js';
import { parseArch } from '../src/space/reference-spelling.js';
import type { SearchSpace } from '../src/space/types.js';
import { deliver } from '../src/specialize/deliver.js';
import { loadBundle } from '../src/supernet/bundle.js';
import { extractSubnet } from '../src/supernet/extract.js';
import { importCheckpoint } from '../src/supernet/import-checkpoint.js';
import { sliceSubnet } from '../src/supernet/slice.js';
import { storedStatistics } from '../src/supernet/stored-statistics.js';
import type { BatchNormStatistics, Subnet, Supernet } from '../src/supernet/types.js';
import { decodeStateDict } from '../src/tensor/pytorch/state-dict.js';

/** The published code's own export in the reference data: folder, architecture and file. */
export const PUBLISHED_EXPORT = { folder: 'mbv3_w1.0', arch: 'rand06', file: 'exported/rand06.onnx' } as const;

/** Further networks of the reference data, at ImageNet's sizes; every family, and each at another resolution than the one before. */
const REFERENCE_NETWORKS = [
  { folder: 'mbv3_w1.0', arch: 'rand08' },
  { folder: 'proxyless_w1.3', arch: 'rand12' },
  { folder: 'proxyless_w1.3', arch: 'k3e6d4' },
  { folder: 'resnet50_small', arch: 'rand06' },
] as const;

/** The operator set of PyTorch's export: the newest that this project's own models use too. */
const PYTORCH_OPSET = 17;

/** A network that is raced, as this project delivers it and as PyTorch is told of it. */
export interface ExportedNetwork {
  readonly name: string;
  readonly model: Uint8Array;
  readonly subnet: Subnet;
  readonly statistics: BatchNormStatistics;
}

/** The reference data's folder. @throws BespokeError `not-found` naming it, where it is not there */
export function referenceFolder(named: string | undefined): string {
  const folder = named ?? process.env.BESPOKE_REFERENCE ?? join(PACKAGE_ROOT, '..', 'shared', 'reference');
  if (existsSync(join(folder, PUBLISHED_EXPORT.file))) return folder;
  throw new BespokeError(
    'not-found',
    `there is no ${PUBLISHED_EXPORT.file} in "${folder}"; name the reference data's folder with --reference or BESPOKE_REFERENCE`,
  );
}

/** The published ResNet-D space at the narrower stages that the reference data's small one has. */
function smallResNet(supernet: SearchSpace): SearchSpace {
  if (supernet.family !== 'resnet-d') return supernet;
  const narrow = [
    [80, 104, 128],
    [128, 152, 192],
    [208, 256, 320],
    [416, 512, 640],
  ];
  const stages = supernet.stages.map((stage, index) => ({ ...stage, widths: narrow[index] ?? stage.widths }));
  return { ...supernet, id: 'resnet50-small', classes: 100, stages };
}

const SPACES: Readonly<Record<string, string>> = {
  'mbv3_w1.0': 'ofa-mbv3-w1.0',
  'proxyless_w1.3': 'ofa-proxyless-w1.3',
  resnet50_small: 'ofa-resnet50',
};

function referenceSupernet(reference: string, folder: string): Supernet {
  const published = PUBLISHED_SPACES.find(({ id }) => id === SPACES[folder]);
  if (published === undefined) throw new BespokeError('internal', `there is no space for the folder ${folder}`);
  const space = smallResNet(published);
  const where = join(reference, folder, 'supernet.pth');
  const bytes = readFileSync(where);
  return {
    space,
    tensors: importCheckpoint(space, decodeStateDict(bytes, where).tensors, { where }),
    sha256: sha256(bytes),
  };
}

/** ImageNet's usual input: what a published supernet is imported with. */
const IMAGENET_INPUT = {
  channels: 3,
  channelOrder: 'rgb',
  range: [0, 1],
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 0.875,
} as const;

function referenceNetwork(reference: string, supernet: Supernet, folder: string, arch: string): ExportedNetwork {
  const { space } = supernet;
  const archs = JSON.parse(readFileSync(join(reference, folder, 'archs.json'), 'utf8')) as { readonly name: string }[];
  const found = archs.find(({ name }) => name === arch);
  if (found === undefined) throw new BespokeError('not-found', `${folder}/archs.json has no "${arch}"`);
  const parsed = parseArch(space, found);
  const subnet = sliceSubnet(supernet, parsed, lower(space, parsed));
  const statistics = storedStatistics(subnet);
  if (statistics === undefined) throw new BespokeError('internal', `${folder} has no running statistics`);
  const { model } = extractSubnet({ supernet, input: IMAGENET_INPUT, classNames: [] }, subnet, statistics);
  return { name: `${folder} ${arch} @${parsed.resolution}`, model, subnet, statistics };
}

/** The networks of the reference data; the first is the one that the published code exported. */
export function referenceNetworks(reference: string): readonly ExportedNetwork[] {
  const supernets = new Map<string, Supernet>();
  return [PUBLISHED_EXPORT, ...REFERENCE_NETWORKS].map(({ folder, arch }) => {
    const supernet = supernets.get(folder) ?? referenceSupernet(reference, folder);
    supernets.set(folder, supernet);
    return referenceNetwork(reference, supernet, folder, arch);
  });
}

/** The largest network of a bundle. */
export async function bundleNetwork(dir: string): Promise<ExportedNetwork> {
  const bundle = await loadBundle(dir);
  const arch = maxArch(bundle.supernet.space);
  const { subnet, statistics, extracted } = await deliver(bundle, arch);
  return { name: `${bundle.id} largest @${arch.resolution}`, model: extracted.model, subnet, statistics };
}

function pytorchRequest({ subnet, statistics }: ExportedNetwork, dir: string, index: number) {
  const { layers, tensors, space, arch } = subnet;
  const parts: (readonly [string, readonly number[], Float32Array])[] = [];
  for (const [name, { dims, data }] of tensors) {
    if (!name.includes('.bn.running_')) parts.push([name, dims, data]);
  }
  for (const [layer, { mean, variance }] of statistics) {
    parts.push([`${layer}.bn.running_mean`, [mean.length], mean]);
    parts.push([`${layer}.bn.running_var`, [variance.length], variance]);
  }
  const weights = join(dir, `${index}.weights`);
  writeFileSync(
    weights,
    Buffer.concat(parts.map(([, , data]) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))),
  );
  return {
    layers,
    epsilon: space.bnEpsilon,
    weights,
    tensors: parts.map(([name, dims]) => [name, dims]),
    dims: [1, space.inputChannels, arch.resolution, arch.resolution],
    out: join(dir, `${index}.onnx`),
  };
}

/** What PyTorch makes of networks, in order, and its version. */
export interface PyTorchExports {
  readonly models: readonly Uint8Array[];
  readonly version: string;
}

/**
 * Has plain PyTorch modules of the same layers and weights exported by torch.onnx.export.
 * @param dir a folder for files that pass between the two
 * @returns undefined where this Python has no torch
 * @throws BespokeError `internal` where the export itself fails
 */
export function exportByPyTorch(
  networks: readonly ExportedNetwork[],
  dir: string,
  python: string,
): PyTorchExports | undefined {
  if (spawnSync(python, ['-c', 'import torch, numpy'], { stdio: 'ignore' }).status !== 0) return undefined;
  const requests = networks.map((network, index) => pytorchRequest(network, dir, index));
  const child = spawnSync(python, [join(PACKAGE_ROOT, 'bench', 'exported_pytorch.py')], {
    input: JSON.stringify({ opset: PYTORCH_OPSET, networks: requests }),
    encoding: 'utf8',
  });
  if (child.status !== 0)
    throw new BespokeError('internal', `bench/exported_pytorch.py failed: ${child.stderr.slice(-2000)}`);
  const version = child.stdout.trim().split('\n').at(-1) ?? '';
  return { models: requests.map(({ out }) => readFileSync(out)), version: `torch ${version}, opset ${PYTORCH_OPSET}` };
}
