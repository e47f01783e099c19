import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from './config.js';

/** The version of this package, from its own package.json. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
    readonly version: string;
  }; // our own file
  return version;
}
