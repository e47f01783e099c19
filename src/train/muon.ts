import { invariant } from '../common/invariant.js';
import {
  clipped,
  type Optimizer,
  type OptimizerState,
  type ScaledGradient,
  stepAdamW,
  type UpdateSettings,
} from './optimizer.js';
import { type MatrixShape, Orthogonalizer } from './orthogonalize.js';
import type { ParameterLayout, ParameterSlot } from './parameter-layout.js';
import type { OptimizerChoice } from './recipe.js';

type MuonChoice = Extract<OptimizerChoice, { kind: 'muon' }>;

/** The classifier's rows are classes, not features: it is left to AdamW, as are embeddings and heads in the source. */
const CLASSIFIER = 'classifier.weight';

/**
 * The matrix that a parameter is, or undefined: 1x1 convolutions `[out, in, 1, 1]` and hidden linear layers `[out, in]`.
 * Depthwise kernels, the stem, scales, shifts, biases and kernel transforms mix no channels and are not.
 */
function matrixOf({ name, dims }: ParameterSlot): MatrixShape | undefined {
  const [rows, columns, ...kernel] = dims;
  if (rows === undefined || columns === undefined || !name.endsWith('.weight') || name === CLASSIFIER) return undefined;
  const mixesChannels = columns > 1 && kernel.every((side) => side === 1);
  return mixesChannels ? { name, rows, columns } : undefined;
}

/**
 * Muon on the matrices of a supernet, AdamW on everything else. A matrix moves by its Nesterov momentum made orthogonal, so that all
 * directions of the update are of one size; the learning rate of the matrices is `matrixLrScale` times that of AdamW.
 * Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers"; decay as in Liu et al. 2025, "Muon is scalable for LLM training"
 */
export class Muon implements Optimizer {
  readonly #choice: MuonChoice;
  readonly #orthogonalizer: Orthogonalizer;
  readonly #matrices: readonly (ParameterSlot & MatrixShape)[];
  readonly #others: readonly ParameterSlot[];

  private constructor(layout: ParameterLayout, choice: MuonChoice, orthogonalizer: Orthogonalizer) {
    this.#choice = choice;
    this.#orthogonalizer = orthogonalizer;
    this.#matrices = layout.slots.flatMap((slot) => {
      const shape = matrixOf(slot);
      return shape === undefined ? [] : [{ ...slot, ...shape }];
    });
    this.#others = layout.slots.filter((slot) => matrixOf(slot) === undefined);
  }

  static async create(layout: ParameterLayout, choice: MuonChoice): Promise<Muon> {
    const shapes = layout.slots.map(matrixOf).filter((shape) => shape !== undefined);
    return new Muon(layout, choice, await Orthogonalizer.create(shapes));
  }

  async update(state: OptimizerState, gradient: Float32Array, settings: UpdateSettings): Promise<number> {
    const scaled = clipped(gradient, settings.clipNorm);
    if (!Number.isFinite(scaled.norm)) return scaled.norm;
    stepAdamW(this.#others, state, scaled, { ...settings, ...this.#choice });
    const directions = await this.#orthogonalizer.run(this.#momenta(state, scaled));
    const lr = settings.lr * this.#choice.matrixLrScale;
    for (const { name, offset, size, rows, columns } of this.#matrices) {
      const direction = directions.get(name);
      invariant(direction !== undefined, () => `"${name}" was not orthogonalized`);
      const step = lr * Math.sqrt(Math.max(1, rows / columns)); // an orthogonal tall matrix has smaller entries than a wide one
      const keep = 1 - lr * settings.weightDecay;
      for (let i = 0; i < size; i++) {
        state.weights[offset + i] = state.weights[offset + i]! * keep - step * direction[i]!;
      }
    }
    return scaled.norm;
  }

  /** Advances the momentum of every matrix, in place; returns the Nesterov look-ahead of each. */
  #momenta({ velocity }: OptimizerState, { values, scale }: ScaledGradient): ReadonlyMap<string, Float32Array> {
    const { momentum } = this.#choice;
    return new Map(
      this.#matrices.map(({ name, offset, size }) => {
        const ahead = new Float32Array(size);
        for (let i = 0; i < size; i++) {
          const g = values[offset + i]! * scale;
          const v = momentum * velocity[offset + i]! + g;
          velocity[offset + i] = v;
          ahead[i] = g + momentum * v;
        }
        return [name, ahead];
      }),
    );
  }

  release(): Promise<void> {
    return this.#orthogonalizer.release();
  }
}
