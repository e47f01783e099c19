import { defineConfig } from 'prisma/config';

/** Read by the Prisma command line only; the server applies prisma/migrations by itself. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
});
