import { existsSync } from "node:fs"
import { tmpdir } from "node:os"

/** Where it makes no difference that nothing reaches a disk, nothing need wait for one. */
export const inMemory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir()
