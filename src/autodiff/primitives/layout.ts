import type { Emitter, Layout, Term } from '../term.js';
import { toBlocked, toPlain } from './nchwc.js';

/** The same image in the layout asked for; nothing is emitted if it already has it. */
export function inLayout(e: Emitter, x: Term, layout: Layout): Term {
  return layout === 'blocked' ? toBlocked(e, x) : toPlain(e, x);
}
