import { invariant } from '../common/invariant.js';
import { float, GraphBuilder, int, type Value } from '../onnx/builder.js';
import { encodeModel } from '../onnx/codec.js';
import { createSession, type ModelSession } from '../runtime/session.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';

/** A matrix that is orthogonalized, by the name of its parameter. */
export interface MatrixShape {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Coefficients of p(s) = a s + b s^3 + c s^5, which five times over brings every singular value in (0, 1] near 1.
 * Source: Jordan et al. 2024, "Muon" (the quintic with the steepest slope at 0 that keeps values within about 0.7..1.2)
 */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ITERATIONS = 5;
/** Keeps a matrix of zeros from being divided by zero. */
const NORM_EPSILON = 1e-7;

/** p of a matrix: the products are taken on its shorter side, [short, short]. */
function iterate(graph: GraphBuilder, x: Value, wide: boolean): Value {
  const transposed = { [wide ? 'transB' : 'transA']: int(1) };
  const square = graph.node('Gemm', [x, x], { attributes: transposed });
  const polynomial = graph.node('Gemm', [square, square, square], { attributes: { alpha: float(C), beta: float(B) } });
  const operands = wide ? [polynomial, x, x] : [x, polynomial, x];
  return graph.node('Gemm', operands, { attributes: { beta: float(A) } });
}

/** One graph for all matrices: input and output of each `[rows, columns]`, the output named `orthogonal/<name>`. Operators: opset 13. */
function orthogonalizeGraph(shapes: readonly MatrixShape[]): Uint8Array {
  const graph = new GraphBuilder('orthogonalize');
  for (const { name, rows, columns } of shapes) {
    const given = graph.input(name, 'float32', [rows, columns]);
    const norm = graph.node('Add', [graph.node('ReduceL2', [given]), graph.scalar(NORM_EPSILON)]);
    let x = graph.node('Div', [given, norm]);
    for (let i = 0; i < ITERATIONS - 1; i++) x = iterate(graph, x, rows <= columns);
    const last = iterate(graph, x, rows <= columns);
    const named = graph.node('Identity', [last], { name: `orthogonal/${name}` });
    graph.output(named, 'float32', [rows, columns]);
  }
  return encodeModel(graph.model());
}

/** Replaces matrices by (nearly) the nearest matrices with orthonormal rows or columns: U V' of their singular value decomposition. */
export class Orthogonalizer {
  /** Absent without matrices: the runtime loads no empty graph. */
  readonly #session: ModelSession | undefined;
  readonly #shapes: readonly MatrixShape[];

  private constructor(session: ModelSession | undefined, shapes: readonly MatrixShape[]) {
    this.#session = session;
    this.#shapes = shapes;
  }

  static async create(shapes: readonly MatrixShape[]): Promise<Orthogonalizer> {
    if (shapes.length === 0) return new Orthogonalizer(undefined, shapes);
    const session = await createSession(orthogonalizeGraph(shapes), { threads: 1, optimization: 'disabled' });
    return new Orthogonalizer(session, shapes);
  }

  /**
   * @param matrices float32 row-major values of every shape, by name
   * @returns for each a matrix of the same singular vectors with singular values of about 0.7..1.2; zeros stay zeros
   */
  async run(matrices: ReadonlyMap<string, Float32Array>): Promise<ReadonlyMap<string, Float32Array>> {
    if (this.#session === undefined) return new Map();
    const feeds: Record<string, FloatTensor> = {};
    for (const { name, rows, columns } of this.#shapes) {
      const values = matrices.get(name);
      invariant(values !== undefined, () => `no values for the matrix "${name}"`);
      feeds[name] = floats([rows, columns], values);
    }
    const outputs = await this.#session.run(feeds);
    const found = new Map<string, Float32Array>();
    for (const { name } of this.#shapes) {
      const data = outputs[`orthogonal/${name}`]?.data;
      invariant(data instanceof Float32Array, () => `no orthogonal matrix came back for "${name}"`);
      found.set(name, data);
    }
    return found;
  }

  async release(): Promise<void> {
    await this.#session?.release();
  }
}
