import { NodeError } from "../errors.ts"

/** The database contradicts itself: a flipped bit, a copied file, a second writer. */
export class StoreDamage extends NodeError {
  constructor(detail: string) {
    super("store.corrupt", `The database contradicts itself (${detail}).`, {
      hint: "Stop the node and run `comity doctor`; nothing is signed in this state.",
    })
  }
}
