import { BespokeError } from '../common/errors.js';
import type { SearchSpace } from '../space/types.js';
import type { Recipe } from './recipe.js';
import type { TrainingData } from './training-data.js';

function refuse(detail: string): never {
  throw new BespokeError('invalid-request', `the training data does not fit: ${detail}`);
}

function checkSplit(name: string, indices: readonly number[], { images }: TrainingData, classes: number): void {
  for (const index of indices) {
    if (!Number.isInteger(index) || index < 0 || index >= images.count) {
      refuse(`the ${name} part names image ${index}; there are ${images.count}, counted from 0`);
    }
    const label = images.labels?.[index] ?? 0;
    if (label >= classes) {
      refuse(
        `image ${index} (counted from 0, ${name} part) has the label ${label}; the space has ${classes} classes, so labels are 0 to ${classes - 1}`,
      );
    }
  }
}

/**
 * Refuses images that a run of this recipe would fail on later, or train on in silence to no purpose.
 * @throws BespokeError `invalid-request` naming the image and its label, the channels, or the part that is too small
 */
export function checkTrainingData(data: TrainingData, space: SearchSpace, recipe: Recipe, workers: number): void {
  const { images, train, selection } = data;
  const { count, height, width, channels, labels, pixels } = images;
  if (channels !== space.inputChannels) {
    refuse(`images have ${channels} channels, the space "${space.id}" takes ${space.inputChannels}`);
  }
  if (pixels.length !== count * height * width * channels) {
    refuse(`${pixels.length} bytes of pixels are not ${count} images of ${width}x${height}x${channels}`);
  }
  if (labels?.length !== count) refuse(`${labels?.length ?? 0} labels for ${count} images`);
  const step = Math.max(...recipe.phases.map(({ batch }) => batch)) * workers;
  if (train.length < step) refuse(`a step takes ${step} images, there are ${train.length} to train on`);
  if (selection.length === 0) refuse('no image is held out for the progress figures; at least one has to be');
  checkSplit('training', train, data, space.classes);
  checkSplit('held-out', selection, data, space.classes);
}
