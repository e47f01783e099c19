import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { writeBundle } from '../supernet/bundle.js';
import { applyChannelSort, planChannelSort } from '../supernet/sort-channels.js';
import type { Bundle } from '../supernet/types.js';
import { EXIT } from './arguments.js';
import { folderId } from './folder-id.js';
import { formatCount } from './format.js';
import type { Terminal } from './terminal.js';

export interface SortCommand {
  readonly out: string;
  /** Expand ratios of the networks that were trained so far; the largest alone unless told. */
  readonly trained?: readonly number[] | undefined;
}

/**
 * `bespoke supernet sort`: a supernet whose hidden channels are in the order of their importance, as another bundle. Predictors stay
 * behind: they are for the weights as they were.
 */
export async function sortCommand(terminal: Terminal, bundle: Bundle, { out, trained }: SortCommand): Promise<number> {
  const { supernet, title, input, classNames, calibration, verification } = bundle;
  const { space, tensors } = supernet;
  const ratios = trained ?? [Math.max(...space.expandRatios)];
  const stranger = ratios.find((ratio) => !space.expandRatios.includes(ratio));
  if (stranger !== undefined) {
    throw new BespokeError(
      'invalid-request',
      `--trained has ${stranger}, which is no expand ratio of "${space.id}": those are ${space.expandRatios.join(', ')}`,
    );
  }
  if (existsSync(join(out, 'bundle.json'))) {
    throw new BespokeError('conflict', `"${out}" holds a bundle already; give another --out, or remove it first`);
  }
  const sort = planChannelSort(space, tensors, ratios);
  const weightsSha256 = await writeBundle(out, {
    id: folderId(out),
    title: `${title}, hidden channels sorted`,
    space,
    tensors: applyChannelSort(sort, tensors),
    input,
    classNames,
    calibration,
    verification,
    figures: { sorted: { from: supernet.sha256, trained: ratios } }, // what was measured on the old weights is not true of these
  });
  terminal.printJson({ dir: out, tensors: sort.size, trained: ratios, weightsSha256 });
  terminal.print(`${out}: ${formatCount(sort.size)} tensors sorted; weights ${weightsSha256}`);
  terminal.print(
    `networks of expand ratio ${ratios.join(', ')} compute what they did; others are different networks now`,
  );
  return EXIT.done;
}
