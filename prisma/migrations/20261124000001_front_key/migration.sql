-- AlterTable
ALTER TABLE "specializations" ADD COLUMN     "front_key" TEXT;

-- CreateIndex
CREATE INDEX "specializations_front_key_created_at_idx" ON "specializations"("front_key", "created_at" DESC);
