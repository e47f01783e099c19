import { BespokeError } from '../common/errors.js';

/** Why a supernet cannot be searched, and what to do about it. */
export function noPredictor(supernetId: string): BespokeError {
  return new BespokeError(
    'no-predictor',
    `the supernet "${supernetId}" has no accuracy predictor, and without one no architecture can be chosen: ` +
      'add one to its bundle with `bespoke predictor import` (a published .pth) or `bespoke predictor train` (labeled images); ' +
      '`bespoke extract` cuts a given architecture without',
  );
}
