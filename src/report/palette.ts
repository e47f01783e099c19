/** A color in its light and its dark form. */
interface ColorPair {
  readonly light: string;
  readonly dark: string;
}

/**
 * Every color of the page and its figures, by what it means. The light forms are pairwise different: a figure carries the light
 * form as an attribute, and a style rule on that very value gives the dark one. Text on surface keeps a contrast of 4.5:1 or more.
 */
const PALETTE = {
  surface: { light: '#fdfdfc', dark: '#1a1d21' },
  page: { light: '#f2f2ef', dark: '#101215' },
  ink: { light: '#1c2127', dark: '#e9ebee' },
  muted: { light: '#5b6470', dark: '#a0a8b3' },
  grid: { light: '#e1e3e0', dark: '#31363d' },
  front: { light: '#8aa0b8', dark: '#6d8299' },
  predicted: { light: '#1f5fbf', dark: '#7fb0ff' },
  measured: { light: '#b4530a', dark: '#f0a052' },
  limit: { light: '#a3194d', dark: '#ff86ac' },
  passed: { light: '#1a6b3c', dark: '#6fd39a' },
  failed: { light: '#b3201f', dark: '#ff8f8a' },
} as const satisfies Record<string, ColorPair>;

type ColorName = keyof typeof PALETTE;

/** The light form, as figures write it. */
export function color(name: ColorName): string {
  return PALETTE[name].light;
}

/** Series colors of a figure with several lines or groups, in order; repeats after the last. */
export const SERIES_COLORS: readonly string[] = (
  ['predicted', 'measured', 'passed', 'limit', 'muted', 'front'] as const
).map(color);

/** The page's custom properties: `--ink` and so on, light and dark. */
export function paletteProperties(): string {
  const block = (mode: keyof ColorPair): string =>
    Object.entries(PALETTE)
      .map(([name, pair]) => `--${name}:${pair[mode]}`)
      .join(';');
  return `:root{color-scheme:light dark;${block('light')}}@media (prefers-color-scheme:dark){:root{${block('dark')}}}`;
}

/** Style rules that turn a figure dark where the reader's screen is. */
export function figureDarkStyle(): string {
  const rules = Object.values(PALETTE).flatMap(({ light, dark }) => [
    `svg.marks [fill="${light}"]{fill:${dark}}`,
    `svg.marks [stroke="${light}"]{stroke:${dark}}`,
  ]);
  return `@media (prefers-color-scheme:dark){${rules.join('')}}`;
}
