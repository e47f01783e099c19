import { meanOf } from '../../src/common/mean.js';
import { formatCount, formatMs, formatShortCount } from '../../src/report/format.js';
import { type PlotSeries, scatterPlot } from '../../src/report/plots.js';
import type { Measured, MeasuredAlone, MeasuredNet } from './measure.js';

const percent = (share: number | undefined): string => (share === undefined ? '' : (share * 100).toFixed(2));
const points = (share: number): string => `${share >= 0 ? '+' : '−'}${Math.abs(share * 100).toFixed(2)}`;

/** Mean test top-1 of a network's trainings alone; undefined without one. */
function aloneTop1({ alone }: MeasuredNet): number | undefined {
  return alone.length === 0 ? undefined : meanOf(alone.map(({ testTop1 }) => testTop1));
}

/** Extracted from a supernet, with this top-1, minus trained alone; undefined where one is missing. */
function difference(net: MeasuredNet, extracted: number | undefined): number | undefined {
  const alone = aloneTop1(net);
  return extracted === undefined || alone === undefined ? undefined : extracted - alone;
}

function aloneText(net: MeasuredNet): string {
  const each = net.alone.map(({ testTop1 }) => percent(testTop1)).join(', ');
  return net.alone.length > 1 ? `${percent(aloneTop1(net))} (${each})` : each;
}

const HEAD = [
  [
    'network',
    'MACs',
    'latency, ms',
    'from the supernet',
    'trained alone',
    'difference',
    'fine-tuned',
    'naive supernet',
  ],
  ['---', '--:', '--:', '--:', '--:', '--:', '--:', '--:'],
] as const;

function rowOf(net: MeasuredNet): readonly string[] {
  const gap = difference(net, net.supernetTop1);
  return [
    net.name,
    formatCount(net.macs),
    net.latencyMs === undefined ? '' : net.latencyMs.toFixed(3),
    percent(net.supernetTop1),
    aloneText(net),
    gap === undefined ? '' : points(gap),
    percent(net.finetuned?.testTop1),
    percent(net.naiveTop1),
  ];
}

/** What differences come to, with how sure their mean is: networks are the sample, their seeds are averaged. */
function averageText(gaps: readonly number[]): string {
  const average = meanOf(gaps);
  const spread = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - average) ** 2, 0) / Math.max(1, gaps.length - 1));
  const error = gaps.length > 1 ? ` (standard error ${percent(spread / Math.sqrt(gaps.length))})` : '';
  return `${points(average)} points${error}`;
}

function claim(measured: Measured): readonly string[] {
  const { nets, testImages } = measured;
  const gaps = nets.map((net) => difference(net, net.supernetTop1)).filter((gap) => gap !== undefined);
  if (gaps.length === 0) return ['No network has been trained alone yet.'];
  const naive = nets.map((net) => difference(net, net.naiveTop1)).filter((gap) => gap !== undefined);
  const seeds = [...new Set(nets.flatMap(({ alone }) => alone.map(({ seed }) => seed)))].length;
  const rises = eachAlone(measured, 'lastTenth');
  const flat =
    rises.length === 0
      ? ''
      : ` Held-out top-1 of the trainings alone rose by ${points(meanOf(rises))} points on average over the last tenth of their images.`;
  return [
    `From the supernet minus trained alone, mean of ${gaps.length} networks (seeds: ${seeds}): ` +
      `${averageText(gaps)}, on ${formatCount(testImages)} test images.${flat}`,
    ...(naive.length === 0
      ? []
      : [`From the naive supernet minus trained alone, mean of ${naive.length} networks: ${averageText(naive)}.`]),
  ];
}

const allAlone = (nets: readonly MeasuredNet[]): readonly MeasuredAlone[] => nets.flatMap(({ alone }) => alone);

/** A figure of the trainings alone; those that are known as a mean alone count as that. */
function eachAlone({ nets, recordedMeans }: Measured, key: 'cpuSeconds' | 'lastTenth'): readonly number[] {
  return allAlone(nets).flatMap((one) => {
    const figure = one.cpuSeconds === undefined ? recordedMeans?.[key] : one[key];
    return figure === undefined ? [] : [figure];
  });
}

/** Which of the trainings alone were not measured in this run's folder. */
function origins({ nets, recordedMeans }: Measured): readonly string[] {
  const trainings = allAlone(nets);
  const recorded = trainings.flatMap((one) => (one.recorded === undefined ? [] : [one.recorded]));
  if (recorded.length === 0) return [];
  const places = new Set(recorded.map(({ device, measuredAt }) => `${device}, ${measuredAt.slice(0, 10)}`));
  const unknown = trainings.filter(({ cpuSeconds }) => cpuSeconds === undefined).length;
  const means =
    recordedMeans === undefined || unknown === 0
      ? ''
      : `; processor time and rise of ${unknown} of them are known only as means over ${recordedMeans.trainings} trainings`;
  const share = `${recorded.length} of the ${trainings.length} trainings alone`;
  return [`Recorded, not trained for this table: ${share} (${[...places].join('; ')})${means}.`];
}

