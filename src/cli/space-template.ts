import { BespokeError } from '../common/errors.js';
import { openImages } from '../data/open-images.js';
import { parseSpace } from '../space/parse-space.js';
import { TEMPLATE_SIZES, templateSpace } from '../space/template.js';
import type { SearchSpace } from '../space/types.js';
import { EXIT } from './arguments.js';
import { writeOut } from './jobs.js';
import { spaceFor } from './own-data.js';
import type { Terminal } from './terminal.js';

/** What `bespoke space template` is told. */
export interface TemplateCommand {
  readonly data?: string;
  readonly classes?: number;
  readonly channels?: number;
  readonly size?: number;
  readonly id?: string;
  readonly out?: string;
}

async function spaceOf({ data, classes, channels, size, id }: TemplateCommand): Promise<SearchSpace> {
  if (size !== undefined && (size < TEMPLATE_SIZES.least || size > TEMPLATE_SIZES.most)) {
    const { least, most } = TEMPLATE_SIZES;
    throw new BespokeError('invalid-request', `--size must be from ${least} to ${most} pixels, got ${size}`);
  }
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new BespokeError('invalid-request', `--channels must be 1 (grey) or 3 (RGB), got ${channels}`);
  }
  if (data !== undefined) {
    const made = await spaceFor(await openImages(data, classes), { id, size });
    return channels === undefined
      ? made
      : templateSpace({ ...made, channels, size: Math.max(...made.resolutions), id });
  }
  if (classes === undefined || channels === undefined || size === undefined) {
    throw new BespokeError(
      'invalid-request',
      'a space needs --classes, --channels and --size, or --data to take them from',
    );
  }
  return templateSpace({ classes, channels, size, id });
}

/** `bespoke space template`: a search space as JSON, to standard output or into a file. */
export async function templateCommand(terminal: Terminal, options: TemplateCommand): Promise<number> {
  const made = await spaceOf(options);
  const space = parseSpace({ ...made }, '--id or --classes'); // the bounds of every space hold for what was asked
  const text = `${JSON.stringify(space, undefined, 2)}\n`;
  if (options.out === undefined) {
    if (terminal.isJson) terminal.printJson(space);
    else terminal.print(text.trimEnd());
    return EXIT.done;
  }
  await writeOut(options.out, new TextEncoder().encode(text));
  terminal.printJson(space);
  terminal.print(`${options.out}: ${space.id}, ${space.classes} classes, resolutions ${space.resolutions.join(', ')}`);
  return EXIT.done;
}
