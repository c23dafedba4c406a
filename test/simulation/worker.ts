import { plant, plantNamed } from "./plants.ts"
import { type Asked, run } from "./seeds.ts"

/** A process that runs what it is asked for, one after the other. */

const bug = process.argv[2]
if (bug !== undefined && bug !== "") plant(plantNamed(bug))
const { prepare } = await import("./simulate.ts")
prepare()
process.on("message", async (asked: Asked) => {
  process.send!(await run(asked))
})
process.on("disconnect", () => process.exit())
process.send!("ready")
