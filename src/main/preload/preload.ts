// Replaced by the real script; kept so that the build has an entry.
export {}
