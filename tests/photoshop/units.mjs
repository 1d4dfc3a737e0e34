// The adapter without Photoshop: the wire, read and written, and what the manifest promises.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";

import { daemonFile } from "../../adapters/photoshop/src/daemon/home.ts";
import { challenge, proof } from "../../adapters/photoshop/src/daemon/proof.ts";
import { PORTS, portOf } from "../../adapters/photoshop/src/daemon/socket.ts";
import { Turns } from "../../adapters/photoshop/src/job/turns.ts";
import { Conversation, Disconnected, Refused } from "../../adapters/photoshop/src/protocol/conversation.ts";
import { MAX_FRAME_BYTES, ProtocolError, TooLong, pack, spell, unpack } from "../../adapters/photoshop/src/protocol/frames.ts";
import { alphas, picture, rect } from "../../adapters/photoshop/src/protocol/images.ts";
import { parseJson } from "../../adapters/photoshop/src/protocol/json.ts";
import { hex, hmacSha256, sha256 } from "../../adapters/photoshop/src/protocol/sha256.ts";
import { decodeUtf8, encodeUtf8 } from "../../adapters/photoshop/src/protocol/utf8.ts";
import { VERSION } from "../../adapters/photoshop/src/version.ts";

const ROOT = process.env.UNDERPAINT_ROOT;
const adapter = (name) => `${ROOT}/adapters/photoshop/${name}`;
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const samples = read(`${ROOT}/tests/wire/frames.json`).frames;
const bytes = (text) => new Uint8Array(Buffer.from(text));

/** The bytes of a sample frame, as tests/wire/frames.json spells them. */
function spelled(parts) {
  return new Uint8Array(Buffer.concat(parts.map((part) => {
    if ("u32" in part) {
      const word = Buffer.alloc(4);
      word.writeUInt32LE(part.u32);
      return word;
    }
    if ("hex" in part) return Buffer.from(part.hex, "hex");
    return Buffer.from(part.text ?? part.repeat.repeat(part.times));
  })));
}

const good = samples.filter((sample) => "header" in sample);
const fatal = samples.filter((sample) => sample.fatal);

test("there are samples of both kinds", () => {
  assert.ok(good.length > 10 && fatal.length > 10);
});

for (const sample of good) {
  test(`the sample ${sample.name} reads as it should`, () => {
    const { header, tail } = unpack(spelled(sample.bytes), sample.max_frame_bytes ?? 65536);
    assert.equal(JSON.stringify(header), JSON.stringify(sample.header));
    assert.equal(Buffer.from(tail).toString("hex"), sample.tail);
  });
}

for (const sample of fatal) {
  test(`the sample ${sample.name} is refused`, () => {
    const data = spelled(sample.bytes);
    // A length is refused once both lengths are there; some samples hold only the first.
    const message = data.length < 8 ? new Uint8Array([...data, ...new Array(8 - data.length).fill(2)]) : data;
    assert.throws(() => unpack(message, sample.max_frame_bytes ?? 65536), (error) => {
      assert.ok(error instanceof ProtocolError, String(error));
      // For the reason the sample is there for, not because the message ends early.
      if (sample.error === "length") assert.match(error.message, /a frame of|a header of/);
      return true;
    });
  });
}

test("what we pack is what the samples hold", () => {
  let packed = 0;
  for (const sample of good) {
    const data = spelled(sample.bytes);
    if (!Buffer.from(data).includes(JSON.stringify(sample.header))) continue; // spelled with other white space
    assert.deepEqual(pack(sample.header, new Uint8Array(Buffer.from(sample.tail, "hex"))), data, sample.name);
    packed += 1;
  }
  assert.ok(packed > 10);
});

test("a frame cut short anywhere, or with something behind it, is refused", () => {
  const message = pack({ jsonrpc: "2.0", method: "x", params: {} }, bytes("tail"));
  for (let n = 0; n < message.length; n++) assert.throws(() => unpack(message.slice(0, n), 65536), ProtocolError);
  assert.throws(() => unpack(new Uint8Array([...message, 0]), 65536), ProtocolError);
});

