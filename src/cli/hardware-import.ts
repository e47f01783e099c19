import { basename } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import type { Config } from '../config.js';
import { type ImportedTable, importTables } from '../hardware/import-tables.js';
import { LOCAL_CPU_ID } from '../hardware/local-cpu.js';
import { parseLookupTable, tableResolution } from '../hardware/lookup-table.js';
import { loadProfile, profilesDir, saveProfile } from '../hardware/profile-file.js';
import type { HardwareType, LatencyProfile } from '../hardware/types.js';
import type { SearchSpace } from '../space/types.js';
import { readServerUrl } from '../store/data-dir.js';
import { EXIT } from './arguments.js';
import { readWhole } from './checkpoint-file.js';
import { writeOut } from './jobs.js';
import { knownSpaces, resolveSpace } from './spaces.js';
import type { Terminal } from './terminal.js';

/** What the API takes as a name. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,63}$/;

export interface ImportHardwareCommand {
  readonly files: readonly string[];
  readonly id: string;
  readonly out?: string | undefined;
  readonly resolution?: number | undefined;
  readonly space?: string | undefined;
  readonly name?: string | undefined;
  readonly device?: string | undefined;
  readonly runtime?: string | undefined;
  readonly threads: number;
  readonly batch: number;
}

function refuse(detail: string): never {
  throw new BespokeError('invalid-request', detail);
}

function hardwareOf({ id, name, device, runtime, threads, batch }: ImportHardwareCommand): HardwareType {
  if (!ID.test(id)) refuse(`--id must be 1 to 64 letters, digits or ._:@+-, the first a letter or digit, got "${id}"`);
  if (id === LOCAL_CPU_ID) refuse(`--id must not be "${LOCAL_CPU_ID}": that is this machine, which is measured`);
  return {
    id,
    name: name ?? id,
    device: device ?? id,
    runtime: runtime ?? 'not stated',
    precision: 'fp32',
    threads,
    batch,
    provenance: 'table',
  };
}

async function readTable(path: string, resolution: number | undefined): Promise<ImportedTable> {
  const bytes = await readWhole(path);
  const entries = parseLookupTable(new TextDecoder().decode(bytes), `"${path}"`);
  const file = basename(path);
  return { file, sha256: sha256(bytes), resolution: tableResolution(file, entries, resolution), entries };
}

/** The profiles for the space that was named, or for each known one that fits. */
async function profilesOf(
  tables: readonly ImportedTable[],
  options: ImportHardwareCommand,
  modelDirs: readonly string[],
): Promise<LatencyProfile[]> {
  const hardware = hardwareOf(options);
  const known = (await knownSpaces(modelDirs)).map(({ space }) => space);
  if (options.space === undefined) return importTables(tables, known, hardware);
  const space = await resolveSpace(options.space, modelDirs);
  try {
    return importTables(tables, [space], hardware);
  } catch (error) {
    const [other] = fitting(tables, known, hardware);
    if (other === undefined) throw error;
    return refuse(`the tables are not of the space "${space.id}": they are of "${other.spaceId}"`);
  }
}

/** The profiles of known spaces that tables fit after all; none if there is no such space. */
function fitting(
  tables: readonly ImportedTable[],
  known: readonly SearchSpace[],
  hardware: HardwareType,
): LatencyProfile[] {
  try {
    return importTables(tables, known, hardware);
  } catch (error) {
    if (error instanceof BespokeError) return [];
    throw error;
  }
}

/** What was measured is not replaced by what was imported. */
async function assertNoOther(dir: string, { hardware, spaceId }: LatencyProfile): Promise<void> {
  const kept = await loadProfile(dir, hardware.id, spaceId);
  if (kept === undefined || kept.hardware.provenance === 'table') return;
  throw new BespokeError(
    'conflict',
    `the hardware type "${hardware.id}" has a ${kept.hardware.provenance} latency model for "${spaceId}"; give another --id`,
  );
}

/** `bespoke hardware import`: published latency lookup tables as a hardware type. */
export async function importHardwareCommand(
  terminal: Terminal,
  { dataDir, modelDirs }: Config,
  options: ImportHardwareCommand,
): Promise<number> {
  const { files, id, out, resolution } = options;
  if (resolution !== undefined && files.length > 1) {
    refuse(
      `--resolution is for one file, got ${files.length}; their names must have the resolution, as 224_lookup_table.yaml`,
    );
  }
  const tables = await Promise.all(files.map((file) => readTable(file, resolution)));
  const profiles = await profilesOf(tables, options, modelDirs);
  const spaces = profiles.map(({ spaceId }) => `"${spaceId}"`).join(' and ');
  if (out !== undefined) {
    if (profiles.length > 1) refuse(`the tables fit the spaces ${spaces}; --out takes one, name it with --space`);
    for (const profile of profiles) await writeOut(out, `${JSON.stringify(profile, undefined, 2)}\n`);
  } else {
    const dir = profilesDir(dataDir);
    for (const profile of profiles) await assertNoOther(dir, profile);
    for (const profile of profiles) await saveProfile(dir, profile);
  }
  terminal.printJson(profiles.map(({ table: _, ...rest }) => rest));
  for (const { spaceId, resolutions, statistic } of profiles) {
    terminal.print(`${id} for ${spaceId}: ${statistic} latency at the resolutions ${resolutions.join(', ')}`);
  }
  terminal.print('the tables say what blocks take; how far a whole network is from their sum is not known');
  const running = out === undefined ? await readServerUrl(dataDir) : undefined;
  if (running !== undefined) terminal.note(`the server at ${running} knows it after a restart`);
  return EXIT.done;
}
