/** Pages that the server writes itself. Plain text in, escaped; the same policy of content as the window. */
export function messagePage(title: string, sentences: readonly string[]): Uint8Array<ArrayBuffer> {
  const body = sentences.map((sentence) => `<p>${escapeHtml(sentence)}</p>`).join('')
  return new TextEncoder().encode(
    `<!doctype html><html lang="en-GB"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>` +
      '<style>body{font:15px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;' +
      'background:#161616;color:#f0f0f0}h1{font-size:1.3rem}</style>' +
      `</head><body><main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>`,
  )
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
}
