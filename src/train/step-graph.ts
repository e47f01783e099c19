import { backward } from '../autodiff/backward.js';
import { Tape, type Variable } from '../autodiff/tape.js';
import type { Lowering, Term } from '../autodiff/term.js';
import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { GraphBuilder } from '../onnx/builder.js';
import { encodeModel } from '../onnx/codec.js';
import type { OnnxModel } from '../onnx/ir.js';
import type { Activation, ConvLayer, LayerSpec, LinearLayer, SearchSpace, SqueezeExciteLayer } from '../space/types.js';

export interface StepGraphOptions {
  /** Images per run. */
  readonly batch: number;
  readonly lowering: Lowering;
  /** `forward`: logits only, no targets, loss or gradients. */
  readonly mode: 'train' | 'forward';
}

/** A graph input that holds a trainable tensor; `name` is its key in the supernet, `dims` its active shape. */
export interface StepParameter {
  readonly name: string;
  readonly dims: readonly number[];
}

export interface StepGraph {
  /** Encoded ONNX. */
  readonly model: Uint8Array;
  readonly parameters: readonly StepParameter[];
  /** Multiply-accumulates of one image's forward pass. */
  readonly macs: number;
}

/**
 * Builds one sub-network's training step (forward, loss, backward) as one ONNX graph of static shapes.
 *
 * Inputs: `images` float32 [batch, C, R, R]; in mode `train` `targets` float32 [batch, classes] (rows sum to 1); one per parameter, named by its
 * supernet key, in its active shape: width-sliced by the caller, but depthwise weights [hidden, 1, K, K] with the full stored kernel, and
 * the transform matrices that the active kernel needs. Outputs: `logits` [batch, classes]; in mode `train` `loss` (scalar, mean over the batch) and
 * `grad/<parameter>` in the parameter's dims. Batch normalisation uses the batch's own statistics in both modes.
 * @param layers the sub-network as `lower()` gives it
 * @throws InvariantError if the layers do not fit together
 * Source: Cai et al. 2020, section 3.3 (training of shared weights)
 */
export function buildStepGraph(space: SearchSpace, layers: readonly LayerSpec[], options: StepGraphOptions): StepGraph {
  const { batch, lowering, mode } = options;
  const builder = new GraphBuilder('step');
  const net = new StepNet(space, new Tape(builder, lowering));
  const first = layers[0];
  invariant(first !== undefined, () => 'a step graph needs at least one layer');
  const images = net.tape.input('images', [batch, first.inChannels, first.inSize, first.inSize]);
  const logits = net.forward(layers, images);
  const outputs = new Map<string, Term>([['logits', logits.term]]);
  if (mode === 'train') {
    const targets = net.tape.input('targets', logits.term.dims);
    const loss = net.tape.apply('softTargetCrossEntropy', { logits, targets }, {});
    outputs.set('loss', loss.term);
    const gradientOf = backward(net.tape, loss);
    for (const [name, parameter] of net.parameters) {
      const gradient = gradientOf(parameter);
      invariant(gradient !== undefined, () => `the loss does not depend on the parameter "${name}"`);
      outputs.set(`grad/${name}`, gradient);
    }
  }
  return {
    model: encodeModel(withOutputs(builder, outputs)),
    parameters: [...net.parameters].map(([name, { term }]) => ({ name, dims: term.dims })),
    macs: layers.reduce((sum, layer) => sum + layer.macs, 0),
  };
}

/**
 * The finished model with named outputs, and without nodes that no output needs (a view that turned out to be seen otherwise).
 * Values are renamed where they are made: an `Identity` for each of the hundred gradients would cost a copy and time to load.
 */
