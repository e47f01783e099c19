import { sha256 } from '../common/hash.js';
import { blockMs } from '../hardware/latency-model.js';
import type { LatencyModel } from '../hardware/types.js';
import type { SearchResult } from '../search/result.js';
import type { Candidate } from '../search/types.js';
import { blockGroups } from '../space/blocks.js';
import type { Arch, LayerSpec } from '../space/types.js';
import { exportedInput } from '../supernet/export-options.js';
import { EXPORTER_REVISION } from '../supernet/extract.js';
import type { Bundle } from '../supernet/types.js';
import { noticesOf } from './checks.js';
import type { Delivery } from './deliver.js';
import { INTERVAL_CONFIDENCE } from './describe.js';
import type { Claim } from './ports.js';
import type { Check, MeasuredFigures, RejectedCandidate, Relaxation, Report } from './types.js';

export type Versions = Report['versions'];

/** The candidate that passed, with everything measured of it and of those before it. */
export interface Delivered {
  readonly candidate: Candidate;
  readonly delivery: Delivery;
  readonly measured: MeasuredFigures;
  readonly checks: readonly Check[];
  readonly rejected: readonly RejectedCandidate[];
  readonly timings: Readonly<Record<'extractSeconds' | 'calibrateSeconds' | 'verifySeconds', number>>;
}

interface Sources {
  readonly bundle: Bundle;
  readonly latency: LatencyModel | undefined;
  readonly versions: Versions;
}

/** Predicted milliseconds per layer: a block's table entry shared out by MACs, since blocks are what is measured. */
function layerLatencies(
  layers: readonly LayerSpec[],
  { resolution }: Arch,
  latency: LatencyModel | undefined,
): ReadonlyMap<string, number> {
  const perLayer = new Map<string, number>();
  if (latency === undefined) return perLayer;
  const { profile } = latency;
  for (const group of blockGroups(layers)) {
    const ms = blockMs(profile, group, resolution);
    const blockMacs = group.reduce((sum, layer) => sum + layer.macs, 0);
    if (ms === undefined || blockMacs === 0) continue;
    for (const layer of group) perLayer.set(layer.name, (profile.scale * ms * layer.macs) / blockMacs);
  }
  return perLayer;
}

/** The latency model behind the predictions; without an error where it was held against no measured network. */
function hardwareOf(id: string, latency: LatencyModel | undefined): Report['hardware'] {
  if (latency === undefined) return { id, name: id, statistic: 'p50', revision: '' };
  const { hardware, statistic, revision, holdout } = latency.profile;
  const known = { id, name: hardware.name, provenance: hardware.provenance, statistic, revision };
  return holdout === undefined ? known : { ...known, errorPercent: holdout.mapePercent };
}

/** The report of a succeeded job, from its parts; times are the caller's. */
export function makeReport(
  { bundle, latency, versions }: Sources,
  claim: Claim,
  parts: Omit<Delivered, 'timings'> & {
    readonly searched: SearchResult;
    readonly moreBudget: readonly Relaxation[];
    readonly timings: Report['timings'];
  },
): Report {
  const { candidate, delivery, measured, checks, rejected, searched, timings } = parts;
  const perLayer = layerLatencies(delivery.layers, delivery.arch, latency);
  const { model, opset } = delivery.extracted;
  const normalize = claim.request.export?.normalize ?? 'none';
  return {
    schema: 1,
    notices: noticesOf(checks),
    id: claim.id,
    createdAt: claim.createdAt,
    request: claim.request,
    delivered: candidate,
    measured,
    checks,
    rejected,
    paretoFront: searched.paretoFront,
    intervalConfidence: INTERVAL_CONFIDENCE,
    searchHistory: searched.history,
    searchCutShort: searched.cutShort,
    ...(claim.earlierFronts === undefined ? {} : { warmStart: claim.earlierFronts.map(({ id }) => id) }),
    moreBudget: parts.moreBudget,
    layers: delivery.layers.map((layer) => {
      const latencyMs = perLayer.get(layer.name);
      return latencyMs === undefined ? layer : { ...layer, latencyMs };
    }),
    input: { ...exportedInput(bundle.input, normalize), classNames: bundle.classNames },
    artifact: {
      sha256: sha256(model),
      bytes: model.byteLength,
      opset,
      exporterRevision: EXPORTER_REVISION,
    },
    supernet: { id: bundle.id, sha256: bundle.supernet.sha256, spaceId: bundle.supernet.space.id },
    hardware: hardwareOf(claim.request.hardwareId, latency),
    timings,
    versions,
  };
}
