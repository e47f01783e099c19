import { expect, test } from 'vitest';
import { escapeHtml, proseHtml, tableHtml } from '../../../src/api/html.js';

test('what has a meaning in HTML is escaped', () => {
  expect(escapeHtml(`<a href="x" title='y'>&</a>`)).toBe(
    '&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;&lt;/a&gt;',
  );
});

test('prose keeps its paragraphs and its code, and nothing else', () => {
  expect(proseHtml('One `a<b`.\n\nTwo <b>.')).toBe('<p>One <code>a&lt;b</code>.</p>\n<p>Two &lt;b&gt;.</p>');
});

test('a table has a line per row', () => {
  expect(tableHtml(['A<'], [['1'], ['2']])).toContain('<th scope="col">A&lt;</th>');
  expect(tableHtml(['A'], [['1'], ['2']]).match(/<tr>/g)).toHaveLength(3);
});