test("JSON is read as strictly as asked", () => {
  const bad = [
    "", " ", "{", "}", "[1,]", "[,1]", "{\"a\":1,}", "{a:1}", "{'a':1}", "01", "1.", ".5", "+1", "1e", "-", "0x1", "Infinity", "-Infinity", "NaN",
    "nul", "truely", "\"\\x\"", "\"\\u12\"", "\"\t\"", "\"\n\"", "\"a", "\"\\ud800\"", "\"\\udc00\"", "\"\\udc00\\ud800\"", "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}", "1e999", "-1e999", "[1 2]", "1 2", "{\"a\" 1}", "\u00a01", "\ufeff{}", "[".repeat(33) + "]".repeat(33), "[".repeat(100000),
  ];
  for (const text of bad) assert.throws(() => parseJson(text), SyntaxError, text.slice(0, 40));
  const fine = [
    "{}", "[]", "null", " [ 1 , 2 ] ", "-0.5e-3", "1E2", "0", "\"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\\\\\"\"", "{\"__proto__\":{\"a\":1},\"constructor\":2}",
    "[".repeat(32) + "]".repeat(32), "{\"a\":[true,false,null,{\"b\":\"käse\"}]}",
  ];
  for (const text of fine) assert.equal(JSON.stringify(parseJson(text)), JSON.stringify(JSON.parse(text)), text);
  assert.equal({}.a, undefined, "a name became a prototype");
});

test("JSON of any shape reads as the language's own reader has it", () => {
  let state = 7;
  const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
  const value = (depth) => {
    const kind = random(depth > 4 ? 5 : 7);
    if (kind === 0) return null;
    if (kind === 1) return random(2) === 0;
    if (kind === 2) return random(1000000) - 500000;
    if (kind === 3) return (random(1000) - 500) / 2 ** random(60);
    if (kind === 4) return String.fromCodePoint(...Array.from({ length: random(8) }, () => [34, 92, 9, 97, 0xe9, 0x20ac, 0x1f600][random(7)]));
    if (kind === 5) return Array.from({ length: random(4) }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: random(4) }, (_, i) => [`k${i}"`, value(depth + 1)]));
  };
  for (let i = 0; i < 500; i++) {
    const text = JSON.stringify(value(0));
    assert.equal(JSON.stringify(parseJson(text)), text);
  }
});

