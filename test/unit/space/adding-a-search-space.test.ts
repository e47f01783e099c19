import { describe, expect, it } from 'vitest';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import { countSubnets } from '../../../src/space/count.js';
import { parseArch } from '../../../src/space/reference-spelling.js';
import { NEW_SPACE_PAGE, smallResNet } from './published-spaces.js';

describe('the page on adding a search space', () => {
  const space = smallResNet();

  it('shows the figures that the space has', () => {
    const [least, most] = [archCosts(space, minArch(space)), archCosts(space, maxArch(space))];
    expect(NEW_SPACE_PAGE).toContain(`sub-networks   ${countSubnets(space)} `);
    for (const figure of ['macs', 'params'] as const) {
      const [low, high] = [least[figure], most[figure]].map((value) => value.toLocaleString('en-US'));
      expect(NEW_SPACE_PAGE).toContain(`${low} to ${high}`);
    }
  });

  it('counts the architecture of its example', () => {
    const given = /echo '(\{.*?\})' > arch\.json/.exec(NEW_SPACE_PAGE)?.[1] ?? '';
    const { macs, params, modelBytes } = archCosts(space, parseArch(space, JSON.parse(given)));
    const row = [macs, params, modelBytes].map((value) => value.toLocaleString('en-US'));
    expect(NEW_SPACE_PAGE).toMatch(new RegExp(row.join('\\s+')));
  });
});
