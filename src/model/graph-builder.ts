import { WEIGHTS_FILE } from '../protocol/index.ts';
import {
  ATTRIBUTE_TYPE,
  DATA_TYPE,
  type DataType,
  EXTERNAL,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
} from './onnx-schema.ts';

/** Byte range of a tensor in the external data file. */
export type Place = { offset: number; bytes: number };

/** Pages of the data file are mapped, so each tensor starts on one of its own. */
const ALIGNMENT_BYTES = 4096;

const ELEMENT_BYTES: Record<DataType, number> = { float32: 4, uint8: 1, int8: 1, int64: 8 };

/** `float` wraps numbers that ONNX expects as FLOAT attributes; plain numbers become INT. */
export type AttributeValue = number | { float: number };

type NodeOptions = {
  /** The node's name, shown by profilers; made up when absent. */
  name?: string;
  /** Names of the outputs, or how many to make up (1). '' leaves an optional output out. */
  outputs?: string[];
  attributes?: Record<string, AttributeValue>;
};

function toAttribute(name: string, value: AttributeValue): OnnxAttribute {
  return typeof value === 'number'
    ? { name, type: ATTRIBUTE_TYPE.int, i: value }
    : { name, type: ATTRIBUTE_TYPE.float, f: value.float };
}

/**
 * Collects an ONNX graph and lays out its external data. Values are passed around by name. It only
 * assigns places; the bytes are written afterwards, so the size is known before anything is written.
 */
export class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers = new Map<string, OnnxTensor>();
  readonly #inputs: OnnxValue[] = [];
  readonly #outputs: OnnxValue[] = [];
  #dataBytes = 0;

  /** Size of the external data file. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  node(opType: string, input: string[], options: NodeOptions = {}, domain = ''): string {
    const name = options.name ?? `${opType}_${this.#nodes.length}`;
    const output = options.outputs ?? [`${name}_out`];
    this.#nodes.push({
      name,
      opType,
      domain,
      input,
      output,
      attribute: Object.entries(options.attributes ?? {}).map(([key, value]) =>
        toAttribute(key, value),
      ),
    });
    return output[0] as string;
  }

  /** A node of onnxruntime's own operators. */
  contrib(opType: string, input: string[], options: NodeOptions = {}): string {
    return this.node(opType, input, options, 'com.microsoft');
  }

  #constant(name: string, dataType: DataType, dims: number[], rawData: Uint8Array): string {
    if (!this.#initializers.has(name)) {
      this.#initializers.set(name, { name, dims, dataType: DATA_TYPE[dataType], rawData });
    }
    return name;
  }

  /** A small constant inside the graph file; asking again for a name gives the first one. */
  floatConstant(name: string, value: number): string {
    return this.#constant(name, 'float32', [], new Uint8Array(Float32Array.of(value).buffer));
  }

  byteConstant(name: string, value: number): string {
    return this.#constant(name, 'uint8', [], Uint8Array.of(value));
  }

  /** A one-dimensional int64 constant, or a scalar when `values` is a number. */
  integers(name: string, values: number | number[]): string {
    const list = typeof values === 'number' ? [values] : values;
    const raw = new Uint8Array(BigInt64Array.from(list, BigInt).buffer);
    return this.#constant(name, 'int64', typeof values === 'number' ? [] : [list.length], raw);
  }

  #external(name: string, dataType: DataType, dims: number[], place: Place): void {
    this.#initializers.set(name, {
      name,
      dims,
      dataType: DATA_TYPE[dataType],
      dataLocation: EXTERNAL,
      externalData: [
        { key: 'location', value: WEIGHTS_FILE },
        { key: 'offset', value: String(place.offset) },
        { key: 'length', value: String(place.bytes) },
      ],
    });
  }

  /** Reserves a page-aligned place in the data file for a tensor of weights. */
  reserve(name: string, dataType: DataType, dims: number[]): Place {
    const offset = Math.ceil(this.#dataBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    const bytes = dims.reduce((product, side) => product * side, ELEMENT_BYTES[dataType]);
    this.#dataBytes = offset + bytes;
    this.#external(name, dataType, dims, { offset, bytes });
    return { offset, bytes };
  }

  /** A second view, of another shape, of bytes that are already in the data file. */
  share(name: string, dataType: DataType, dims: number[], place: Place): string {
    this.#external(name, dataType, dims, place);
    return name;
  }

  /** Names in `dims` are symbolic sides. */
  input(name: string, dataType: DataType, dims: (number | string)[]): string {
    this.#inputs.push(toValue(name, dataType, dims));
    return name;
  }

  output(name: string, dataType: DataType, dims: (number | string)[]): void {
    this.#outputs.push(toValue(name, dataType, dims));
  }

  build(name: string): OnnxModel {
    return {
      // IR 9 and opset 18 are what the operators below need; newer ones bring nothing we use.
      irVersion: 9,
      producerName: 'twowatt',
      opsetImport: [
        { domain: '', version: 18 },
        { domain: 'com.microsoft', version: 1 },
      ],
      graph: {
        name,
        node: this.#nodes,
        initializer: [...this.#initializers.values()],
        input: this.#inputs,
        output: this.#outputs,
      },
    };
  }
}

function toValue(name: string, dataType: DataType, dims: (number | string)[]): OnnxValue {
  const dim = dims.map((side) =>
    typeof side === 'number' ? { dimValue: side } : { dimParam: side },
  );
  return { name, type: { tensorType: { elemType: DATA_TYPE[dataType], shape: { dim } } } };
}