test("UTF-8 goes both ways, and what is none is refused", () => {
  for (const text of ["", "plain", "käse €", "😀 and 日本", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", "x".repeat(20000) + "é"]) {
    assert.deepEqual(encodeUtf8(text), new Uint8Array(Buffer.from(text)));
    assert.equal(decodeUtf8(encodeUtf8(text)), text);
  }
  assert.equal(decodeUtf8(encodeUtf8("a\ud800b")), "a\ufffdb");
  for (const hex of ["80", "c0af", "c1bf", "e08080", "eda080", "edbfbf", "f0808080", "f4908080", "f5808080", "ff", "c3", "e282", "f09f98", "c328", "e28228"]) {
    assert.throws(() => decodeUtf8(new Uint8Array(Buffer.from(hex, "hex"))), SyntaxError, hex);
  }
});

/** A conversation with what it sent. */
function talk() {
  const sent = [];
  const conversation = new Conversation((message) => sent.push(unpack(message, MAX_FRAME_BYTES)));
  const hear = (header, tail) => conversation.receive(pack({ jsonrpc: "2.0", ...header }, tail));
  const greet = async (limits = {}) => {
    const greeted = conversation.hello({ name: "test", version: "1" }, "token");
    hear({ id: 0, result: { protocol: 1, server: { name: "underpaint", version: "2" }, instance: "i", caps: ["history"], limits } });
    await greeted;
    sent.length = 0;
  };
  return { conversation, sent, hear, greet };
}

test("what is too long for a message is said before it is sent", () => {
  const { conversation, sent } = talk();
  assert.throws(() => conversation.notify("x", { words: "é".repeat(33000) }), (error) => error instanceof TooLong && error.message.includes("have 660"));
  assert.throws(() => spell({ words: "x".repeat(60000) }, 8000), TooLong);
  assert.equal(spell({ words: "x".repeat(60000) }).length, 60012);
  assert.equal(sent.length, 0);
});

test("hello is said, and its answer kept", async () => {
  const { conversation, sent, hear } = talk();
  const greeted = conversation.hello({ name: "photoshop", version: "1" }, "signed");
  assert.equal(JSON.stringify(sent[0].header), JSON.stringify({
    jsonrpc: "2.0", id: 0, method: "hello",
    params: { protocol: { min: 1, max: 1 }, client: { name: "photoshop", version: "1" }, proof: "signed", caps: ["preview"] },
  }));
  hear({ id: 0, result: { protocol: 1, server: { version: "2" }, instance: "i", caps: ["history"], limits: { max_chunk_bytes: 5 } } });
  assert.deepEqual(await greeted, { instance: "i", version: "2", caps: ["history"], maxChunkBytes: 5, maxBlobBytes: 512 << 20 });
  assert.equal(conversation.chunkBytes, 5);
});

test("frames are short until hello is answered", async () => {
  const { hear, greet } = talk();
  assert.throws(() => hear({ method: "progress", params: {} }, new Uint8Array(65536)), ProtocolError);
  await greet();
  hear({ method: "progress", params: {} }, new Uint8Array(65536));
});

test("answers find their questions, also from a tail, and errors are sentences", async () => {
  const { conversation, sent, hear, greet } = talk();
  await greet();
  const [first, second, third] = ["a", "b", "c"].map((method) => conversation.request(method));
  const ids = sent.map(({ header }) => header.id);
  assert.equal(new Set(ids).size, 3);
  hear({ id: ids[2], tail: "result" }, bytes("[1,2]"));
  hear({ id: ids[0], error: { code: -32602, message: "No.", data: { kind: "invalid_params", field: "steps", hint: "Try 5." } } });
  hear({ id: 999, result: {} });
  assert.deepEqual(await third, [1, 2]);
  await assert.rejects(first, (error) => error instanceof Refused && error.message === "No. Try 5." && error.kind === "invalid_params" && error.field === "steps");
  conversation.end(new Disconnected("gone"));
  await assert.rejects(second, Disconnected);
  await assert.rejects(conversation.request("d"), Disconnected);
  assert.throws(() => hear({ id: 1 }), ProtocolError);
  assert.throws(() => hear({ id: null, error: { message: "Bad frame." } }), ProtocolError);
});

test("a blob goes out in numbered chunks, and comes in between other messages", async () => {
  const { conversation, sent, hear, greet } = talk();
  await greet({ max_chunk_bytes: 4 });
  const upload = conversation.upload(10);
  for (const piece of ["0123", "4567", "89"]) upload.write(bytes(piece));
  assert.deepEqual(sent.map(({ header }) => ({ ...header.params })), [0, 1, 2].map((chunk) => ({ blob: upload.blob, size: 10, chunk, last: chunk === 2 })));
  assert.throws(() => upload.write(bytes("x")));
  const notices = [];
  conversation.onNotice = ({ method }) => notices.push(method);
  hear({ method: "blob/put", params: { blob: "s1", size: 5, chunk: 0, last: false } }, bytes("abc"));
  hear({ method: "progress", params: {} });
  hear({ method: "blob/put", params: { blob: "s1", size: 5, chunk: 1, last: true } }, bytes("de"));
  assert.deepEqual(notices, ["progress"]);
  assert.deepEqual(conversation.blobs.take("s1"), bytes("abcde"));
  assert.throws(() => conversation.blobs.take("s1"), ProtocolError);
});

test("a blob that the daemon does not take is not sent on, and the reason is kept", async () => {
  const { conversation, sent, hear, greet } = talk();
  await greet({ max_chunk_bytes: 4, max_blob_bytes: 9 });
  assert.equal(conversation.blobBytes, 9);
  const [taken, refused] = [conversation.upload(8), conversation.upload(8)];
  refused.write(bytes("0123"));
  hear({ id: null, error: { code: -32003, message: "Too much.", data: { kind: "too_large", blob: refused.blob } } });
  assert.throws(() => refused.write(bytes("4567")), (error) => error instanceof Refused && error.message === "Too much.");
  taken.write(bytes("0123"));
  assert.deepEqual(sent.map(({ header }) => header.params.blob), [refused.blob, taken.blob]);
});

test("turns come in the order in which they were asked for", async () => {
  const turns = new Turns();
  const log = [];
  const asked = ["a", "b", "c"].map(async (name) => {
    const end = await turns.take();
    log.push(`${name} begins`);
    await null;
    log.push(`${name} ends`);
    end();
  });
  await Promise.all(asked);
  assert.deepEqual(log, ["a", "b", "c"].flatMap((name) => [`${name} begins`, `${name} ends`]));
});

test("pieces that do not continue a blob are refused", async () => {
  const put = (params, tail = "abc") => [{ method: "blob/put", params: { blob: "s1", size: 5, chunk: 0, last: false, ...params } }, bytes(tail)];
  const rows = [
    [put({ size: 0 })], [put({ size: 2 ** 40 })], [put({ size: 1.5 })], [put({ size: "5" })], [put({ blob: 7 })], [put({ chunk: 1 })], [put({}, "")],
    [put({}, "abcdef")], [put({ last: true })], [put({}), put({ chunk: 2 }, "de")], [put({}), put({ chunk: 1, size: 6 }, "de")], [put({}), put({ chunk: 1 }, "def")],
  ];
  for (const row of rows) {
    const { hear, greet } = talk();
    await greet();
    for (const message of row.slice(0, -1)) hear(...message);
    assert.throws(() => hear(...row.at(-1)), ProtocolError, JSON.stringify(row.at(-1)[0].params));
  }
});

test("images are views where rows are packed, and refused where they do not fit", () => {
  const data = new Uint8Array(64).map((_, i) => i);
  const image = { blob: "s1", w: 2, h: 2, px: "rgba8" };
  assert.deepEqual([...picture({ ...image, offset: 4 }, data).pixels], [...data.slice(4, 20)]);
  assert.equal(picture(image, data).pixels.buffer, data.buffer);
  assert.deepEqual([...picture({ ...image, stride: 12 }, data).pixels], [...data.slice(0, 8), ...data.slice(12, 20)]);
  assert.equal(picture({ ...image, color: "linear-srgb" }, data).linear, true);
  for (const wrong of [{ w: 0 }, { h: -1 }, { w: 1.5 }, { px: "rgb8" }, { px: "constructor" }, { stride: 7 }, { offset: 50 }, { offset: -1 }, { h: 1e9 }, { w: 2 ** 53 }]) {
    assert.throws(() => picture({ ...image, ...wrong }, data), ProtocolError, JSON.stringify(wrong));
  }
  for (const wrong of [null, [], {}, { x: 0, y: 0, w: 0, h: 1 }, { x: 0.5, y: 0, w: 1, h: 1 }]) assert.throws(() => rect(wrong), ProtocolError);
});

test("how opaque pixels are is told in 8 bits, whatever they have", () => {
  const rows = [
    ["rgba8", new Uint8Array([1, 2, 3, 0, 4, 5, 6, 128, 7, 8, 9, 255])],
    ["rgba16", new Uint16Array([1, 2, 3, 100, 4, 5, 6, 32896, 7, 8, 9, 65535])],
    ["rgbaf32", new Float32Array([0.1, 2, 3, 0, 0.4, 5, 6, 0.5, 7, 8, 9, 1])],
  ];
  for (const [px, samples] of rows) {
    const behind = new Uint8Array(16 + samples.byteLength);
    behind.set(new Uint8Array(samples.buffer), 16);
    assert.deepEqual([...alphas(behind.subarray(16), px)], [0, 128, 255], px);
  }
});

test("SHA-256 and HMAC are what the standards' examples say", () => {
  const unhex = (text) => new Uint8Array(Buffer.from(text, "hex"));
  // FIPS 180-4's own messages (NIST's examples), and every length around the ends of a block, as Node has it.
  const hashes = [
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"],
    ["a".repeat(1000000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
  ];
  for (const [text, digest] of hashes) assert.equal(hex(sha256(bytes(text))), digest);
  for (let n = 0; n < 200; n++) {
    const data = new Uint8Array(n).map((_, i) => (i * 37 + n) & 255);
    assert.equal(hex(sha256(data)), createHash("sha256").update(data).digest("hex"), String(n));
  }
  // RFC 4231, 4.2 to 4.8 (4.6 cuts the result to 16 bytes).
  const data = "Test Using Larger Than Block-Size Key - Hash Key First";
  const signed = [
    ["0b".repeat(20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
    [Buffer.from("Jefe").toString("hex"), "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"],
    ["aa".repeat(20), unhex("dd".repeat(50)), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"],
    [unhex("0102030405060708090a0b0c0d0e0f10111213141516171819"), unhex("cd".repeat(50)), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"],
    ["0c".repeat(20), "Test With Truncation", "a3b6167473100ee06e0c796c2955552b"],
    ["aa".repeat(131), data, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"],
    [
      "aa".repeat(131),
      "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ],
  ];
  for (const [key, message, mac] of signed) {
    const made = hmacSha256(typeof key === "string" ? unhex(key) : key, typeof message === "string" ? bytes(message) : message);
    assert.equal(hex(made).slice(0, mac.length), mac);
  }
});

test("proofs are as the samples have them", () => {
  const { proofs } = read(`${ROOT}/tests/wire/proofs.json`);
  assert.ok(proofs.length > 3);
  for (const row of proofs) {
    for (const side of ["server", "client"]) assert.equal(proof(row.token, side, row.port, row.client_nonce, row.server_nonce), row[`${side}_proof`]);
  }
});

/** Whoever is at the other end: answers our challenge with what `reply` makes of our nonce. */
async function challenged(reply, tokens = ["token", "old"]) {
  const sent = [];
  const conversation = new Conversation((message) => sent.push(unpack(message, MAX_FRAME_BYTES).header));
  const proven = challenge(conversation, 17231, tokens);
  const { id, method, params } = sent[0];
  assert.deepEqual([method, Object.keys(params)], ["challenge", ["nonce"]]);
  assert.match(params.nonce, /^[0-9a-f]{64}$/);
  conversation.receive(pack({ jsonrpc: "2.0", id, result: reply(params.nonce) }));
  const made = await proven;
  assert.equal(sent.length, 1);
  return { made, nonce: params.nonce };
}

test("nothing is proven to who has proven nothing", async () => {
  const theirs = "ab".repeat(32);
  for (const token of ["token", "old"]) {
    const { made, nonce } = await challenged((ours) => ({ nonce: theirs, proof: proof(token, "server", 17231, ours, theirs) }));
    assert.equal(made, proof(token, "client", 17231, nonce, theirs));
  }
  const strangers = [
    (ours) => proof("another", "server", 17231, ours, theirs),
    (ours) => proof("token", "server", 17232, ours, theirs), // handed on from another port
    (ours) => proof("token", "client", 17231, ours, theirs),
    (ours) => proof("token", "server", 17231, theirs, ours),
    () => proof("token", "server", 17231, "00".repeat(32), theirs), // heard before
    (ours) => proof("token", "server", 17231, ours, theirs).slice(1),
    (ours) => proof("token", "server", 17231, ours, theirs) + "0",
    () => "",
  ];
  for (const made of strangers) assert.equal((await challenged((ours) => ({ nonce: theirs, proof: made(ours) }))).made, undefined);
  const right = (ours, nonce) => ({ nonce, proof: proof("token", "server", 17231, ours, nonce) });
  for (const nonce of ["", theirs.slice(1), `${theirs}0`, theirs.toUpperCase(), `${theirs}\n`, `x ${theirs}`]) {
    await assert.rejects(challenged((ours) => right(ours, nonce)), ProtocolError, nonce);
  }
  for (const answer of [null, [], {}, { nonce: theirs }, { proof: theirs }, { nonce: 7, proof: theirs }, { nonce: theirs, proof: [theirs] }]) {
    await assert.rejects(challenged(() => answer), ProtocolError, JSON.stringify(answer));
  }
  const nonces = await Promise.all([0, 1].map(async () => (await challenged(() => ({ nonce: theirs, proof: "" }))).nonce));
  assert.notEqual(nonces[0], nonces[1]);
});

test("who has not been greeted may answer, and nothing else", () => {
  for (const header of [{ method: "progress", params: {} }, { method: "blob/put", params: { blob: "s1", size: 3, chunk: 0, last: true } }]) {
    assert.throws(() => talk().hear(header, bytes("abc")), ProtocolError);
  }
});

test("a code leads to one port", () => {
  for (const [code, place] of [["000000", 0], ["042042", 0], ["000001", 1], ["999998", 2], ["100001", 2], ["123456", 0]]) assert.equal(portOf(code), PORTS[place], code);
});

test("the daemon's files are looked for where it keeps them", () => {
  assert.equal(daemonFile("/Users/ada", "darwin", "run", "token"), "/Users/ada/.local/state/underpaint/run/token");
  assert.equal(daemonFile("C:\\Users\\Ada", "win32", "run", "endpoint.json"), "C:\\Users\\Ada\\AppData\\Local\\underpaint\\run\\endpoint.json");
});

test("the manifest asks for the daemon's ports and nothing more", () => {
  const manifest = read(adapter("manifest.json"));
  assert.equal(manifest.manifestVersion, 5);
  assert.equal(manifest.main, "index.html");
  assert.deepEqual(manifest.host, { app: "PS", minVersion: "25.0.0" });
  assert.deepEqual(Object.keys(manifest.requiredPermissions).sort(), ["localFileSystem", "network"]);
  assert.deepEqual(PORTS, [17231, 17232, 17233]);
  assert.deepEqual(manifest.requiredPermissions.network, { domains: PORTS.flatMap((port) => [`ws://127.0.0.1:${port}`, `ws://localhost:${port}`]) });
  const points = manifest.entrypoints.map(({ type, id }) => `${type} ${id}`);
  assert.deepEqual(points, ["panel underpaint", "command run", "command cancel"]);
  for (const { path } of [...manifest.icons, ...manifest.entrypoints.flatMap(({ icons }) => icons ?? [])]) {
    for (const file of [path, path.replace(".png", "@2x.png")]) assert.ok(existsSync(adapter(file)), file);
  }
});

test("one version, and no address of a package registry", () => {
  assert.equal(read(adapter("manifest.json")).version, VERSION);
  assert.equal(read(adapter("package.json")).version, VERSION);
  const lock = readFileSync(adapter("package-lock.json"), "utf8");
  assert.ok(!lock.includes("http") && !lock.includes("resolved"));
  for (const version of Object.values(read(adapter("package.json")).devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/);
});

test("the panel keeps to what UXP shows", () => {
  const style = readFileSync(adapter("style.css"), "utf8").replace(/\/\*.*?\*\//gs, "");
  for (const word of ["grid", "gap:", "box-shadow", "::before", "::after", "transition", "animation", "@import", "calc("]) assert.ok(!style.includes(word), word);
  const page = readFileSync(adapter("index.html"), "utf8");
  assert.ok(!/\son\w+=|javascript:|https?:/.test(page), "inline handlers and remote files are not for UXP");
});
