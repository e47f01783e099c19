import { existsSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mutatedFile, readMutated } from '../../../helpers/torch-mutations.js';

/** As many as take a second or two; `npm run fuzz:checkpoints` reads 20,000 and more. */
const FILES = 2_000;
const SEED = 2;

describe('mutated files', () => {
  it('are read or refused in a sentence, never anything else', () => {
    rmSync('/tmp/bespoke-evil-canary', { force: true });
    const outcomes = { read: 0, refused: 0 };
    for (let index = 0; index < FILES; index++) {
      try {
        outcomes[readMutated(mutatedFile(SEED, index))] += 1;
      } catch (cause) {
        throw new Error(`file ${index} of seed ${SEED}`, { cause });
      }
    }
    // Both kinds must be plenty, or the mutations say nothing about one of the two ways.
    expect(outcomes.refused).toBeGreaterThan(FILES / 4);
    expect(outcomes.read).toBeGreaterThan(FILES / 20);
    expect(existsSync('/tmp/bespoke-evil-canary')).toBe(false);
  });
});
