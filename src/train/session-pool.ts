import type { Arch } from '../space/types.js';
import { NetSession, type NetSessionOptions } from './net-session.js';

interface Held {
  readonly generation: number;
  readonly net: NetSession;
}

/** The live sessions of one worker, by place; a place that is asked for a newer generation lets its old session go. */
export class SessionPool {
  readonly #held = new Map<string, Held>();

  /**
   * The session of a place, made anew if the place is empty or holds another generation.
   * @param place such as `largest` or `random.3`
   */
  async net(place: string, generation: number, arch: Arch, options: NetSessionOptions): Promise<NetSession> {
    const held = this.#held.get(place);
    if (held?.generation === generation) return held.net;
    // Released before the new one is made: two large nets at once would double the peak of memory.
    this.#held.delete(place);
    await held?.net.release();
    const net = await NetSession.create(arch, options);
    this.#held.set(place, { generation, net });
    return net;
  }

  /** Frees every session. */
  async clear(): Promise<void> {
    const all = [...this.#held.values()];
    this.#held.clear();
    for (const { net } of all) await net.release();
  }
}
