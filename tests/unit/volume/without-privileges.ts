/** A user that owns nothing (`nobody` on most systems). */
const otherUser = 65_534

/** Runs `action` as a user who is not the superuser, who could read and write everything. */
export async function withoutPrivileges<Result>(action: () => Promise<Result>): Promise<Result> {
  if (process.geteuid?.() !== 0) return await action()
  process.seteuid?.(otherUser)
  try {
    return await action()
  } finally {
    process.seteuid?.(0)
  }
}
