import { encodeCanonical } from "../canonical.ts"
import { cns } from "./cns.ts"
import { cog } from "./cog.ts"
import { cppnm14 } from "./cppnm-14.ts"
import { dialogue } from "./dialogue.ts"
import { general } from "./general.ts"
import { gnssn } from "./gnssn.ts"
import { icaoUsap } from "./icao-usap.ts"
import { infcirc869 } from "./infcirc-869.ts"
import { inpo } from "./inpo.ts"
import { insserv } from "./insserv.ts"
import { introduction } from "./introduction.ts"
import { ippas } from "./ippas.ts"
import { jointConvention } from "./joint-convention.ts"
import { liaison } from "./liaison.ts"
import { osart } from "./osart.ts"
import { prascGeneric } from "./prasc-generic.ts"
import { decodeProfile, type Profile, profileDigest } from "./profile.ts"
import { uncac } from "./uncac.ts"
import { unscr1540 } from "./unscr-1540.ts"
import { untoc } from "./untoc.ts"
import { wano } from "./wano.ts"
import { winsBilateral } from "./wins-bilateral.ts"

export type AdoptableProfile = {
  readonly profile: Profile
  readonly bytes: Uint8Array
  readonly digest: string
}

/**
 * Every mechanism this version comes with: a new one is a file of data and a line here. That each is well
 * formed is judged by the tests, not by every start of every command.
 */
export const builtInProfiles: readonly AdoptableProfile[] = [
  ...[
    general,
    introduction,
    liaison,
    ippas,
    cns,
    jointConvention,
    osart,
    prascGeneric,
    gnssn,
    inpo,
    wano,
    cog,
    uncac,
  ],
  ...[untoc, insserv, infcirc869, cppnm14, unscr1540, icaoUsap, winsBilateral],
  dialogue,
].map((profile) => {
  const bytes = encodeCanonical(profile)
  return { profile, bytes, digest: profileDigest(bytes) }
})

/** Profiles that members of this process have brought in from files, by digest. */
const brought = new Map<string, AdoptableProfile>()

/**
 * Makes a profile from a file known here. It has no effect until officers adopt its digest.
 *
 * @throws `profile.malformed`
 */
export function bringProfile(bytes: Uint8Array): AdoptableProfile {
  const profile = decodeProfile(bytes)
  const digest = profileDigest(bytes)
  const known = findProfile(digest) ?? { profile, bytes, digest }
  if (!builtInProfiles.includes(known)) brought.set(digest, known)
  return known
}

/** The newest version of a profile, of those that came with this version or of those adopted. */
export function findProfileById(id: string, adopted?: readonly string[]): AdoptableProfile | null {
  const known = [...builtInProfiles, ...(adopted === undefined ? [] : brought.values())]
  const named = known.filter(({ profile }) => profile.id === id)
  const ours = named.filter(({ digest }) => adopted === undefined || adopted.includes(digest))
  // One that is not adopted can be drafted under, and is refused by name where it matters.
  return (ours.length > 0 ? ours : named).reduce<AdoptableProfile | null>(
    (a, b) => (a !== null && a.profile.version >= b.profile.version ? a : b),
    null,
  )
}

/** Whether whoever has this software knows it without being told. */
export function isBuiltIn(digest: string): boolean {
  return builtInProfiles.some((built) => built.digest === digest)
}

export function findProfile(digest: string): AdoptableProfile | null {
  return builtInProfiles.find((built) => built.digest === digest) ?? brought.get(digest) ?? null
}
