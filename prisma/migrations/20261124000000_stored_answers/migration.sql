-- AlterTable
ALTER TABLE "specializations" ADD COLUMN     "answer_key" TEXT,
ADD COLUMN     "search_front" JSON,
ADD COLUMN     "stored_answer_of" UUID;

-- CreateIndex
CREATE INDEX "specializations_answer_key_idx" ON "specializations"("answer_key");
