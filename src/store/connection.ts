import type pg from 'pg';
import { BespokeError } from '../common/errors.js';

/** How `pg` is told to connect, and the schema that the URL names. */
export interface Connection {
  readonly config: pg.ClientConfig;
  readonly schema?: string;
}

/**
 * Reads a database URL as Prisma writes them: a `schema` parameter is Prisma's, `pg` does not know it.
 * @throws BespokeError `invalid-request` for anything but a `postgresql://` or `postgres://` URL
 */
export function connectionOf(url: string): Connection {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol))
    throw new BespokeError(
      'invalid-request',
      'DATABASE_URL must look like postgresql://user:password@host:5432/database.', // no echo: it may hold a password
    );
  const schema = parsed.searchParams.get('schema') ?? undefined;
  parsed.searchParams.delete('schema');
  // A node-postgres connection runs with the server's own setting otherwise.
  const options = schema === undefined ? '' : ` -c search_path="${schema.replaceAll(/["\\]/g, '')}"`;
  return {
    config: { connectionString: parsed.href, options: `-c TimeZone=UTC${options}`, application_name: 'bespoke' },
    ...(schema !== undefined && { schema }),
  };
}
