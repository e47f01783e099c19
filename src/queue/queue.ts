/** A message: which job to look at. The database is the truth; losing or repeating a message loses and repeats nothing. */
export interface QueueMessage {
  readonly kind: 'specialize';
  readonly id: string;
  /** Lower runs first; 0 is the usual one. */
  readonly priority?: number;
  /** Not handed out before this time, ms since the epoch. */
  readonly notBefore?: number;
}

/** The queue port: in-process by default, Bull on Redis where `REDIS_URL` is set. */
export interface Queue {
  /** Adds a message; an id that already waits is not added twice. Throws `queue-unavailable`. */
  enqueue(message: QueueMessage): Promise<void>;
  /** Starts handing messages to `handler`, `concurrency` at a time (1 unless told). A handler that throws has its message dropped: the sweeper brings it back. */
  work(handler: (message: QueueMessage) => Promise<void>, concurrency?: number): void;
  /** Messages that wait. */
  depth(): Promise<number>;
  /** Drops a waiting message, if it is there. */
  cancel(id: string): Promise<void>;
  /** True while the queue answers; used by /readyz. */
  isReady(): Promise<boolean>;
  /** Stops handing out, waits for running handlers, disconnects. */
  close(): Promise<void>;
}
