import { makeClient } from '../client/client.js';
import type { Problem } from '../common/errors.js';
import type { Config } from '../config.js';
import { findBundles, type Refused, refusedBundle } from '../model-dirs.js';
import { CARD_FILE } from '../predictors/card.js';
import { countSubnets } from '../space/count.js';
import { loadBundle } from '../supernet/bundle.js';
import type { BundleFacts } from '../supernet/bundle-facts.js';
import { EXIT } from './arguments.js';
import { formatCount, formatTable } from './format.js';
import { unwrap } from './jobs.js';
import type { Terminal } from './terminal.js';

/** A supernet as the list shows it; members are named as in the API. */
interface Listed {
  readonly id: string;
  readonly title: string;
  readonly spaceId: string;
  readonly subnetCount: string;
  readonly sha256: string;
  readonly hasPredictor: boolean;
  readonly calibrationImages: number;
  readonly verificationImages: number;
  /** Of its files; a server does not tell. */
  readonly bytes?: number;
  readonly dir?: string;
}

interface SupernetList {
  readonly items: readonly Listed[];
  readonly refused: readonly { readonly id: string; readonly problem: Pick<Problem, 'detail'> }[];
}

const listedOf = (facts: BundleFacts): Listed => ({
  id: facts.id,
  title: facts.title,
  spaceId: facts.space.id,
  subnetCount: countSubnets(facts.space).toString(),
  sha256: facts.weightsSha256,
  hasPredictor: facts.files.includes(CARD_FILE),
  calibrationImages: facts.calibrationImages,
  verificationImages: facts.verificationImages,
  bytes: facts.bytes,
  dir: facts.dir,
});

/** Reads every byte of bundles, one after the other. @returns those that are broken */
async function verifyAll(bundles: readonly BundleFacts[]): Promise<readonly Refused[]> {
  const refused: Refused[] = [];
  for (const { id, dir } of bundles) {
    try {
      await loadBundle(dir);
    } catch (error) {
      refused.push({ ...refusedBundle(dir, error), id });
    }
  }
  return refused;
}

async function localList(modelDirs: readonly string[], isVerifying: boolean): Promise<SupernetList> {
  const { bundles, refused } = await findBundles(modelDirs);
  const broken = isVerifying ? await verifyAll(bundles) : [];
  const isBroken = (id: string): boolean => broken.some((each) => each.id === id);
  return { items: bundles.filter(({ id }) => !isBroken(id)).map(listedOf), refused: [...refused, ...broken] };
}

async function listOfServer(url: string): Promise<SupernetList> {
  return unwrap(await makeClient(url).GET('/v1/supernets'));
}

function rowOf(each: Listed): string[] {
  const { calibrationImages, verificationImages, bytes } = each;
  return [
    each.id,
    each.spaceId,
    BigInt(each.subnetCount).toLocaleString('en-US'),
    each.hasPredictor ? 'yes' : 'none',
    calibrationImages === 0 ? 'none' : formatCount(calibrationImages),
    verificationImages === 0 ? 'none' : formatCount(verificationImages),
    bytes === undefined ? '' : formatCount(bytes),
  ];
}

/** `bespoke supernet list`: what the model folders hold, or what a server that is named serves; refused bundles with the reason. */
export async function listSupernets(
  terminal: Terminal,
  { modelDirs, serverUrl }: Pick<Config, 'modelDirs' | 'serverUrl'>,
  { verify = false }: { readonly verify?: boolean },
): Promise<number> {
  const list = serverUrl === undefined ? await localList(modelDirs, verify) : await listOfServer(serverUrl);
  terminal.printJson(list);
  const head = ['supernet', 'space', 'sub-networks', 'predictor', 'calibration', 'verification', 'bytes'];
  terminal.print(formatTable([head, ...list.items.map(rowOf)]));
  for (const { id, problem } of list.refused) terminal.print(`refused  ${id}: ${problem.detail}`);
  return EXIT.done;
}
