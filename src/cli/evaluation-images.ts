import { BespokeError } from '../common/errors.js';
import type { ImageList, ImageSource } from '../data/image-source.js';
import { readModelInput } from '../evaluate/top1.js';
import { decodeModel } from '../onnx/codec.js';
import type { ImageSet } from '../tensor/image-set.js';
import { noteSkipped, openSource } from './own-data.js';
import type { Terminal } from './terminal.js';

/** The class names that a delivered model states; none if it states none. */
function classNamesOf(metadata: Readonly<Record<string, string>>): readonly string[] {
  try {
    const names: unknown = JSON.parse(metadata['bespoke.classes'] ?? '[]');
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return []; // a text that is no JSON names nothing
  }
}

/** For each class of the images its number in the model: by name where folders name them, as numbered otherwise. */
function classNumbers({ layout, classNames, dir }: ImageSource, known: readonly string[]): readonly number[] {
  if (layout !== 'image-folder' || known.length === 0) return classNames.map((_, label) => label);
  const strange = classNames.filter((name) => !known.includes(name));
  if (strange.length === 0) return classNames.map((name) => known.indexOf(name));
  throw new BespokeError(
    'invalid-request',
    `${dir} has the classes ${strange.slice(0, 5).join(', ')}, which the model does not know; it knows ${known.slice(0, 10).join(', ')}`,
  );
}

function partOf(terminal: Terminal, source: ImageSource, split: 'train' | 'test'): { list: ImageList; part: string } {
  if (split === 'train') return { list: source.pool, part: 'train ' };
  if (source.test !== undefined) return { list: source.test, part: 'test ' };
  if (source.layout === 'image-folder' && source.validationStart === undefined) {
    terminal.note(`${source.dir} has no test part: all its images count; if some were trained on, so does that`);
    return { list: source.pool, part: '' };
  }
  throw new BespokeError('not-found', `${source.dir} has no test part; --split train measures on the others`);
}

/**
 * The labeled images that a delivered model is measured on, brought to its input's side and channels, with the model's class numbers.
 * @throws BespokeError if there are none, or of classes that the model does not know
 */
export async function evaluationImages(
  terminal: Terminal,
  model: Uint8Array,
  { data, split }: { readonly data: string | undefined; readonly split: 'train' | 'test' },
): Promise<{ readonly images: ImageSet; readonly part: string }> {
  const { metadata } = decodeModel(model);
  const input = readModelInput(metadata);
  const known = classNamesOf(metadata);
  const source = await openSource({ data }, known.length > 0 ? known.length : undefined);
  const numbers = classNumbers(source, known);
  const { list, part } = partOf(terminal, source, split);
  const target = { channels: input.channels === 1 ? 1 : 3, side: input.resolution } as const;
  const { images, skipped } = await list.read(Array.from(list.labels.keys()), target, {
    onProgress: (progress) => terminal.progress('reading images', progress),
  });
  terminal.endProgress();
  noteSkipped(terminal, source, skipped);
  return { images: { ...images, labels: images.labels.map((label) => numbers[label] ?? label) }, part };
}
