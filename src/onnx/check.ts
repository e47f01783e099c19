import { BespokeError } from '../common/errors.js';
import { sizeOf } from '../tensor/tensor.js';
import type { OnnxGraph, OnnxModel, OnnxNode } from './ir.js';
import { isStandardDomain, RUNTIME_DOMAINS, STANDARD_OPERATORS } from './operators.js';
import { gemmInner, inputDims, propagateShapes, type ShapeContext } from './shapes.js';

function refuse(detail: string): never {
  throw new BespokeError('invalid-request', `the ONNX model is not well formed: ${detail}`);
}

/** Static single assignment: every name is given once. */
function define(defined: Set<string>, name: string, what: string): void {
  if (name === '') refuse(`${what} has no name`);
  if (defined.has(name)) refuse(`${what} "${name}" is defined twice`);
  defined.add(name);
}

function checkInitializers(graph: OnnxGraph, defined: Set<string>): void {
  for (const { name, tensor } of graph.initializers) {
    define(defined, name, 'the initializer');
    const { dims, data } = tensor;
    if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0) || sizeOf(dims) !== data.length) {
      refuse(`the initializer "${name}" has the dims [${dims.join(', ')}] and ${data.length} elements`);
    }
  }
}

function checkOperator(node: OnnxNode, opsets: OnnxModel['opsets']): void {
  const { opType, domain, name } = node;
  const standard = isStandardDomain(domain);
  const declared = standard ? '' in opsets || 'ai.onnx' in opsets : domain in opsets;
  if (!declared) refuse(`node "${name}" is of the domain "${domain}", whose operator set is not declared`);
  if (standard && !STANDARD_OPERATORS.has(opType)) {
    refuse(`node "${name}" is a ${opType}, which is no standard operator of operator set 17`);
  }
  if (!standard && !RUNTIME_DOMAINS.has(domain)) {
    const known = ['ai.onnx', ...RUNTIME_DOMAINS].join(', ');
    refuse(`node "${name}" is a ${opType} of the domain "${domain}"; known are ${known}`);
  }
}

function checkNode(node: OnnxNode, defined: Set<string>): void {
  for (const input of node.inputs) {
    if (input !== '' && !defined.has(input)) {
      refuse(`node "${node.name}" (${node.opType}) reads "${input}", which is not defined before it`);
    }
  }
  if (node.outputs.every((output) => output === '')) refuse(`node "${node.name}" (${node.opType}) has no output`);
  // An empty output name is an optional output that is left out.
  for (const output of node.outputs.filter((name) => name !== '')) define(defined, output, 'the value');
}

/**
 * Checks the structure of a model: every name is given once, every input is defined before its use, every output exists, initialisers
 * have as many elements as their dims say, and operators are of known domains whose operator sets are declared.
 * Shapes and attributes of single operators are not looked at; see {@link countModelMacs} and the runtime.
 * @throws BespokeError `invalid-request`, naming the node or value
 */
export function checkModel(model: OnnxModel): void {
  const { graph, opsets } = model;
  const defined = new Set<string>();
  for (const { name } of graph.inputs) define(defined, name, 'the input');
  checkInitializers(graph, defined);
  for (const node of graph.nodes) {
    checkOperator(node, opsets);
    checkNode(node, defined);
  }
  if (graph.outputs.length === 0) refuse('it has no output');
  const outputs = new Set<string>();
  for (const { name } of graph.outputs) {
    if (!defined.has(name)) refuse(`the output "${name}" is not computed by any node`);
    define(outputs, name, 'the output');
  }
}

/**
 * Checks that a model runs on any ONNX runtime: standard operators alone.
 * @throws BespokeError `invalid-request`, naming the first other operator
 */
export function assertStandardOperators(model: OnnxModel): void {
  for (const { name, opType, domain } of model.graph.nodes) {
    if (isStandardDomain(domain) && STANDARD_OPERATORS.has(opType)) continue;
    const of = isStandardDomain(domain) ? 'the standard domain, which has none of that name' : `the domain "${domain}"`;
    throw new BespokeError(
      'invalid-request',
      `node "${name}" is a ${opType} of ${of}; wanted are standard operators alone`,
    );
  }
  const foreign = Object.keys(model.opsets).find((domain) => !isStandardDomain(domain));
  if (foreign !== undefined) {
    throw new BespokeError(
      'invalid-request',
      `the model declares the operator set "${foreign}"; wanted is the standard one alone`,
    );
  }
}

/**
 * Elements of the weights that a model's file holds: its float32 and float64 initialisers. Integer initialisers (shapes, axes) and
 * constants inside nodes are no weights and are not counted.
 */
export function countModelParams(model: OnnxModel): number {
  return model.graph.initializers
    .filter(({ tensor }) => tensor.type === 'float32' || tensor.type === 'float64')
    .reduce((sum, { tensor }) => sum + tensor.data.length, 0);
}

function nodeMacs(context: ShapeContext, node: OnnxNode): number {
  const out = context.dims.get(node.outputs[0] ?? '') ?? [];
  switch (node.opType) {
    case 'Conv':
      // Each output element sums over its group's channels and the window: all of the weight's dims but the first.
      return sizeOf(out) * sizeOf(inputDims(context, node, 1).slice(1));
    case 'Gemm':
      return sizeOf(out) * gemmInner(context, node);
    case 'MatMul':
      return sizeOf(out) * (inputDims(context, node, 0).at(-1) ?? 0);
    default:
      return 0;
  }
}

/**
 * Counts the multiply-accumulates of one forward pass at batch 1 from the graph itself: convolutions and matrix products, no bias,
 * normalisation, activation or pool. Independent of how the graph was made.
 * @throws BespokeError `invalid-request` where shapes cannot be propagated
 */
export function countModelMacs(model: OnnxModel): number {
  const context = propagateShapes(model.graph);
  return model.graph.nodes.reduce((sum, node) => sum + nodeMacs(context, node), 0);
}
