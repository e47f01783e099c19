import { canonicalJson, sha256 } from '../common/hash.js';
import type { AnswerKey } from '../specialize/ports.js';
import type { SpecializationRequest } from '../specialize/types.js';
import type { Catalog } from './ports.js';

/** What two requests share that may begin with each other's fronts: the bundle, and the latency model of the hardware type. */
function modelsOf({ supernetId, hardwareId }: SpecializationRequest, catalog: Catalog) {
  const supernet = catalog.supernets().find(({ id }) => id === supernetId);
  const hardware = catalog.hardware().find(({ id }) => id === hardwareId);
  const model = hardware?.latencyModels.find(({ spaceId }) => spaceId === supernet?.spaceId);
  return { bundle: supernet?.bundleSha256, latency: model?.revision };
}

/** Names a request's bundle and latency model: fronts of requests with the same name fit each other. */
export function frontKeyOf(request: SpecializationRequest, catalog: Catalog): AnswerKey['frontKey'] {
  return sha256(canonicalJson(modelsOf(request, catalog)));
}

/**
 * Names everything that an answer depends on: the request without its labels, the supernet's bundle (weights, images, predictor), the
 * latency model, and the version of this software. Equal names, equal answers: a stored one can be given at once.
 * @param warmStart as it was asked for, since which fronts that meant changes with every answer
 */
export function answerKeyOf(
  { labels: _, ...asked }: SpecializationRequest,
  { catalog, version, warmStart }: { catalog: Catalog; version: string; warmStart: boolean | readonly string[] },
): AnswerKey['key'] {
  const request = { ...asked, search: { ...asked.search, warmStart } };
  return sha256(canonicalJson({ asked: request, ...modelsOf({ ...asked, labels: {} }, catalog), version }));
}
