/** Markup that is safe to put into a page as it is. Only this module makes it. */
export interface SafeHtml {
  readonly markup: string;
}

type Part = SafeHtml | string | number | readonly SafeHtml[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML text or as the value of a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

/** Tagged template: the literal parts are markup, every value is escaped unless it is {@link SafeHtml} itself. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): SafeHtml {
  const rest = values.map((value, index) => partMarkup(value) + (strings[index + 1] ?? ''));
  return { markup: (strings[0] ?? '') + rest.join('') };
}

/** Takes markup as it is; for the SVG of our own figures, whose texts the renderer has escaped. */
export function trusted(markup: string): SafeHtml {
  return { markup };
}

function partMarkup(part: Part): string {
  if (typeof part === 'string') return escapeHtml(part);
  if (typeof part === 'number') return String(part);
  return 'markup' in part ? part.markup : part.map(({ markup }) => markup).join('');
}
