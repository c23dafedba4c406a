import { ProtocolError } from "../../protocol/errors.ts"

/**
 * RFC 9421 §2: from a message and a Signature-Input member to the bytes that are signed. Only the
 * canonical serialisation of the field is read, so its text can stand in the base as it came and
 * no second serialiser can disagree with the first.
 */

export type Fields = { get(name: string): string | null }

export type RequestParts = {
  readonly method: string
  /** Host and, unless it is the scheme's own, port. */
  readonly authority: string
  readonly path: string
  /** With its question mark, or empty. */
  readonly query: string
  readonly headers: Fields
}

export type ResponseParts = {
  readonly status: number
  readonly headers: Fields
  /** What `;req` reads; of the request only fields can be covered. */
  readonly request?: { readonly headers: Fields }
}

export type MessageParts = RequestParts | ResponseParts

export type Component = {
  readonly name: string
  readonly req: boolean
  readonly key: string | null
  /** The identifier as serialised, quotes and parameters included. */
  readonly identifier: string
}

export type SignatureInput = {
  readonly label: string
  readonly components: readonly Component[]
  /** The inner list as serialised, parentheses included. */
  readonly list: string
  /** All that follows the list, as serialised; empty or beginning with a semicolon. */
  readonly parameters: string
}

const maxFieldLength = 4096
const maxComponents = 32
const maxMembers = 4

const labelPattern = /([a-z*][a-z0-9_.*-]{0,63})=\(/y
const componentPattern =
  /"(@?[a-z0-9!#$%&'*+.^_`|~-]{1,64})"(;req)?(?:;key="([a-z0-9_.*-]{1,64})")?/y
const parameterPattern = /;([a-z*][a-z0-9_.*-]{0,63})=(?:-?\d{1,15}|"[ !#-[\]-~]{0,256}")/y

/** The members of a Signature-Input field. @throws `http.malformed` */
export function parseSignatureInput(text: string): readonly SignatureInput[] {
  if (text.length > maxFieldLength) throw malformed("signature-input: length")
  const members: SignatureInput[] = []
  let at = 0

  function take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at = pattern.lastIndex
    return match
  }

  for (;;) {
    const label = take(labelPattern)?.[1]
    if (label === undefined || members.some((member) => member.label === label))
      throw malformed("signature-input: label")
    const listStart = at - 1
    const components: Component[] = []
    while (text[at] !== ")") {
      if (components.length > 0 && text[at++] !== " ") throw malformed("signature-input: list")
      const match = take(componentPattern)
      if (match === null) throw malformed("signature-input: component")
      const [identifier, name = "", req, key = null] = match
      if (
        components.some((c) => c.identifier === identifier) ||
        components.length === maxComponents
      )
        throw malformed("signature-input: component")
      components.push({ name, req: req !== undefined, key, identifier })
    }
    const list = text.slice(listStart, ++at)
    const parametersStart = at
    const names = new Set<string>()
    for (let match = take(parameterPattern); match !== null; match = take(parameterPattern)) {
      if (names.has(match[1]!)) throw malformed("signature-input: parameter")
      names.add(match[1]!)
    }
    members.push({ label, components, list, parameters: text.slice(parametersStart, at) })
    if (at === text.length) return members
    if (!text.startsWith(", ", at) || members.length === maxMembers)
      throw malformed("signature-input")
    at += 2
  }
}

/** RFC 9421 §2.5. @throws `http.malformed` for a component that the message lacks or that we do not know */
export function signatureBase(message: MessageParts, input: SignatureInput): string {
  let base = ""
  for (const component of input.components)
    base += `${component.identifier}: ${componentValue(message, component)}\n`
  return `${base}"@signature-params": ${input.list}${input.parameters}`
}

function componentValue(message: MessageParts, component: Component): string {
  const { name, req, key } = component
  if (req) {
    const request = "status" in message ? message.request : undefined
    if (request === undefined || name.startsWith("@")) throw malformed(component.identifier)
    return fieldValue(request.headers, name, key)
  }
  if (!name.startsWith("@")) return fieldValue(message.headers, name, key)
  if (key !== null) throw malformed(component.identifier)
  return derivedValue(message, name)
}

const requestShape = {
  method: /^[A-Z]{1,16}$/,
  authority: /^[A-Za-z0-9.:[\]-]{1,262}$/,
  path: /^\/[!"$->@-~]{0,2047}$/,
  query: /^(?:\?[!"$-~]{0,4095})?$/,
}

function derivedValue(message: MessageParts, name: string): string {
  if ("status" in message) {
    if (name !== "@status") throw malformed(name)
    return String(message.status)
  }
  switch (name) {
    case "@method":
      return part(message, "method")
    case "@authority":
      return part(message, "authority").toLowerCase()
    case "@path":
      return part(message, "path")
    case "@query":
      return part(message, "query") || "?"
    case "@target-uri":
      return `https://${part(message, "authority").toLowerCase()}${part(message, "path")}${part(message, "query")}`
    default:
      throw malformed(name)
  }
}

/** A line feed in any of these would begin a line of the base that nobody signed. */
function part(message: RequestParts, name: keyof typeof requestShape): string {
  const value = message[name]
  if (!requestShape[name].test(value)) throw malformed(name)
  return value
}

function fieldValue(headers: Fields, name: string, key: string | null): string {
  const value = headers.get(name)
  if (value === null || value.length > maxFieldLength || !/^[ -~]*$/.test(value))
    throw malformed(name)
  return key === null ? value : onlyMember(value, name, key)
}

/** A dictionary of one byte sequence is all that our messages carry under a key. */
function onlyMember(value: string, name: string, key: string): string {
  const member = value.slice(key.length + 1)
  if (!value.startsWith(`${key}=`) || !/^:[A-Za-z0-9+/]*={0,2}:$/.test(member))
    throw malformed(`${name};key="${key}"`)
  return member
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("http.malformed", { detail })
}
