import type { Action } from "../action.ts"
import { badAnswers } from "./answers.ts"
import { feeds } from "./feeds.ts"
import { logs } from "./logs.ts"
import { orders } from "./orders.ts"
import { questions } from "./questions.ts"

/** Everything that adversaries do. */
export const byzantine: readonly Action[] = [
  ...feeds,
  ...logs,
  ...orders,
  ...badAnswers,
  ...questions,
]
