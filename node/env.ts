import type { Database } from "better-sqlite3"

/**
 * Everything a node takes from the world. Real bytes, signatures, encryption and SQL run everywhere;
 * a simulation replaces these five and nothing else.
 */
export interface Env {
  readonly clock: Clock
  /** Cryptographically secure. Drawn in batches inside, so that small draws are cheap. */
  random(bytes: number): Uint8Array
  readonly transport: Transport
  readonly files: Files
  /** The encrypted database; `key` is 32 raw bytes. In memory when the home is. */
  openDatabase(key: Uint8Array): Database
  readonly log: Log
}

export interface Clock {
  /** Unix milliseconds. Orders nothing: it is shown, and it stops our own sequencer. */
  now(): number
  /** Milliseconds from an arbitrary start, never stepping back. */
  monotonic(): number
  /**
   * Resolves after `ms`, or at once when `signal` aborts. After 0: once what was written has gone out, and
   * what others have sent has been read.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Small files in the node's home. A write has reached the disk, whole or not at all, on return. */
export interface Files {
  read(name: string): Uint8Array | null
  write(name: string, bytes: Uint8Array): void
  /** In the place of bytes that are there; a power cut may leave any part of it, or of what it replaces. */
  overwrite(name: string, at: number, bytes: Uint8Array): void
  remove(name: string): void
  /** Tells this very file from a copy of it; null when it is not there, or in memory. */
  identity(name: string): string | null
  list(directory: string): readonly string[]
}

export type PeerRequest = {
  readonly method: "GET" | "POST"
  readonly url: URL
  readonly headers: Headers
  readonly body: Uint8Array
  /** Refuse a longer answer. */
  readonly maxBytes: number
  readonly signal?: AbortSignal
}

export type PeerResponse = {
  readonly status: number
  readonly headers: Headers
  readonly body: ReadableStream<Uint8Array>
}

/** One request to a peer. @throws PeerUnreachable when no answer comes */
export interface Transport {
  send(request: PeerRequest): Promise<PeerResponse>
}

/** The peer could not be reached, or its answer broke off: never a statement about its honesty. */
export class PeerUnreachable extends Error {
  override readonly name = "PeerUnreachable"
}

/** Structured, without content: ids, codes and counts only, never titles, names or text. */
export interface Log {
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}

export type LogFields = { readonly [name: string]: string | number | boolean | undefined }
