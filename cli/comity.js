#!/usr/bin/env node
// Plain old JavaScript: whatever Node a machine has must get as far as a clear sentence. The Node that
// this needs comes with the package; an older one would crash in the native database without a word.
import { spawn } from "node:child_process"
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs"
import * as nodeModule from "node:module"
import { homedir } from "node:os"
import { dirname, join, sep } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const here = dirname(fileURLToPath(import.meta.url))
const built = join(here, "..", "dist", "cli")

function isRecent(version) {
  const parts = version.split(".")
  const major = Number(parts[0])
  return major > 24 || (major === 24 && Number(parts[1]) >= 7)
}

function start() {
  useCompileCache()
  import(pathToFileURL(isBuilt() ? join(built, "main.js") : join(here, "main.ts")).href)
    .then((loaded) => loaded.runProcess())
    .catch((error) => {
      fail(`comity could not be started: ${error}`)
    })
}

/** The build stands for the sources until one of them is newer; without it they run as they are. */
function isBuilt() {
  const list = join(built, "sources.json")
  if (!existsSync(list)) return false
  // Node strips no types there: of an installed package the build is all that runs.
  if (here.split(sep).includes("node_modules")) return true
  try {
    const sources = JSON.parse(readFileSync(list, "utf8"))
    const builtAt = statSync(list).mtimeMs
    return sources.every((path) => statSync(join(here, "..", path)).mtimeMs <= builtAt)
  } catch (_error) {
    return false
  }
}

/** In the user's own directory: a cache in a shared one could be planted by another account. */
function useCompileCache() {
  const base =
    process.env.XDG_CACHE_HOME || process.env.LOCALAPPDATA || join(homedir() || ".", ".cache")
  if (process.env.NODE_COMPILE_CACHE === undefined && nodeModule.enableCompileCache)
    nodeModule.enableCompileCache(join(base, "comity", "compile-cache"))
}

/**
 * On a large machine V8 gives what is short-lived 128 MiB, and fills them whenever many requests come. The
 * size can't be set from inside: the process starts anew, still the same one. docs/decisions/0063
 */
const youngGeneration = "--max-semi-space-size=16"

function isServing() {
  const given = `${process.execArgv.join(" ")} ${process.env.NODE_OPTIONS || ""}`
  const isSet = /--max[-_]semi[-_]space[-_]size/.test(given)
  return process.argv.includes("serve") && !isSet && process.platform !== "win32"
}

function becomeServer() {
  const args = [process.execPath, ...process.execArgv, youngGeneration, ...process.argv.slice(1)]
  process.execve(process.execPath, args)
}

/** Beside us in a clone, beside the package where it is installed. */
function bundledNode() {
  const name = process.platform === "win32" ? "node.exe" : "node"
  let directory = here
  for (;;) {
    const path = join(directory, "node_modules", "node", "bin", name)
    if (existsSync(path) && realpathSync(path) !== realpathSync(process.execPath)) return path
    if (dirname(directory) === directory) return null
    directory = dirname(directory)
  }
}

function restartWith(node) {
  let child
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  // Before the child is there: a signal in between would end us and leave it alone.
  ;["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"].forEach((signal) => {
    process.on(signal, () => {
      // A terminal sends its own to every process in the foreground: the child has had it already.
      if (!atTerminal || signal === "SIGTERM") child.kill(signal)
    })
  })
  child = spawn(node, process.argv.slice(1), { stdio: "inherit" })
  child.on("error", (error) => {
    fail(`comity could not start the Node that comes with it (${node}): ${error.message}`)
  })
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`)
  process.exitCode = 1
}

if (isRecent(process.versions.node)) {
  if (isServing()) becomeServer()
  start()
} else {
  const node = bundledNode()
  if (node !== null) restartWith(node)
  else
    fail(
      `comity needs Node 24.7 or newer; this is Node ${process.versions.node}. Install a newer one, or run npm install in the directory of comity, which brings its own.`,
    )
}
