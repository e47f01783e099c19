import type { Contract, Operation, Schema } from './contract.js';
import { escapeHtml, inlineHtml, pageHtml, proseHtml, tableHtml } from './html.js';

function schemaName(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}

function plural(schema: Schema): string {
  return typeHtml((schema.items ?? {}) as Schema); // `items` of our schemas is one schema
}

/** What a schema takes, in one line; references are links within the page. */
function typeHtml(schema: Schema): string {
  if (typeof schema.$ref === 'string') {
    const name = escapeHtml(schemaName(schema.$ref));
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (Array.isArray(schema.oneOf)) return schema.oneOf.map((each: Schema) => typeHtml(each)).join(' or ');
  if (Array.isArray(schema.enum))
    return schema.enum.map((each) => `<code>${escapeHtml(String(each))}</code>`).join(', ');
  if (schema.const !== undefined) return `<code>${escapeHtml(String(schema.const))}</code>`;
  if (schema.type === 'array') return `list of ${plural(schema)}`;
  return `${escapeHtml([schema.type].flat().join(' or '))}${limitsHtml(schema)}`;
}

const LIMITS: Readonly<Record<string, string>> = {
  format: '',
  minimum: '≥ ',
  exclusiveMinimum: '> ',
  maximum: '≤ ',
  maxLength: 'length ≤ ',
  maxProperties: 'pairs ≤ ',
  pattern: 'like ',
};

function limitsHtml(schema: Schema): string {
  const limits = Object.entries(LIMITS)
    .filter(([key]) => schema[key] !== undefined)
    .map(([key, words]) => escapeHtml(`${words}${String(schema[key])}`));
  return limits.length === 0 ? '' : ` (${limits.join(', ')})`;
}

function propertiesHtml(schema: Schema): string {
  const required = new Set((schema.required ?? []) as readonly string[]); // a list of names, by JSON Schema
  const properties = Object.entries((schema.properties ?? {}) as Readonly<Record<string, Schema>>);
  if (properties.length === 0) return `<p>${typeHtml(schema)}</p>`;
  const rows = properties.map(([name, member]) => [
    `<code>${escapeHtml(name)}</code>${required.has(name) ? '' : ' (optional)'}`,
    typeHtml(member),
    inlineHtml(String(member.description ?? '')),
  ]);
  return tableHtml(['Member', 'Takes', ''], rows);
}

function operationHtml(operation: Operation): string {
  const parameters = operation.parameters.map((each) => [
    `<code>${escapeHtml(each.name)}</code>`,
    each.in,
    typeHtml(each.schema),
    inlineHtml(each.description),
  ]);
  const responses = Object.entries(operation.responses).map(([status, each]) => [
    status,
    inlineHtml(each.description),
    Object.entries(each.schemas)
      .map(([type, schema]) => `<code>${escapeHtml(type)}</code>${schema?.$ref ? ` ${typeHtml(schema)}` : ''}`)
      .join('<br>'),
  ]);
  return [
    `<h2 id="${operation.id}"><code>${operation.method.toUpperCase()} ${escapeHtml(operation.path)}</code></h2>`,
    `<p>${escapeHtml(operation.summary)}.</p>`,
    proseHtml(operation.description),
    parameters.length === 0 ? '' : tableHtml(['Parameter', 'In', 'Takes', ''], parameters),
    operation.body === undefined ? '' : `<p>Body: ${typeHtml(operation.body)}</p>`,
    tableHtml(['Status', 'Meaning', 'Body'], responses),
  ].join('\n');
}

/** The contract as one page that needs no script and no other host. */
export function docsPage(contract: Contract): string {
  const links = contract.operations.map(
    ({ id, method, path }) => `<li><a href="#${id}"><code>${method.toUpperCase()} ${escapeHtml(path)}</code></a></li>`,
  );
  const schemas = Object.entries(contract.schemas).map(
    ([name, schema]) =>
      `<h2 id="schema-${escapeHtml(name)}">${escapeHtml(name)}</h2>\n${proseHtml(String(schema.description ?? ''))}\n${propertiesHtml(schema)}`,
  );
  const body = [
    '<h1>Bespoke API</h1>',
    proseHtml(contract.description),
    '<p>The same as a machine reads it: <a href="/openapi.yaml">openapi.yaml</a> (OpenAPI 3.1).</p>',
    `<nav aria-label="Operations"><ul>${links.join('\n')}</ul></nav>`,
    ...contract.operations.map(operationHtml),
    ...schemas,
  ];
  return pageHtml('Bespoke API', body.join('\n'));
}
