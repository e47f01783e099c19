import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { type ElementArrays, type ElementType, sizeOf, type Tensor, tensorFrom } from '../tensor/tensor.js';
import { type Framed, field, join, sequence } from './framing.js';
import {
  type Attribute,
  type Initializer,
  irVersionOf,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  OPSET_VERSION,
  type ValueInfo,
} from './ir.js';

/** ONNX's number for each element type that this project uses. */
const DATA_TYPES = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int32: DataType.INT32,
  int64: DataType.INT64,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
} as const satisfies Record<ElementType, DataType>;

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

function elementTypeOf(dataType: number, where: string): ElementType {
  for (const [type, number] of Object.entries(DATA_TYPES)) {
    if (number === dataType) return type as ElementType; // keys of DATA_TYPES are the element types
  }
  throw new BespokeError(
    'invalid-request',
    `${where} has the ONNX element type ${dataType}; read are ${Object.keys(DATA_TYPES).join(', ')}`,
  );
}

/** Little-endian bytes of a tensor: the tensor's own, not copied. */
function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

const tensorHead = (name: string, tensor: Tensor) => ({
  name,
  dims: tensor.dims.map(BigInt),
  dataType: DATA_TYPES[tensor.type],
});

function tensorProto(tensor: Tensor): TensorProto {
  return create(TensorProtoSchema, { ...tensorHead('', tensor), rawData: new Uint8Array(bytesOf(tensor)) });
}

/** Numbers of the fields that are framed here. Source: onnx.proto */
const FIELDS = { modelGraph: 7, graphInitializer: 5, tensorRawData: 9 } as const;

/** A tensor's message: `raw_data` is the last of its fields. */
function framedTensor({ name, tensor }: Initializer): Framed {
  const head = toBinary(TensorProtoSchema, create(TensorProtoSchema, tensorHead(name, tensor)));
  return sequence([head, field(FIELDS.tensorRawData, bytesOf(tensor))]);
}

function attributeProto(name: string, attribute: Attribute): AttributeProto {
  switch (attribute.type) {
    case 'int':
      return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(attribute.value) });
    case 'float':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: attribute.value });
    case 'string':
      return create(AttributeProtoSchema, {
        name,
        type: AttributeType.STRING,
        s: new TextEncoder().encode(attribute.value),
      });
    case 'ints':
      return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: attribute.value.map(BigInt) });
    case 'floats':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOATS, floats: [...attribute.value] });
    case 'tensor':
      return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: tensorProto(attribute.value) });
  }
}

function valueInfoProto(info: ValueInfo): ValueInfoProto {
  const dim = info.dims.map((d) =>
    create(TensorShapeProto_DimensionSchema, {
      value: typeof d === 'string' ? { case: 'dimParam', value: d } : { case: 'dimValue', value: BigInt(d) },
    }),
  );
  const tensorType = create(TypeProto_TensorSchema, {
    elemType: DATA_TYPES[info.type],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name: info.name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } }),
  });
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/**
 * A graph's message. Weights are framed here, for they are nearly all of a model: the library would copy each of them five times, here
 * they are copied once, into the result. Fields are in the order of their numbers, as the library writes them.
 */
function framedGraph({ name, nodes, inputs, outputs, initializers }: OnnxGraph): Framed {
  const head = create(GraphProtoSchema, {
    name,
    node: nodes.map((node) =>
      create(NodeProtoSchema, {
        name: node.name,
        opType: node.opType,
        domain: node.domain,
        input: [...node.inputs],
        output: [...node.outputs],
        attribute: Object.entries(node.attributes)
          .sort(byKey)
          .map(([name, attribute]) => attributeProto(name, attribute)),
      }),
    ),
  });
  const tail = create(GraphProtoSchema, { input: inputs.map(valueInfoProto), output: outputs.map(valueInfoProto) });
  return sequence([
    toBinary(GraphProtoSchema, head),
    ...initializers.map((initializer) => field(FIELDS.graphInitializer, framedTensor(initializer))),
    toBinary(GraphProtoSchema, tail),
  ]);
}

/**
 * Encodes a model as ONNX protobuf. Attributes, operator sets and metadata are written in sorted order,
 * and nothing else goes in (no time, no version of ours), so that equal models have equal bytes.
 * Source: onnx.proto (IR versions 7 to 10, as the operator set asks).
 */
export function encodeModel(model: OnnxModel): Uint8Array {
  const head = create(ModelProtoSchema, {
    irVersion: BigInt(irVersionOf(model.opsets[''] ?? OPSET_VERSION)),
    producerName: 'bespoke',
  });
  const tail = create(ModelProtoSchema, {
    opsetImport: Object.entries(model.opsets)
      .sort(byKey)
      .map(([domain, version]) => create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) })),
    metadataProps: Object.entries(model.metadata)
      .sort(byKey)
      .map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  });
  const graph = field(FIELDS.modelGraph, framedGraph(model.graph));
  return join(sequence([toBinary(ModelProtoSchema, head), graph, toBinary(ModelProtoSchema, tail)]));
}

