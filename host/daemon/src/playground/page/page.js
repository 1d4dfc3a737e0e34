// The playground's page. Everything it shows is made from the filters' own descriptions; it knows no filter by name.
'use strict';

// The token stands behind # in the address; it is kept for reloads of this tab and taken out of sight.
const token = location.hash.slice(1) || sessionStorage.getItem('token') || '';
sessionStorage.setItem('token', token);
history.replaceState(null, '', '/');

const $ = (id) => document.getElementById(id);
const stage = $('stage'), before = $('before'), after = $('after'), divider = $('divider');
let filters = [], chain = [], share = 0.5, running = null, again = false;

function say(text, wrong = false) {
  $('said').textContent = text;
  $('said').classList.toggle('wrong', wrong);
}

async function ask(method, path, body, signal) {
  const answer = await fetch(path, { method, body, signal, headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `the playground answered ${answer.status}`);
  return answer;
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// The chain: one entry for each step, with its own parameters.

function defaults(filter) {
  return Object.fromEntries(filter.params.map((p) => [p.name, p.default]));
}

function addStep(name) {
  const filter = filters.find((f) => f.name === name);
  if (!filter) return;
  chain.push({ filter, params: defaults(filter), images: {}, on: true });
  showChain();
  render();
}

function showChain() {
  $('chain').replaceChildren(...chain.map(showStep));
}

function showStep(step, index) {
  const button = (label, title, act) => element('button', { textContent: label, title, onclick: () => { act(); showChain(); render(); } });
  const move = (to) => { if (to >= 0 && to < chain.length) chain.splice(to, 0, chain.splice(index, 1)[0]); };
  const item = element('li', { className: step.on ? '' : 'off' },
    element('header', {},
      element('b', { textContent: step.filter.title, title: step.filter.description }),
      button(step.on ? '●' : '○', step.on ? 'Switch off' : 'Switch on', () => { step.on = !step.on; }),
      button('↑', 'Earlier', () => move(index - 1)),
      button('↓', 'Later', () => move(index + 1)),
      button('↺', 'Back to the defaults', () => { step.params = defaults(step.filter); step.images = {}; }),
      button('×', 'Remove', () => chain.splice(index, 1))));
  let group = '';
  for (const param of step.filter.params) {
    if (param.group && param.group !== group) item.append(element('h3', { textContent: param.group }));
    group = param.group || '';
    item.append(control(step, param));
  }
  for (const input of step.filter.inputs.filter((i) => i.role === 'image')) item.append(imageControl(step, input));
  return item;
}

function control(step, param) {
  const set = (value) => { step.params[param.name] = value; render(); };
  const name = element('span', { textContent: param.label, title: param.help });
  const row = element('label', { className: `param ${param.type}` }, name);
  const value = step.params[param.name];
  switch (param.type) {
    case 'float': case 'int': {
      const step_ = param.type === 'int' ? param.step || 1 : param.step;
      const limits = { min: param.min, max: param.max, step: step_ };
      const range = element('input', { type: 'range', ...limits, value, name: param.name });
      const number = element('input', { type: 'number', ...limits, step: param.type === 'int' ? step_ : 'any', value, title: param.unit });
      const take = (text) => {
        let v = Math.min(param.max, Math.max(param.min, Number(text)));
        if (param.type === 'int') v = Math.round(v);
        return Number.isFinite(v) ? v : param.default;
      };
      range.oninput = () => { const v = take(range.value); number.value = v; set(v); };
      number.onchange = () => { const v = take(number.value); number.value = range.value = v; set(v); };
      name.ondblclick = () => { number.value = range.value = param.default; set(param.default); };
      if (param.unit) name.append(` (${param.unit})`);
      row.append(range, number);
      break;
    }
    case 'bool':
      row.append(element('input', { type: 'checkbox', checked: value, name: param.name, onchange: (e) => set(e.target.checked) }));
      break;
    case 'choice':
      row.append(element('select', { name: param.name, onchange: (e) => set(e.target.value) },
        ...param.choices.map((c) => element('option', { value: c.name, textContent: c.label || c.name, selected: c.name === value }))));
      break;
    case 'color': {
      const picker = element('input', { type: 'color', value: value.slice(0, 7), name: param.name });
      const alpha = element('input', { type: 'range', min: 0, max: 255, value: parseInt(value.slice(7, 9) || 'ff', 16), title: 'Opacity' });
      const both = () => set(picker.value + Number(alpha.value).toString(16).padStart(2, '0'));
      picker.oninput = alpha.oninput = both;
      alpha.style.width = '84px';
      row.append(picker, alpha);
      break;
    }
    case 'text':
      if (!param.multiline) {
        row.append(element('input', { type: 'text', value, name: param.name, maxLength: param.max_bytes, onchange: (e) => set(e.target.value) }));
        break;
      }
      row.append(element('textarea', { value, name: param.name, spellcheck: false, onchange: (e) => set(e.target.value) }));
      row.append(loader('Load…', async (file) => { set(await file.text()); showChain(); }));
      break;
    case 'seed': {
      const number = element('input', { type: 'number', min: 0, max: 4294967295, step: 1, value, onchange: (e) => set(Math.round(e.target.value)) });
      const dice = element('button', { textContent: '⚄', title: 'Another', onclick: (e) => { e.preventDefault(); number.value = draw(); set(Number(number.value)); } });
      row.append(number, dice);
      break;
    }
  }
  return row;
}

function loader(label, take) {
  const file = element('input', { type: 'file', hidden: true, onchange: () => file.files[0] && take(file.files[0]).catch((e) => say(e.message, true)) });
  return element('label', { className: 'button', tabIndex: 0, textContent: label }, file);
}

function imageControl(step, input) {
  const label = step.images[input.name] ? 'Chosen; another…' : input.required ? 'Choose (needed)…' : 'Choose…';
  return element('div', { className: 'param' }, element('span', { textContent: input.label, title: input.help }),
    loader(label, async (file) => {
      step.images[input.name] = (await (await ask('PUT', '/api/image', file)).json()).id;
      showChain();
      render();
    }));
}

function draw() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

// Rendering: one request at a time; what changes meanwhile makes one more.

function request(whole) {
  const steps = chain.filter((s) => s.on).map((s) => ({ name: s.filter.name, params: s.params, images: s.images }));
  const side = Math.round(Math.max(stage.clientWidth, stage.clientHeight) * devicePixelRatio);
  return JSON.stringify({ chain: steps, seed: Math.round($('seed').value) || 0, ...(whole ? {} : { side: Math.max(16, side) }) });
}

async function render() {
  if (running) { again = true; running.abort(); return; }
  running = new AbortController();
  const began = performance.now();
  try {
    const answer = await ask('POST', '/api/apply', request($('whole').checked), running.signal);
    const facts = JSON.parse(answer.headers.get('x-underpaint'));
    const bytes = new Uint8ClampedArray(await answer.arrayBuffer());
    const [w, h] = facts.before, [aw, ah] = facts.after;
    paint(before, w, h, bytes.subarray(0, w * h * 4));
    paint(after, aw, ah, bytes.subarray(w * h * 4));
    place();
    const mpix = (w * h) / 1e6;
    $('size').textContent = `${w}×${h}${aw !== w || ah !== h ? ` → ${aw}×${ah}` : ''}${facts.scale < 1 ? ` (preview at ${(facts.scale * 100).toFixed(0)} %)` : ''}`;
    $('time').textContent = chain.some((s) => s.on)
      ? `filters ${facts.ms.toFixed(1)} ms, ${(mpix / facts.ms * 1e3).toFixed(0)} Mpix/s; to the screen ${(performance.now() - began).toFixed(0)} ms`
      : '';
    document.body.dataset.rendered = String(Number(document.body.dataset.rendered || 0) + 1);
    say('');
  } catch (error) {
    if (error.name !== 'AbortError' && !/: cancelled$/.test(error.message)) say(error.message, true);
  } finally {
    running = null;
    if (again) { again = false; render(); }
  }
}

function paint(canvas, w, h, bytes) {
  canvas.width = w;
  canvas.height = h;
  canvas.getContext('2d').putImageData(new ImageData(bytes, w, h), 0, 0);
}

// Before on the left of the divider, after on its right.
function place() {
  const box = after.getBoundingClientRect(), view = stage.getBoundingClientRect();
  after.style.clipPath = `inset(0 0 0 ${share * 100}%)`;
  before.style.clipPath = `inset(0 ${(1 - share) * 100}% 0 0)`;
  before.style.width = after.style.width = '';
  if (before.width !== after.width) before.style.width = `${box.width}px`;
  divider.style.left = `${box.left - view.left + stage.scrollLeft + box.width * share - 1}px`;
  divider.style.top = `${box.top - view.top + stage.scrollTop}px`;
  divider.style.height = `${box.height}px`;
  divider.setAttribute('aria-valuenow', Math.round(share * 100));
}

function drag(event) {
  const box = after.getBoundingClientRect();
  share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  place();
}
stage.onpointerdown = (event) => {
  if (event.button !== 0) return;
  stage.setPointerCapture(event.pointerId);
  stage.onpointermove = drag;
  drag(event);
};
stage.onpointerup = () => { stage.onpointermove = null; };
divider.onkeydown = (event) => {
  const by = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
  if (by) { share = Math.min(1, Math.max(0, share + by)); place(); }
};
new ResizeObserver(() => { place(); render(); }).observe(stage);

// Pictures in and out.

async function open(file) {
  say('Reading…');
  await ask('PUT', '/api/picture', file);
  say('');
  render();
}
$('open').onchange = (e) => e.target.files[0] && open(e.target.files[0]).catch((error) => say(error.message, true));
$('mask').onchange = (e) => e.target.files[0] && ask('PUT', '/api/mask', e.target.files[0]).then(render, (error) => say(error.message, true));
for (const type of ['dragenter', 'dragover']) addEventListener(type, (e) => { e.preventDefault(); stage.classList.add('drop'); });
addEventListener('dragleave', (e) => { if (!e.relatedTarget) stage.classList.remove('drop'); });
addEventListener('drop', (e) => {
  e.preventDefault();
  stage.classList.remove('drop');
  if (e.dataTransfer.files[0]) open(e.dataTransfer.files[0]).catch((error) => say(error.message, true));
});
addEventListener('paste', (e) => { if (e.clipboardData.files[0]) open(e.clipboardData.files[0]).catch((error) => say(error.message, true)); });

$('save').onclick = async () => {
  say('Working on the whole picture…');
  try {
    const url = URL.createObjectURL(await (await ask('POST', '/api/save', request(true))).blob());
    element('a', { href: url, download: 'filtered.png' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    say('');
  } catch (error) { say(error.message, true); }
};

$('copy').onclick = async () => {
  const quote = (text) => /^[\w.=#-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  const lines = chain.filter((s) => s.on).map((s, i) => {
    const changed = s.filter.params.filter((p) => s.params[p.name] !== p.default);
    const params = changed.map((p) => ` --param ${quote(`${p.name}=${s.params[p.name]}`)}`).join('');
    const [from, to] = [i ? `step-${i}.png` : 'photo.png', `step-${i + 1}.png`];
    return `underpaint filter run ${s.filter.name} ${from} -o ${to} --seed ${$('seed').value}${params}`;
  });
  await navigator.clipboard.writeText(lines.join('\n')).then(() => say('Copied.'), () => say(lines.join('\n')));
};

$('dice').onclick = (e) => { e.preventDefault(); $('seed').value = draw(); render(); };
$('seed').onchange = render;
$('whole').onchange = () => { stage.classList.toggle('whole', $('whole').checked); render(); };
$('add').onchange = (e) => { addStep(e.target.value); e.target.value = ''; };

// An author's file may have been built anew: the list is asked for again whenever the page is looked at.
async function load() {
  try {
    const found = (await (await ask('GET', '/api/filters')).json()).filters;
    const changed = JSON.stringify(found) !== JSON.stringify(filters);
    filters = found;
    if (!changed) return;
    $('add').replaceChildren(element('option', { value: '', textContent: 'Add a filter…' }),
      ...filters.map((f) => element('option', { value: f.name, textContent: f.title, title: f.description })));
    for (const step of chain) {
      const now = filters.find((f) => f.name === step.filter.name);
      if (!now || now.sha256 === step.filter.sha256) continue;
      const known = Object.fromEntries(Object.entries(step.params).filter(([name]) => now.params.some((p) => p.name === name)));
      Object.assign(step, { filter: now, params: { ...defaults(now), ...known } });
    }
    showChain();
    render();
  } catch (error) { say(error.message, true); }
}
addEventListener('focus', load);
setInterval(() => { if (!document.hidden) load(); }, 1500);
load().then(() => { if (!chain.length && filters.length) addStep(filters[0].name); });
