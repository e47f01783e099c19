import type { ByteReader } from './byte-reader.js';
import { describe, type PickleDict, type PickleList, type PickleValue, quoted, refuseFile } from './values.js';

/** What names, calls and persistent ids of a pickle stand for. None of them runs anything that the pickle brings along. */
export interface PickleRules {
  global(module: string, name: string): PickleValue;
  call(callee: PickleValue, args: readonly PickleValue[]): PickleValue;
  persistent(id: PickleValue): PickleValue;
}

/** Most opcodes of a pickle: a supernet's file has some 20,000, with an optimizer's state three times as many. Bounds the memory too. */
const MAX_OPERATIONS = 400_000;
/** Longest integer, bytes: the format's magic number has 10. */
const MAX_LONG_BYTES = 16;
const MAX_PROTOCOL = 5;

/** The state of a pickle that is being read: a stack, its marks, and what was memorized. */
class Machine {
  readonly input: ByteReader;
  readonly rules: PickleRules;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(input: ByteReader, rules: PickleRules) {
    this.input = input;
    this.rules = rules;
  }

  refuse(detail: string): never {
    return refuseFile(this.input.where, `its pickle ${detail} (before byte ${this.input.position})`);
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  pop(): PickleValue {
    const value = this.#stack.length > this.#floor() ? this.#stack.pop() : undefined;
    return value === undefined ? this.refuse('takes a value that is not there') : value;
  }

  top(): PickleValue {
    const value = this.#stack.length > this.#floor() ? this.#stack.at(-1) : undefined;
    return value === undefined ? this.refuse('looks at a value that is not there') : value;
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  popToMark(): PickleValue[] {
    const start = this.#marks.pop();
    return start === undefined ? this.refuse('goes back to a mark that is not there') : this.#stack.splice(start);
  }

  popMany(count: number): PickleValue[] {
    if (this.#stack.length - count < this.#floor()) this.refuse(`takes ${count} values that are not there`);
    return this.#stack.splice(this.#stack.length - count);
  }

  keep(index: number): void {
    this.#memo.set(index, this.top());
  }

  keepNext(): void {
    this.keep(this.#memo.size);
  }

  recall(index: number): void {
    const value = this.#memo.get(index);
    this.push(value === undefined ? this.refuse(`recalls value ${index}, which was not kept`) : value);
  }

  topList(): PickleList {
    const value = this.top();
    if (value === null || typeof value !== 'object' || value instanceof Uint8Array || value.kind !== 'list') {
      return this.refuse(`appends to ${describe(value)}`);
    }
    return value;
  }

  topDict(): PickleDict {
    const value = this.top();
    if (value === null || typeof value !== 'object' || value instanceof Uint8Array || value.kind !== 'dict') {
      return this.refuse(`sets a member of ${describe(value)}`);
    }
    return value;
  }
}

function setItems(machine: Machine, items: readonly PickleValue[]): void {
  const { entries } = machine.topDict();
  if (items.length % 2 !== 0) machine.refuse('sets a member without a value');
  for (let i = 0; i < items.length; i += 2) {
    const [key, value] = [items[i]!, items[i + 1]!]; // i + 1 exists: the length is even
    if (typeof key === 'object') machine.refuse(`has a dict key that is ${describe(key)}`);
    entries.set(key, value);
  }
}

/** A two's complement little-endian integer; a number where that is exact. */
function readLong(machine: Machine, length: number): number | bigint {
  if (length > MAX_LONG_BYTES) machine.refuse(`has an integer of ${length} bytes, more than ${MAX_LONG_BYTES}`);
  const bytes = machine.input.take(length);
  const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const signed = BigInt.asIntN(8 * length, value);
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
}

/** `__setstate__` or an update of `__dict__`: of an OrderedDict the attributes (`_metadata`) are let go, of anything else refused. */
function build(machine: Machine): void {
  machine.pop();
  machine.topDict();
}

function reduce(machine: Machine): void {
  const args = machine.pop();
  const callee = machine.pop();
  if (args === null || typeof args !== 'object' || args instanceof Uint8Array || args.kind !== 'tuple') {
    machine.refuse(`calls ${describe(callee)} with ${describe(args)} for arguments`);
  }
  machine.push(machine.rules.call(callee, args.items));
}

function stackGlobal(machine: Machine): void {
  const name = machine.pop();
  const module = machine.pop();
  if (typeof name !== 'string' || typeof module !== 'string') {
    machine.refuse(`names ${describe(module)} and ${describe(name)} as module and name`);
  }
  machine.push(machine.rules.global(module, name));
}

const tuple = (machine: Machine, items: readonly PickleValue[]): void => machine.push({ kind: 'tuple', items });

/** The opcodes that PyTorch's files use, of protocols 2 to 5. STOP is the loop's own. Source: CPython, Lib/pickletools.py */
const OPCODES: ReadonlyMap<number, (machine: Machine) => void> = new Map([
  [0x28, (m: Machine) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popToMark()], // POP_MARK
  [0x29, (m) => tuple(m, [])], // EMPTY_TUPLE
  [0x74, (m) => tuple(m, m.popToMark())], // TUPLE
  [0x85, (m) => tuple(m, m.popMany(1))], // TUPLE1
  [0x86, (m) => tuple(m, m.popMany(2))], // TUPLE2
  [0x87, (m) => tuple(m, m.popMany(3))], // TUPLE3
  [0x5d, (m) => m.push({ kind: 'list', items: [] })], // EMPTY_LIST
  [
    0x61,
    (m) => {
      const value = m.pop();
      m.topList().items.push(value);
    },
  ], // APPEND
  [
    0x65,
    (m) => {
      const values = m.popToMark();
      const { items } = m.topList();
      for (const value of values) items.push(value);
    },
  ], // APPENDS
  [0x7d, (m) => m.push({ kind: 'dict', entries: new Map() })], // EMPTY_DICT
  [0x73, (m) => setItems(m, m.popMany(2))], // SETITEM
  [0x75, (m) => setItems(m, m.popToMark())], // SETITEMS
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.input.int32())], // BININT
  [0x4b, (m) => m.push(m.input.uint8())], // BININT1
  [0x4d, (m) => m.push(m.input.uint16())], // BININT2
  [0x8a, (m) => m.push(readLong(m, m.input.uint8()))], // LONG1
  [0x8b, (m) => m.push(readLong(m, m.input.uint32()))], // LONG4
  [0x47, (m) => m.push(m.input.float64BigEndian())], // BINFLOAT
  [0x58, (m) => m.push(m.input.text(m.input.uint32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.input.text(m.input.uint8()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.input.text(m.input.uint64()))], // BINUNICODE8
  [0x55, (m) => m.push(m.input.text(m.input.uint8()))], // SHORT_BINSTRING: Python 2's text
  [0x54, (m) => m.push(m.input.text(m.input.uint32()))], // BINSTRING
  [0x43, (m) => m.push(m.input.take(m.input.uint8()))], // SHORT_BINBYTES
  [0x42, (m) => m.push(m.input.take(m.input.uint32()))], // BINBYTES
  [0x71, (m) => m.keep(m.input.uint8())], // BINPUT
  [0x72, (m) => m.keep(m.input.uint32())], // LONG_BINPUT
  [0x94, (m) => m.keepNext()], // MEMOIZE
  [0x68, (m) => m.recall(m.input.uint8())], // BINGET
  [0x6a, (m) => m.recall(m.input.uint32())], // LONG_BINGET
  [0x63, (m) => m.push(m.rules.global(m.input.line(), m.input.line()))], // GLOBAL
  [0x93, stackGlobal], // STACK_GLOBAL
  [0x52, reduce], // REDUCE
  [0x62, build], // BUILD
  [0x51, (m) => m.push(m.rules.persistent(m.pop()))], // BINPERSID
  [0x95, (m) => void m.input.uint64()], // FRAME: how much to read ahead, which is all there already
]);

const PROTO = 0x80;
const STOP = 0x2e;

/**
 * Reads one pickle as data. It executes nothing: names mean what `rules` says, and every loop ends with the bytes.
 * @param input stands at the pickle's first byte, afterwards behind its last
 * @throws BespokeError `invalid-request` for an opcode that tensor files do not need, damage, or more than 400,000 operations
 * Source: CPython, Lib/pickletools.py; PEP 3154
 */
export function readPickle(input: ByteReader, rules: PickleRules): PickleValue {
  const machine = new Machine(input, rules);
  if (input.uint8() !== PROTO) machine.refuse('does not begin with a protocol number');
  const protocol = input.uint8();
  if (protocol < 2 || protocol > MAX_PROTOCOL)
    machine.refuse(`has protocol ${protocol}; read are 2 to ${MAX_PROTOCOL}`);
  for (let operation = 0; operation < MAX_OPERATIONS; operation++) {
    const code = input.uint8();
    if (code === STOP) return machine.pop();
    const act = OPCODES.get(code);
    if (act === undefined) {
      const name = quoted(String.fromCharCode(code));
      return machine.refuse(
        `uses opcode 0x${code.toString(16).padStart(2, '0')} (${name}), which no file of tensors needs`,
      );
    }
    act(machine);
  }
  return machine.refuse(`has more than ${MAX_OPERATIONS} operations`);
}
