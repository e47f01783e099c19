import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ENVIRONMENT } from '../../src/config.js';
import { readText, sourceFiles } from './source-files.js';

const ROOT = new URL('../../', import.meta.url);
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(new URL('docs/', ROOT))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...readdirSync(new URL('docs/adr/', ROOT)).map((name) => `docs/adr/${name}`),
];
const scripts = (JSON.parse(readText('package.json')) as { scripts: Record<string, string> }).scripts; // npm's own format
const cli = sourceFiles('src/cli')
  .map(({ text }) => text)
  .join('\n');
const subcommands = new Set([...cli.matchAll(/\bcommand\(\s*['"`]([\w-]+)/g)].map(([, name]) => name ?? ''));
const options = new Set([...cli.matchAll(/'(?:-\w, )?(--[\w-]+)[^']*'/g)].map(([, flag]) => flag ?? ''));

/** Every stretch of code of a page: lines of fenced blocks (continued lines joined) and inline code. */
function codeOf(page: string): string[] {
  const text = readText(page);
  const blocks = [...text.matchAll(/```(?:sh|yaml|bash)\n([\s\S]*?)```/g)].map(([, body = '']) => body);
  const lines = blocks.flatMap((body) => body.replaceAll(/\\\n\s*/g, ' ').split('\n'));
  const inline = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g)].map(([, body = '']) => body);
  return [...lines, ...inline.map((body) => body.replaceAll('\n', ' '))];
}

describe.each(PAGES)('%s', (page) => {
  const code = codeOf(page);

  it('names npm scripts that package.json has', () => {
    const named = code.flatMap((line) => [...line.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = '']) => name));
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  it('names commands and options that the command line has', () => {
    const lines = code.filter((line) => /\bbespoke [a-z]/.test(line) || /^\s*limits: --/.test(line));
    const commands = lines.flatMap((line) => [...line.matchAll(/\bbespoke ([a-z]+)/g)].map(([, name = '']) => name));
    expect(commands.filter((name) => !subcommands.has(name))).toEqual([]);
    const flags = lines.flatMap((line) => [...line.matchAll(/(?<=\s)--[\w-]+/g)].map(([flag]) => flag));
    expect(flags.filter((flag) => !options.has(flag))).toEqual([]);
  });

  it('names files that are there', () => {
    const run = code.flatMap((line) =>
      [...line.matchAll(/\b(?:tsx|vitest run) ([\w./-]+)/g)].map(([, path = '']) => path),
    );
    const links = [...readText(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target);
    expect(run.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
    expect(links.filter((target) => !existsSync(new URL(target, new URL(page, ROOT))))).toEqual([]);
  });
});

describe('README.md', () => {
  it('has two commands that a newcomer needs: one for the main job, one for the tests', () => {
    const block = /## Two commands[\s\S]*?```sh\n([\s\S]*?)```/.exec(readText('README.md'))?.[1] ?? '';
    expect(block.trim().split('\n')).toEqual(['npm install && npm run quickstart', 'npm test']);
    expect(scripts).toMatchObject({ quickstart: expect.any(String), test: expect.any(String) });
  });
});

describe('docs/operations.md', () => {
  it('lists the environment variables of src/config.ts, with their words', () => {
    const block =
      /<!-- environment:[^>]*-->\n([\s\S]*?)<!-- \/environment -->/.exec(readText('docs/operations.md'))?.[1] ?? '';
    const rows = [...block.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, name = '', meaning = '']) => [name, meaning]);
    expect(Object.fromEntries(rows)).toEqual(ENVIRONMENT);
  });
});

describe('docs/training.md', () => {
  it('says in its first line why the graph is built here', () => {
    expect(readText('docs/training.md').split('\n')[0]).toContain(
      'no ONNX Runtime binding for Node has training operators',
    );
  });
});

describe('docs/ci.md', () => {
  it('has a workflow that specializes for two targets and keeps the models', () => {
    const yaml = /```yaml\n([\s\S]*?)```/.exec(readText('docs/ci.md'))?.[1] ?? '';
    const { jobs } = parse(yaml);
    expect(jobs.specialize.strategy.matrix.include).toHaveLength(2);
    const steps = JSON.stringify(jobs.specialize.steps);
    expect(steps).toContain('npx bespoke specialize');
    expect(steps).toContain('actions/upload-artifact');
  });
});
