// Turns vitest's JSON report into its skipped tests by name and one last line `N passed, N failed, N skipped`.
// A test file that could not be loaded counts as one failure. Exit status 1: something failed, or no test ran.
import { readFileSync } from 'node:fs';

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { testResults: [{ name: path, status: 'failed', assertionResults: [] }] };
  }
}

const { testResults } = read(process.argv[2] ?? 'tests.json');
const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
const count = (...statuses) => tests.filter(({ status }) => statuses.includes(status)).length;
const unloaded = testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
);

for (const { name } of unloaded) console.log(`not loaded: ${name}`);
for (const { status, fullName } of tests) if (status === 'failed') console.log(`failed: ${fullName}`);
for (const { status, fullName } of tests) {
  if (status !== 'passed' && status !== 'failed') console.log(`skipped: ${fullName}`);
}
const passed = count('passed');
const failed = count('failed') + unloaded.length;
console.log(`${passed} passed, ${failed} failed, ${tests.length - count('passed', 'failed')} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