function gains({ nets }: Measured): readonly string[] {
  const tuned = nets.flatMap(({ finetuned, supernetTop1 }) =>
    finetuned === undefined || supernetTop1 === undefined
      ? []
      : [{ ...finetuned, gain: finetuned.testTop1 - supernetTop1 }],
  );
  if (tuned.length === 0) return [];
  const cpu = meanOf(tuned.map(({ cpuSeconds }) => cpuSeconds));
  return [
    `Fine-tuning gained ${points(meanOf(tuned.map(({ gain }) => gain)))} points on average over ${tuned.length} networks, ` +
      `at ${formatCount(Math.round(cpu))} CPU-seconds each.`,
  ];
}

function costs(measured: Measured): readonly string[] {
  const { cost } = measured;
  const spent = eachAlone(measured, 'cpuSeconds');
  if (cost === undefined || spent.length === 0) return [];
  const { specializationSeconds: one, evaluations, supernetSeconds } = cost;
  const alone = meanOf(spent);
  const ratio = `The next device costs ${one.toFixed(1)} CPU-seconds (search of ${formatCount(evaluations)} evaluations, extraction, calibration, measured top-1); training a network for it from scratch costs ${formatCount(Math.round(alone))}: ${formatCount(Math.round(alone / one))} times as much.`;
  if (supernetSeconds === undefined) return [ratio];
  const even = Math.ceil(supernetSeconds / (alone - one));
  return [
    ratio,
    `The supernet took at most ${formatCount(Math.round(supernetSeconds))} CPU-seconds: from ${formatCount(even)} devices on it is cheaper than a training for each.`,
  ];
}

/** The comparison as Markdown: table, what it comes to, and where and when it was measured. */
export function tableOf(measured: Measured): string {
  const known = measured.nets.filter(({ supernetTop1, alone }) => supernetTop1 !== undefined || alone.length > 0);
  const rows = known.sort((a, b) => a.macs - b.macs).map(rowOf);
  const lines = [...HEAD, ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  const { supernet, device, versions, measuredAt } = measured;
  const machine = `bespoke ${versions.bespoke}, onnxruntime ${versions.onnxruntime}, node ${versions.node}, ${device}, ${measuredAt.slice(0, 10)}`;
  const paragraphs = [...claim(measured), ...origins(measured), ...gains(measured), ...costs(measured)];
  const about = `Test top-1 in %. Supernet ${supernet.id}, weights ${supernet.sha256.slice(0, 12)}; ${machine}.`;
  return `${[lines.join('\n'), ...paragraphs, about].join('\n\n')}\n`;
}

type Cost = (net: MeasuredNet) => number | undefined;

/** A series of the networks that have both figures. */
function seriesOf(nets: readonly MeasuredNet[], name: string, cost: Cost, top1: Cost): PlotSeries {
  const found = nets.flatMap((net) => {
    const x = cost(net);
    const y = top1(net);
    return x === undefined || y === undefined ? [] : [[x, y] as const];
  });
  return { name, points: found };
}

function figure(
  { nets }: Measured,
  axis: { readonly title: string; readonly format: string },
  cost: Cost,
): Promise<string> {
  const cut = nets.filter(({ role }) => role !== 'hand');
  const hand = nets.filter(({ role }) => role === 'hand');
  const series = [
    seriesOf(cut, 'supernet', cost, ({ supernetTop1 }) => supernetTop1),
    seriesOf(cut, 'alone', cost, aloneTop1),
    seriesOf(cut, 'fine-tuned', cost, ({ finetuned }) => finetuned?.testTop1),
    seriesOf(hand, 'hand-designed', cost, aloneTop1),
    seriesOf(cut, 'naive supernet', cost, ({ naiveTop1 }) => naiveTop1),
  ].filter(({ points: found }) => found.length > 0);
  const counts = series.map(({ name, points: found }) => `${found.length} ${name}`).join(', ');
  return scatterPlot({
    title: `Test accuracy against ${axis.title}`,
    description: `Measured test top-1 against ${axis.title}: ${counts}.`,
    x: axis,
    y: { title: 'top-1', format: '.1%' },
    series,
  });
}

/** The two figures as SVG, by file name. */
export async function figuresOf(measured: Measured): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['one-training-macs.svg', await figure(measured, { title: 'MACs', format: '~s' }, ({ macs }) => macs)],
    [
      'one-training-latency.svg',
      await figure(measured, { title: 'latency, ms', format: '~r' }, ({ latencyMs }) => latencyMs),
    ],
  ]);
}

/** One line about a network, for people who wait. */
export function lineOf(net: MeasuredNet): string {
  const gap = difference(net, net.supernetTop1);
  const parts = [
    `${net.name}: ${formatShortCount(net.macs)} MACs`,
    net.latencyMs === undefined ? '' : formatMs(net.latencyMs),
    net.supernetTop1 === undefined ? '' : `supernet ${percent(net.supernetTop1)}`,
    net.alone.length === 0 ? '' : `alone ${aloneText(net)}`,
    gap === undefined ? '' : `difference ${points(gap)}`,
    net.finetuned === undefined ? '' : `fine-tuned ${percent(net.finetuned.testTop1)}`,
    net.naiveTop1 === undefined ? '' : `naive ${percent(net.naiveTop1)}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}
