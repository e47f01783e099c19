import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { readText } from './source-files.js';

interface Rules {
  readonly rooms: Readonly<Record<string, { readonly layer: number; readonly rooms: readonly string[] }>>;
  readonly pure: readonly string[];
  readonly owned: Readonly<Record<string, string>>;
}

const rules = createRequire(import.meta.url)('../../.dependency-cruiser.cjs').bespokeRules as Rules; // our own file's shape
const page = readText('docs/architecture.md');

/** Cells of the table between `<!-- name: … -->` and `<!-- /name -->`, head and rule left out. */
function table(name: string): string[][] {
  const block = new RegExp(`<!-- ${name}:[^>]*-->\\n([\\s\\S]*?)<!-- /${name} -->`).exec(page)?.[1] ?? '';
  const rows = block.trim().split('\n').slice(2);
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('docs/architecture.md', () => {
  it('has the rooms, layers and imports of .dependency-cruiser.cjs', () => {
    const documented = table('rooms').map(([layer, folder = '', , imports = '']) => ({
      room: /`(\w+)`/.exec(folder)?.[1],
      layer: Number(layer),
      isPure: folder.includes('(pure)'),
      imports: imports === 'nothing' ? [] : imports.split(', ').toSorted(),
    }));
    const enforced = Object.entries(rules.rooms).map(([room, { layer, rooms }]) => ({
      room,
      layer,
      isPure: rules.pure.includes(room),
      imports: rooms.toSorted(),
    }));
    const byRoom = (a: { room: string | undefined }, b: { room: string | undefined }): number =>
      (a.room ?? '').localeCompare(b.room ?? '');
    expect(documented.toSorted(byRoom)).toEqual(enforced.toSorted(byRoom));
  });

  it('has the owners of packages of .dependency-cruiser.cjs', () => {
    const documented = table('owned').map(([name = '', room = '']) => [
      name.replaceAll('`', ''),
      room.replaceAll('`', ''),
    ]);
    expect(Object.fromEntries(documented)).toEqual(rules.owned);
  });

  it('lets a room import lower layers only, but for generated code', () => {
    const upward = Object.entries(rules.rooms).flatMap(([room, { layer, rooms }]) =>
      rooms
        .filter((other) => (rules.rooms[other]?.layer ?? Number.POSITIVE_INFINITY) >= layer)
        .map((other) => `${room} -> ${other}`),
    );
    // Rooms of one layer may build on each other where the design names it; the cycle rule keeps that an order.
    expect(upward).toEqual(['onnx -> tensor', 'hardware -> evaluate']);
  });
});
