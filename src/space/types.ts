/** Nonlinearities of the spaces. hSwish(x) = x * relu6(x + 3) / 6. */
export type Activation = 'none' | 'relu' | 'relu6' | 'hSwish';

/** A run of blocks at one resolution; the first block carries the stride. */
export interface StageSpec {
  readonly channels: number;
  readonly stride: 1 | 2;
  readonly activation: Activation;
  readonly squeezeExcite: boolean;
  /** Elastic depth: how many of the first blocks may be active, ascending; the last is the number of block slots. */
  readonly depths: readonly number[];
}

/** What the spaces of every family have. */
interface SpaceCommon {
  readonly id: string;
  readonly inputChannels: number;
  readonly classes: number;
  /** Elastic resolution: input sides in pixels, ascending. */
  readonly resolutions: readonly number[];
  readonly kernelSizes: readonly number[];
  readonly expandRatios: readonly number[];
  /** True: smaller depthwise kernels are learned linear maps of the 7x7 one (7->5->3); false: centre crops. */
  readonly kernelTransform: boolean;
  /** Epsilon of every batch normalisation. */
  readonly bnEpsilon: number;
}

/**
 * A MobileNetV3-like search space as data (Howard et al. 2019; Cai et al. 2020, section 3.2); ProxylessNAS-like ones are of this form too.
 * stem conv -> optional fixed first block (expand ratio 1) -> stages of inverted residuals -> optional final expand 1x1 conv
 * -> global average pool -> optional feature-mix linear -> classifier.
 */
export interface MobileNetV3Space extends SpaceCommon {
  readonly family: 'mobilenet-v3';
  readonly stem: {
    readonly channels: number;
    readonly kernel: number;
    readonly stride: 1 | 2;
    readonly activation: Activation;
  };
  readonly firstBlock?: {
    readonly channels: number;
    readonly kernel: number;
    readonly stride: 1 | 2;
    readonly activation: Activation;
    readonly squeezeExcite: boolean;
  };
  readonly stages: readonly StageSpec[];
  readonly finalExpand?: { readonly channels: number; readonly activation: Activation };
  readonly featureMix?: { readonly channels: number; readonly activation: Activation; readonly bias: boolean };
}

/** A run of bottlenecks at one resolution; the first one's 3x3 convolution carries the stride. */
export interface BottleneckStage {
  /** Elastic width: output channels, never falling; an arch says which by index. */
  readonly widths: readonly number[];
  readonly stride: 1 | 2;
  readonly activation: Activation;
  /** Elastic depth, as in {@link StageSpec}. */
  readonly depths: readonly number[];
}

/**
 * A ResNet-D-like search space as data (He et al. 2019, "Bag of Tricks", model D; Cai et al. 2020).
 * stem of two or three 3x3 convs and a max pool -> stages of bottlenecks, their hidden width a share of the output's (the expand ratio),
 * their shortcut average pool and 1x1 conv where the shape changes -> global average pool -> classifier.
 */
export interface ResNetDSpace extends SpaceCommon {
  readonly family: 'resnet-d';
  readonly stem: {
    /** Elastic width of all stem convolutions but the last. */
    readonly midWidths: readonly number[];
    /** Elastic width of the last one. */
    readonly widths: readonly number[];
    /** Whether the residual convolution between the first and the last may stand: 0, 1 or both. */
    readonly depths: readonly number[];
    readonly activation: Activation;
  };
  readonly stages: readonly BottleneckStage[];
}

/** Every family this project knows; a family is data plus one lowering. */
export type SearchSpace = MobileNetV3Space | ResNetDSpace;

/**
 * One architecture: an entry per block slot (stage-major), per stage, and the resolution.
 * Canonical form: entries of inactive slots hold the space's smallest value, so that equal networks are equal data.
 */
