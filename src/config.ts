import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BespokeError, type FieldError } from './common/errors.js';

/** Everything that the environment and the command line decide; read once, at the composition root. */
export interface Config {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Embedded database, profiles and the lock file live here. */
  readonly dataDir: string;
  /** Folders that hold bundles (a folder of bundle folders, or one bundle folder). */
  readonly modelDirs: readonly string[];
  /** Without it PostgreSQL is embedded in the data folder. */
  readonly databaseUrl: string | undefined;
  /** Without it the queue is in-process. */
  readonly redisUrl: string | undefined;
  /** How long a silent worker keeps a job. */
  readonly leaseMs: number;
  readonly maxAttempts: number;
  /** What bundles may take together in the numeric process's memory while nobody uses them. */
  readonly bundleMemoryBytes: number;
  readonly logLevel: LogLevel;
  /** A running server to use instead of an own one (`BESPOKE_URL`). */
  readonly serverUrl: string | undefined;
}

const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The package's root folder, from `dist/` or `src/` alike. */
export const PACKAGE_ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Every variable that is read, with its default and meaning; docs/operations.md is tested against it. */
export const ENVIRONMENT = {
  BESPOKE_HOST: '127.0.0.1: the address to listen on',
  BESPOKE_PORT: '8080: the port to listen on; 0 takes a free one',
  BESPOKE_DATA_DIR: '~/.local/share/bespoke: embedded database, latency profiles, lock file',
  BESPOKE_MODELS: 'the package\'s models: folders with bundles, separated by ":" (a bundle itself counts too)',
  DATABASE_URL: 'an external PostgreSQL >= 15; without it PostgreSQL is embedded in the data folder',
  REDIS_URL: 'a Redis for the queue (Bull); without it the queue is in-process',
  BESPOKE_LEASE_MS: '15000: how long a silent worker keeps a job, ms, 1000..600000',
  BESPOKE_BUNDLE_MEMORY_MIB:
    '1024: MiB that idle bundles may take in memory, 16..1048576; the least recently used ones are released beyond it',
  BESPOKE_MAX_ATTEMPTS: '3: how often a job is tried before it fails, 1..100',
  BESPOKE_LOG_LEVEL: 'info: silent, error, warn, info or debug',
  BESPOKE_URL: 'a running server that the command line uses',
  BESPOKE_DEBUG: '1 shows where an unexpected error of a command came from',
  XDG_DATA_HOME: '~/.local/share: where BESPOKE_DATA_DIR lies by default, in its folder bespoke',
} as const satisfies Record<string, string>;

/** The folders that are named, in place of the package's own: what is served is then exactly what was asked for. */
function modelDirsOf(text: string): readonly string[] {
  const dirs = text.split(':').filter((dir) => dir !== '');
  return dirs.length === 0 ? [join(PACKAGE_ROOT, 'models')] : dirs;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration; `overrides` (from the command line) win over the environment.
 * @throws BespokeError `invalid-request` naming every bad variable at once
 */
export function readConfig(env: Environment, overrides: Partial<Config> = {}): Config {
  const errors: FieldError[] = [];
  const integer = (
    name: keyof typeof ENVIRONMENT,
    fallback: number,
    [low, high]: readonly [number, number],
  ): number => {
    const text = env[name];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (Number.isInteger(value) && value >= low && value <= high) return value;
    errors.push({ pointer: name, detail: `${name} must be an integer from ${low} to ${high}, got "${text}"` });
    return fallback;
  };
  const url = (name: keyof typeof ENVIRONMENT, protocols: readonly string[]): string | undefined => {
    const text = env[name];
    if (text === undefined || text === '') return undefined;
    if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
    errors.push({
      pointer: name,
      detail: `${name} must be a URL starting with ${protocols.map((p) => `${p}//`).join(' or ')}`,
    });
    return undefined;
  };
  const level = env.BESPOKE_LOG_LEVEL ?? 'info';
  if (!LOG_LEVELS.some((known) => known === level)) {
    errors.push({
      pointer: 'BESPOKE_LOG_LEVEL',
      detail: `BESPOKE_LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, got "${level}"`,
    });
  }
  const dataHome = env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share');
  const config: Config = {
    host: env.BESPOKE_HOST ?? '127.0.0.1',
    port: integer('BESPOKE_PORT', 8080, [0, 65_535]),
    dataDir: resolve(env.BESPOKE_DATA_DIR ?? join(dataHome, 'bespoke')),
    modelDirs: modelDirsOf(env.BESPOKE_MODELS ?? ''),
    databaseUrl: url('DATABASE_URL', ['postgres:', 'postgresql:']),
    redisUrl: url('REDIS_URL', ['redis:', 'rediss:']),
    leaseMs: integer('BESPOKE_LEASE_MS', 15_000, [1000, 600_000]),
    bundleMemoryBytes: integer('BESPOKE_BUNDLE_MEMORY_MIB', 1024, [16, 1_048_576]) * 2 ** 20,
    maxAttempts: integer('BESPOKE_MAX_ATTEMPTS', 3, [1, 100]),
    logLevel: LOG_LEVELS.find((known) => known === level) ?? 'info',
    serverUrl: url('BESPOKE_URL', ['http:', 'https:']),
    ...overrides,
  };
  if (errors.length > 0) {
    throw new BespokeError('invalid-request', errors.map((error) => error.detail).join('; '), { errors });
  }
  return config;
}
