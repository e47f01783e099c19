import type { Pages } from './api/ports.js';

/** Pages drawn from reports; the plotting library is loaded with the first page, so that an idle server does not hold it. */
export const pages: Pages = {
  reportHtml: async (report) => {
    const { reportPage } = await import('./report/page.js');
    return reportPage(report);
  },
  frontSvg: async (report) => {
    const { frontPlot } = await import('./report/front-plot.js');
    return frontPlot(report);
  },
};
