-- AlterTable
ALTER TABLE "specializations" ADD COLUMN     "is_fresh" BOOLEAN NOT NULL DEFAULT false;
