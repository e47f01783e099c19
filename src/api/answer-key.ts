import { canonicalJson, sha256 } from '../common/hash.js';
import type { AnswerKey } from '../specialize/ports.js';
import type { SpecializationRequest } from '../specialize/types.js';
import type { Catalog } from './ports.js';

/**
 * Names everything that an answer depends on: the request without its labels, the supernet's bundle (weights, images, predictor), the
 * latency model, and the version of this software. Equal names, equal answers: a stored one can be given at once.
 */
export function answerKeyOf(
  { labels: _, ...asked }: SpecializationRequest,
  catalog: Catalog,
  version: string,
): AnswerKey['key'] {
  const supernet = catalog.supernets().find(({ id }) => id === asked.supernetId);
  const hardware = catalog.hardware().find(({ id }) => id === asked.hardwareId);
  const model = hardware?.latencyModels.find(({ spaceId }) => spaceId === supernet?.spaceId);
  return sha256(canonicalJson({ asked, bundle: supernet?.bundleSha256, latency: model?.revision, version }));
}
