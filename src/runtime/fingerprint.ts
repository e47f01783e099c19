import { cpus } from 'node:os';
import { runtimeVersion } from './session.js';

/** What must be equal for a latency that was measured before to hold here. */
export type Fingerprint = Readonly<Record<string, string>>;

/**
 * This machine as a latency sees it: CPU model, logical cores, threads used by a session, versions of the runtime and of Node.
 * @param threads threads inside an operator, 1 or more
 */
export function fingerprint(threads = 1): Fingerprint {
  const cores = cpus();
  return {
    arch: process.arch,
    cores: String(cores.length),
    cpu: cores[0]?.model.trim() ?? 'unknown',
    node: process.versions.node,
    onnxruntime: runtimeVersion(),
    threads: String(threads),
  };
}

/** Names of the facts that differ, sorted; empty: the same machine and software. */
export function fingerprintDifferences(expected: Fingerprint, actual: Fingerprint): readonly string[] {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names].filter((name) => expected[name] !== actual[name]).sort();
}

/** True if a figure measured under `expected` holds for `actual`. */
export function matchesFingerprint(expected: Fingerprint, actual: Fingerprint): boolean {
  return fingerprintDifferences(expected, actual).length === 0;
}
