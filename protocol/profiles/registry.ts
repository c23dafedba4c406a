import { general } from "./general.ts"
import { introduction } from "./introduction.ts"
import { ippas } from "./ippas.ts"
import { liaison } from "./liaison.ts"
import { encodeProfile, type Profile, profileDigest } from "./profile.ts"

export type AdoptableProfile = {
  readonly profile: Profile
  readonly bytes: Uint8Array
  readonly digest: string
}

/** Every mechanism this version comes with: a new one is a file of data and a line here. */
export const builtInProfiles: readonly AdoptableProfile[] = [
  general,
  introduction,
  ippas,
  liaison,
].map((profile) => {
  const bytes = encodeProfile(profile)
  return { profile, bytes, digest: profileDigest(bytes) }
})

export function findProfileById(id: string): AdoptableProfile | null {
  return builtInProfiles.find(({ profile }) => profile.id === id) ?? null
}

export function findProfile(digest: string): AdoptableProfile | null {
  return builtInProfiles.find((built) => built.digest === digest) ?? null
}
