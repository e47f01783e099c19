-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateEnum
CREATE TYPE "specialization_status" AS ENUM ('queued', 'running', 'succeeded', 'failed', 'canceled');

-- CreateTable
CREATE TABLE "specializations" (
    "id" UUID NOT NULL,
    "status" "specialization_status" NOT NULL DEFAULT 'queued',
    "stage" TEXT,
    "progress" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "lost_leases" INTEGER NOT NULL DEFAULT 0,
    "worker_id" TEXT,
    "lease_expires_at" TIMESTAMPTZ(3),
    "cancel_requested" BOOLEAN NOT NULL DEFAULT false,
    "request" JSON NOT NULL,
    "problem" JSON,
    "result" JSON,
    "report" JSON,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "supernet_id" TEXT NOT NULL,
    "hardware_id" TEXT NOT NULL,
    "labels" JSONB NOT NULL DEFAULT '{}',
    "arch_id" TEXT,
    "measured_top1" DOUBLE PRECISION,
    "latency_ms" DOUBLE PRECISION,
    "macs" BIGINT,
    "artifact_sha" TEXT,
    "idempotency_key" TEXT,
    "idempotency_body_hash" TEXT,

    CONSTRAINT "specializations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "artifacts" (
    "sha256" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "opset" INTEGER NOT NULL,
    "exporter_revision" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "artifacts_pkey" PRIMARY KEY ("sha256")
);

-- CreateTable
CREATE TABLE "artifact_chunks" (
    "sha256" TEXT NOT NULL,
    "index" INTEGER NOT NULL,
    "bytes" BYTEA NOT NULL,

    CONSTRAINT "artifact_chunks_pkey" PRIMARY KEY ("sha256","index")
);

-- CreateIndex
CREATE UNIQUE INDEX "specializations_idempotency_key_key" ON "specializations"("idempotency_key");

-- CreateIndex
CREATE INDEX "specializations_created_at_id_idx" ON "specializations"("created_at" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "specializations_status_created_at_idx" ON "specializations"("status", "created_at");

-- CreateIndex
CREATE INDEX "specializations_artifact_sha_idx" ON "specializations"("artifact_sha");

-- AddForeignKey
ALTER TABLE "specializations" ADD CONSTRAINT "specializations_artifact_sha_fkey" FOREIGN KEY ("artifact_sha") REFERENCES "artifacts"("sha256") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "artifact_chunks" ADD CONSTRAINT "artifact_chunks_sha256_fkey" FOREIGN KEY ("sha256") REFERENCES "artifacts"("sha256") ON DELETE CASCADE ON UPDATE CASCADE;


-- What Prisma's schema language cannot say; `prisma migrate diff` does not look at these.

-- Weights do not compress: store chunks as they are, which makes byte ranges cheap.
ALTER TABLE "artifact_chunks" ALTER COLUMN "bytes" SET STORAGE EXTERNAL;
ALTER TABLE "artifact_chunks" ADD CONSTRAINT "artifact_chunks_size" CHECK (octet_length("bytes") BETWEEN 1 AND 1048576);
ALTER TABLE "artifacts" ADD CONSTRAINT "artifacts_sha256_form" CHECK ("sha256" ~ '^[0-9a-f]{64}$');
ALTER TABLE "specializations" ADD CONSTRAINT "specializations_progress_range" CHECK ("progress" BETWEEN 0 AND 1);
-- A running row has a holder and a lease; a finished one has neither a stage nor a lease.
ALTER TABLE "specializations" ADD CONSTRAINT "specializations_running_has_lease"
  CHECK (("status" = 'running') = ("lease_expires_at" IS NOT NULL));
ALTER TABLE "specializations" ADD CONSTRAINT "specializations_finished_has_time"
  CHECK (("status" IN ('succeeded', 'failed', 'canceled')) = ("finished_at" IS NOT NULL));
