import { BespokeError } from '../common/errors.js';
import type { Sha256 } from '../common/hash.js';
import type { SpecializationStore } from '../specialize/ports.js';
import { EARLIER_FRONTS } from '../specialize/warm-start.js';

/**
 * The specializations whose fronts a search begins with: the newest of the same bundle and latency model, or the ones that were named.
 * @param asked `true`: the newest; ids: these
 * @throws BespokeError `invalid-request` for an id whose front does not fit
 */
export async function resolveWarmStart(
  store: SpecializationStore,
  frontKey: Sha256,
  asked: boolean | readonly string[],
): Promise<readonly string[]> {
  if (asked === false) return [];
  if (asked === true) return store.withFronts(frontKey, EARLIER_FRONTS);
  const found = await store.withFronts(frontKey, EARLIER_FRONTS, asked);
  const missing = asked.findIndex((id) => !found.includes(id));
  if (missing < 0) return found;
  const pointer = `/search/warmStart/${missing}`;
  const detail = `must name a specialization that succeeded with the same supernet bundle and latency model, got ${asked[missing]}`;
  throw new BespokeError('invalid-request', `body ${pointer} ${detail}.`, { errors: [{ pointer, detail }] });
}
