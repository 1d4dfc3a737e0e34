/** UTF-8 there and back. UXP has no TextEncoder everywhere, and the protocol wants bad bytes refused, not mended. */

/** Text as UTF-8; half a surrogate pair, which UTF-8 cannot carry, becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  let n = 0;
  for (const character of text) {
    let code = character.codePointAt(0)!;
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    if (code < 0x80) {
      bytes[n++] = code;
      continue;
    }
    const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    bytes[n++] = [0, 0xc0, 0xe0, 0xf0][more]! | (code >> (6 * more));
    for (let i = more - 1; i >= 0; i--) bytes[n++] = 0x80 | ((code >> (6 * i)) & 0x3f);
  }
  return bytes.subarray(0, n);
}

/** UTF-8 as text. `SyntaxError` for bytes that are none: cut short, overlong, a surrogate, beyond U+10FFFF. */
export function decodeUtf8(bytes: Uint8Array): string {
  const parts: string[] = [];
  let units: number[] = [];
  for (let i = 0; i < bytes.length;) {
    const first = bytes[i++]!;
    if (first < 0x80) {
      units.push(first);
    } else {
      const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
      if (more === 0 || i + more > bytes.length) throw new SyntaxError("bytes that are not UTF-8");
      let code = first & (0x3f >> more);
      for (let k = 0; k < more; k++) {
        const next = bytes[i++]!;
        if (next >> 6 !== 2) throw new SyntaxError("bytes that are not UTF-8");
        code = (code << 6) | (next & 0x3f);
      }
      const least = [0, 0x80, 0x800, 0x10000][more]!;
      if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) throw new SyntaxError("bytes that are not UTF-8");
      if (code < 0x10000) units.push(code);
      else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
    if (units.length > 4096) {
      parts.push(String.fromCharCode(...units));
      units = [];
    }
  }
  return parts.join("") + String.fromCharCode(...units);
}