function withOutputs(builder: GraphBuilder, outputs: ReadonlyMap<string, Term>): OnnxModel {
  const renamed = new Map<string, string>();
  for (const [name, { value, dims }] of outputs) {
    invariant(!renamed.has(value), () => `the outputs "${name}" and "${renamed.get(value)}" are one value`);
    renamed.set(value, name);
    builder.output(value, 'float32', dims);
  }
  const model = builder.model();
  const needed = new Set<string>(renamed.keys());
  const live = model.graph.nodes.toReversed().filter((node) => {
    const isLive = node.outputs.some((output) => needed.has(output));
    if (isLive) for (const input of node.inputs) needed.add(input);
    return isLive;
  });
  const rename = (name: string): string => renamed.get(name) ?? name;
  const nodes = live.reverse().map((node) => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  const initializers = model.graph.initializers.filter(({ name }) => needed.has(name));
  const named = model.graph.outputs.map((output) => ({ ...output, name: rename(output.name) }));
  return { ...model, graph: { ...model.graph, nodes, initializers, outputs: named } };
}

/** Puts layers on a tape. It collects the parameters on the way. */
class StepNet {
  readonly parameters = new Map<string, Variable>();
  readonly tape: Tape;
  readonly #space: SearchSpace;

  constructor(space: SearchSpace, tape: Tape) {
    this.#space = space;
    this.tape = tape;
  }

  /** The last layer's output. */
  forward(layers: readonly LayerSpec[], images: Variable): Variable {
    const outputs = new Map<string, Variable>([['input', images]]);
    const outputOf = (name: string, reader: string): Variable => {
      const variable = outputs.get(name);
      invariant(variable !== undefined, () => `layer "${reader}" reads "${name}", which is no layer before it`);
      return variable;
    };
    let last = images;
    for (const layer of layers) {
      last = this.#layer(layer, outputOf(layer.input, layer.name));
      if (layer.op === 'conv' || layer.op === 'depthwise') {
        if (layer.addFrom !== undefined) {
          last = this.tape.apply('add', { a: last, b: outputOf(layer.addFrom, layer.name) }, {});
        }
        if (layer.sumActivation !== undefined) last = this.#activate(last, layer.sumActivation);
      }
      outputs.set(layer.name, last);
    }
    return last;
  }

  #parameter(name: string, dims: readonly number[]): Variable {
    const parameter = this.tape.parameter(name, dims);
    this.parameters.set(name, parameter);
    return parameter;
  }

  #layer(layer: LayerSpec, x: Variable): Variable {
    switch (layer.op) {
      case 'conv':
        return this.#conv(layer, x);
      case 'depthwise':
        return this.#depthwise(layer, x);
      case 'squeezeExcite':
        return this.#squeezeExcite(layer, x);
      case 'globalPool':
        return this.tape.apply('globalPool', { x }, {});
      case 'linear':
        return this.#linear(layer, x);
      case 'maxPool':
      case 'averagePool':
        throw new BespokeError(
          'invalid-request',
          `"${this.#space.id}" cannot be trained here yet: its layer "${layer.name}" is a ${layer.op}, which has no gradient rule`,
        );
    }
  }

  #conv(layer: ConvLayer, x: Variable): Variable {
    const { name, inChannels, outChannels, kernel, stride, activation } = layer;
    const weight = this.#parameter(`${name}.weight`, [outChannels, inChannels, kernel, kernel]);
    if (kernel > 1 || stride > 1) {
      const y = this.tape.apply('conv', { x, weight }, { stride, padding: Math.floor(kernel / 2) });
      return this.#batchNorm(layer, y);
    }
    if (outChannels > inChannels) {
      const { bnEpsilon: epsilon } = this.#space;
      const inputs = { x, weight, ...this.#affine(layer) };
      return this.tape.apply('pointwiseBatchNorm', inputs, { epsilon, activation });
    }
    return this.#batchNorm(layer, this.tape.apply('pointwise', { x, weight }, {}));
  }

  #depthwise(layer: ConvLayer, x: Variable): Variable {
    const { kernel, stride } = layer;
    const weight = this.#depthwiseWeight(layer);
    const y = this.tape.apply('depthwise', { x, weight }, { stride, padding: Math.floor(kernel / 2) });
    return this.#batchNorm(layer, y);
  }

  /** The active kernel of a depthwise layer, made step by step from the stored one (7 -> 5 -> 3) in the blocks, whose kernels are elastic. */
  #depthwiseWeight({ name, outChannels, kernel, blockIndex }: ConvLayer): Variable {
    const descending = [...this.#space.kernelSizes].sort((a, b) => b - a);
    const elastic = blockIndex !== undefined;
    const stored = elastic ? (descending[0] ?? kernel) : kernel;
    let weight = this.#parameter(`${name}.weight`, [outChannels, 1, stored, stored]);
    let from = stored;
    for (const to of descending.filter((size) => elastic && size < stored && size >= kernel)) {
      if (this.#space.kernelTransform) {
        const matrix = this.#parameter(`${name}.transform${from}to${to}`, [to * to, to * to]);
        weight = this.tape.apply('kernelTransform', { weight, matrix }, { kernel: to });
      } else weight = this.tape.apply('centerCrop', { weight }, { kernel: to });
      from = to;
    }
    return weight;
  }

  #affine({ name, outChannels }: ConvLayer): { readonly gamma: Variable; readonly beta: Variable } {
    const gamma = this.#parameter(`${name}.bn.weight`, [outChannels]);
    return { gamma, beta: this.#parameter(`${name}.bn.bias`, [outChannels]) };
  }

  #batchNorm(layer: ConvLayer, x: Variable): Variable {
    const { activation } = layer;
    return this.tape.apply('batchNorm', { x, ...this.#affine(layer) }, { epsilon: this.#space.bnEpsilon, activation });
  }

  #squeezeExcite({ name, inChannels, midChannels }: SqueezeExciteLayer, x: Variable): Variable {
    const inputs = {
      x,
      reduceWeight: this.#parameter(`${name}.reduce.weight`, [midChannels, inChannels]),
      reduceBias: this.#parameter(`${name}.reduce.bias`, [midChannels]),
      expandWeight: this.#parameter(`${name}.expand.weight`, [inChannels, midChannels]),
      expandBias: this.#parameter(`${name}.expand.bias`, [inChannels]),
    };
    return this.tape.apply('squeezeExcite', inputs, {});
  }

  #linear({ name, inChannels, outChannels, bias, activation }: LinearLayer, x: Variable): Variable {
    const weight = this.#parameter(`${name}.weight`, [outChannels, inChannels]);
    const shift = bias ? this.#parameter(`${name}.bias`, [outChannels]) : this.tape.constant([outChannels], 0);
    return this.#activate(this.tape.apply('linear', { x, weight, bias: shift }, {}), activation);
  }

  #activate(x: Variable, activation: Activation): Variable {
    return activation === 'none' ? x : this.tape.apply(activation, { x }, {});
  }
}
