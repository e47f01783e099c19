import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { BATCH_ROWS, boardMemory, type Claim, RowBoard, sizeOfClaim } from '../../../src/runtime/row-board.js';

const WIDTHS = { input: 2, output: 3 };

/** Two sides of one board. */
function sides() {
  const memory = boardMemory(WIDTHS);
  return [new RowBoard(memory, WIDTHS), new RowBoard(memory, WIDTHS)] as const;
}

/** Rows that tell their batch and their place. */
const rowsOf = (batch: number, count: number): Float32Array =>
  Float32Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? batch : i >> 1));

/** What a claim's rows give: their first number, their second and the sum. */
const answerOf = (rows: Float32Array): Float32Array =>
  Float32Array.from({ length: (rows.length / 2) * 3 }, (_, i) => {
    const [a, b] = [rows[2 * Math.floor(i / 3)]!, rows[2 * Math.floor(i / 3) + 1]!];
    return [a, b, a + b][i % 3]!;
  });

describe('a board of rows', () => {
  it('hands out each row once, whoever claims, and gives what was written of each, over many batches', () => {
    const [mine, others] = sides();
    const rng = makeRng(5);
    const up: { readonly batch: number; readonly count: number; readonly claims: Claim[] }[] = [];
    let down = 0;
    for (let step = 0; step < 4_000; step++) {
      const oldest = up[0];
      if (RowBoard.hasRoom(mine.posted, oldest?.batch ?? mine.posted) && rng.chance(0.3)) {
        const [batch, count] = [mine.posted, 1 + rng.int(BATCH_ROWS)];
        mine.post(7 + batch, rowsOf(batch, count));
        up.push({ batch, count, claims: [] });
      }
      if (up.length === 0) continue;
      const { batch, count, claims } = rng.pick(up);
      const side = rng.chance(0.5) ? mine : others;
      const claim = side.claim(batch, (left) => (rng.chance(0.5) ? sizeOfClaim(left) : 1 + rng.int(left)));
      if (claim !== undefined) {
        expect(claim).toMatchObject({ batch, session: 7 + batch, start: claims.reduce((sum, c) => sum + c.count, 0) });
        expect([...side.input(claim)]).toEqual([
          ...rowsOf(batch, count)
            .subarray(2 * claim.start)
            .slice(0, 2 * claim.count),
        ]);
        side.finish(claim, answerOf(side.input(claim)));
        claims.push(claim);
      }
      if (oldest === undefined) continue;
      const found = mine.output(oldest.batch, 3);
      const claimed = oldest.claims.reduce((sum, c) => sum + c.count, 0);
      expect(found !== undefined).toBe(claimed === oldest.count);
      if (found === undefined) continue;
      expect([...found]).toEqual([...answerOf(rowsOf(oldest.batch, oldest.count))]);
      expect(others.claim(oldest.batch, sizeOfClaim)).toBeUndefined();
      up.shift();
      down++;
    }
    expect(down).toBeGreaterThan(100);
  });

  it('gives nothing of a batch that is down, though another has its slot', () => {
    const [mine, others] = sides();
    let room = 0;
    while (RowBoard.hasRoom(room, 0)) room++;
    for (let batch = 0; batch <= room; batch++) {
      mine.post(1, rowsOf(batch, 4));
      if (batch === room) break;
      const claim = mine.claim(batch, (left) => left)!;
      mine.finish(claim, answerOf(mine.input(claim)));
    }
    expect(others.claim(0, (left) => left)).toBeUndefined(); // its slot has the last one's rows
    expect(others.claim(room, (left) => left)).toMatchObject({ start: 0, count: 4 });
  });

  it('says when a message is needed, and never lies down over what was posted', () => {
    const [mine, others] = sides();
    expect(mine.post(1, rowsOf(0, 1))).toBe(true);
    expect(mine.post(1, rowsOf(1, 1))).toBe(false);
    expect(others.isAwake).toBe(true);
    expect(others.sleep(1)).toBe(false);
    expect(others.isAwake).toBe(true);
    expect(others.sleep(2)).toBe(true);
    expect(others.isAwake).toBe(false);
    expect(mine.post(1, rowsOf(2, 1))).toBe(true);
  });

  it('waits no longer than is said, and not at all for what has come', () => {
    const [mine, others] = sides();
    expect(others.waitForPosted(0, 1)).toBe(false);
    mine.post(1, rowsOf(0, 1));
    expect(others.waitForPosted(0, 60_000)).toBe(true);
    const seen = mine.finished;
    mine.waitForFinished(seen, 1);
    others.finish(others.claim(0, (left) => left)!, Float32Array.of(1, 2, 3));
    mine.waitForFinished(seen, 60_000);
    expect(mine.finished).not.toBe(seen);
  });

  it('has claims of half of what is left, and of all where that is little', () => {
    expect([1, 127, 128, 129, 512].map(sizeOfClaim)).toEqual([1, 127, 64, 65, 256]);
  });
});
