import { BespokeError } from '../common/errors.js';
import { canMeasureHere, LOCAL_CPU_ID } from '../hardware/local-cpu.js';
import { loadProfiles, profilesDir, saveProfile } from '../hardware/profile-file.js';
import { profileLocalCpu } from '../hardware/profile-local.js';
import type { LatencyProfile, MeasuredProfile } from '../hardware/types.js';
import { machineLockDir, withMeasurementLock } from '../runtime/measurement-lock.js';
import type { SearchSpace } from '../space/types.js';
import { EXIT } from './arguments.js';
import { formatTable } from './format.js';
import { writeOut } from './jobs.js';
import type { Terminal } from './terminal.js';

const row = ({ hardware, spaceId, statistic, holdout, measuredAt }: LatencyProfile): string[] => [
  hardware.id,
  spaceId,
  hardware.name,
  hardware.runtime,
  statistic,
  holdout === undefined ? 'not known' : `${holdout.mapePercent.toFixed(1)} %`,
  measuredAt?.slice(0, 10) ?? 'imported',
  canMeasureHere(hardware) ? 'here' : 'elsewhere',
];

/** `bespoke hardware list` */
export async function listHardware(terminal: Terminal, dataDir: string): Promise<number> {
  const profiles = await loadProfiles(profilesDir(dataDir));
  terminal.printJson(profiles.map(({ table: _, ...rest }) => rest));
  terminal.print(
    formatTable([
      ['id', 'space', 'name', 'runtime', 'statistic', 'hold-out error', 'measured', 'where'],
      ...profiles.map(row),
    ]),
  );
  if (profiles.length === 0) terminal.print('none yet: `bespoke hardware profile` measures this machine');
  return EXIT.done;
}

/** What people read of a profile. */
function describe({
  hardware,
  spaceId,
  holdout,
  revision,
  statistic,
  resolutions,
  sources = [],
}: LatencyProfile): string[] {
  const errors =
    holdout === undefined
      ? ['  hold-out error  not known: no whole network was measured']
      : [
          `  hold-out error  mean ${holdout.mapePercent.toFixed(2)} %, p90 ${holdout.p90Percent.toFixed(2)} %, largest ${holdout.maxPercent.toFixed(2)} % on ${holdout.nets} networks`,
          `  rank            Kendall tau ${holdout.kendallTau.toFixed(3)}`,
        ];
  return [
    `${hardware.name}, ${hardware.runtime}, space ${spaceId}`,
    `  provenance      ${hardware.provenance}`,
    `  runs            ${hardware.precision}, threads ${hardware.threads}, batch ${hardware.batch}${hardware.provenance === 'table' ? ' (as given at the import; the tables do not say)' : ''}`,
    `  statistic       ${statistic}`,
    `  resolutions     ${resolutions.join(', ')}`,
    ...errors,
    `  revision        ${revision}`,
    ...sources.map(({ file, sha256 }) => `  imported from   ${file} (sha256 ${sha256})`),
  ];
}

/** `bespoke hardware show ID` */
export async function showHardware(terminal: Terminal, dataDir: string, id: string): Promise<number> {
  const profiles = (await loadProfiles(profilesDir(dataDir))).filter(({ hardware }) => hardware.id === id);
  if (profiles.length === 0)
    throw new BespokeError('not-found', `there is no hardware type "${id}"; \`bespoke hardware list\` names them`);
  terminal.printJson(profiles);
  for (const profile of profiles) {
    for (const line of describe(profile)) terminal.print(line);
  }
  return EXIT.done;
}

/** `bespoke hardware profile`: measures this machine for a space and keeps the profile. */
export async function profileCommand(
  terminal: Terminal,
  {
    space,
    dataDir,
    id,
    out,
  }: { readonly space: SearchSpace; readonly dataDir: string; readonly id: string; readonly out: string | undefined },
): Promise<number> {
  const dir = profilesDir(dataDir);
  const measured = await withMeasurementLock(machineLockDir(), () =>
    profileLocalCpu(space, { seed: 1, onProgress: (progress) => terminal.progress('measuring', progress) }),
  );
  const profile: MeasuredProfile =
    id === LOCAL_CPU_ID ? measured : { ...measured, hardware: { ...measured.hardware, id } };
  if (out === undefined) await saveProfile(dir, profile);
  else await writeOut(out, `${JSON.stringify(profile, undefined, 2)}\n`);
  terminal.printJson(profile);
  const { holdout, seconds } = profile;
  terminal.print(
    `${id} for ${space.id}: hold-out error ${holdout.mapePercent.toFixed(2)} % (p90 ${holdout.p90Percent.toFixed(2)} %, tau ${holdout.kendallTau.toFixed(3)}) on ${holdout.nets} networks, ${seconds.toFixed(1)} s`,
  );
  return EXIT.done;
}
