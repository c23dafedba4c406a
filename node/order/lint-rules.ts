export type Finding = {
  readonly rule: string
  /** From 1, in the file as the author wrote it. */
  readonly line: number
  readonly severity: "error" | "warning"
  readonly text: string
}

type LintRule = {
  readonly rule: string
  readonly severity: Finding["severity"]
  readonly patterns: readonly RegExp[]
  /** Only where the record names a facility, or only where it names none. */
  readonly facility?: boolean
  readonly text: string
}

const name = String.raw`\p{Lu}[\p{L}'’-]+`
const octet = String.raw`(?:25[0-5]|2[0-4]\d|1?\d?\d)`
// Numbered paragraphs look like addresses: "para 4.2.1.3".
const noParagraph = String.raw`(?<!(?:para(?:graph|s|\.)?|section|clause|article|chapter|requirement|§)\s*)`

/**
 * What should not leave a State by oversight: threat, delay and response, guards, positions,
 * addresses, open weaknesses, secrets, persons, marks above the ceiling of the network. A warning
 * asks; an error says that this is never a good practice. No rule quotes what it found.
 * docs/mechanisms.md
 */
export const lintRules: readonly LintRule[] = [
  {
    rule: "secret",
    severity: "error",
    patterns: [
      /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
      /\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|AGE-SECRET-KEY-1[0-9A-Z]{20,})\b/,
      /\b(?:pass(?:word|phrase|code)|passwd|pwd|mot de passe|contraseña|пароль|api[ _-]?key|secret[ _-]key|PIN(?: code)?)(?:\s+(?:is|est))?\s*[:=]\s*\S{3,}/iu,
      /(?:密码|口令|密碼|كلمة (?:المرور|السر))\s*(?:是|هي)?\s*[:=]\s*\S{3,}/u,
    ],
    text: "a password or key: remove it, and change it where it is in use",
  },
  {
    rule: "marking.ceiling",
    severity: "error",
    patterns: [
      /\b(?:TOP SECRET|SECRET|CONFIDENTIAL|NOFORN|COSMIC TOP SECRET|EU SECRET|GEHEIM|STRENG GEHEIM|SECRETO|TRÈS SECRET|SECRET DÉFENSE|CONFIDENTIEL DÉFENSE)\b/u,
      /(?:СОВЕРШЕННО СЕКРЕТНО|СЕКРЕТНО|سري للغاية|[绝机秘]密\s*★)/u,
    ],
    text: "a national mark above what this network may carry: classified text does not belong here",
  },
  {
    rule: "marking.national",
    severity: "warning",
    patterns: [
      /\b(?:RESTRICTED|OFFICIAL-SENSITIVE|VS-NfD|RESTREINT UE|DIFFUSION RESTREINTE|PROTECTED [ABC]|FOUO|CUI)\b/u,
      /(?:ДЛЯ СЛУЖЕБНОГО ПОЛЬЗОВАНИЯ|内部资料)/u,
    ],
    text: "a national handling mark: recipients see only the TLP marking; is the text cleared?",
  },
  {
    rule: "threat",
    severity: "warning",
    patterns: [
      /\b(?:design[ -]basis threat|DBT|adversar(?:y|ies)|insiders?|attackers?)\b[^.]*\b(?:\d+\s*(?:kg|persons?|people|attackers?|adversaries|vehicles?)|explosives?|firearms?|weapons? of)\b/iu,
      /\b\d+\s*(?:attackers?|adversaries|insiders?)\b/iu,
    ],
    text: "what the threat can do: say that it is addressed, never what it is",
  },
  {
    rule: "response",
    severity: "warning",
    patterns: [
      /\b(?:response|delay|detection|interruption|arrival|penetration)(?:[ -]force)?[ -]times?\b[^.]*\b\d+\s*(?:s|secs?|seconds?|min|minutes?|h|hours?)\b/iu,
      /\b(?:temps|délai) (?:de retard|d['’]intervention|de réponse)\b[^.]*\b\d+\s*(?:s|secondes?|min|minutes?|h|heures?)\b/iu,
      /(?:响应|延迟|到达|处置)时间[^。]*\d+\s*(?:秒|分钟|小时)/u,
      /زمن (?:الاستجابة|التأخير)[^.]*\d+\s*(?:ثانية|ثوان|دقيقة|دقائق|ساعة)/u,
    ],
    text: "a delay or response time: leave the number out",
  },
  {
    rule: "guards",
    severity: "warning",
    patterns: [
      /\b\d+\s+(?:armed |unarmed )?(?:guards?|gendarmes?|sentries|responders?|security officers?|gardes?)\b/iu,
      /\b(?:guard|shift|patrol)s? (?:change|rotate|begin|start|leave)s? (?:over )?at \d/iu,
      /\d+\s*名(?:武装)?(?:警卫|保安|守卫)/u,
    ],
    text: "the number of guards or the hour of their shifts: leave it out",
  },
  {
    rule: "position",
    severity: "warning",
    patterns: [
      /\b(?:cameras?|sensors?|detectors?|alarm stations?) (?:is |are |was |were )?(?:at the|on the|in the|located|mounted|installed|positioned) (?:at|on|in|near|behind|above|north|south|east|west|roof|gate|corner|door|fence|wall|building)/iu,
    ],
    text: "where a camera or sensor is: say what it is for, not where",
  },
  {
    rule: "coordinates",
    severity: "warning",
    patterns: [
      /(?<![\d.])[-+]?\d{1,2}\.\d{4,}\s*°?\s*[NS]?\s*[,;/ ]\s*[-+]?\d{1,3}\.\d{4,}\s*°?\s*[EWO]?(?![\d.])/u,
      /\d{1,3}\s*°\s*\d{1,2}(?:\.\d+)?\s*['′’]\s*(?:\d{1,2}(?:\.\d+)?\s*(?:["″”]|'')\s*)?[NSEWO]/iu,
      /\bgeo:-?\d|(?:@|[?&](?:q|ll)=)-?\d{1,2}\.\d{3,},-?\d{1,3}\.\d{3,}/u,
    ],
    text: "coordinates: a place is found by them without being named",
  },
  {
    rule: "network",
    severity: "warning",
    patterns: [
      new RegExp(
        String.raw`${noParagraph}(?<![\d.])${octet}(?:\.${octet}){3}(?:/\d{1,2})?(?![\d.]*\d)`,
        "iu",
      ),
      /(?<![\w:])(?=[0-9a-f:]*\d)(?=[0-9a-f:]*::|(?:[0-9a-f]+:){7})[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])/iu,
      /(?<![\w:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])/iu,
      /(?<![\p{L}\d_-])[a-z0-9-]{1,63}\.(?:local|internal|intra|lan|corp)\b/iu,
    ],
    text: "an address of a network or machine",
  },
  {
    rule: "serial",
    severity: "warning",
    patterns: [
      /\b(?:serial(?:\s+(?:no|number|nr))?|s\/n|numéro de série|seriennummer)\.?\s*[:#]?\s*(?=[a-z0-9/-]*\d)[a-z0-9][a-z0-9/-]{3,}/iu,
      /(?:序列号|الرقم التسلسلي)\s*[:#]?\s*(?=[a-z0-9/-]*\d)[a-z0-9][a-z0-9/-]{3,}/iu,
    ],
    text: "a serial number: it leads to one device",
  },
  {
    rule: "contact",
    severity: "warning",
    patterns: [
      /(?<![\p{L}\d._%+-])[\p{L}\d._%+-]{1,64}@[\p{L}\d-]+(?:\.[\p{L}\d-]+)+/u,
      /(?<![\w.])\+\d{1,3}[\d ()./-]{6,}\d/u,
      /(?:\b(?:tel|téléphone|phone|mobile|fax)\b|电话|هاتف)\.?\s*[:：]?\s*\(?\d[\d ()./-]{5,}\d/iu,
    ],
    text: "an e-mail address or telephone number: questions reach the node without one",
  },
  {
    rule: "person",
    severity: "warning",
    patterns: [
      new RegExp(
        String.raw`(?<![\p{L}\d])(?:(?:Mr|Mrs|Ms|Dr|Prof|Col|Gen|Capt|Maj|Lt|Sgt|Insp|Mme|Mlle|Sra?|Ing)\.?|M\.|Herr|Frau|Professor|Colonel|Monsieur|Madame)\s+(?:\p{Lu}\.\s*)*${name}`,
        "u",
      ),
      /[\p{Script=Han}]{1,3}(?:先生|女士|博士|教授)(?![课堂])/u,
      /(?:الدكتورة?|المهندسة?|السيدة?|العقيد|العميد|اللواء)\s*[/.]\s*\p{L}{2,}/u,
    ],
    text: "a person's name: a role says enough",
  },
  {
    rule: "weakness",
    severity: "warning",
    patterns: [
      /\bCVE-\d{4}-\d{4,}\b/iu,
      /\b(?:unpatched|unmitigated|not (?:yet )?(?:been )?(?:fixed|patched|remedied|closed)|zero[- ]day)\b/iu,
      /\bnon (?:encore )?corrigée?s?\b|尚未(?:修复|整改)/iu,
    ],
    text: "a weakness that is still open: it stays home until it is closed",
  },
  {
    rule: "weakness.facility",
    severity: "warning",
    facility: true,
    patterns: [
      /\b(?:vulnerab\w*|weakness(?:es)?|deficienc(?:y|ies)|vulnérab\w*|faiblesses?)\b/iu,
      /脆弱|漏洞|薄弱|ثغر|ضعف/u,
    ],
    text: "a weakness in a text that names a facility: leave out one of the two",
  },
  {
    rule: "facility",
    severity: "warning",
    facility: false,
    patterns: [
      new RegExp(
        String.raw`(?<![\p{L}\d'’-])(?!(?:The|A|An|Any|Each|Every|This|That|These|One|No|Our|Its|Their|Some|At|In|For|From|Of|All|If|When|New)\s)${name}(?:[ -](?:\p{Lu}[\p{L}-]+|\d))*\s+(?:NPP|[Nn]uclear [Pp]ower (?:[Pp]lant|[Ss]tation)|Power Station|[Rr]esearch [Rr]eactor)(?!\p{L})`,
        "u",
      ),
    ],
    text: "a facility named in the text: name it under `facility`, so that its operator signs, or not at all",
  },
  {
    rule: "hidden",
    severity: "warning",
    patterns: [/[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u],
    text: "invisible characters: what is read differs from what is signed",
  },
  {
    rule: "image",
    severity: "warning",
    patterns: [/!\[[^\]]*\]\(/u],
    text: "an image: it is not shown; attach the file",
  },
]

/** Every rule that a line meets, once a line. `firstLine` is the number of the first line. */
export function lintText(
  text: string,
  options: { readonly facility: boolean; readonly firstLine?: number },
): readonly Finding[] {
  const { facility, firstLine = 1 } = options
  const rules = lintRules.filter((rule) => (rule.facility ?? facility) === facility)
  return text.split("\n").flatMap((line, i) => {
    // A pattern is never let loose on a line of any length: some look back and forth.
    const pieces = piecesOf(line)
    return rules
      .filter(({ patterns }) => pieces.some((piece) => patterns.some((p) => p.test(piece))))
      .map(({ rule, severity, text: says }) => ({
        rule,
        line: firstLine + i,
        severity,
        text: says,
      }))
  })
}

const pieceLength = 2000
const pieceOverlap = 200

function piecesOf(line: string): readonly string[] {
  const folded = foldDigits(line)
  if (folded.length <= pieceLength) return [folded]
  const pieces: string[] = []
  for (let at = 0; at < folded.length; at += pieceLength - pieceOverlap)
    pieces.push(folded.slice(at, at + pieceLength))
  return pieces
}

const zeros = [0x0660, 0x06f0, 0x0966]

/** Full-width letters, and digits of Arabic, Persian and Hindi, as the patterns know them. */
function foldDigits(line: string): string {
  return line.normalize("NFKC").replace(/[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f]/g, (digit) => {
    const code = digit.charCodeAt(0)
    const zero = zeros.findLast((first) => first <= code) ?? 0
    return String(code - zero)
  })
}
