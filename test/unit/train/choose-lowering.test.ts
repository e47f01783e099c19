import { describe, expect, it } from 'vitest';
import { knownExecutionProviders } from '../../../src/runtime/session.js';
import { chooseBackend, chooseLowering } from '../../../src/train/choose-lowering.js';

describe('what runs step graphs', () => {
  it('is the CPU with the fastest operators unless told', async () => {
    const lowering = await chooseLowering('auto');
    expect(await chooseBackend('auto', [])).toEqual({ lowering });
    expect(await chooseBackend('auto', ['cpu'])).toEqual({ lowering });
    expect(await chooseBackend('standard', ['cpu'])).toEqual({ lowering: { kind: 'standard' } });
  });

  it.each([
    [['nosuch'], '"nosuch"'],
    [['cpu', 'CUDA'], '"CUDA"'],
  ])('is refused for names that the runtime does not know: %j', async (providers, named) => {
    const problem = chooseBackend('auto', providers);
    await expect(problem).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(problem).rejects.toThrow(`one of those that ONNX Runtime knows here (cpu`);
    await expect(problem).rejects.toThrow(named);
  });

  const isKnown = knownExecutionProviders().includes('cuda');

  it.skipIf(!isKnown)('is no accelerator for blocked operators', async () => {
    await expect(chooseBackend('nchwc16', ['cuda'])).rejects.toThrow('the lowering nchwc16 runs on the cpu alone');
  });

  it.skipIf(!isKnown)(
    'is an accelerator with standard operators where it works, and a clear refusal where not',
    async () => {
      const chosen = await chooseBackend('auto', ['cuda', 'cpu']).catch((problem: unknown) => problem);
      if (chosen instanceof Error) {
        expect(chosen).toMatchObject({ code: 'invalid-request' });
        expect(chosen.message).toMatch(/^the execution provider "cuda" cannot be used: /);
        expect(chosen.message).not.toContain('\n');
      } else expect(chosen).toEqual({ lowering: { kind: 'standard' }, executionProviders: ['cuda', 'cpu'] });
    },
  );
});
