const VOID = new Set(['meta', 'br', 'hr', 'img', 'input', 'link', '!doctype']);

/** Names of elements left open or closed out of order; empty for well-formed markup. A small stand-in for a parser. */
export function openTags(markup: string): string[] {
  const stack: string[] = [];
  const tag = /<(\/?)([!a-zA-Z][\w-]*)((?:"[^"]*"|'[^']*'|[^'">])*?)(\/?)>/g;
  for (const [, closing, name = '', , selfClosing] of markup.replaceAll(/<style>[^<]*<\/style>/g, '').matchAll(tag)) {
    if (VOID.has(name.toLowerCase()) || selfClosing) continue;
    if (!closing) stack.push(name);
    else if (stack.at(-1) === name) stack.pop();
    else return [...stack, `/${name}`];
  }
  return stack;
}

/** Where the marks of a figure stand, in drawing order: the `translate(x,y)` of every path in the symbol groups. */
export function symbolPositions(svg: string): (readonly [number, number])[] {
  const groups = svg.match(/<g class="mark-symbol role-mark[^>]*>.*?<\/g>/gs) ?? [];
  return groups.flatMap((group) =>
    [...group.matchAll(/transform="translate\(([-\d.]+),([-\d.]+)\)"/g)].map(
      ([, x, y]) => [Number(x), Number(y)] as const,
    ),
  );
}
