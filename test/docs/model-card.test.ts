import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadBundle } from '../../src/supernet/bundle.js';

const DIR = 'models/fashion-mnist';

describe('the model card of the bundled supernet', () => {
  const card = readFileSync(`${DIR}/README.md`, 'utf8');
  const training = card.split('\n## Training\n')[1] ?? '';

  it('names the weights that it describes', async () => {
    const { supernet } = await loadBundle(DIR);
    expect(card).toContain(`Weights: sha256 ${supernet.sha256}.`);
  });

  it('quotes the commands that trained them and the recipe of each run', () => {
    const commands = training.split('\n').filter((line) => line.startsWith('    npm run train -- '));
    const recipes = [...training.matchAll(/^### Run \d+\n[\s\S]*?```json\n([\s\S]*?)\n```$/gm)].map(
      ([, text]): unknown => JSON.parse(text!),
    );
    expect(recipes.length).toBeGreaterThan(0);
    expect(recipes.length).toBe(commands.length);
    for (const recipe of recipes) expect(recipe).toMatchObject({ optimizer: expect.anything() });
  });
});
