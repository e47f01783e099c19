import type { Catalog, HardwareInfo, SupernetInfo } from '../../src/api/ports.js';
import { BespokeError, toProblem } from '../../src/common/errors.js';
import { sha256 } from '../../src/common/hash.js';
import { CANDIDATE } from './sample-report.js';

/** The smallest network's MACs in the sample catalog: exact bounds refuse what is below. */
const LEAST_MACS = 1000;

export const SUPERNET: SupernetInfo = {
  id: 'toy',
  title: 'A toy <supernet>',
  sha256: sha256('weights'),
  bundleSha256: sha256('bundle'),
  spaceId: 'toy-space',
  space: { family: 'mobilenet-v3', id: 'toy-space', resolutions: [20, 24] },
  subnetCount: '123456789012345678901234567890',
  resolutions: [20, 24],
  input: { channels: 1 },
  classNames: ['a', 'b'],
  calibrationImages: 500,
  verificationImages: 1000,
  hasPredictor: true,
  figures: { kendallTau: 0.9 },
};

const HARDWARE: HardwareInfo = {
  id: 'local-cpu',
  name: 'This machine',
  device: 'cpu',
  runtime: 'onnxruntime 1.30.0',
  precision: 'fp32',
  threads: 1,
  batch: 1,
  provenance: 'measured',
  isHere: true,
  latencyModels: [
    {
      spaceId: 'toy-space',
      statistics: ['p50', 'p90'],
      method: 'table',
      revision: sha256('table'),
      resolutions: [20, 24],
      measuredAt: '2026-01-02T03:04:05.000Z',
      holdout: { nets: 40, mapePercent: 2.5, p90Percent: 5, maxPercent: 9, kendallTau: 0.97 },
    },
  ],
};

/** A bundle that could not be loaded. */
const REFUSED = [
  { id: 'broken', problem: toProblem(new BespokeError('bundle-invalid', 'the bundle in "broken" cannot be loaded')) },
];

/** A catalog of the supernets in the list, which a test may change. */
export function makeCatalog(supernets: readonly SupernetInfo[]): Catalog {
  const impossible = (maxMacs: number | undefined): boolean => maxMacs !== undefined && maxMacs < LEAST_MACS;
  return {
    supernets: () => supernets,
    refused: () => REFUSED,
    hardware: () => [HARDWARE, { ...HARDWARE, id: 'no-table', isHere: false, latencyModels: [] }],
    estimate: async ({ archs, constraints }) => {
      if (archs.some(({ resolution }) => !SUPERNET.resolutions.includes(resolution)))
        throw new BespokeError('arch-out-of-space', 'resolution must be 20 or 24.');
      const candidates = archs.map((arch) => ({ ...CANDIDATE, arch }));
      if (Object.keys(constraints).length === 0) return { candidates };
      const verdict = impossible(constraints.maxMacs) ? 'infeasible' : 'unknown';
      const binding = verdict === 'infeasible' ? ['maxMacs'] : [];
      const smallest = { maxMacs: LEAST_MACS };
      const found =
        verdict === 'infeasible'
          ? { closest: CANDIDATE, proof: [{ resolution: 20, weights: { maxMacs: 1 }, excess: 0.5 }] }
          : { witness: CANDIDATE };
      return {
        candidates,
        feasibility: { verdict, binding, nearestFeasible: smallest, smallestAlone: smallest, ...found },
      };
    },
    checkFeasible: async ({ constraints }) => {
      if (!impossible(constraints.maxMacs)) return undefined;
      const extras = { binding: ['maxMacs'], nearestFeasible: { maxMacs: LEAST_MACS } };
      return toProblem(new BespokeError('infeasible-constraints', `The smallest has ${LEAST_MACS} MACs.`, extras));
    },
  };
}
