import { open, stat } from "node:fs/promises"
import { writeFile } from "node:fs/promises"
import { text } from "node:stream/consumers"
