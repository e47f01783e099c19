import { openImages } from '../data/open-images.js';
import { type DataChoices, splitOf } from '../train/training-data.js';
import { EXIT } from './arguments.js';
import { formatCount } from './format.js';
import { noteSkipped, splitTable } from './own-data.js';
import type { Terminal } from './terminal.js';

/** `bespoke dataset DIR`: what a folder of labeled images holds, and how it would be split. */
export async function datasetCommand(
  terminal: Terminal,
  dir: string,
  options: DataChoices & { readonly read?: boolean | undefined },
): Promise<number> {
  const source = await openImages(dir);
  const { plan, splits } = splitOf(source, options);
  const shape = await source.shape();
  const target = { ...shape, ...(options.maxCorrupt === undefined ? {} : { maxCorrupt: options.maxCorrupt }) };
  const read =
    options.read === true
      ? await source.pool.read(Array.from(source.pool.labels.keys()), target, {
          onProgress: (progress) => terminal.progress('reading images', progress),
        })
      : undefined;
  terminal.endProgress();
  noteSkipped(terminal, source, read?.skipped ?? []);
  const images = Object.fromEntries(
    Object.entries(splits).map(([part, indices]: [string, readonly number[]]) => [part, indices.length]),
  );
  terminal.printJson({
    layout: source.layout,
    classNames: source.classNames,
    ...shape,
    plan,
    images: { ...images, ...(source.test === undefined ? {} : { test: source.test.labels.length }) },
    skipped: read?.skipped,
  });
  const color = shape.channels === 1 ? 'grey' : 'RGB';
  terminal.print(
    `${source.layout}: ${formatCount(source.pool.labels.length)} images of ${source.classNames.length} classes, ` +
      `${color}, shorter side ${shape.side} pixels${source.layout === 'image-folder' ? ' (the usual of those looked at)' : ''}`,
  );
  terminal.print(splitTable(source, splits));
  return EXIT.done;
}
