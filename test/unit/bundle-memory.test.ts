import { describe, expect, it } from 'vitest';
import { BundleMemory } from '../../src/bundle-memory.js';

/** A memory of 100 bytes whose things are their names; ids end with their size. */
function makeMemory(load: (id: string) => Promise<string> = async (id) => id) {
  const released: string[] = [];
  const memory = new BundleMemory<string>({
    budgetBytes: 100,
    bytesOf: (id) => Number(/\d+$/.exec(id)?.[0]),
    load,
    release: async (value) => {
      released.push(value);
    },
  });
  const touch = (id: string): Promise<string> => memory.use(id, async (value) => value);
  const heldIds = (): string[] => memory.account().held.map(({ id }) => id);
  return { memory, released, touch, heldIds };
}

/** A promise and its end. */
function later<T = void>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe('bundles in memory', () => {
  it('are loaded at their first use, once, also when it is asked for twice at a time', async () => {
    const loads: string[] = [];
    const { memory, touch } = makeMemory(async (id) => {
      loads.push(id);
      return id;
    });
    expect(memory.account()).toEqual({ budgetBytes: 100, heldBytes: 0, held: [], loaded: 0, released: 0 });
    expect(await Promise.all([touch('a40'), touch('a40')])).toEqual(['a40', 'a40']);
    await touch('a40');
    expect(loads).toEqual(['a40']);
    expect(memory.account()).toMatchObject({ heldBytes: 40, loaded: 1, released: 0 });
  });

  it('stay within the budget: the least recently used ones are released first', async () => {
    const { memory, released, touch, heldIds } = makeMemory();
    for (const id of ['a40', 'b40', 'a40', 'c40']) await touch(id);
    expect(heldIds()).toEqual(['a40', 'c40']);
    expect(released).toEqual(['b40']);
    await touch('d90');
    expect(heldIds()).toEqual(['d90']);
    expect(memory.account()).toMatchObject({ heldBytes: 90, loaded: 4, released: 3 });
    await touch('b40'); // a released one is loaded again
    expect(memory.account()).toMatchObject({ heldBytes: 40, loaded: 5 });
  });

  it('make room before the next one is loaded, so that both are not there at once', async () => {
    const heldAtLoad: (readonly string[])[] = [];
    const made = makeMemory(async (id) => {
      heldAtLoad.push(made.heldIds());
      return id;
    });
    for (const id of ['a60', 'b60']) await made.touch(id);
    expect(heldAtLoad).toEqual([[], []]);
  });

  it('are not released while they are used, even beyond the budget, and are afterwards', async () => {
    const { memory, released, touch, heldIds } = makeMemory();
    const end = later();
    const begun = later();
    const using = memory.use('a60', () => {
      begun.resolve();
      return end.promise;
    });
    await begun.promise;
    await touch('b60');
    expect(heldIds()).toEqual(['a60', 'b60']);
    expect(released).toEqual([]);
    end.resolve();
    await using;
    expect(memory.account().heldBytes).toBeLessThanOrEqual(100);
    expect(heldIds()).toEqual(['a60']);
  });

  it('larger than the budget alone are kept until another is used', async () => {
    const { touch, heldIds, released } = makeMemory();
    await touch('a300');
    await touch('a300');
    expect([heldIds(), released]).toEqual([['a300'], []]);
    await touch('b10');
    expect([heldIds(), released]).toEqual([['b10'], ['a300']]);
  });

  it('that cannot be loaded take no room, and are tried again', async () => {
    let isBroken = true;
    const { memory, touch } = makeMemory(async (id) => {
      if (isBroken) throw new Error(`${id} is broken`);
      return id;
    });
    await expect(touch('a40')).rejects.toThrow('a40 is broken');
    expect(memory.account()).toMatchObject({ heldBytes: 0, loaded: 0, released: 0 });
    isBroken = false;
    expect(await touch('a40')).toBe('a40');
  });

  it('are free again after work that fails', async () => {
    const { memory, touch, heldIds } = makeMemory();
    await expect(memory.use('a60', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await touch('b60');
    expect(heldIds()).toEqual(['b60']);
  });
});
