/** Messages of errors begin in lower case and have no full stop, for the command line; here they are sentences. Paths stay. */
export function asSentence(text: string): string {
  const begun = /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`
}