/** Element values of a TensorProto that keeps them in a typed field instead of `raw_data`. */
function typedField(proto: TensorProto, type: ElementType): ElementArrays[ElementType] {
  switch (type) {
    case 'float32':
      return Float32Array.from(proto.floatData);
    case 'float64':
      return Float64Array.from(proto.doubleData);
    case 'int64':
      return BigInt64Array.from(proto.int64Data);
    case 'int32':
      return Int32Array.from(proto.int32Data);
    case 'uint8':
    case 'bool':
      return Uint8Array.from(proto.int32Data);
  }
}

function tensorOf(proto: TensorProto): Tensor {
  const type = elementTypeOf(proto.dataType, `tensor "${proto.name}"`);
  if (proto.dataLocation === DataLocation.EXTERNAL) {
    throw new BespokeError(
      'invalid-request',
      `tensor "${proto.name}" lies in another file; a model in one file is wanted`,
    );
  }
  const dims = proto.dims.map(Number);
  const raw = proto.rawData;
  const expected = sizeOf(dims) * ARRAYS[type].BYTES_PER_ELEMENT;
  if (raw.length === 0 && expected > 0) return tensorFrom(type, dims, typedField(proto, type));
  if (raw.length !== expected) {
    throw new BespokeError(
      'invalid-request',
      `tensor "${proto.name}" ${type} [${dims.join(', ')}] needs ${expected} bytes, the file holds ${raw.length}`,
    );
  }
  // A fresh buffer, because the bytes of a message need not be aligned for the element type (slice() of a Buffer is a view).
  const data = new ARRAYS[type](new Uint8Array(raw).buffer);
  return tensorFrom(type, dims, data);
}

function attributeOf(proto: AttributeProto): Attribute {
  switch (proto.type) {
    case AttributeType.INT:
      return { type: 'int', value: Number(proto.i) };
    case AttributeType.FLOAT:
      return { type: 'float', value: proto.f };
    case AttributeType.STRING:
      return { type: 'string', value: new TextDecoder().decode(proto.s) };
    case AttributeType.INTS:
      return { type: 'ints', value: proto.ints.map(Number) };
    case AttributeType.FLOATS:
      return { type: 'floats', value: [...proto.floats] };
    case AttributeType.TENSOR:
      invariant(proto.t !== undefined, () => `attribute "${proto.name}" is a tensor without a value`);
      return { type: 'tensor', value: tensorOf(proto.t) };
    default:
      throw new BespokeError(
        'invalid-request',
        `attribute "${proto.name}" has a kind (${proto.type}) that is not read here`,
      );
  }
}

function valueInfoOf(proto: ValueInfoProto): ValueInfo {
  const value = proto.type?.value;
  if (value?.case !== 'tensorType') {
    throw new BespokeError('invalid-request', `the graph input or output "${proto.name}" is not a tensor`);
  }
  const dims = (value.value.shape?.dim ?? []).map((dim) =>
    dim.value.case === 'dimValue' ? Number(dim.value.value) : (dim.value.value ?? ''),
  );
  return { name: proto.name, type: elementTypeOf(value.value.elemType, `"${proto.name}"`), dims };
}

/**
 * Decodes ONNX protobuf bytes. @throws BespokeError `invalid-request` if the bytes are no ONNX model or use kinds outside {@link Attribute}
 */
export function decodeModel(bytes: Uint8Array): OnnxModel {
  let proto: ReturnType<typeof fromBinary<typeof ModelProtoSchema>>;
  try {
    proto = fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw new BespokeError('invalid-request', `the ${bytes.length} bytes given are not an ONNX model`, {}, cause);
  }
  const graph = proto.graph;
  if (graph === undefined)
    throw new BespokeError('invalid-request', `the ${bytes.length} bytes given hold no ONNX graph`);
  const initialized = new Set(graph.initializer.map((tensor) => tensor.name));
  return {
    opsets: Object.fromEntries(proto.opsetImport.map(({ domain, version }) => [domain, Number(version)])),
    metadata: Object.fromEntries(proto.metadataProps.map(({ key, value }) => [key, value])),
    graph: {
      name: graph.name,
      nodes: graph.node.map(
        (node): OnnxNode => ({
          name: node.name,
          opType: node.opType,
          domain: node.domain,
          inputs: node.input,
          outputs: node.output,
          attributes: Object.fromEntries(node.attribute.map((attribute) => [attribute.name, attributeOf(attribute)])),
        }),
      ),
      // IR < 4 lists initializers among the inputs; an initialised input is a constant here.
      inputs: graph.input.filter((info) => !initialized.has(info.name)).map(valueInfoOf),
      outputs: graph.output.map(valueInfoOf),
      initializers: graph.initializer.map((tensor) => ({ name: tensor.name, tensor: tensorOf(tensor) })),
    },
  };
}
