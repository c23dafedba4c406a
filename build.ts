import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import type { Plugin, rolldown } from "rolldown"

/**
 * Makes `dist/cli` of the sources: what a node loads to serve as one file, so that its start does not
 * look for some 800 modules one by one. The launcher takes it as long as no source is newer. docs/decisions/0069
 */

const root = import.meta.dirname
// As deep as the commands: what they find beside the sources they find from there.
const output = join(root, "dist", "cli")
const served = ["cli/program.ts", "cli/commands/serve.ts", "node/serve.ts"]

/** To import these as modules reads all their members, and `WebSocket` among them loads a client never used. */
const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  resolveId: (id) => (/^(node:)?https?$/.test(id) ? `\0node:${id.replace("node:", "")}` : null),
  load: (id) =>
    id.startsWith("\0node:")
      ? `module.exports = process.getBuiltinModule(${JSON.stringify(id.slice(1))})`
      : null,
}

async function build(bundle: typeof rolldown): Promise<void> {
  rmSync(output, { recursive: true, force: true })
  const sources: string[] = []
  const serving = new Set<string>()
  const graph: Plugin = {
    name: "graph",
    buildEnd() {
      sources.push(
        ...[...this.getModuleIds()]
          .filter((id) => id.startsWith(root) && !id.includes("node_modules"))
          .map((id) => relative(root, id)),
      )
      const todo = served.map((path) => join(root, path))
      for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
        if (serving.has(id)) continue
        serving.add(id)
        todo.push(...(this.getModuleInfo(id)?.importedIds ?? []))
      }
    },
  }
  const bundled = await bundle({
    input: join(root, "cli", "main.ts"),
    platform: "node",
    // Its native part lies beside its own files.
    external: ["better-sqlite3"],
    plugins: [lazyBuiltins, graph],
    preserveEntrySignatures: "allow-extension",
    // Where something is loaded only when asked for, it is for the sake of the small commands.
    checks: { ineffectiveDynamicImport: false },
  })
  await bundled.write({
    dir: output,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ name: "serving", test: (id) => serving.has(id) }],
    },
  })
  await bundled.close()
  mkdirSync(output, { recursive: true })
  // Last: without it, what an interrupted build left is not taken.
  writeFileSync(join(output, "sources.json"), JSON.stringify([...sources.sort(), "package.json"]))
}

const bundler = await import("rolldown").catch(() => null)
if (bundler !== null) await build(bundler.rolldown)
else console.warn("Without the development packages nothing is built: comity runs its sources.")