export interface Arch {
  readonly spaceId: string;
  readonly kernelSizes: readonly number[];
  readonly expandRatios: readonly number[];
  /** Per stage how many blocks are active; before them, in a ResNet-D-like space, whether the stem's residual convolution stands (0 or 1). */
  readonly depths: readonly number[];
  /** ResNet-D-like spaces alone: indices into the elastic widths, of the stem's middle, the stem, and each stage. */
  readonly widthIndices?: readonly number[];
  readonly resolution: number;
}

/** Hex sha256 of the canonical arch with its space id; independent of weights. */
export type ArchId = string & { readonly __brand: 'ArchId' };

interface LayerBase {
  /** Stable name of the slot, the prefix of its tensors in the supernet: `stem`, `stages.1.blocks.0.depthwise`, `classifier`. */
  readonly name: string;
  /** Name of the layer whose output this one reads, or `input` for the network's input. */
  readonly input: string;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Side of the square input and output maps, pixels; 1 after the global pool. */
  readonly inSize: number;
  readonly outSize: number;
  /** Multiply-accumulates of one forward pass at batch 1: convolutions and linear layers (SE's included), no bias, BN, activation or pool. */
  readonly macs: number;
  /** Learnable parameters before BN folding: weights, biases, BN scale and shift (no kernel-transform matrices, no running statistics). */
  readonly params: number;
  /** Elements of the initialisers this layer has in a delivered ONNX (BN folded into weight and bias). */
  readonly modelParams: number;
  /** Which block this layer belongs to; absent for stem and head. */
  readonly stageIndex?: number;
  readonly blockIndex?: number;
}

/** A convolution with BN folded or following: dense k x k, 1x1, or depthwise. Padding is k // 2 on each side. No bias of its own. */
export interface ConvLayer extends LayerBase {
  readonly op: 'conv' | 'depthwise';
  readonly kernel: number;
  readonly stride: 1 | 2;
  /** After BN and before the shortcut, if there is one. */
  readonly activation: Activation;
  /** Name of the layer (or `input`) whose output is added after BN and activation (shortcut); the sum is the layer's output. */
  readonly addFrom?: string;
  /** Activation of that sum; absent: none. */
  readonly sumActivation?: Exclude<Activation, 'none'>;
}

/** Squeeze-and-excite: global mean -> reduce (bias, relu) -> expand (bias, hard sigmoid) -> multiply (Howard et al. 2019, 5.3). */
export interface SqueezeExciteLayer extends LayerBase {
  readonly op: 'squeezeExcite';
  readonly midChannels: number;
}

/** Mean over the whole map: [N, C, H, W] -> [N, C]. */
export interface GlobalPoolLayer extends LayerBase {
  readonly op: 'globalPool';
}

/**
 * A pool over windows of `kernel` x `kernel`. `maxPool`: padded by kernel // 2 on each side. `averagePool`: not padded, but the last
 * window may reach over the edge, where only what lies inside counts.
 */
export interface WindowPoolLayer extends LayerBase {
  readonly op: 'maxPool' | 'averagePool';
  readonly kernel: number;
  readonly stride: 1 | 2;
}

/** A fully connected layer on [N, C]. */
export interface LinearLayer extends LayerBase {
  readonly op: 'linear';
  readonly bias: boolean;
  readonly activation: Activation;
}

/**
 * One primitive layer with every shape resolved, in execution order; what `lower()` returns and everything else reads:
 * costs, latency keys, graphs (inference, calibration, training) and the report's layer table.
 */
export type LayerSpec = ConvLayer | SqueezeExciteLayer | GlobalPoolLayer | WindowPoolLayer | LinearLayer;

/** The exact costs of an architecture; all integers. */
export interface ArchCosts {
  readonly macs: number;
  readonly params: number;
  /** Elements of the delivered ONNX's initialisers. */
  readonly modelParams: number;
  /** Size of the delivered ONNX file: exact or an upper bound within 1 %. */
  readonly modelBytes: number;
  /** Peak activation memory of the fused graph at batch 1, float32, the caller's input not counted. */
  readonly peakMemoryBytes: number;
}
