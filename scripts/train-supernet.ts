/** `npx tsx scripts/train-supernet.ts --out DIR [options]`: the same as `bespoke train`, from the sources; `--help` lists the options. */
process.argv.splice(2, 0, 'train');
await import('../src/cli/main.js');

export {};
