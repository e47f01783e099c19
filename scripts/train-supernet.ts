/** `npx tsx scripts/train-supernet.ts --out DIR [options]`: the same as `bespoke train`, from the sources; `--help` lists the options. */
// The command starts itself again with this file and its own arguments (src/cli/allocator.ts), which name it by then.
if (process.argv[2] !== 'train') process.argv.splice(2, 0, 'train');
await import('../src/cli/main.js');

export {};
