// Made by `npm run build` from src/. Do not edit.
"use strict";(()=>{var __require=(x=>typeof require!=="undefined"?require:typeof Proxy!=="undefined"?new Proxy(x,{get:(a,b)=>(typeof require!=="undefined"?require:a)[b]}):x)(function(x){
if(typeof require!=="undefined")return require.apply(this,arguments);throw Error('Dynamic require of "'+x+'" is not supported')});var import_uxp2=__require("uxp");var MAX_DEPTH=32;var NUMBER=/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;var PLAIN=/[^"\\\u0000-\u001f]*/y;var ESCAPES={'"':'"',"\\":"\\","/":"/",b:"\
\b",f:"\f",n:"\n",r:"\r",t:"	"};var WORDS=[["true",true],["false",false],["null",null]];var LONE=/[\ud800-\udbff](?![\udc00-\udfff])|(?:[^\ud800-\udbff]|^)[\udc00-\udfff]/;
function parseJson(text){let at=0;const fail=what=>{throw new SyntaxError(`${what} at character ${at}`)};const space=()=>{while(at<text.length&&" 	\n\r".includes(
text[at]))at++};const match=pattern=>{pattern.lastIndex=at;const found2=pattern.exec(text)?.[0]??"";at+=found2.length;return found2};const value=depth2=>{space();
const first=text[at];if(first==="{"||first==="["){if(depth2===MAX_DEPTH)fail(`nested more than ${MAX_DEPTH} deep`);at++;return first==="{"?object(depth2+1):list(
depth2+1)}if(first==='"')return string();for(const[word,meaning]of WORDS){if(text.startsWith(word,at)){at+=word.length;return meaning}}const number=match(NUMBER);
if(number==="")fail("not JSON");if(!Number.isFinite(Number(number)))fail("a number too large");return Number(number)};const each=(end,item)=>{space();if(text[at]===
end){at++;return}for(;;){item();space();const mark=text[at++];if(mark===end)return;if(mark!==",")fail("not JSON")}};const list=depth2=>{const found2=[];each("]",
()=>found2.push(value(depth2)));return found2};const object=depth2=>{const found2=Object.create(null);each("}",()=>{space();if(text[at]!=='"')fail("not JSON");const name=string();
if(name in found2)fail("a name that occurs twice");space();if(text[at++]!==":")fail("not JSON");found2[name]=value(depth2)});return found2};const string=()=>{at++;
let found2="";for(;;){found2+=match(PLAIN);const mark=text[at++];if(mark==='"')break;if(mark!=="\\")fail("not JSON");const escape=text[at++]??"";if(escape==="u"){
const hex2=text.slice(at,at+4);if(!/^[0-9a-fA-F]{4}$/.test(hex2))fail("not JSON");at+=4;found2+=String.fromCharCode(parseInt(hex2,16))}else{found2+=ESCAPES[escape]??
fail("not JSON")}}if(LONE.test(found2))fail("half a surrogate pair");return found2};const found=value(0);space();if(at!==text.length)fail("more than one value");
return found}function encodeUtf8(text){const bytes2=new Uint8Array(text.length*3);let n=0;for(const character of text){let code=character.codePointAt(0);if(code>=55296&&code<
57344)code=65533;if(code<128){bytes2[n++]=code;continue}const more=code<2048?1:code<65536?2:3;bytes2[n++]=[0,192,224,240][more]|code>>6*more;for(let i=more-1;i>=
0;i--)bytes2[n++]=128|code>>6*i&63}return bytes2.subarray(0,n)}function decodeUtf8(bytes2){const parts=[];let units=[];for(let i=0;i<bytes2.length;){const first=bytes2[i++];
if(first<128){units.push(first)}else{const more=first>=194&&first<224?1:first>=224&&first<240?2:first>=240&&first<245?3:0;if(more===0||i+more>bytes2.length)throw new SyntaxError(
"bytes that are not UTF-8");let code=first&63>>more;for(let k=0;k<more;k++){const next=bytes2[i++];if(next>>6!==2)throw new SyntaxError("bytes that are not UTF-\
8");code=code<<6|next&63}const least=[0,128,2048,65536][more];if(code<least||code>1114111||code>=55296&&code<57344)throw new SyntaxError("bytes that are not UTF\
-8");if(code<65536)units.push(code);else units.push(55296+(code-65536>>10),56320+(code-65536&1023))}if(units.length>4096){parts.push(String.fromCharCode(...units));
units=[]}}return parts.join("")+String.fromCharCode(...units)}var MAX_HEADER_BYTES=64*1024;var MAX_FRAME_BYTES=8*1024*1024+64*1024;var HELLO_FRAME_BYTES=64*1024;var ProtocolError=class extends Error{};var TooLong=class extends Error{};
function spell(header,more=0){const text=encodeUtf8(JSON.stringify(header));const most=MAX_HEADER_BYTES-more;if(text.length>most)throw new TooLong(`All texts to\
gether have ${text.length} bytes, and at most ${most} can be sent. Shorten the prompts, or what filters are given.`);return text}function pack(header,tail=new Uint8Array(
0)){const text=spell(header);const message=new Uint8Array(8+text.length+tail.length);const lengths=new DataView(message.buffer);lengths.setUint32(0,4+text.length+
tail.length,true);lengths.setUint32(4,text.length,true);message.set(text,8);message.set(tail,8+text.length);return message}function unpack(message,maxFrameBytes){
if(message.length<8)throw new ProtocolError(`a message of ${message.length} bytes`);const lengths=new DataView(message.buffer,message.byteOffset,8);const total=lengths.
getUint32(0,true);const headerBytes=lengths.getUint32(4,true);if(total<6||total>maxFrameBytes){throw new ProtocolError(`a frame of ${total} bytes; 6 to ${maxFrameBytes}\
 are allowed`)}if(headerBytes<2||headerBytes>Math.min(MAX_HEADER_BYTES,total-4)){throw new ProtocolError(`a header of ${headerBytes} bytes in a frame of ${total}`)}
if(message.length!==total+4){throw new ProtocolError(`a frame of ${total} bytes in a message of ${message.length}`)}const header=readJson(message.subarray(8,8+headerBytes));
return{header:asMembers(header,"a header that is not a JSON object"),tail:message.subarray(8+headerBytes)}}function readJson(bytes2){try{return parseJson(decodeUtf8(
bytes2))}catch(error){throw new ProtocolError(`a message that is not JSON: ${error instanceof Error?error.message:error}`)}}function asMembers(value,otherwise){
if(typeof value!=="object"||value===null||Array.isArray(value))throw new ProtocolError(otherwise);return value}var MAX_BLOB_BYTES=1<<30;var Blobs=class{constructor(){this.begun=new Map;this.complete=new Map}receive(params,piece){const{blob,size,chunk,last}=params;if(typeof blob!==
"string"||!Number.isSafeInteger(size)||size<1||size>MAX_BLOB_BYTES){throw new ProtocolError("a blob without name or of impossible size")}if(chunk===0)this.begun.
set(blob,{data:new Uint8Array(size),have:0,chunks:0});const begun=this.begun.get(blob);if(!begun||begun.chunks!==chunk||begun.data.length!==size||begun.have+piece.
length>begun.data.length||piece.length===0){throw new ProtocolError(`a piece of blob ${blob} that does not continue it`)}begun.data.set(piece,begun.have);begun.
have+=piece.length;begun.chunks+=1;if(last===true){this.begun.delete(blob);if(begun.have!==begun.data.length)throw new ProtocolError(`blob ${blob} ended early`);
this.complete.set(blob,begun.data)}}take(blob){const data=this.complete.get(blob);if(!data)throw new ProtocolError(`the daemon speaks of a blob ${blob} that it \
never sent`);this.complete.delete(blob);return data}};var Disconnected=class extends Error{};var Refused=class extends Error{constructor(error){const said=isMembers(error)?error:{};const data=isMembers(said.data)?said.
data:{};const hint=typeof data.hint==="string"?` ${data.hint}`:"";super((typeof said.message==="string"?said.message:"Underpaint answered with an error it did n\
ot explain.")+hint);this.kind=typeof data.kind==="string"?data.kind:"internal";this.field=typeof data.field==="string"?data.field:void 0}};var Conversation=class{constructor(send){
this.send=send;this.onNotice=()=>{};this.blobs=new Blobs;this.refusals=new Map;this.pending=new Map;this.nextId=1;this.blobCount=0}async hello(client,proof2){const params={
protocol:{min:1,max:1},client,proof:proof2,caps:["preview"]};const answer=asMembers(await this.ask(0,"hello",params),"an answer to hello that is none");return this.
server=readServer(answer)}request(method,params={}){return this.begin(method,params).answer}begin(method,params){const id=this.nextId++;return{id,answer:this.ask(
id,method,params)}}ask(id,method,params){return new Promise((resolve,reject)=>{if(this.ended)return reject(this.ended);this.pending.set(id,{resolve,reject});this.
send(pack({jsonrpc:"2.0",id,method,params}))})}notify(method,params,tail){if(!this.ended)this.send(pack({jsonrpc:"2.0",method,params},tail))}get chunkBytes(){return Math.
max(1,Math.min(this.server?.maxChunkBytes??1<<20,MAX_FRAME_BYTES-MAX_HEADER_BYTES-8))}get blobBytes(){return this.server?.maxBlobBytes??0}upload(size){this.blobCount+=
1;return new Upload(this,`c${this.blobCount}`,size)}receive(message){const{header,tail}=unpack(message,this.server?MAX_FRAME_BYTES:HELLO_FRAME_BYTES);if(!this.server&&
"method"in header)throw new ProtocolError("a message that is no answer");const params=isMembers(header.params)?header.params:{};if(header.method==="blob/put")return this.
blobs.receive(params,tail);if(typeof header.method==="string")return this.onNotice({method:header.method,params,tail});if(!("error"in header)&&!("result"in header)&&
header.tail!=="result"){throw new ProtocolError("a message that is neither an answer nor an event")}if(header.id===null||header.id===void 0){const data=isMembers(
header.error)&&isMembers(header.error.data)?header.error.data:{};if(typeof data.blob==="string")return void this.refusals.set(data.blob,new Refused(header.error));
throw new ProtocolError(new Refused(header.error).message)}const pending=this.pending.get(header.id);if(!pending)return;this.pending.delete(header.id);if("error"in
header)return pending.reject(new Refused(header.error));const result="result"in header?header.result:readJson(tail);if(header.id===0&&isMembers(result)&&!this.server)
this.server=readServer(result);pending.resolve(result)}end(error){this.ended=error;const waiting=[...this.pending.values()];this.pending.clear();for(const{reject}of waiting)
reject(error)}};var Upload=class{constructor(conversation,blob,size){this.conversation=conversation;this.blob=blob;this.size=size;this.sent=0;this.chunk=0}write(piece){
const refused=this.conversation.refusals.get(this.blob);if(refused)throw refused;this.sent+=piece.length;if(this.sent>this.size)throw new Error(`blob ${this.blob}\
: ${this.sent} bytes given, ${this.size} announced`);const params={blob:this.blob,size:this.size,chunk:this.chunk,last:this.sent===this.size};this.conversation.
notify("blob/put",params,piece);this.chunk+=1}};function isMembers(value){return typeof value==="object"&&value!==null&&!Array.isArray(value)}function readServer(answer){
const server=isMembers(answer.server)?answer.server:{};const limits=isMembers(answer.limits)?answer.limits:{};const text=value=>typeof value==="string"?value:"";
const number=(value,otherwise)=>typeof value==="number"?value:otherwise;return{instance:text(answer.instance),version:text(server.version),caps:Array.isArray(answer.
caps)?answer.caps.map(cap=>text(cap)):[],maxChunkBytes:number(limits.max_chunk_bytes,1<<20),maxBlobBytes:number(limits.max_blob_bytes,512<<20)}}var VERSION="0.1.0";var import_fs=__require("fs");var import_os=__require("os");var import_uxp=__require("uxp");function daemonFile(home,system,...names){const[folder,mark]=system==="win32"?[["AppData","Local","underpaint"],"\\"]:[[".local","state","underpaint"],"/"];return[
home,...folder,...names].join(mark)}var TOKEN_KEY="underpaint.token";async function readPublished(){try{const path=name=>`file:${daemonFile((0,import_os.homedir)(),(0,import_os.platform)(),"run",name)}`;
const endpoint=parseJson(await(0,import_fs.readFile)(path("endpoint.json"),{encoding:"utf-8"}));if(!isMembers(endpoint))return void 0;const file=typeof endpoint.
token_file==="string"?endpoint.token_file:"token";if(!/^[A-Za-z0-9_.-]+$/.test(file))return void 0;const token=(await(0,import_fs.readFile)(path(file),{encoding:"\
utf-8"})).trim();return{port:typeof endpoint.ws_port==="number"?endpoint.ws_port:void 0,token}}catch{return void 0}}async function storedToken(){try{const bytes2=await import_uxp.storage.
secureStorage.getItem(TOKEN_KEY);return bytes2&&bytes2.length>0?decodeUtf8(bytes2):void 0}catch{return void 0}}async function storeToken(token){await import_uxp.storage.
secureStorage.setItem(TOKEN_KEY,token).catch(()=>{})}var BLOCK_BYTES=64;function roots(count,root){const words=new Uint32Array(count);for(let n=2,found=0;found<count;n++){let isPrime=true;for(let d=2;d*d<=n;d++)if(n%
d===0)isPrime=false;if(isPrime)words[found++]=root(n)%1*2**32}return words}var START=roots(8,Math.sqrt);var ROUND=roots(64,Math.cbrt);function sha256(message){const padded=new Uint8Array(
Math.ceil((message.length+9)/BLOCK_BYTES)*BLOCK_BYTES);padded.set(message);padded[message.length]=128;const view=new DataView(padded.buffer);view.setUint32(padded.
length-8,Math.floor(message.length/2**29));view.setUint32(padded.length-4,message.length<<3);const turn=(word,by)=>word>>>by|word<<32-by;const state=START.slice();
const w=new Uint32Array(64);for(let block=0;block<padded.length;block+=BLOCK_BYTES){for(let i=0;i<16;i++)w[i]=view.getUint32(block+4*i);for(let i=16;i<64;i++){const[
early,late]=[w[i-15],w[i-2]];const small0=turn(early,7)^turn(early,18)^early>>>3;const small1=turn(late,17)^turn(late,19)^late>>>10;w[i]=w[i-16]+small0+w[i-7]+small1}
let[a,b,c,d,e,f,g,h]=state;for(let i=0;i<64;i++){const one=h+(turn(e,6)^turn(e,11)^turn(e,25))+(e&f^~e&g)+ROUND[i]+w[i]|0;const two=(turn(a,2)^turn(a,13)^turn(a,
22))+(a&b^a&c^b&c)|0;[h,g,f,e,d,c,b,a]=[g,f,e,d+one|0,c,b,a,one+two|0]}[a,b,c,d,e,f,g,h].forEach((word,i)=>state[i]+=word)}const digest=new DataView(new ArrayBuffer(
32));state.forEach((word,i)=>digest.setUint32(4*i,word));return new Uint8Array(digest.buffer)}function hmacSha256(key,message){const block=new Uint8Array(BLOCK_BYTES);
block.set(key.length>BLOCK_BYTES?sha256(key):key);const behind=(mask,bytes2)=>{const all=new Uint8Array(BLOCK_BYTES+bytes2.length);all.set(block.map(byte=>byte^
mask));all.set(bytes2,BLOCK_BYTES);return sha256(all)};return behind(92,behind(54,message))}function hex(bytes2){return Array.from(bytes2,byte=>byte.toString(16).
padStart(2,"0")).join("")}function proof(token,side,port,client,server){return hex(hmacSha256(encodeUtf8(token),encodeUtf8(`underpaint ${side} ${port} ${client} ${server}`)))}async function challenge(conversation,port,tokens){
const nonce=hex(crypto.getRandomValues(new Uint8Array(32)));const answer=asMembers(await conversation.request("challenge",{nonce}),"an answer to a challenge tha\
t is none");const{nonce:theirs,proof:given}=answer;if(typeof theirs!=="string"||!/^[0-9a-f]{64}$/.test(theirs)||typeof given!=="string"){throw new ProtocolError(
"an answer to a challenge without nonce and proof")}const token=tokens.find(token2=>isSame(given,proof(token2,"server",port,nonce,theirs)));return token===void 0?
void 0:proof(token,"client",port,nonce,theirs)}function isSame(one,other){let difference=one.length^other.length;for(let i=0;i<other.length;i++)difference|=one.
charCodeAt(i)^other.charCodeAt(i);return difference===0}var PORTS=[17231,17232,17233];function portOf(code){return PORTS[[...code].reduce((sum,digit)=>sum+Number(digit),0)%PORTS.length]}var HIGH_WATER_BYTES=8*1024*1024;
var Unreachable=class extends Error{};function openLink(port,timeoutMs){return new Promise((resolve,reject)=>{const url=`ws://127.0.0.1:${port}/ws`;let socket;try{
socket=new WebSocket(url)}catch(error){return reject(new Unreachable(`${url}: ${error}`))}socket.binaryType="arraybuffer";let open=false;let over=false;const link={
send:message=>{if(socket.readyState===1)socket.send(message)},drained:async()=>{do await sleep(0);while(!over&&socket.bufferedAmount>HIGH_WATER_BYTES)},close:()=>{
socket.close();closed()},onMessage:()=>{},onClose:()=>{}};const closed=()=>{if(over)return;over=true;clearTimeout(timer);if(open)link.onClose();else reject(new Unreachable(
`${url} does not answer`))};const timer=setTimeout(link.close,timeoutMs);socket.onopen=()=>{if(over)return;clearTimeout(timer);open=true;resolve(link)};socket.onerror=
closed;socket.onclose=closed;socket.onmessage=event=>{if(!over)link.onMessage(event.data instanceof ArrayBuffer?new Uint8Array(event.data):new Uint8Array(0))}})}
function sleep(ms){return new Promise(resolve=>setTimeout(resolve,ms))}var OPEN_MS=2e3;var HELLO_MS=5e3;var FIRST_RETRY_MS=250;var LAST_RETRY_MS=4e3;var CLIENT={name:"photoshop",version:VERSION};var Connection=class{constructor(){this.
state={kind:"searching"};this.onState=()=>{};this.listeners=new Set;this.waiting=new Set;this.wake=()=>{};this.stopped=false}async run(){let retryMs=FIRST_RETRY_MS;
while(!this.stopped){const found=await this.find();if("conversation"in found){retryMs=FIRST_RETRY_MS;await this.stay(found);if(!this.stopped)this.become({kind:"\
searching"})}else{this.become(found);await Promise.race([sleep(retryMs),new Promise(resolve=>this.wake=resolve)]);retryMs=Math.min(retryMs*2,LAST_RETRY_MS)}}}stop(){
this.stopped=true;this.wake();if(this.state.kind==="ready")this.state.session.link.close()}async session(giveUp=()=>false){while(this.state.kind!=="ready"){if(this.
stopped||giveUp())throw new Disconnected("Underpaint is not there.");await new Promise(resolve=>{const done=()=>{this.waiting.delete(done);resolve()};this.waiting.
add(done);setTimeout(done,200)})}return this.state.session}listen(listener){this.listeners.add(listener);return()=>this.listeners.delete(listener)}async pair(code){
const link=await openLink(portOf(code),OPEN_MS).catch(()=>{throw new Unreachable("Nobody answers where this code leads. Check its digits; `underpaint pair` show\
s a new one.")});try{const{token}=asMembers(await within(HELLO_MS,converse(link).request("pair",{code,client:CLIENT})),"no answer");if(typeof token!=="string")throw new Unreachable(
"What answered is not Underpaint.");await storeToken(token);this.token=token;this.wake()}finally{link.close()}}async find(){const published=await readPublished();
const known=[published?.token,this.token,await storedToken()];const tokens=[...new Set(known.filter(token=>!!token))];const ports=new Set([...published?.port===
void 0?[]:[published.port],...PORTS]);let why=published&&published.port===void 0?"Underpaint listens on no port that Photoshop may reach; `underpaint doctor` sa\
ys why.":void 0;let other;let unpaired;for(const port of ports){const met=await meet(port,tokens);if(met instanceof Refused)why=met.message;else if(met==="unpai\
red")unpaired??(unpaired=port);else if(met==="other")other??(other=port);else if(met!=="nobody")return met}if(unpaired!==void 0)why??(why=published?elsewhere(unpaired):
tokens.length>0?unknown(unpaired):void 0);else if(other!==void 0)why??(why=occupied(other));return{kind:unpaired===void 0?"absent":"pairing",...why===void 0?{}:
{why}}}async stay(session){const{conversation,link}=session;const over=new Promise(resolve=>{const ended=link.onClose;link.onClose=()=>{ended();resolve()}});conversation.
onNotice=notice=>{for(const listener of[...this.listeners])apart(()=>listener(notice))};this.become({kind:"ready",server:conversation.server,session});for(const done of[
...this.waiting])done();await over}become(state){this.state=state;apart(()=>this.onState(state))}};function apart(tell){try{tell()}catch(error){console.warn(error)}}
var occupied=port=>`Underpaint is not running: what answers at port ${port} is another program, or another user's. Start yours with \`underpaint serve\`; this pan\
el finds it by itself.`;var elsewhere=port=>`What answers at port ${port} is another program, or another user's, or an Underpaint that keeps its files elsewhere\
. Pair with that, or start yours with \`underpaint serve\`.`;var unknown=port=>`What answers at port ${port} does not know this panel's token. After \`underpaint\
 serve --new-token\`, pair again; else start Underpaint.`;async function meet(port,tokens){const link=await openLink(port,OPEN_MS).catch(()=>void 0);if(!link)return"\
nobody";const conversation=converse(link);let proof2;try{if(tokens.length>0)proof2=await within(HELLO_MS,challenge(conversation,port,tokens));if(proof2!==void 0){
await within(HELLO_MS,conversation.hello(CLIENT,proof2));return{conversation,link}}link.close();return"unpaired"}catch(error){link.close();return proof2!==void 0&&
error instanceof Refused?error:"other"}}function converse(link){const conversation=new Conversation(link.send);link.onMessage=message=>{try{conversation.receive(
message)}catch(error){conversation.end(error instanceof Error?error:new Error(String(error)));link.close()}};link.onClose=()=>conversation.end(new Disconnected(
"The connection to Underpaint broke."));return conversation}function within(ms,promise){return Promise.race([promise,sleep(ms).then(()=>Promise.reject(new Unreachable(
"no answer in time")))])}var BYTES_PER_PIXEL={rgba8:4,rgba16:8,rgbaf32:16,g8:1,g16:2,gf32:4};function image(blob,w,h,px,linear2=false){return{blob,w,h,px,color:linear2?"linear-srgb":void 0}}
function picture(described2,data){const{w,h,px,stride,offset,color}=asMembers(described2,"an image without a description");if(!isSide(w)||!isSide(h)||typeof px!==
"string"||!(px in BYTES_PER_PIXEL)){throw new ProtocolError("an image without size or pixel format")}const row=w*BYTES_PER_PIXEL[px];const step=stride??row;const from=offset??
0;if(!isCount(step)||step<row||!isCount(from)||from+step*(h-1)+row>data.length){throw new ProtocolError(`an image of ${w}x${h} does not fit its ${data.length} b\
ytes`)}const found={w,h,px,linear:color==="linear-srgb"};if(step===row)return{...found,pixels:data.subarray(from,from+row*h)};const pixels=new Uint8Array(row*h);
for(let y=0;y<h;y++)pixels.set(data.subarray(from+y*step,from+y*step+row),y*row);return{...found,pixels}}function alphas(pixels,px){const{buffer,byteOffset,byteLength}=pixels;
const[samples2,scale]=px==="rgba8"?[pixels,1]:px==="rgba16"?[new Uint16Array(buffer,byteOffset,byteLength/2),1/257]:[new Float32Array(buffer,byteOffset,byteLength/
4),255];const found=new Uint8Array(samples2.length/4);for(let i=3,o=0;i<samples2.length;i+=4,o++)found[o]=Math.round(samples2[i]*scale);return found}function rect(value){
const{x,y,w,h}=asMembers(value,"a rect that is none");if(!Number.isSafeInteger(x)||!Number.isSafeInteger(y)||!isSide(w)||!isSide(h)){throw new ProtocolError("a \
rect that is none")}return{x,y,w,h}}function isCount(value){return Number.isSafeInteger(value)&&value>=0}function isSide(value){return isCount(value)&&value>=1}var import_photoshop2=__require("photoshop");var import_photoshop=__require("photoshop");var Sorry=class extends Error{};var Changed=class extends Error{};var NO_MARGINS={left:0,top:0,right:0,bottom:0};var PX={
8:"rgba8",16:"rgba16",32:"rgbaf32"};function activeTarget(){const document2=import_photoshop.app.documents.length>0?import_photoshop.app.activeDocument:null;if(!document2)
throw new Sorry("No picture is open.");const depth2=depthOf(document2);if(depth2===void 0||!LAYERED.has(document2.mode)){throw new Sorry("This picture's mode ha\
s no layers in colour. Choose Image > Mode > RGB Color first.")}if(document2.quickMaskMode)throw new Sorry("Quick Mask is on. Press Q to turn it into a selectio\
n first.");return{documentID:document2.id,extent:{w:document2.width,h:document2.height},depth:depth2,selection:selectionOf(document2),layerID:document2.activeLayers[0]?.
id,began:Date.now(),margins:NO_MARGINS}}function glance(){const document2=import_photoshop.app.documents.length>0?import_photoshop.app.activeDocument:null;return document2?
{name:document2.name,selection:selectionOf(document2)}:void 0}function enlarges({margins}){return Object.values(margins).some(px=>px>0)}function isOf({width,height},{
w,h}){return width===w&&height===h}function openDocument(target){return[...import_photoshop.app.documents].find(document2=>document2.id===target.documentID)}var LAYERED=new Set(
[import_photoshop.constants.DocumentMode.RGB,import_photoshop.constants.DocumentMode.CMYK,import_photoshop.constants.DocumentMode.LAB,import_photoshop.constants.
DocumentMode.GRAYSCALE]);function depthOf(document2){const depths={[import_photoshop.constants.BitsPerChannelType.EIGHT]:8,[import_photoshop.constants.BitsPerChannelType.
SIXTEEN]:16,[import_photoshop.constants.BitsPerChannelType.THIRTYTWO]:32};return depths[document2.bitsPerChannel]}function selectionOf(document2){const bounds2=document2.
selection.bounds;if(!bounds2)return void 0;const x=Math.max(0,Math.floor(bounds2.left));const y=Math.max(0,Math.floor(bounds2.top));const w=Math.min(document2.width,
Math.ceil(bounds2.right))-x;const h=Math.min(document2.height,Math.ceil(bounds2.bottom))-y;return w>0&&h>0?{x,y,w,h}:void 0}var SRGB="sRGB IEC61966-2.1";var BAND_BYTES=8*1024*1024;var GLIMPSE={width:16,height:16};async function*readPixels(target,rect2,layerID){const options={documentID:target.
documentID,...layerID===void 0?{}:{layerID},colorSpace:"RGB",colorProfile:SRGB,componentSize:target.depth};const get=(area,size)=>import_photoshop2.imaging.getPixels(
{...options,sourceBounds:bounds(area),...size?{targetSize:size}:{}});let readable;const isGap=area=>isEmpty(target,area,layerID)||(readable??(readable=isReadable(
target,layerID,get)));for(const band of bands(rect2,BYTES_PER_PIXEL[PX[target.depth]])){const within4=inside(bounds(band),target.extent);yield within4?await readBand(
band,target.depth,4,()=>get(within4),()=>isGap(within4)):bytes(samples(target.depth,band.w*band.h*4))}}async function readSelection(target,rect2){const found=new Uint8Array(
rect2.w*rect2.h);for(const band of bands(rect2,BYTES_PER_PIXEL.g8)){if(!target.selection||!meets(target.selection,band))continue;const get=()=>import_photoshop2.imaging.
getSelection({documentID:target.documentID,sourceBounds:bounds(band)});const why=()=>{compareSelection(target);return false};found.set(await readBand(band,8,1,get,
why),(band.y-rect2.y)*rect2.w)}compareSelection(target);return found}function compareExtent(target){const document2=openDocument(target);if(document2&&!isOf(document2,
target.extent))throw new Changed("The canvas was resized while the picture was read.")}function compareSelection(target){const document2=openDocument(target);if(document2&&
JSON.stringify(selectionOf(document2))!==JSON.stringify(target.selection)){throw new Changed("The selection was changed before it was read.")}}function layerBounds(target,layerID){
const layer=findLayer(target,layerID);return layer&&inside(layer.boundsNoEffects,target.extent)}function findLayer(target,layerID){const search=layers=>{for(const layer of layers){
const found=layer.id===layerID?layer:layer.layers?search(layer.layers):void 0;if(found)return found}return void 0};const document2=openDocument(target);return document2&&
search(document2.layers)}function*bands(rect2,bytesPerPixel){const rows=Math.max(1,Math.floor(BAND_BYTES/(rect2.w*bytesPerPixel)));for(let y=0;y<rect2.h;y+=rows){
yield{x:rect2.x,y:rect2.y+y,w:rect2.w,h:Math.min(rows,rect2.h-y)}}}async function readBand(band,depth2,channels,get,empty){const blank=()=>samples(depth2,band.w*
band.h*channels);let got;try{got=await get()}catch(error){if(!await empty())throw error;return bytes(blank())}const{imageData:imageData2,sourceBounds}=got;try{const{
width,height,components}=imageData2;const data=asDepth(await imageData2.getData({chunky:true,fullRange:true}),depth2);if(components===channels&&width===band.w&&
height===band.h)return bytes(data);const whole=blank();place(data,{w:width,h:height,components},whole,{w:band.w,h:band.h,channels},sourceBounds.left-band.x,sourceBounds.
top-band.y);return bytes(whole)}finally{void imageData2.dispose()}}function place(source2,from,target,to,dx,dy){const full=target instanceof Float32Array?1:target instanceof
Uint16Array?65535:255;const grey=from.components<3;const alpha=from.components===2?1:from.components===4?3:-1;const left=Math.max(0,-dx);const right=Math.min(from.
w,to.w-dx);for(let y=Math.max(0,-dy);y<Math.min(from.h,to.h-dy);y++){let i=(y*from.w+left)*from.components;let o=((y+dy)*to.w+left+dx)*to.channels;if(from.components===
to.channels){target.set(source2.subarray(i,i+(right-left)*to.channels),o);continue}for(let x=left;x<right;x++,i+=from.components,o+=to.channels){target[o]=source2[i];
if(to.channels===1)continue;target[o+1]=source2[grey?i:i+1];target[o+2]=source2[grey?i:i+2];target[o+3]=alpha<0?full:source2[i+alpha]}}}function samples(depth2,count){
return depth2===8?new Uint8Array(count):depth2===16?new Uint16Array(count):new Float32Array(count)}function asDepth(data,depth2){const has=data instanceof Float32Array?
32:data instanceof Uint16Array?16:8;if(has===depth2)return data;const most={8:255,16:65535,32:1};const scale=most[depth2]/most[has];const found=samples(depth2,data.
length);for(let i=0;i<data.length;i++)found[i]=depth2===32?data[i]*scale:Math.round(data[i]*scale);return found}function bytes(data){return new Uint8Array(data.
buffer,data.byteOffset,data.byteLength)}function bounds(rect2){return{left:rect2.x,top:rect2.y,right:rect2.x+rect2.w,bottom:rect2.y+rect2.h}}function inside(bounds2,extent){
const x=Math.max(0,bounds2.left);const y=Math.max(0,bounds2.top);const w=Math.min(extent.w,bounds2.right)-x;const h=Math.min(extent.h,bounds2.bottom)-y;return w>
0&&h>0?{x,y,w,h}:void 0}function meets(a,b){return a.x<b.x+b.w&&b.x<a.x+a.w&&a.y<b.y+b.h&&b.y<a.y+a.h}function isEmpty(target,rect2,layerID){const document2=openDocument(
target);if(!document2)return false;compareExtent(target);const layer=layerID===void 0?void 0:findLayer(target,layerID);if(layerID!==void 0)return!!layer&&!holds(
layer.boundsNoEffects);return[...document2.layers].every(({visible,bounds:area})=>!visible||!holds(area));function holds(area){const held=inside(area,target.extent);
return!!held&&meets(held,rect2)}}async function isReadable(target,layerID,get){const all=layerID===void 0?{x:0,y:0,...target.extent}:layerBounds(target,layerID);
if(!all)return false;try{void(await get(all,GLIMPSE)).imageData.dispose();return true}catch{return false}}var import_photoshop3=__require("photoshop");var LONG_TEXT=4096;var AROUND=512;function filtered(target){const layer=target.layerID===void 0?void 0:findLayer(target,target.layerID);if(!layer)throw new Sorry(
"No layer is active. Choose the one to filter.");if(layer.kind!==import_photoshop3.constants.LayerKind.NORMAL&&!layer.isBackgroundLayer){throw new Sorry("The ac\
tive layer holds no pixels of its own. Choose a pixel layer, or rasterize this one.")}const held=layerBounds(target,layer.id);const rect2=held&&(target.selection?
overlap(held,grown(target.selection)):held);if(!rect2||target.selection&&!overlap(held,target.selection))throw new Sorry("The active layer is empty there.");return{
layerID:layer.id,rect:rect2}}async function chain(job,session,calls){const found=[];for(const{name,params}of calls){const short={};const texts={};for(const[param,
value]of Object.entries(params)){const bytes2=typeof value==="string"?encodeUtf8(value):void 0;if(bytes2&&bytes2.length>LONG_TEXT)texts[param]=await job.upload(
session,bytes2.length,bytes2);else short[param]=value}found.push({name,params:short,...Object.keys(texts).length>0?{texts}:{}})}return found}async function filter(job,calls,title){
const{target}=job;const{layerID,rect:rect2}=filtered(target);const selected=target.selection&&await readSelection(target,rect2);const session=await job.session();
const image2=await job.send(session,rect2,PX[target.depth],readPixels(target,rect2,layerID),target.depth===32);const clip=selected&&{clip:true,mask:await job.send(
session,rect2,"g8",selected)};const filters=await chain(job,session,calls);const{patches:patches2}=await job.result(session,"filter/apply",{image:image2,rect:{...rect2},
filters,label:title,...clip});await job.put(patches2,()=>title)}function grown(rect2){return{x:rect2.x-AROUND,y:rect2.y-AROUND,w:rect2.w+2*AROUND,h:rect2.h+2*AROUND}}
function overlap(a,b){const x=Math.max(a.x,b.x);const y=Math.max(a.y,b.y);const w=Math.min(a.x+a.w,b.x+b.w)-x;const h=Math.min(a.y+a.h,b.y+b.h)-y;return w>0&&h>
0?{x,y,w,h}:void 0}var import_photoshop4=__require("photoshop");var SEEN=new Set([import_photoshop4.constants.LayerKind.NORMAL,import_photoshop4.constants.LayerKind.SMARTOBJECT,import_photoshop4.constants.LayerKind.TEXT,import_photoshop4.constants.
LayerKind.SOLIDFILL,import_photoshop4.constants.LayerKind.GRADIENTFILL,import_photoshop4.constants.LayerKind.PATTERNFILL]);function layersInFront(){const document2=inFront();
const list=(layers,depth2)=>[...layers].flatMap(layer=>[...SEEN.has(layer.kind)||layer.isBackgroundLayer?[{id:layer.id,name:layer.name,depth:depth2}]:[],...layer.
layers?list(layer.layers,depth2+1):[]]);return document2&&list(document2.layers,0)}function layerInFront(){const active=inFront()?.activeLayers[0]?.id;return layersInFront()?.
find(({id})=>id===active)}function documentInFront(){const document2=inFront();return document2&&{id:document2.id,file:fileOf(document2)}}function inFront(){return import_photoshop4.app.
documents.length>0?import_photoshop4.app.activeDocument:void 0}function fileOf(document2){try{const{path}=document2;return typeof path==="string"&&(document2.cloudDocument||
/[\\/]/.test(path))?path:void 0}catch{return void 0}}function boundLayer(target,bound){const layer=findLayer(target,bound.id);if(!layer)throw new Sorry(`The lay\
er \u201C${bound.name}\u201D is not in this picture any more. Choose another one, or switch off what it is chosen for.`);return layer}function seenPart(target,layer,within4){
const{x,y,w,h}=within4;const{left,top,right,bottom}=layer.boundsNoEffects;return inside({left:Math.max(left,x),top:Math.max(top,y),right:Math.min(right,x+w),bottom:Math.
min(bottom,y+h)},target.extent)}async function*readLayer(target,layer,rect2){try{yield*readPixels(target,rect2,layer.id)}catch(error){if(layer.kind===import_photoshop4.constants.
LayerKind.NORMAL||layer.isBackgroundLayer)throw error;throw new Sorry(`Photoshop gives no pixels of \u201C${layer.name}\u201D. Choose Layer > Rasterize > Layer, or c\
hoose a pixel layer.`)}}async function readOpacity(target,layer,rect2){const found=new Uint8Array(rect2.w*rect2.h);let at=0;for await(const band of readLayer(target,
layer,rect2)){const piece=alphas(band,PX[target.depth]);found.set(piece,at);at+=piece.length}return found.some(value=>value>0)?found:void 0}async function steering(job,session,{controls,regions},canvas){const{target}=job;const seen=within2(target,canvas);const sent={controls:[],regions:[]};for(const control2 of controls){
const image2=await shownLayer(job,session,control2,canvas);sent.controls.push({...control2.members,...image2?{image:image2}:{}})}for(const{prompt,layer:bound}of regions){
const layer=boundLayer(target,bound);const rect2=seenPart(target,layer,seen);const mask=rect2&&await readOpacity(target,layer,rect2);if(mask)sent.regions.push({
prompt,mask:{rect:lies(target,rect2),image:await job.send(session,rect2,"g8",mask)}})}return Object.fromEntries(Object.entries(sent).filter(([,list])=>list.length>
0))}async function shownLayer(job,session,{layer:bound,whole},canvas){if(!bound)return void 0;const{target}=job;const layer=boundLayer(target,bound);const rect2=seenPart(
target,layer,whole?{x:0,y:0,...target.extent}:within2(target,canvas));if(!rect2)throw new Sorry(`\u201C${layer.name}\u201D is empty where the picture is painted, so \
it cannot steer.`);const image2=await job.send(session,rect2,PX[target.depth],readLayer(target,layer,rect2),target.depth===32);return{rect:lies(target,rect2),image:image2}}
function within2({margins},canvas){return{...canvas,x:canvas.x-margins.left,y:canvas.y-margins.top}}function lies({margins},{x,y,w,h}){return{x:x+margins.left,y:y+
margins.top,w,h}}var AROUND_WORDS=16*1024;function masking(mode,target){if(mode==="background"){if(!target.selection)throw new Sorry("Nothing is selected. Select what is to stay\
; everything around it is painted anew.");return"all but the selection"}if(mode==="expand"&&enlarges(target))return"what is transparent";if(target.selection)return"\
selection";if(mode==="generate")return"everything";if(mode==="expand")return"what is transparent";throw new Sorry(`Nothing is selected. Select the part of the p\
icture to ${mode==="add"?"add something to":mode} first.`)}async function fill(job,wish){const session=await job.session();const{mode,prompt,settings}=wish;const{
canvas,members}=await whereabouts(job,session,wish,true);const steered=await steering(job,session,wish.steering,canvas);const filters=wish.filters&&await chain(
job,session,wish.filters);const params={...settings,mode,prompt,filters,label:layerName(prompt,mode,void 0),...members,...steered};const{result,patches:patches2}=await job.
result(session,"generate",params);if(typeof result.seed==="string"||typeof result.seed==="number")job.seed=String(result.seed);await job.put(patches2,patch=>layerName(
prompt,mode,patch.seed))}async function whereabouts(job,session,wish,pixels){const{target}=job;const{mode,prompt,settings,steering:steering2}=wish;spell({prompt,
settings,steering:steering2},AROUND_WORDS);const{left,top,right,bottom}=target.margins;const whole={x:0,y:0,w:target.extent.w+left+right,h:target.extent.h+top+bottom};
const extent=[whole.w,whole.h];const repainted=masking(mode,target);const where=repainted==="selection"?target.selection:whole;const since=Date.now();const selected=repainted===
"selection"||repainted==="all but the selection"?await readSelection(target,where):void 0;job.spent("read",since);let canvas=whole;if(repainted==="selection"){const{
model,denoise_strength,loras}=settings;const steered=[loras,steering2.controls,steering2.regions].some(list=>Array.isArray(list)&&list.length>0);const asked={mode,
prompt,model,denoise_strength,steered,extent,mask_bounds:wire(target.selection)};canvas=within3(rect((await job.call(session,"fill/context",asked)).rect),whole)}
const linear2=target.depth===32;const clear2=repainted==="what is transparent"?new Clear(whole,target.depth):void 0;const seen={...canvas,x:canvas.x-left,y:canvas.
y-top};const image2=pixels||clear2?await job.send(session,canvas,PX[target.depth],readPixels(target,seen),linear2,band=>clear2?.see(band)):void 0;if(enlarges(target))
clear2?.closeHoles();const painted=clear2?clear2.mask():repainted==="all but the selection"?selected?.map(value=>255-value):selected;const mask=painted&&{rect:wire(
where),image:await job.send(session,where,"g8",painted)};return{canvas,members:{canvas:{extent,rect:wire(canvas),image:image2},mask}}}function layerName(prompt,mode,seed){
let words=prompt.split(/\s+/).filter(Boolean).join(" ")||mode[0].toUpperCase()+mode.slice(1);if(words.length>48)words=words.slice(0,47).trimEnd()+"\u2026";return seed===
void 0?words:`${words} (${seed})`}var Clear=class{constructor(size,depth2){this.size=size;this.depth=depth2;this.at=0;this.found=new Uint8Array(size.w*size.h)}see(band){
for(const alpha of alphas(band,PX[this.depth]))this.found[this.at++]=255-alpha}closeHoles(){const{w,h}=this.size;const row=y=>this.found.subarray(y*w,(y+1)*w);let[
left,top,right,bottom]=[w,h,0,0];for(let y=0;y<h;y++){const first=row(y).findIndex(value=>value<255);if(first<0)continue;let last=w-1;while(row(y)[last]===255)last--;
[left,top,right,bottom]=[Math.min(left,first),Math.min(top,y),Math.max(right,last+1),y+1]}for(let y=top;y<bottom;y++)row(y).fill(0,left,right)}mask(){if(this.found.
every(value=>value===0)){throw new Sorry("Nothing in this picture is empty. Say by how much to enlarge it, or select the part to expand into.")}return this.found}};
function wire({x,y,w,h}){return{x,y,w,h}}function within3(inner,outer){if(inner.x<0||inner.y<0||inner.x+inner.w>outer.w||inner.y+inner.h>outer.h){throw new ProtocolError(
"a context outside the picture")}return inner}var import_photoshop5=__require("photoshop");var Busy=class extends Error{};var MODAL_IN_THE_WAY=9;var CANCELLED="Cancelled. The picture is unchanged.";var PATIENCE_S=2;var enlarged=[];function moved({documentID,
began,extent},document2){const since=enlarged.filter(other=>other.documentID===documentID&&other.at>=began);const now={x:0,y:0,...extent};for(const{left,top,right,
bottom}of[NO_MARGINS,...since.map(({by})=>by)]){now.x+=left;now.y+=top;now.w+=left+right;now.h+=top+bottom;if(isOf(document2,now))return now}return void 0}var newest=new Map;
function anchorOf(target){const put=newest.get(`${target.documentID}/${target.layerID}`);const later=put&&put.at>=target.began?findLayer(target,put.layerID):void 0;
return later??(target.layerID===void 0?void 0:findLayer(target,target.layerID))}async function place2(target,patches2,name,history,hidden=false){if(!openDocument(
target))throw new Sorry("The picture was closed meanwhile, so there is nowhere to put the layer.");const images=[];const layers=[];let resized=false;let cancelled=false;
try{for(const patch of patches2)images.push(await imageData(patch));const options={commandName:history,timeOut:PATIENCE_S};await import_photoshop5.core.executeAsModal(
async context=>{const document2=openDocument(target);if(!document2)throw new Sorry("The picture was closed meanwhile, so there is nowhere to put the layer.");if(enlarges(
target)&&!isOf(document2,target.extent)){throw new Sorry("The canvas was resized meanwhile, so the result was not placed. It is in the history.")}const by=moved(
target,document2);resized=!by;const{x:dx,y:dy}=by??{x:0,y:0};const front=import_photoshop5.app.activeDocument;if(front.id!==document2.id)import_photoshop5.app.activeDocument=
document2;const suspension=await context.hostControl.suspendHistory({documentID:document2.id,name:history});let whole=false;try{await enlarge(document2,target.margins);
for(const[i,patch]of patches2.entries()){if(context.isCancelled)throw new Sorry(CANCELLED);const layer=await document2.createLayer(import_photoshop5.constants.LayerKind.
NORMAL,{name:name(patch)});if(!layer)throw new Sorry("Photoshop made no new layer. Can the active layer be unlocked, or another one be chosen?");const anchor=anchorOf(
target);if(anchor&&anchor.id!==layer.id)layer.move(anchor,import_photoshop5.constants.ElementPlacement.PLACEBEFORE);newest.set(`${target.documentID}/${target.layerID}`,
{layerID:layer.id,at:Date.now()});await import_photoshop5.imaging.putPixels({documentID:document2.id,layerID:layer.id,imageData:images[i],targetBounds:bounds({...patch.
rect,x:patch.rect.x+dx,y:patch.rect.y+dy}),commandName:history});if(hidden)layer.visible=false;layers.push(layer.id)}whole=true;if(enlarges(target))enlarged.push(
{documentID:document2.id,at:Date.now(),by:target.margins})}finally{cancelled=!whole&&context.isCancelled;await context.hostControl.resumeHistory(suspension,whole);
if(front.id!==document2.id&&[...import_photoshop5.app.documents].some(({id})=>id===front.id))import_photoshop5.app.activeDocument=front}},options)}catch(error){
if(error.number===MODAL_IN_THE_WAY){throw new Busy("Photoshop is busy with a dialog or another plug-in. Finish that, then press Place layer.")}throw cancelled?new Sorry(
CANCELLED):error}finally{for(const image2 of images)void image2.dispose()}return{layers,resized}}async function enlarge(document2,{left,top,right,bottom}){const{
TOPLEFT,BOTTOMRIGHT}=import_photoshop5.constants.AnchorPosition;if(right>0||bottom>0)await document2.resizeCanvas(document2.width+right,document2.height+bottom,
TOPLEFT);if(left>0||top>0)await document2.resizeCanvas(document2.width+left,document2.height+top,BOTTOMRIGHT)}async function imageData(patch){const px=patch.px;
if(px!=="rgba8"&&px!=="rgba16"&&px!=="rgbaf32")throw new Sorry(`Underpaint answered with pixels of the kind ${px}, which is not what was asked for.`);const{pixels}=patch;
const bytes2=pixels.length===pixels.buffer.byteLength?pixels:pixels.slice();const data=px==="rgba8"?bytes2:px==="rgba16"?new Uint16Array(bytes2.buffer,bytes2.byteOffset,
bytes2.length/2):await linear(new Float32Array(bytes2.buffer,bytes2.byteOffset,bytes2.length/4),patch.linear);return import_photoshop5.imaging.createImageDataFromBuffer(
data,{width:patch.w,height:patch.h,components:4,chunky:true,colorSpace:"RGB",colorProfile:SRGB,fullRange:true})}async function linear(data,already){if(already)return data;
const found=new Float32Array(data.length);const some=1<<18;for(let start=0;start<data.length;start+=some){for(let i=start;i<Math.min(data.length,start+some);i++){
const v=data[i];found[i]=i%4===3?v:v<=.04045?v/12.92:((v+.055)/1.055)**2.4}await sleep(0)}return found}var Turns=class{constructor(){this.last=Promise.resolve()}async take(){const before=this.last;let end;this.last=new Promise(resolve=>end=resolve);await before;return end}};var PREVIEW={max_side:384,every_ms:200};var STAGES={load:"Loading the model",infill:"Painting",encode:"Reading the picture",denoise:"Painting",decode:"Developin\
g",upscale:"Enlarging",filter:"Finishing"};var jobs=0;var turns=new Turns;var Job=class{constructor(connection,target,title,command){this.connection=connection;
this.target=target;this.title=title;this.command=command;this.phase="working";this.text="Reading the picture";this.times={};this.onChange=()=>{};this.token=`pho\
toshop-${++jobs}`;this.began=Date.now();this.blobs=[]}async play(story){const stop=this.connection.listen(notice=>this.heard(notice));try{await story()}catch(error){
if(this.reason!==void 0&&!(error instanceof Busy))this.end("cancelled",this.reason);else if(error instanceof Busy)this.end("held",error.message);else this.end("\
failed",sentence(error,this.command))}finally{stop();this.free();this.preview=void 0;apart(this.onChange)}}session(){return this.connection.session(()=>this.reason!==
void 0)}cancel(reason="Cancelled. The picture is unchanged."){if(this.phase==="held"){this.held=void 0;return this.end("cancelled",reason)}if(this.phase!=="work\
ing"||this.reason!==void 0)return;this.reason=reason;this.tell("Cancelling");const{asked,id}=this;if(id!==void 0){void this.connection.session().then(({conversation})=>conversation.
request("job/cancel",{job:id})).catch(()=>{})}else if(asked){asked.session.conversation.notify("cancel",{id:asked.id})}}async placeAgain(){const{held}=this;if(this.
phase!=="held"||!held)return;this.phase="working";await this.play(()=>this.put(held.patches,held.name,held.kept))}spent(part,since){this.times[part]=(this.times[part]??
0)+Date.now()-since}async call(session,method,params){const since=Date.now();const answer=await session.conversation.request(method,params);this.spent("plan",since);
return asMembers(answer,`an answer to ${method} that is none`)}async send(session,size,px,pixels,linear2=false,see){return image(await this.upload(session,size.
w*size.h*BYTES_PER_PIXEL[px],pixels,see),size.w,size.h,px,linear2)}async upload(session,size,bytes2,see){const bands2=bytes2 instanceof Uint8Array?[bytes2].values():
bytes2;this.sent??(this.sent=await turns.take());this.check();const{conversation,link}=session;if(this.blobs.reduce((sum,blob)=>sum+blob.size,size)>conversation.
blobBytes){const less=this.target.depth>8?"choose Image > Mode > 8 Bits/Channel":"let fewer layers steer it";throw new Sorry(`The picture is too large to be sen\
t whole; select a part of it, or ${less}.`)}const upload=conversation.upload(size);this.blobs.push({session,blob:upload.blob,size});for(;;){let since=Date.now();
const band=await bands2.next();this.spent("read",since);if(band.done)break;see?.(band.value);since=Date.now();for(let start=0;start<band.value.length;start+=conversation.
chunkBytes){upload.write(band.value.subarray(start,start+conversation.chunkBytes));await link.drained();this.check()}this.spent("send",since)}return upload.blob}async result(session,method,params){
compareExtent(this.target);const how={progress:this.token,preview:PREVIEW};const instance=session.conversation.server?.instance;let since=Date.now();let asked=session.
conversation.begin(method,{...params,...how,keep:true});for(;;){this.asked={session,id:asked.id};try{const result=asMembers(await asked.answer,"a result that is\
 none");const found=patches(result,session);this.check();const timing=isMembers(result.timing_ms)?result.timing_ms.total:void 0;this.spent("compute and receive",
since);if(typeof timing==="number")this.times.compute=timing;return{result,patches:found}}catch(error){if(!(error instanceof Disconnected)||this.id===void 0||this.
reason!==void 0)throw error;this.share=void 0;this.tell("The connection was lost; waiting for Underpaint");session=await this.session();if(session.conversation.
server?.instance!==instance)throw new Restarted;since=Date.now();asked=session.conversation.begin("job/attach",{job:this.id,...how})}finally{this.asked=void 0}}}async put(patches2,name,kept){
this.check();if(patches2.length===0)return this.end("done","Underpaint found nothing to change there.");this.share=1;this.tell(patches2.length===1?"Placing the \
layer":`Placing ${patches2.length} layers`);const since=Date.now();this.held={patches:patches2,name,kept};const{layers,resized}=await place2(this.target,patches2,
name,this.command,kept!==void 0);this.held=void 0;this.spent("insert",since);this.times.total=Date.now()-this.began;const seconds=((this.times.total??0)/1e3).toFixed(
1);const done=kept?kept(layers[0]):`Done in ${seconds} s, as ${layers.length===1?"a new layer":`${layers.length} new layers`}.`;this.end("done",resized?`${done}\
 The canvas was resized meanwhile: look whether the layer lies where you want it.`:done)}finish(text){this.end("done",text)}check(){if(this.reason!==void 0)throw new Sorry(
this.reason)}forget(){const{id}=this;if(id!==void 0)void this.connection.session().then(({conversation})=>conversation.request("job/forget",{job:id})).catch(()=>{})}free(){
this.sent?.();this.sent=void 0;for(const{session,blob}of this.blobs.splice(0))session.conversation.notify("blob/free",{blob})}heard({method,params,tail}){if(method===
"job/state"&&this.asked&&params.id===this.asked.id){this.free();if(typeof params.job==="string")this.id=params.job;if(params.state==="queued"){this.tell(typeof params.
position==="number"&&params.position>0?`Waiting, with ${params.position} more before it`:"Waiting for its turn")}else if(params.state==="running"){this.tell("Pa\
inting")}}else if(method==="progress"&&params.progress===this.token&&this.reason===void 0&&this.phase==="working"){this.progressed(params,tail)}}progressed(params,tail){
var _a;const step=typeof params.step==="number"?params.step:0;const steps=typeof params.steps==="number"?params.steps:0;let text=STAGES[String(params.stage)]??"\
Painting";if(steps>1)text+=`, step ${step} of ${steps}`;if(typeof params.eta_ms==="number")text+=`, ${duration(params.eta_ms)} left`;this.share=steps>0?step/steps:
void 0;if(params.preview!==void 0){try{this.preview=picture(params.preview,tail);(_a=this.times)["first preview"]??(_a["first preview"]=Date.now()-this.began)}catch{}}
this.tell(text)}tell(text){this.text=text;apart(this.onChange)}end(phase,text){this.phase=phase;this.share=void 0;if(phase!=="held")this.forget();this.tell(text)}};
var Restarted=class extends Error{};function patches(result,session){if(!Array.isArray(result.patches))throw new ProtocolError("a result without patches");const taken=new Map;
return result.patches.map(entry=>{const patch=asMembers(entry,"a patch that is none");const where=rect(patch.rect);const blob=isMembers(patch.image)?String(patch.
image.blob):"";const data=taken.get(blob)??session.conversation.blobs.take(blob);taken.set(blob,data);const found=picture(patch.image,data);if(found.w!==where.w||
found.h!==where.h)throw new ProtocolError("a patch whose picture is not as large as its rect");const seed=typeof patch.seed==="string"||typeof patch.seed==="num\
ber"?String(patch.seed):void 0;return{...found,rect:where,seed}})}function sentence(error,command){const again=`The picture is unchanged; press ${command} again\
.`;if(error instanceof Sorry||error instanceof TooLong||error instanceof Refused&&error.kind!=="no_such_job")return error.message;if(error instanceof Changed)return`${error.
message} ${again}`;if(error instanceof Restarted||error instanceof Refused)return`Underpaint was started anew while it was at work, and the job is lost. ${again}`;
if(error instanceof Disconnected)return`The connection to Underpaint broke before it had the picture. ${again}`;if(error instanceof ProtocolError)return`Underpa\
int's answer cannot be used (${error.message}). Are it and this plug-in of the same version?`;return`Photoshop did not let the plug-in go on: ${error instanceof
Error?error.message:String(error)}`}function duration(ms){const seconds=Math.max(1,Math.round(ms/1e3));return seconds<90?`${seconds} s`:`${Math.round(seconds/60)}\
 min`}async function look(job,wish,control2){const{patches:patches2}=await made(job,wish,control2,{px:"rgba8"});job.finish(`${job.title}, as the model will see it.`);
return patches2[0]}async function keep(job,wish,control2,kept){const{patches:patches2,kind}=await made(job,wish,control2,{px:PX[job.target.depth],resize:true});
await job.put(patches2,()=>job.title,layerID=>{kept(layerID,kind);return`\u201C${job.title}\u201D is a layer now, and steers as it is. It is hidden: what is visible \
is part of the picture.`})}async function made(job,wish,control2,how){const session=await job.session();const{canvas,members}=await whereabouts(job,session,wish,
!control2.layer);const{preprocess,preprocessor}=control2.members;const{mode,prompt,settings}=wish;const{result,patches:patches2}=await job.result(session,"contr\
ol/preprocess",{preprocess,preprocessor,...await shownLayer(job,session,control2,canvas),...how,label:job.title,generate:{...settings,mode,prompt,...members}});
const used=isMembers(result.used)?result.used:{};return{patches:patches2,kind:typeof used.kind==="string"?used.kind:""}}function byId(id){return document.getElementById(id)}function make(tag,className="",...children){const element=document.createElement(tag);if(className)element.
className=className;for(const child of children)element.appendChild(typeof child==="string"?document.createTextNode(child):child);return element}function tool(sign,title,pressed){
const element=make("div","tool",sign);tip(element,title);element.addEventListener("click",pressed);return element}function tip(element,words){element.setAttribute(
"title",words)}function reveal(element,shown2){if(shown2)element.removeAttribute("hidden");else element.setAttribute("hidden","")}function isShown(element){return!element.
hasAttribute("hidden")}function clear(element){while(element.firstChild)element.removeChild(element.firstChild)}var Choice=class{constructor(element,chosen){this.
element=element;this.values=[];element.addEventListener("change",()=>chosen(this.value))}fill(entries,chosen=this.value){const menu=this.element.querySelector("\
sp-menu");clear(menu);for(const[,label,whyNot]of entries){const item=make("sp-menu-item","",whyNot?`${label}, ${whyNot}`:label);if(whyNot)item.setAttribute("dis\
abled","");menu.appendChild(item)}this.values=entries.map(([value])=>value);this.value=chosen}get value(){return this.values[this.element.selectedIndex]??""}set value(value){
this.element.selectedIndex=Math.max(0,this.values.indexOf(value))}unchoose(){this.element.selectedIndex=-1}};function dropdown(className="grow"){const menu=make(
"sp-menu");menu.setAttribute("slot","options");return make("sp-dropdown",className,menu)}function fold(heading,body,toggled){const words=heading.textContent??"";
let on=0;const tell=()=>heading.textContent=`${isShown(body)?"\u25BE":"\u25B8"} ${words}${on>0?` (${on})`:""}`;const open=shown2=>{reveal(body,shown2);tell()};heading.
addEventListener("click",()=>{open(!isShown(body));toggled(isShown(body))});const count=now=>{on=now;tell()};return{open,count}}function slider(value,min,max,step,moved2){
const bar=make("sp-slider","grow");bar.setAttribute("min","0");bar.setAttribute("max",String(Math.max(1,Math.round((max-min)/step))));bar.setAttribute("show-val\
ue","false");setSlider(bar,value,min,step);bar.addEventListener("input",()=>moved2(Math.min(max,Number((min+Number(bar.value)*step).toPrecision(8)))));return bar}
function setSlider(bar,value,min,step){bar.value=String(Math.round((value-min)/step))}var shown=new WeakMap;function show(element,picture2,most){const before=shown.
get(element);if(!picture2||picture2.px!=="rgba8"){element.removeAttribute("src")}else{const{w,h,pixels}=picture2;const blob=new ImageBlob(pixels.slice().buffer,
{type:"image/uncompressed",width:w,height:h,colorSpace:"RGB",colorProfile:"sRGB IEC61966-2.1",pixelFormat:"RGBA",components:4,componentSize:8,hasAlpha:true});const url=URL.
createObjectURL(blob);const scale=Math.min(most.w/w,most.h/h);element.style.width=`${Math.max(1,Math.round(w*scale))}px`;element.style.height=`${Math.max(1,Math.
round(h*scale))}px`;element.src=url;shown.set(element,url)}if(before)URL.revokeObjectURL(before)}var Chain=class{constructor(body,adder,changed){this.body=body;this.changed=changed;this.steps=[];this.known=new Map;this.adder=new Choice(adder,name=>this.add(
name))}offer(filters){this.known.clear();for(const filter2 of Array.isArray(filters)?filters:[]){if(isDescription(filter2)&&!wantsPicture(filter2))this.known.set(
filter2.name,filter2)}this.adder.fill([...this.known.values()].map(({name,title})=>[name,title]));this.adder.unchoose();this.draw()}set(steps){this.steps=steps.
map(({name,params,off})=>({name,params:{...params},...off?{off}:{}}));this.draw()}running(){const running=this.steps.filter(({off})=>!off).map(({name,params})=>({
name,params:{...params}}));return running.length>0?running:void 0}title(){return this.steps.filter(({off})=>!off).map(({name})=>this.known.get(name)?.title??name).
join(" + ")}add(name){this.adder.unchoose();if(!this.known.has(name))return;this.steps.push({name,params:{}});this.edited()}edited(){this.draw();this.changed()}draw(){
clear(this.body);this.steps.forEach((step,i)=>this.body.appendChild(this.drawStep(step,i)))}drawStep(step,i){const description=this.known.get(step.name);const on=make(
"sp-checkbox");tip(on,"Runs, or is left out");on.checked=!step.off;on.addEventListener("change",()=>{if(on.checked)delete step.off;else step.off=true;this.changed()});
const move=by=>{const[moved2]=this.steps.splice(i,1);this.steps.splice(Math.max(0,i+by),0,moved2);this.edited()};const title=make("div","title",description?.title??
`${step.name} (not installed)`);tip(title,typeof description?.description==="string"?description.description:"");const remove=()=>{this.steps.splice(i,1);this.edited()};
const head=make("div","row",on,title,tool("\u2191","Runs earlier",()=>move(-1)),tool("\u2193","Runs later",()=>move(1)),tool("\u2715","Remove",remove));const box=make(
"div","step",head);for(const param of description?.params??[]){if(isMembers(param))box.appendChild(this.drawParam(step,param))}return box}drawParam(step,param){
const name=String(param.name);const label=make("div","name",String(param.label??name));tip(label,`${param.help??""} A double click sets it back.`.trim());label.
addEventListener("dblclick",()=>{delete step.params[name];this.edited()});const value=step.params[name]??param.default??"";const keep2=chosen=>{step.params[name]=
chosen;this.changed()};return make("div","row",label,...control(param,value,keep2))}};function control(param,value,keep2){const whole=param.type==="int"||param.
type==="seed";if((param.type==="float"||param.type==="int")&&typeof param.min==="number"&&typeof param.max==="number"){return counted(Number(value),param.min,param.
max,whole?1:typeof param.step==="number"?param.step:(param.max-param.min)/100,String(param.unit??""),keep2)}if(param.type==="bool"){const box=make("sp-checkbox",
"grow");box.checked=value===true;box.addEventListener("change",()=>keep2(box.checked));return[box]}if(param.type==="choice"&&Array.isArray(param.choices)){const list=dropdown();
const entries=param.choices.filter(isMembers).map(choice=>[String(choice.name),String(choice.label??choice.name)]);new Choice(list,keep2).fill(entries,String(value));
return[list]}const field=make(param.multiline===true?"sp-textarea":"sp-textfield","grow");field.value=String(value);const swatch=param.type==="color"?make("div",
"swatch"):void 0;const read2=()=>{if(swatch){const good=/^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$/.test(field.value);if(good)swatch.style.backgroundColor=field.value.
slice(0,7);return good?field.value:void 0}if(param.type==="text")return field.value;const number=Number(field.value);return field.value.trim()!==""&&Number.isFinite(
number)?whole?Math.round(number):number:void 0};field.addEventListener("input",()=>{const chosen=read2();if(chosen!==void 0)keep2(chosen)});read2();return swatch?
[swatch,field]:[field]}function counted(value,min,max,step,unit,keep2){const shown2=make("div","value");const tell=number=>{shown2.textContent=`${Number(number.
toPrecision(3))}${unit?` ${unit}`:""}`};const bar=slider(value,min,max,step,number=>{tell(number);keep2(number)});tell(value);return[bar,shown2]}function isDescription(filter2){
return isMembers(filter2)&&typeof filter2.name==="string"&&typeof filter2.title==="string"&&Array.isArray(filter2.params)&&Array.isArray(filter2.inputs)}function wantsPicture(filter2){
return filter2.inputs.some(input=>isMembers(input)&&input.required===true&&input.role!=="mask"&&input.role!=="original")}var MOST_WEIGHT=10;var WEIGHT_STEP=.05;var Entries=class{constructor(name,most,changed){this.most=most;this.changed=changed;this.entries=[];this.count=()=>{};this.
scene={families:[],reads:true,open:false};this.list=byId(`${name}-list`);this.note=byId(`${name}-note`);this.adder=byId(`${name}-adder`)}set(kept){const found=(Array.
isArray(kept)?kept:[]).map(entry=>this.read(entry));this.entries=found.filter(entry=>entry!==void 0).slice(0,this.most);this.draw()}kept(){return parseJson(JSON.
stringify(this.entries))}suit(scene){if(JSON.stringify(scene)===JSON.stringify(this.scene))return;this.scene=scene;this.draw()}running(){return this.entries.filter(
({off})=>!off)}add(entry){if(this.entries.length>=this.most)return;this.entries.push(entry);this.edited()}touched(){this.count(this.running().length);this.changed()}draw(){
clear(this.list);for(const entry of this.entries)this.list.appendChild(this.drawEntry(entry));const lack=this.lack();this.note.textContent=lack;reveal(this.note,
lack!=="");reveal(this.adder,lack===""&&this.entries.length<this.most);this.count(this.running().length)}edited(){this.draw();this.changed()}drawEntry(entry){const on=make(
"sp-checkbox");tip(on,"Counts, or is left out");on.checked=!entry.off;on.addEventListener("change",()=>{if(on.checked)delete entry.off;else entry.off=true;this.
touched()});const remove=tool("\u2715","Remove",()=>{this.entries.splice(this.entries.indexOf(entry),1);this.edited()});return make("div","step",make("div","row",
on,this.lead(entry),remove),...this.lines(entry))}};function line(name,help,...parts){const label=make("div","name",name);tip(label,help);return make("div","row",
label,...parts)}function numberField(value,help,typed){const field=make("sp-textfield","number");tip(field,help);field.value=value;field.addEventListener("input",
()=>typed(field.value));return field}function weight(value,least,most,help,keep2){const bar=slider(value,least,most,WEIGHT_STEP,moved2=>{const rounded=Number(moved2.
toFixed(2));field.value=String(rounded);keep2(rounded)});tip(bar,help);const field=numberField(String(value),help,text=>{const typed=Number(text.replace(",","."));
if(text.trim()===""||!isWeight(typed))return;setSlider(bar,Math.min(most,Math.max(least,typed)),least,WEIGHT_STEP);keep2(typed)});return[bar,field]}function isWeight(value){
return typeof value==="number"&&value>=-MOST_WEIGHT&&value<=MOST_WEIGHT}var BoundEntries=class extends Entries{constructor(name,most,changed,keep2,none,help){super(name,most,changed);this.keep=keep2;this.none=none;this.help=help;this.
layers=[];byId(`${name}-adder`).addEventListener("click",()=>this.add(this.fresh(keptLayer(layerInFront()))))}look(){if(this.layers.length===0)return;const listed=layersInFront()??
[];for(const layer of this.layers)layer.look(listed);const names=new Map(listed.map(({id,name})=>[id,name]));const renamed=this.entries.filter(({layer,called})=>layer!==
void 0&&(names.get(layer)??called)!==called);for(const entry of renamed)entry.called=names.get(entry.layer);if(renamed.length>0)this.keep()}draw(){this.layers=[];
super.draw();this.look()}lack(){return this.scene.open?"":"Open a picture to begin."}lead(entry){const choice=new LayerChoice(boundOf(entry),this.none,this.help,
layer=>{delete entry.layer;delete entry.called;Object.assign(entry,keptLayer(layer));this.touched()});this.layers.push(choice);return choice.element}};function boundOf({
layer,called}){return layer===void 0?void 0:{id:layer,name:called??""}}function readLayer2({layer,called}){return typeof layer==="number"&&typeof called==="stri\
ng"?{layer,called}:{}}function keptLayer(layer){return layer?{layer:layer.id,called:layer.name}:{}}var LayerChoice=class{constructor(bound,none,help,chosen){this.
bound=bound;this.none=none;this.element=dropdown();this.shown="";this.layers=[];tip(this.element,help);this.choice=new Choice(this.element,id=>{this.bound=this.
layers.find(layer=>String(layer.id)===id);chosen(this.bound)})}look(listed){const{bound}=this;const options=[["",this.none],...listed.map(({id,name,depth:depth2})=>[
String(id),`${"\u2003".repeat(depth2)}${name}`])];this.layers=listed.map(({id,name})=>({id,name}));if(bound&&!listed.some(({id})=>id===bound.id)){options.push([
String(bound.id),`${bound.name} \u2013 not in this picture`]);this.layers.push(bound)}const wanted=JSON.stringify(options);if(wanted===this.shown)return;this.shown=
wanted;this.choice.fill(options,bound?String(bound.id):"")}};var FAMILIES={sd15:"Stable Diffusion 1.x",sd2:"Stable Diffusion 2.x",sdxl:"Stable Diffusion XL",sdxl_refiner:"Stable Diffusion XL's refiner"};var Models=class{constructor(element,wanted,chosen){
this.chosen=chosen;this.known=[];this.list=new Choice(element,chosen);this.fill(wanted?[[wanted,wanted]]:[],wanted)}offer(models,wanted){this.known=models.filter(
({kind,state})=>kind==="painter"&&state!=="unusable");const options=this.known.map(({id,name})=>[String(id),String(name)]);if(wanted&&!options.some(([id])=>id===
wanted))options.push([wanted,`${wanted} \u2013 not on this machine`]);this.fill(options,wanted)}choose(model){this.list.value=model;this.chosen(this.list.value)}scene(open){
const chosen=this.known.find(({id})=>id===this.list.value);const may=(chosen?[chosen]:this.known).filter(reads);return{families:[...new Set(may.map(({family})=>String(
family)))],reads:!chosen||reads(chosen),open}}fill(models,wanted){this.list.fill([["","Automatic"],...models],wanted)}};function reads({samplers}){return Array.
isArray(samplers)&&samplers.length>0}function misfit(family,{families}){if(typeof family!=="string"||family==="unknown"||families.includes(family))return"";return`\
made for ${FAMILIES[family]??family}`}function titleOf({id,name,title}){return String(title??name??id).replace(/\.safetensors$/,"")}function named(list){return(Array.
isArray(list)?list:[]).filter(isMembers).filter(entry=>typeof entry.id==="string"&&entry.id!=="")}var SIDE_PX=160;var Sight=class{constructor(looks){this.looks=looks;this.source="";this.parts=new Map}part(entry,made2,kept){const part=make("div","made");const draw=()=>{
clear(part);if(this.looks.offered()&&made2())for(const line2 of this.lines(entry,made2,kept))part.appendChild(line2)};this.parts.set(entry,draw);draw();return part}settle(sources){
if(this.entry&&sources.get(this.entry)!==this.source)this.drop();for(const entry of[...this.parts.keys()])if(!sources.has(entry))this.parts.delete(entry);this.draw()}lines(entry,made2,kept){
const isShown2=this.entry===entry;const look2=button("see",isShown2?"Hide":"Show","What the model will see of the layer",()=>isShown2?this.hide():this.see(entry,
made2()));const keep2=button("grow keep","Keep as layer","Puts what is made of it into the picture as a hidden layer, to draw on; it steers as it is",()=>{const{
control:control2,title}=made2();this.looks.keep(control2,title,(layerID,kind)=>kept(layerID,title,kind))});const found=[make("div","row",look2,keep2)];if(isShown2&&
this.picture){const image2=make("img");show(image2,this.picture,{w:SIDE_PX,h:SIDE_PX});found.push(make("div","seen",image2))}return found}see(entry,made2){this.
drop();const job=made2&&this.looks.look(made2.control,made2.title,picture2=>{if(this.job!==job)return;this.job=void 0;this.picture=picture2;if(!picture2)this.entry=
void 0;this.draw()});if(job&&made2)[this.entry,this.source,this.job]=[entry,made2.source,job];this.draw()}hide(){this.drop();this.draw()}drop(){const{job}=this;
this.entry=this.job=this.picture=void 0;job?.cancel()}draw(){for(const draw of this.parts.values())draw()}};function button(look2,words,help,pressed){const element=make(
"sp-button",look2,words);element.setAttribute("variant","secondary");tip(element,help);element.addEventListener("click",pressed);return element}var MOST=8;var PREPROCESS=[["","As it is"],["canny","Canny: thin edges"],["soft_edge","Soft edges"],["scribble","Scribble"],["tile","Tile: colours without detai\
l"],["blur","Blur: colours out of focus"]];var KINDS=[["","Told by what is made of it"],["pose","A pose"],["depth","Depth"],["soft_edge","Soft edges, scribbles"],
["line","Lines"],["normal","Normals"],["segmentation","Segmentation"],["tile","Tile"],["repaint","Repaint"]];var TITLES={controlnet:"ControlNet",controlnet_union:"\
ControlNet Union",t2i_adapter:"T2I-Adapter",ip_adapter:"IP-Adapter: a reference image"};var STEERS=Object.keys(TITLES);var Controls=class extends BoundEntries{constructor(changed,keep2,looks){
super("controls",MOST,changed,keep2,"The picture itself","The layer that steers");this.known=[];this.sight=new Sight(looks)}offer(list){const known=named(list);
if(JSON.stringify(known)===JSON.stringify(this.known))return;this.known=known;this.draw()}wanted(){return this.running().map(entry=>{const{model,kind,weight:counts}=entry;
if(!model)throw new Sorry("A control layer has no model. Choose one, or switch it off.");const is=this.known.find(({id})=>id===model)?.kind;const[start,end]=[share(
entry.start,0),share(entry.end,1)];if(start>=end)throw new Sorry(`A control layer counts from ${entry.start||0} % to ${entry.end||100} % of the steps, which is \
never. Let it end later than it starts.`);const{members:made2,...of}=this.made(entry);return{...of,members:{model,weight:counts,start,end,...is==="ip_adapter"?{}:
made2,...is==="controlnet_union"&&kind?{kind}:{}},whole:is==="ip_adapter"}})}draw(){this.settle();super.draw()}touched(){this.settle();super.touched()}settle(){
this.sight.settle(new Map(this.entries.map(entry=>[entry,source(entry)])))}made(entry){const{preprocess}=entry;const preprocessor=this.estimator(entry);const layer=boundOf(
entry);return{members:preprocess?{preprocess,...preprocessor?{preprocessor}:{}}:{},...layer?{layer}:{},whole:false}}title({preprocess,preprocessor,layer,called}){
const value=preprocess==="depth"?depth(preprocessor):preprocess;const label=[...PREPROCESS,...this.depths()].find(([known])=>known===value)?.[1]??preprocess;return`${label.
split(":")[0]} of ${layer===void 0?"the picture":called}`}take(entry,layer,called,kind){if(!this.entries.includes(entry))return;Object.assign(entry,{layer,called,
preprocess:"",preprocessor:"",kind:kind||entry.kind});this.edited()}read(kept){if(!isMembers(kept))return void 0;const text=value=>typeof value==="string"?value:
"";const{model,preprocess,preprocessor,kind,start,end,off}=kept;return{...readLayer2(kept),model:text(model),preprocess:text(preprocess),preprocessor:text(preprocessor),
kind:text(kind),weight:isWeight(kept.weight)?kept.weight:1,start:text(start),end:text(end),...off===true?{off}:{}}}fresh(layer){const model=this.models().find(({
why})=>!why)?.id??"";return{...layer,model,preprocess:"",preprocessor:"",kind:"",weight:1,start:"",end:""}}lack(){const models=this.models();if(!this.scene.reads)
return"This model cannot be steered.";if(models.length===0)return"No control models here yet: put ControlNets, T2I-Adapters or IP-Adapters into a models folder.";
if(models.some(({why})=>!why))return super.lack();if(models.length===1)return`No control model fits: ${models[0].name} is ${models[0].why}.`;return`None of the ${models.
length} control models here fits this model.`}lines(entry){const models=this.models();const chosen=models.find(({id})=>id===entry.model);const offered=models.map(
({id,name,why})=>[id,name,why]);if(entry.model&&!chosen)offered.push([entry.model,`${entry.model} \u2013 not on this machine`]);const model=choose(offered,entry.
model,chosen?TITLES[chosen.kind]:"The model that is steered by",value=>{entry.model=value;this.edited()});const found=[line("Model","The model that makes it cou\
nt",model)];if(chosen?.kind!=="ip_adapter"){const made2=entry.preprocess==="depth"?depth(this.estimator(entry)):entry.preprocess;const shows=choose([...PREPROCESS,
...this.depths()],made2,"What is made of the layer before the model sees it",value=>{[entry.preprocess,entry.preprocessor]=value.startsWith("depth")?["depth",value.
slice("depth ".length)]:[value,""];this.touched()});found.push(line("Shown","What is made of the layer before the model sees it",shows));const now=()=>entry.preprocess?
{control:this.made(entry),title:this.title(entry),source:source(entry)}:void 0;found.push(this.sight.part(entry,now,(layer,title,kind)=>this.take(entry,layer,title,
kind)))}if(chosen?.kind==="controlnet_union"){const kind=choose(KINDS,entry.kind,"What the layer shows, for a model that knows several kinds",value=>{entry.kind=
value;this.touched()});found.push(line("Kind","What the layer shows, for a model that knows several kinds",kind))}const set=weight(entry.weight,0,2,"How much it\
 counts; 1 as trained",value=>{entry.weight=value;this.touched()});const part=(side,none,help)=>{const field=numberField(entry[side],help,text=>{entry[side]=text;
this.touched()});field.setAttribute("placeholder",none);return field};found.push(line("Weight","How much it counts; 1 as trained",...set));const[start,end]=[part(
"start","0","From which part of the steps on, in percent"),part("end","100","Up to which part of the steps, in percent")];found.push(line("Steps","For which par\
t of the steps it counts, in percent",start,make("div","side","\u2013"),end,make("div","side","%")));return found}models(){const encoders=this.known.some(({kind})=>kind===
"image_encoder");const found=this.known.filter(({kind})=>STEERS.includes(String(kind))).map(control2=>{const{id,kind,family}=control2;const why=misfit(family,this.
scene)||(kind==="ip_adapter"&&!encoders?"without its image encoder":"");return{id,name:titleOf(control2),kind:String(kind),why}});const order=({why,kind})=>(why?
STEERS.length:0)+STEERS.indexOf(kind);return found.sort((a,b)=>order(a)-order(b)||a.name.localeCompare(b.name))}estimator({preprocess,preprocessor}){return preprocess===
"depth"&&this.known.some(({id})=>id===preprocessor)?preprocessor:""}depths(){const estimators=this.known.filter(({kind})=>kind==="depth");const[first,...others]=estimators;
if(!first)return[[depth(""),"Depth","for which there is no estimator here"]];return[[depth(""),"Depth: the nearer the lighter"],...(others.length>0?estimators:[]).
map(estimator=>[depth(estimator.id),`Depth by ${titleOf(estimator)}`])]}};function source({layer,preprocess,preprocessor}){return JSON.stringify([layer,preprocess,
preprocessor])}function depth(preprocessor){return`depth ${preprocessor}`}function choose(options,value,help,chosen){const element=dropdown();tip(element,help);
new Choice(element,chosen).fill(options,value);return element}function share(text,otherwise){if(text.trim()==="")return otherwise;const percent=Number(text.replace(
",","."));if(!(percent>=0&&percent<=100))throw new Sorry(`Steps of a control layer: \u201C${text}\u201D is not a number from 0 to 100.`);return percent/100}var SHOWN=24;var SIDE_PX2=60;var History=class{constructor(hands){this.hands=hands;this.stale=true;this.boxes=[];this.body=byId("entries");this.row=byId("entry-\
row");byId("entry-apply").addEventListener("click",()=>hands.attempt(()=>this.apply()));byId("entry-seed").addEventListener("click",()=>this.chosen&&hands.useSeed(
String(this.chosen.seed)));byId("entry-remove").addEventListener("click",()=>hands.attempt(()=>this.remove()))}invalidate(){this.stale=true;if(isShown(byId("his\
tory")))this.hands.attempt(()=>this.look())}async look(){const{state}=this.hands.connection;const offered=state.kind==="ready"&&state.server.caps.includes("hist\
ory");reveal(byId("history-fold"),offered);if(!offered||state.kind!=="ready"||!this.stale)return;this.stale=false;const answer=await state.session.conversation.
request("history/list",{limit:SHOWN});const entries=isMembers(answer)&&Array.isArray(answer.entries)?answer.entries.filter(isMembers):[];this.draw(entries,state.
session)}draw(entries,session){clear(this.body);this.boxes=[];this.choose(void 0,void 0);if(entries.length===0)this.body.appendChild(make("div","words tell","Wh\
at you paint will be here."));const blobs=new Map;for(const entry of entries){const image2=make("img");const box=make("div","entry",image2);tip(box,caption(entry));
this.boxes.push(box);box.addEventListener("click",()=>this.choose(entry,box));this.body.appendChild(box);const thumbnail=isMembers(entry.thumbnail)?entry.thumbnail:
{};const blob=String(thumbnail.blob);const data=blobs.get(blob)??session.conversation.blobs.take(blob);blobs.set(blob,data);show(image2,picture(thumbnail,data),
{w:SIDE_PX2,h:SIDE_PX2})}}choose(entry,box){this.chosen=entry;for(const other of this.boxes)other.className=other===box?"entry chosen":"entry";reveal(this.row,!!entry);
byId("entry-words").textContent=entry?caption(entry):""}apply(){const entry=this.chosen;if(!entry)return;const target=activeTarget();const prompt=typeof entry.prompt===
"string"?entry.prompt:"";const mode=typeof entry.mode==="string"?entry.mode:"picture";const job=new Job(this.hands.connection,target,layerName(prompt,mode,void 0),
"Place from history");this.hands.play(job,async()=>{const session=await job.session();const answer=await job.call(session,"history/get",{entry:String(entry.entry),
px:PX[target.depth]});const found=patches(answer,session).map(patch=>({...patch,rect:movedInto(target.extent,patch.rect,answer.extent)}));await job.put(found,patch=>layerName(
prompt,mode,patch.seed))})}async remove(){const{state}=this.hands.connection;if(this.chosen&&state.kind==="ready")await state.session.conversation.request("hist\
ory/remove",{entry:String(this.chosen.entry)});this.invalidate()}};function movedInto({w,h},rect2,madeFor){if(JSON.stringify(madeFor)===JSON.stringify([w,h]))return rect2;
return{...rect2,x:Math.max(0,Math.min(rect2.x,w-rect2.w)),y:Math.max(0,Math.min(rect2.y,h-rect2.h))}}function caption(entry){const words=typeof entry.prompt==="\
string"&&entry.prompt?entry.prompt:String(entry.mode??"");return`${words} (${String(entry.seed??"")})`}var MOST2=16;var HELP="1 as it was trained, 0 nothing, less than 0 the opposite";var Loras=class extends Entries{constructor(changed,insert){super("loras",MOST2,
changed);this.insert=insert;this.known=new Map;this.choice=new Choice(byId("loras-adder"),name=>this.chosen(name))}offer(list){const known=named(list).map(lora=>[
lora.id,lora]);if(JSON.stringify(known)===JSON.stringify([...this.known]))return;this.known=new Map(known);this.draw()}members(){const running=this.running().map(
({off:_,...lora})=>lora);return running.length>0?running:void 0}read(kept){if(!isMembers(kept)||typeof kept.name!=="string")return void 0;const{name,weight:held,
text_weight:text,off}=kept;return{name,weight:isWeight(held)?held:1,...isWeight(text)?{text_weight:text}:{},...off===true?{off}:{}}}draw(){super.draw();const fitting=[
...this.known].map(([id,lora])=>[id,titleOf(lora),misfit(lora.family,this.scene)]);fitting.sort((a,b)=>Number(a[2]!=="")-Number(b[2]!=="")||a[1].localeCompare(b[1]));
this.choice.fill(fitting);this.choice.unchoose()}lack(){if(!this.scene.reads)return"This model takes no LoRAs.";return this.known.size>0?"":"No LoRAs here yet: \
put .safetensors files into a models folder."}lead(entry){const lora=this.known.get(entry.name);const why=lora?misfit(lora.family,this.scene):"not on this machi\
ne";const head=make("div","title",`${lora?titleOf(lora):entry.name}${why?` \u2013 ${why}`:""}`);tip(head,lora?described(lora):entry.name);return head}lines(entry){
const set=weight(entry.weight,-2,2,HELP,value=>{entry.weight=value;this.touched()});const found=[make("div","row",...set)];const trigger=this.known.get(entry.name)?.
trigger;if(typeof trigger==="string"&&trigger){const words=make("div","words link",`+ ${trigger}`);tip(words,"Trigger words: a click puts them into the prompt");
words.addEventListener("click",()=>this.insert(trigger));found.push(words)}return found}chosen(name){this.choice.unchoose();if(this.known.has(name))this.add({name,
weight:1})}};function described({id,trigger,tags}){const trained=Array.isArray(tags)&&tags.length>0?`Trained on: ${tags.slice(0,8).map(String).join(", ")}`:"";return[
String(id),trigger?`Trigger words: ${String(trigger)}`:"",trained].filter(Boolean).join("\n")}function read(name){try{return parseJson(localStorage.getItem(name)??"null")}catch{return null}}function write(name,value){try{localStorage.setItem(name,JSON.stringify(
value))}catch{}}var KEY="underpaint.documents";var MOST3=100;var Notes=class{constructor(){this.open=new Map;this.store=stored()}look(){const now=documentInFront();const before=this.
front;this.front=now;if(now?.id!==before?.id)return this.note();if(now?.file!==void 0&&now.file!==before?.file)this.write();return void 0}keep(note){if(!this.front)
return;this.open.set(this.front.id,note);this.write()}get any(){return this.front!==void 0}note(){if(!this.front)return{controls:[],regions:[]};const{id,file}=this.
front;const found=this.open.get(id)??this.store.find(([path])=>path===file)?.[1]??{controls:[],regions:[]};this.open.set(id,found);return found}write(){const{id,
file}=this.front;const note=this.open.get(id);if(file===void 0||!note)return;const others=this.store.filter(([path])=>path!==file);const empty=note.controls.length===
0&&note.regions.length===0;this.store=[...empty?[]:[[file,note]],...others].slice(0,MOST3);write(KEY,this.store)}};function stored(){const kept=read(KEY);return(Array.
isArray(kept)?kept:[]).flatMap(pair=>{const[file,note]=Array.isArray(pair)?pair:[];if(typeof file!=="string"||!isMembers(note))return[];const list=value=>Array.
isArray(value)?value:[];return[[file,{controls:list(note.controls),regions:list(note.regions)}]]})}var EDITORS={krita:"Krita",gimp:"GIMP",photoshop:"another Photoshop",python:"a script",cli:"the command line"};var Queue=class{constructor(connection){this.connection=
connection;this.jobs=[];this.others=[];this.rows=new Map;this.body=byId("jobs");this.elsewhere=byId("others");this.preview=byId("preview");this.picture=byId("pi\
cture")}add(job){this.jobs.push(job);const tell=make("div","tell words");const bar=make("div");const title=make("div","title grow",job.title);const row=make("di\
v","job",make("div","row",title,tool("\u2715","Cancel",()=>job.cancel())),tell,make("div","bar",bar));this.rows.set(job,{row,tell,bar});this.body.appendChild(row);
this.draw(job)}remove(job){this.rows.get(job)?.row.remove();this.rows.delete(job);this.jobs.splice(this.jobs.indexOf(job),1);this.drawPreview()}draw(job){const parts=this.
rows.get(job);if(!parts)return;parts.tell.textContent=job.phase==="held"?"Painted, and waiting for Photoshop":job.text;parts.bar.style.width=`${Math.round((job.
share??0)*100)}%`;this.drawPreview()}async look(){if(this.connection.state.kind!=="ready")return this.showOthers([]);const{conversation}=this.connection.state.session;
const list=await conversation.request("job/list").catch(()=>[]);const own=new Set(this.jobs.map(({id})=>id));const texts=(Array.isArray(list)?list:[]).filter(isMembers).
filter(({job,mine,state})=>mine!==true&&!own.has(String(job))&&(state==="queued"||state==="running"));this.showOthers(texts.map(entry=>{const from=EDITORS[String(
entry.client)]??"another program";return`${entry.state==="running"?"Painting":"Waiting"} for ${from}: ${typeof entry.label==="string"?entry.label:"a picture"}`}))}showOthers(texts){
if(texts.join("\n")===this.others.join("\n"))return;this.others=texts;clear(this.elsewhere);for(const text of texts)this.elsewhere.appendChild(make("div","job",
make("div","tell words",text)))}drawPreview(){const latest=this.jobs.find(({preview})=>preview)?.preview;if(latest===this.seen)return;this.seen=latest;reveal(this.
preview,!!latest);show(this.picture,latest,{w:this.preview.clientWidth||280,h:200})}};var MOST4=16;var Regions=class extends BoundEntries{constructor(changed,keep2){super("regions",MOST4,changed,keep2,"Choose a layer","Where this layer is opaque,\
 the text holds; where it is half transparent, by half")}wanted(){return this.running().filter(({prompt})=>prompt.trim()!=="").map(entry=>{const prompt=entry.prompt.
trim();const layer=boundOf(entry);if(!layer)throw new Sorry(`The region \u201C${prompt}\u201D has no layer. Choose one, or switch it off.`);return{prompt,layer}})}read(kept){
if(!isMembers(kept)||typeof kept.prompt!=="string")return void 0;return{...readLayer2(kept),prompt:kept.prompt,...kept.off===true?{off:true}:{}}}fresh(layer){return{
...layer,prompt:""}}lack(){return this.scene.reads?super.lack():"This model reads no words, so it knows no regions."}lines(entry){const words=make("sp-textarea");
words.setAttribute("placeholder","What should be seen there");words.setAttribute("multiline","");words.value=entry.prompt;words.addEventListener("input",()=>{entry.
prompt=words.value;this.touched()});return[words]}};var KEY2="underpaint.settings.";var MODES=["fill","add","remove","expand","background","generate"];var FRESH={mode:"fill",prompt:"",negative:"",strength:100,model:"",
style:"",steps:"",guidance:"",seed:"",batch:1,margins:["","","",""],chain:[],loras:[],withFills:true,open:[]};function load(){const found={...FRESH};const take=(name,good)=>{
const value=read(KEY2+name);if(good(value))found[name]=value};const isText=value=>typeof value==="string";take("mode",value=>MODES.includes(value));for(const name of[
"prompt","negative","model","style","steps","guidance","seed"])take(name,isText);take("strength",value=>typeof value==="number"&&value>=1&&value<=100);take("bat\
ch",value=>typeof value==="number"&&value>=1&&value<=8);take("margins",value=>Array.isArray(value)&&value.length===4&&value.every(isText));take("loras",Array.isArray);
take("withFills",value=>typeof value==="boolean");take("open",value=>Array.isArray(value)&&value.every(isText));take("chain",value=>Array.isArray(value)&&value.
every(step=>isMembers(step)&&isText(step.name??null)&&isMembers(step.params)));return found}function save(name,value){write(KEY2+name,value)}var SHOWN2=new Set(["model","prompt","negative_prompt","denoise_strength","steps","guidance_scale","loras","filters"]);var ASKED_ANEW=new Set(["prompt","denoise\
_strength"]);var Styles=class{constructor(hands,wanted){this.hands=hands;this.wanted=wanted;this.known=new Map;this.list=new Choice(byId("style"),name=>this.hands.
put(this.known.get(name),name));this.list.fill([["","No style"]]);byId("style-save").addEventListener("click",()=>this.ask(!isShown(byId("style-naming"))));byId(
"style-keep").addEventListener("click",()=>hands.attempt(()=>this.keep()));byId("style-remove").addEventListener("click",()=>hands.attempt(()=>this.remove()))}offer(styles){
this.known=new Map(styles.map(({name,settings})=>[String(name),isMembers(settings)?settings:{}]));this.list.fill([["","No style"],...[...this.known.keys()].map(
name=>[name,name])],this.list.value||this.wanted);this.wanted=""}unshown(){const chosen=this.known.get(this.list.value)??{};return Object.fromEntries(Object.entries(
chosen).filter(([name])=>!SHOWN2.has(name)))}named(){this.hands.attempt(()=>this.keep())}ask(open){reveal(byId("style-naming"),open);if(!open)return;byId("style\
-name").value=this.list.value;byId("style-name").focus()}async keep(){const name=byId("style-name").value.trim();if(!name)return this.hands.say("A style needs a\
 name.");const chosen=this.known.get(this.list.value)??{};const shown2=Object.entries(this.hands.current()).filter(([member,value])=>value!==void 0&&(!ASKED_ANEW.
has(member)||member in chosen));await this.hands.request("styles/put",{name,settings:{...this.unshown(),...Object.fromEntries(shown2)}});this.wanted=name;this.list.
unchoose();this.ask(false);this.hands.say(`\u201C${name}\u201D was saved, for every editor.`)}async remove(){const name=this.list.value;if(!name)return this.hands.
say("Choose the style to delete first.");await this.hands.request("styles/remove",{name});this.hands.say(`\u201C${name}\u201D was deleted. What the panel shows stays\
 as it is.`)}};var LABELS={fill:["Fill","Repaint the selection so that it belongs to its surroundings"],add:["Add","Paint something new inside the selection"],remove:["Remove",
"Make what is selected disappear"],expand:["Expand","Continue the picture into the selection, or where the canvas is empty"],background:["Background","Keep what\
 is selected, and paint a new background around it"],generate:["Generate","Paint the whole canvas, or all of the selection, from the prompt"]};var GLANCE_MS=700;
var MARGINS=["margin-left","margin-top","margin-right","margin-bottom"];var Panel=class{constructor(){this.connection=new Connection;this.settings=load();this.queue=
new Queue(this.connection);this.modes=new Map;this.model=new Models(byId("model"),this.settings.model,value=>this.set("model",value));this.notes=new Notes;this.
loras=new Loras(()=>this.set("loras",this.loras.kept()),words=>this.insert(words));this.controls=new Controls(()=>this.steered(),()=>this.keepNote(),{offered:()=>this.
connection.state.kind==="ready"&&this.connection.state.server.caps.includes("preprocess"),look:(control2,title,seen)=>this.showing(control2,title,"Show",async(job,wish)=>seen(
await look(job,wish,control2)),()=>seen(void 0)),keep:(control2,title,kept)=>this.showing(control2,title,"Keep as layer",(job,wish)=>keep(job,wish,control2,kept))});
this.regions=new Regions(()=>this.steered(),()=>this.keepNote());this.styles=new Styles({request:async(method,params)=>(await this.connection.session(()=>true)).
conversation.request(method,params),put:(settings,name)=>this.chooseStyle(settings,name),current:()=>({...this.wanted(),seed:void 0,batch:void 0,prompt:this.settings.
prompt||void 0,loras:this.loras.members(),filters:this.running()}),say:words=>this.say(words),attempt:action=>this.attempt(action)},this.settings.style);this.chain=
new Chain(byId("chain"),byId("add-filter"),()=>this.set("chain",this.chain.steps));this.history=new History({connection:this.connection,play:(job,story)=>this.play(
job,story),useSeed:seed=>this.useSeed(seed),attempt:action=>this.attempt(action)});this.said="";this.build();this.connection.onState=state=>this.connected(state);
this.connection.listen(({method})=>{if(method==="queue/changed")void this.queue.look();if(method==="models/changed")this.attempt(()=>this.lookForModels());if(method===
"styles/changed")this.attempt(()=>this.lookForStyles());if(method==="filters/changed")this.attempt(()=>this.lookForFilters());if(method==="history/changed")this.
history.invalidate();if(method==="server/closing")this.say("Underpaint is closing.")});void this.connection.run()}shown(){this.glance();this.glances??(this.glances=
setInterval(()=>this.glance(),GLANCE_MS))}hidden(){clearInterval(this.glances);this.glances=void 0}destroy(){this.hidden();for(const job of this.queue.jobs)job.
cancel();this.connection.stop()}start(){this.attempt(()=>{const held=this.queue.jobs.find(({phase})=>phase==="held");if(held)return void this.replay(held);if(this.
connection.state.kind!=="ready")throw new Sorry(this.absence());this.lookAtDocument();const{reads:reads2}=this.model.scene(true);const{target,wish}=this.wish({controls:reads2?
this.controls.wanted():[],regions:reads2?this.regions.wanted():[]});const{mode,prompt}=wish;const job=new Job(this.connection,target,layerName(prompt,LABELS[mode][0],
void 0),LABELS[mode][0]);this.play(job,()=>fill(job,wish))})}wish(steering2){const{mode,prompt}=this.settings;const target=activeTarget();if(mode==="expand")target.
margins=this.margins();masking(mode,target);const loras=this.model.scene(true).reads?this.loras.members():void 0;const settings={...this.styles.unshown(),...this.
wanted(),loras};return{target,wish:{mode,prompt,settings,filters:this.running(),steering:steering2}}}showing(control2,title,command,story,missed=()=>{}){let begun;
this.attempt(()=>{if(this.connection.state.kind!=="ready")throw new Sorry(this.absence());const{target,wish}=this.wish({controls:[control2],regions:[]});const job=begun=
new Job(this.connection,target,title,command);this.play(job,async()=>{try{await story(job,wish)}catch(error){missed();throw error}})});return begun}cancel(){this.
queue.jobs.find(({phase})=>phase==="working")?.cancel()}play(job,story){this.queue.add(job);job.onChange=()=>{this.queue.draw(job);if(job.phase!=="working"&&this.
queue.jobs.includes(job))this.stopped(job);else this.look()};void job.play(story);this.say("")}replay(job){void job.placeAgain();this.say("")}stopped(job){if(job.
phase!=="held")this.queue.remove(job);if(job.seed!==void 0)this.lastSeed=job.seed;tip(byId("status"),Object.entries(job.times).map(([part,ms])=>`${part} ${Math.
round(ms)} ms`).join(", "));this.say(job.text)}filterLayer(){if(this.connection.state.kind!=="ready")throw new Sorry(this.absence());const filters=this.chain.running();
if(!filters)throw new Sorry("There is no filter that is switched on. Add one first.");const target=activeTarget();filtered(target);const title=this.chain.title();
const job=new Job(this.connection,target,title,"Apply filters");this.play(job,()=>filter(job,filters,title))}running(){return this.settings.withFills?this.chain.
running():void 0}wanted(){const{negative,strength,model,steps,guidance,seed,batch,mode}=this.settings;const number=(text,what,min,max)=>{if(text.trim()==="")return void 0;
const value=Number(text.replace(",","."));if(!(value>=min&&value<=max))throw new Sorry(`${what} \u201C${text}\u201D is not a number from ${min} to ${max}.`);return value};
if(!/^\d{0,20}$/.test(seed.trim()))throw new Sorry(`The seed \u201C${seed}\u201D is no whole number. Leave it empty for a random one.`);return{model:model||void 0,
negative_prompt:negative||void 0,denoise_strength:mode==="remove"||strength===100?void 0:strength/100,steps:number(steps,"Steps",1,1e3),guidance_scale:number(guidance,
"Guidance",0,100),seed:seed.trim()||void 0,batch:batch>1?batch:void 0}}margins(){const[left=0,top=0,right=0,bottom=0]=this.settings.margins.map(text=>{if(!/^\d{0,5}$/.
test(text.trim()))throw new Sorry(`The canvas cannot be enlarged by \u201C${text}\u201D pixels. Type a whole number, or nothing.`);return Number(text)});return{
left,top,right,bottom}}build(){const settings=this.settings;for(const mode of MODES){const button2=make("div","mode",LABELS[mode][0]);button2.id=`mode-${mode}`;
tip(button2,LABELS[mode][1]);button2.addEventListener("click",()=>this.set("mode",mode));byId("modes").appendChild(button2);this.modes.set(mode,button2)}this.text(
"prompt","prompt");this.text("negative","negative");this.text("steps","steps");this.text("guidance","guidance");this.text("seed","seed");MARGINS.forEach((id,i)=>{
const field=byId(id);field.value=settings.margins[i]??"";field.addEventListener("input",()=>this.set("margins",settings.margins.map((text,k)=>k===i?field.value:
text)))});this.number("strength"," %");this.number("batch","");this.chain.set(settings.chain);byId("with-fills").checked=settings.withFills;byId("with-fills").addEventListener(
"change",()=>this.set("withFills",byId("with-fills").checked));byId("apply").addEventListener("click",()=>this.attempt(()=>this.filterLayer()));byId("last-seed").
addEventListener("click",()=>this.lastSeed!==void 0&&this.useSeed(this.lastSeed));for(const name of["loras","controls","regions","filters","more","history"]){const folded=fold(
byId(`${name}-fold`),byId(name),open=>{this.set("open",open?[...settings.open,name]:settings.open.filter(other=>other!==name));if(name==="history"&&open)this.attempt(
()=>this.history.look())});folded.open(settings.open.includes(name));if(name==="loras"||name==="controls"||name==="regions")this[name].count=folded.count}this.loras.
set(settings.loras);byId("go").addEventListener("click",()=>this.start());byId("pair").addEventListener("click",()=>this.pair());document.addEventListener("keyd\
own",event=>{if(event.key==="Enter"&&(event.ctrlKey||event.metaKey)){event.preventDefault();this.start()}else if(event.key==="Enter"&&document.activeElement?.id===
"code"){this.pair()}else if(event.key==="Enter"&&document.activeElement?.id==="style-name"){this.styles.named()}else if(event.key==="Escape"){this.cancel()}});this.
look()}text(id,name){const control2=byId(id);control2.value=this.settings[name];control2.addEventListener("input",()=>this.set(name,control2.value))}number(name,unit){
const control2=byId(name);const tell=()=>byId(`${name}-value`).textContent=`${this.settings[name]}${unit}`;control2.value=String(this.settings[name]);tell();control2.
addEventListener("input",()=>{this.set(name,Math.round(Number(control2.value)));tell()})}set(name,value){this.settings[name]=value;save(name,value);this.say("")}insert(words){
const{prompt}=this.settings;if(prompt.includes(words))return;byId("prompt").value=prompt.trim()?`${prompt.trimEnd()}, ${words}`:words;this.set("prompt",byId("pr\
ompt").value)}useSeed(seed){byId("seed").value=seed;this.set("seed",seed);this.say(`The next picture uses the seed ${seed}.`)}look(){apart(()=>this.lookAround())}lookAround(){
const{mode}=this.settings;const{state}=this.connection;for(const[other,button2]of this.modes)button2.className=other===mode?"mode chosen":"mode";reveal(byId("st\
rength-row"),mode!=="remove");reveal(byId("margins-row"),mode==="expand");reveal(byId("pairing"),state.kind==="pairing");byId("light").className=state.kind;const held=this.
queue.jobs.some(({phase})=>phase==="held");const busy=this.queue.jobs.length>0;byId("go").textContent=held?"Place layer":busy?`${LABELS[mode][0]} another`:LABELS[mode][0];
byId("status").textContent=this.said||this.hint();this.lookAtDocument();for(const job of[...this.queue.jobs]){if(job.phase==="working"&&!openDocument(job.target))
job.cancel("The picture was closed, so its job was cancelled.")}}lookAtDocument(){const note=this.notes.look();const scene=this.model.scene(this.notes.any);for(const section of[
this.loras,this.controls,this.regions])section.suit(scene);if(note){this.controls.set(note.controls);this.regions.set(note.regions)}}glance(){this.look();apart(
()=>{for(const name of["controls","regions"]){if(isShown(byId(name)))this[name].look()}})}keepNote(){this.notes.keep({controls:this.controls.kept(),regions:this.
regions.kept()})}steered(){this.keepNote();this.say("")}hint(){if(this.connection.state.kind!=="ready")return this.absence();if(this.queue.jobs.length>0)return"";
const document2=glance();if(!document2)return"Open a picture to begin.";const{mode,margins}=this.settings;if(mode==="expand"&&margins.some(text=>Number(text)>0))
return"The canvas is enlarged, and the picture continued there.";if(document2.selection)return`${document2.selection.w} \xD7 ${document2.selection.h} pixels are\
 selected.`;if(mode==="generate")return"The whole canvas is painted.";if(mode==="expand")return"Where the canvas is empty, the picture is continued.";return mode===
"background"?"Select what is to stay.":`Select the part to ${mode==="add"?"add something to":mode}.`}absence(){const{state}=this.connection;if(state.kind==="pai\
ring")return state.why??"Underpaint is running and waits to be paired.";if(state.kind!=="absent")return"Looking for Underpaint\u2026";return state.why??"Underpa\
int is not running. Start it with `underpaint serve`; this panel finds it by itself."}say(words){this.said=words;this.look()}attempt(action){const told=error=>this.
say(sentence(error,LABELS[this.settings.mode][0]));try{void Promise.resolve(action()).catch(told)}catch(error){told(error)}}connected(state){if(state.kind!=="re\
ady")return this.look();this.said="";this.look();const topics=["queue","models","filters","styles",...state.server.caps.includes("history")?["history"]:[]];this.
attempt(async()=>{await state.session.conversation.request("subscribe",{topics});await Promise.all([this.lookForModels(),this.lookForStyles(),this.lookForFilters(),
this.queue.look()]);this.history.invalidate();await this.history.look()})}pair(){this.attempt(async()=>{const code=byId("code").value.replace(/\s/g,"");if(!/^\d{6}$/.
test(code))throw new Sorry("The code has six digits. `underpaint pair` shows it.");this.say("Pairing\u2026");await this.connection.pair(code);byId("code").value=
"";this.say("")})}async ask(method){if(this.connection.state.kind!=="ready")return[];const list=await this.connection.state.session.conversation.request(method);
return Array.isArray(list)?list.filter(isMembers):[]}async lookForModels(){this.model.offer(await this.ask("models/list"),this.settings.model);this.look();this.
loras.offer(await this.ask("loras/list"));this.controls.offer(await this.ask("controls/list"))}async lookForFilters(){this.chain.offer(await this.ask("filters/l\
ist"))}async lookForStyles(){this.styles.offer(await this.ask("styles/list"))}chooseStyle(style,name){this.set("style",name);if(!style)return;const put=(id,key,value)=>{
if(value===void 0)return;byId(id).value=String(value);this.set(key,String(value))};put("prompt","prompt",style.prompt);put("negative","negative",style.negative_prompt??
"");put("steps","steps",style.steps??"");put("guidance","guidance",style.guidance_scale??"");if(typeof style.model==="string")this.model.choose(style.model);if(typeof style.
denoise_strength==="number"){const percent=Math.max(1,Math.round(style.denoise_strength*100));byId("strength").value=String(percent);byId("strength-value").textContent=
`${percent} %`;this.set("strength",percent)}const steps=(Array.isArray(style.filters)?style.filters:[]).filter(isMembers).filter(({name:name2})=>typeof name2===
"string");this.chain.set(steps.map(({name:name2,params})=>({name:String(name2),params:isMembers(params)?params:{}})));this.set("chain",this.chain.steps);this.loras.
set(style.loras);this.set("loras",this.loras.kept())}};var panel;var ready=()=>panel??(panel=new Panel);import_uxp2.entrypoints.setup({plugin:{create:()=>{},destroy:()=>panel?.destroy()},panels:{underpaint:{create:root=>{
root.appendChild(document.getElementById("panel"));ready()},show:()=>ready().shown(),hide:()=>panel?.hidden()}},commands:{run:()=>ready().start(),cancel:()=>panel?.
cancel()}});})();
