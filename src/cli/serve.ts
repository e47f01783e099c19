import type { SupernetInfo } from '../api/ports.js';
import { BespokeError } from '../common/errors.js';
import type { Config } from '../config.js';
import { startServer } from '../server.js';
import { maxArch, minArch } from '../space/arch.js';
import { archCosts } from '../space/costs.js';
import { parseSpace } from '../space/parse-space.js';
import type { SearchSpace } from '../space/types.js';
import { startWorkerProcess } from '../worker-process.js';
import { EXIT } from './arguments.js';
import type { Terminal } from './terminal.js';

/** Resolves with the first signal to stop; a second one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (isStopping) process.exit(EXIT.failed);
        isStopping = true;
        resolve();
      });
    }
  });
}

/** `bespoke serve` */
export async function serveCommand(terminal: Terminal, config: Config): Promise<number> {
  const stopped = untilStopped();
  const server = await startServer(config, {
    onStep: (step, progress) => {
      if (progress !== undefined) terminal.progress(step, progress);
    },
  });
  terminal.endProgress();
  const { catalog, url } = server;
  const [model] = catalog.hardware.filter(({ isHere }) => isHere).flatMap(({ latencyModels }) => latencyModels);
  const others = catalog.hardware.filter(({ isHere }) => !isHere).map(({ id }) => id);
  const supernets = catalog.supernets.map(
    ({ id, subnetCount }) => `${id} (${BigInt(subnetCount).toLocaleString('en-US')} sub-networks)`,
  );
  terminal.printJson({ url, supernets: catalog.supernets.map(({ id }) => id) });
  terminal.print(`Bespoke listens on ${url}`);
  terminal.print(`  docs       ${url}/docs`);
  terminal.print(`  supernets  ${supernets.join(', ')}`);
  if (model !== undefined) {
    const error =
      model.holdout === undefined ? '' : `, ${model.holdout.mapePercent.toFixed(1)} % off on networks held out`;
    terminal.print(`  latency    ${model.statistics.join(', ')} of this machine${error}`);
  }
  if (others.length > 0) terminal.print(`  hardware   also ${others.join(', ')}`);
  const line = curlLine(url, catalog.supernets);
  if (line !== undefined) terminal.print(`\nTry it:\n  ${line}\n`);
  await stopped;
  terminal.note('stopping');
  await server.close();
  return EXIT.done;
}

/** A limit for a request to paste, where the space has networks on both sides of it. */
const EXAMPLE_MACS = 3_000_000;

/** A limit on MACs that some networks of a space keep and others do not. */
function exampleMacs(space: SearchSpace): number {
  const [least, most] = [minArch(space), maxArch(space)].map((arch) => archCosts(space, arch).macs) as [number, number];
  if (least < EXAMPLE_MACS && EXAMPLE_MACS < most) return EXAMPLE_MACS;
  return Number(((least + most) / 2).toPrecision(2));
}

/**
 * A request to paste, for the first supernet that can be searched: holds the connection until the model is ready and answers with the
 * result. Undefined where none can.
 */
function curlLine(url: string, supernets: readonly SupernetInfo[]): string | undefined {
  const supernet = supernets.find(({ hasPredictor }) => hasPredictor);
  if (supernet === undefined) return undefined;
  const named = supernets.length > 1 ? { supernetId: supernet.id } : {};
  const maxMacs = exampleMacs(parseSpace(supernet.space, supernet.id));
  const body = JSON.stringify({ ...named, constraints: { maxMacs } });
  return `curl -s ${url}/v1/specializations -H 'Content-Type: application/json' -H 'Prefer: wait=30' -d '${body}'`;
}

/** `bespoke worker` */
export async function workerCommand(terminal: Terminal, config: Config): Promise<number> {
  if (config.redisUrl === undefined || config.databaseUrl === undefined) {
    throw new BespokeError(
      'invalid-request',
      '`bespoke worker` needs REDIS_URL and DATABASE_URL: the queue and the database that it shares with the server',
    );
  }
  const stopped = untilStopped();
  const worker = await startWorkerProcess(config, (progress) =>
    terminal.progress('measuring this machine, once', progress),
  );
  terminal.print(`Bespoke worker ${worker.id} takes jobs`);
  await stopped;
  terminal.note('stopping');
  await worker.close();
  return EXIT.done;
}
