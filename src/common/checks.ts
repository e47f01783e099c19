/** Whether a value read from a file is what it should be. */
export type Check = (value: unknown) => boolean;

/** A text that is not empty. */
export const isText: Check = (value) => typeof value === 'string' && value !== '';

/** A number that is neither infinite nor NaN. */
export const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);

/** A list of at least one number. */
export const isNumbers: Check = (value) => Array.isArray(value) && value.length > 0 && value.every(isNumber);

/** A list of at least one number, none below the one before. */
export const isAscending: Check = (value) =>
  isNumbers(value) && (value as number[]).every((x, i, all) => i === 0 || x >= all[i - 1]!); // isNumbers holds
