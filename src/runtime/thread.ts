import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a module as a worker thread. From source (tests, scripts) it is TypeScript and the thread has to load tsx first; a build has plain
 * JavaScript in its place.
 * @param module its place without an extension, such as `new URL('./row-worker', import.meta.url)`
 */
export function startThread(module: URL, options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL(`${module.href}.js`), options);
  // `require` resolves to the CommonJS form, whose register() looks for its hooks in the wrong folder; the ESM form lies beside it.
  const loader = pathToFileURL(
    createRequire(import.meta.url)
      .resolve('tsx/esm/api')
      .replace(/\.cjs$/, '.mjs'),
  ).href;
  const bootstrap = `import('${loader}').then(({ register }) => { register(); return import('${module.href}.ts'); })`;
  return new Worker(bootstrap, { ...options, eval: true });
}
