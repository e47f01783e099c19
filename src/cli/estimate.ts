import type { components } from '../generated/openapi.js';
import { EXIT, readJson } from './arguments.js';
import { boundsLines } from './bounds.js';
import type { Connection } from './connect.js';
import { formatCount, formatMs, formatPercent, formatTable } from './format.js';
import { unwrap } from './jobs.js';
import { constraintsOf, type LimitOptions } from './limits.js';
import type { Terminal } from './terminal.js';

type Body = components['schemas']['CreateEstimate'];
type Estimate = components['schemas']['Estimate'];
type Arch = components['schemas']['EstimatedArch'];
type Feasibility = components['schemas']['Feasibility'];

/** The request of an estimate, from options and the file of architectures. @throws BespokeError `invalid-request` naming the file */
export async function estimateBody(
  limits: LimitOptions,
  named: { supernetId: string | undefined; hardwareId: string | undefined; archFile: string | undefined },
): Promise<Body> {
  const { supernetId, hardwareId, archFile } = named;
  const { resolutions, confidence } = limits;
  const constraints = constraintsOf(limits);
  // The server checks architectures as it does everybody's.
  const archs = archFile === undefined ? undefined : ([await readJson(archFile)].flat() as Body['archs']);
  return {
    ...(Object.keys(constraints).length === 0 ? {} : { constraints }),
    ...(resolutions === undefined ? {} : { resolutions }),
    ...(confidence === undefined ? {} : { search: { confidence } }),
    ...(archs === undefined ? {} : { archs }),
    ...(supernetId === undefined ? {} : { supernetId }),
    ...(hardwareId === undefined ? {} : { hardwareId }),
  };
}

const VERDICTS: Readonly<Record<Feasibility['verdict'], string>> = {
  feasible: 'the limits can be met',
  infeasible: 'no architecture meets the limits (proven)',
  unknown: 'no architecture that meets the limits was found, and none is excluded',
};

function rowOf(name: string, arch: Arch): string[] {
  return [
    name,
    arch.predictedTop1 === undefined ? '' : formatPercent(arch.predictedTop1),
    arch.predictedLatencyMs === undefined ? '' : formatMs(arch.predictedLatencyMs),
    formatCount(arch.macs),
    formatCount(arch.params),
    formatCount(arch.modelBytes),
    formatCount(arch.peakMemoryBytes),
    String(arch.arch.resolution),
  ];
}

function feasibilityLines({ verdict, binding, nearestFeasible, smallestAlone }: Feasibility): string[] {
  const nearest = Object.entries(nearestFeasible).map(
    ([id, value]) => `  nearest ${id}, the others as asked: ${value}`,
  );
  const alone = Object.entries(smallestAlone)
    .filter(([id]) => nearestFeasible[id] === undefined)
    .map(([id, value]) => `  smallest ${id}, if nothing else were limited: ${value}`);
  const binds = binding.length === 0 ? [] : [`  binding: ${binding.join(', ')}`];
  return [VERDICTS[verdict], ...binds, ...nearest, ...alone];
}

/** `bespoke estimate`: predicted figures of architectures, and whether limits can be met; no job. @returns the exit code */
export async function estimateCommand({ client }: Connection, terminal: Terminal, body: Body): Promise<number> {
  const answer: Estimate = unwrap(await client.POST('/v1/estimates', { body }));
  terminal.printJson(answer);
  const { candidates, feasibility } = answer;
  if (feasibility !== null && feasibility !== undefined) terminal.print(feasibilityLines(feasibility).join('\n'));
  const rows = [
    ...(feasibility?.witness === undefined ? [] : [rowOf('meets them', feasibility.witness)]),
    ...(feasibility?.closest === undefined ? [] : [rowOf('exceeds them least', feasibility.closest)]),
    ...candidates.map((candidate, index) => rowOf(`arch ${index}`, candidate)),
  ];
  const head = ['', 'predicted top-1', 'latency', 'MACs', 'params', 'model bytes', 'peak memory bytes', 'resolution'];
  if (rows.length > 0) terminal.print(formatTable([head, ...rows]));
  const shown = feasibility?.witness ?? feasibility?.closest;
  if (shown !== undefined)
    for (const line of boundsLines(body.search?.confidence, body.constraints ?? {}, shown)) terminal.print(line);
  return feasibility?.verdict === 'infeasible' ? EXIT.failed : EXIT.done;
}
