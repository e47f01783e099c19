import { formatCount, formatFraction } from './format.js';
import type { SearchPointView } from './model.js';
import { linePlot } from './plots.js';

/** Best predicted top-1 so far over the number of evaluated candidates, as SVG. */
export function searchPlot({ searchHistory }: { readonly searchHistory: readonly SearchPointView[] }): Promise<string> {
  const last = searchHistory.at(-1);
  const reached =
    last === undefined
      ? 'no point was recorded'
      : `${formatFraction(last.bestTop1)} after ${formatCount(last.evaluations)}`;
  return linePlot({
    title: 'Search',
    description: `Best predicted top-1 over evaluated candidates: ${reached}.`,
    x: { title: 'evaluations of the predictor', format: '~s' },
    y: { title: 'best predicted top-1', format: '.1%' },
    series: [
      {
        name: 'best predicted top-1',
        points: searchHistory.map(({ evaluations, bestTop1 }) => [evaluations, bestTop1]),
      },
    ],
  });
}
