import { cpus, arch as processorArch } from 'node:os';
import { fingerprint, matchesFingerprint } from '../runtime/fingerprint.js';
import { runtimeVersion } from '../runtime/session.js';
import type { HardwareType } from './types.js';

export const LOCAL_CPU_ID = 'local-cpu';

/** The hardware type `local-cpu`: this machine, onnxruntime-node, fp32, one thread, batch 1. */
export function localCpu(): HardwareType {
  const device = cpus()[0]?.model.trim() || processorArch();
  return {
    id: LOCAL_CPU_ID,
    name: `${device}, one thread`,
    device,
    runtime: `onnxruntime-node ${runtimeVersion()}`,
    precision: 'fp32',
    threads: 1,
    batch: 1,
    provenance: 'measured',
    fingerprint: fingerprint(1),
  };
}

/** True if latencies of a hardware type can be measured here: it was measured on this very machine with this software. */
export function canMeasureHere(hardware: HardwareType): boolean {
  const { provenance, fingerprint: expected, threads } = hardware;
  return provenance === 'measured' && expected !== undefined && matchesFingerprint(expected, fingerprint(threads));
}
