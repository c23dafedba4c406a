import type { ComityRecord } from "../../protocol/record/record.ts"
import { lintText } from "./lint-rules.ts"

/**
 * Which State a text is about, by its name or by what its people are called. It reads words, not meaning:
 * a practice that only one State can have is found by nobody but a reader.
 */

/** ISO 3166-1 codes with what comes from there: the stem, where endings vary, ends in `-`. */
const peoples = `
AE Emirati AF Afghan AL Albanian AM Armenian AO Angolan AR Argentin- AT Austrian AU Australian AZ Azerbaijani
BA Bosnian BD Bangladeshi BE Belgian BF Burkinabe BG Bulgarian BH Bahraini BI Burundian BJ Beninese BN Bruneian
BO Bolivian BR Brazilian BT Bhutanese BW Botswanan BY Belarusian CA Canadian CD Congolese CH Swiss CI Ivorian
CL Chilean CM Cameroonian CN Chinese CO Colombian CR Costa#Rican CU Cuban CY Cypriot CZ Czech DE German
DJ Djiboutian DK Danish DO Dominican DZ Algerian EC Ecuadorian EE Estonian EG Egyptian ER Eritrean ES Spanish
ET Ethiopian FI Finnish FJ Fijian FR French GA Gabonese GB British GE Georgian GH Ghanaian GM Gambian GN Guinean
GR Greek GT Guatemalan GY Guyanese HN Honduran HR Croatian HT Haitian HU Hungarian ID Indonesian IE Irish
IL Israeli IN Indian IQ Iraqi IR Iranian IS Icelandic IT Italian JM Jamaican JO Jordanian JP Japanese KE Kenyan
KG Kyrgyz KH Cambodian KP North#Korean KR South#Korean KW Kuwaiti KZ Kazakh- LA Laotian LB Lebanese LK Sri#Lankan
LR Liberian LT Lithuanian LU Luxembourgish LV Latvian LY Libyan MA Moroccan MC Monegasque MD Moldovan
ME Montenegrin MG Malagasy MK Macedonian ML Malian MM Burmese MN Mongolian MR Mauritanian MT Maltese
MU Mauritian MV Maldivian MW Malawian MX Mexican MY Malaysian MZ Mozambican NA Namibian NE Nigerien NG Nigerian
NI Nicaraguan NL Dutch NO Norwegian NP Nepal- NZ New#Zealander OM Omani PA Panamanian PE Peruvian PH Philippine
PK Pakistani PL Polish PT Portuguese PY Paraguayan QA Qatari RO Romanian RS Serbian RU Russian RW Rwandan
SA Saudi SD Sudanese SE Swedish SG Singaporean SI Sloven- SK Slovak- SN Senegalese SO Somali SR Surinamese
SV Salvadoran SY Syrian TD Chadian TG Togolese TH Thai TJ Tajik TM Turkmen TN Tunisian TR Turkish
TT Trinidadian TW Taiwanese TZ Tanzanian UA Ukrainian UG Ugandan US American UY Uruguayan UZ Uzbek
VA Vatican VE Venezuelan VN Vietnamese YE Yemeni ZA South#African ZM Zambian ZW Zimbabwean`

/** Short forms that official lists of names leave out. */
const shortNames = [
  "UAE",
  "USA",
  "U.S.",
  "UK",
  "U.K.",
  "Great Britain",
  "Holland",
  "Russia",
  "Korea",
]

const languages = ["en", "fr", "es", "ru", "ar", "zh"] as const
let pattern: RegExp | null = null

function statePattern(): RegExp {
  if (pattern !== null) return pattern
  const found = [...peoples.matchAll(/\b([A-Z]{2}) ([A-Z][\p{L}#]+-?)/gu)]
  const names = new Set<string>(shortNames)
  for (const [, code, people] of found) {
    names.add(people!.replaceAll("#", " "))
    for (const language of languages) {
      const name = new Intl.DisplayNames(language, { type: "region" }).of(code!)
      if (name !== undefined) names.add(name)
    }
  }
  const words = [...names].sort((a, b) => b.length - a.length).map(escaped)
  pattern = new RegExp(`(?<!\\p{L})(?:${words.join("|")})`, "u")
  return pattern
}

/** A stem goes on with letters, a word ends; scripts without spaces know neither. */
function escaped(word: string): string {
  const isStem = word.endsWith("-")
  const text = (isStem ? word.slice(0, -1) : word).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  if (/\p{Script=Han}/u.test(word)) return text
  // Russian names change their ending, Arabic ones take a particle in front.
  if (/^\p{Script=Cyrillic}{5,}$/u.test(word)) return `${text.slice(0, -1)}\\p{L}{0,3}(?!\\p{L})`
  if (/^\p{Script=Arabic}/u.test(word)) return `[وبلفك]?${text}(?!\\p{L})`
  return `${text}${isStem ? "\\p{L}*" : ""}(?!\\p{L})`
}

/** The lines, from 1, in which a State is named. */
export function statesNamed(source: string): readonly number[] {
  const states = statePattern()
  return source.split("\n").flatMap((line, i) => (states.test(line) ? [i + 1] : []))
}

/** What in a record's text names a State or a facility, as far as asked; never repeats the name. */
export function tracesIn(
  record: Pick<ComityRecord, "title" | "body" | "fields">,
  unnamed: { readonly facility: boolean; readonly state: boolean },
): readonly string[] {
  const text = [record.title, ...Object.values(record.fields), record.body].join("\n")
  const found: string[] = []
  if (unnamed.state && statesNamed(text).length > 0) found.push("a State")
  const isFacility = ({ rule }: { readonly rule: string }) => rule === "facility"
  if (unnamed.facility && lintText(text, { facility: false }).some(isFacility))
    found.push("a facility")
  return found
}
