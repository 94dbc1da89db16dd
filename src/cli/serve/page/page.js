// The page of dlock serve. All text comes from a store, so it only ever becomes text: no innerHTML.
const $ = id => document.getElementById(id)
const state = { data: null, heard: 0, selected: null, found: null, mayBreak: false }

// An element, its attributes, and its children: elements or texts.
function make(tag, attributes = {}, ...children) {
  const element = tag === 'svg' || attributes.svg
    ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== 'svg') element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}

const show = (element, ...children) => element.replaceChildren(...children)

function duration(ms) {
  return spelled(ms).replaceAll(' ', '\u00a0')
}

function spelled(ms) {
  if (ms === null || ms === undefined) return '–'
  if (ms < 1000) return `${ms} ms`
  const s = ms / 1000
  if (s < 60) return `${s.toFixed(1)} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60 % 60)} min`
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600 % 24)} h`
}

// Characters that turn the direction of writing or are invisible become visible.
const visible = text => text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
  c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

function party(one) {
  if (!one || (!one.host && !one.client)) return 'an unknown client'
  if (!one.host) return `ended (client ${one.client})`
  return visible(`${one.host}:${one.pid} ${one.program}${one.label ? ` (${one.label})` : ''}`)
}

function holder(lock) {
  if (!lock.held) return 'nobody'
  if (lock.foreign) return 'a client of another library'
  return lock.holders.length > 1 ? `${lock.holders.length} holders` : party(lock.holders[0])
}

// The stream has the longest queues only: where there are more, the server searches.
async function search() {
  const text = $('filter').value
  const { locks, totals } = state.data
  if (text && totals.locks > locks.length) {
    const found = await get(`/api/v1/locks?limit=500&filter=${encodeURIComponent(text)}`)
    if (text !== $('filter').value) return // the answer to a later question may come first
    state.found = { text, locks: found.locks }
  }
  drawLocks()
  drawDetail()
}

const known = () => state.found?.text === $('filter').value ? state.found.locks : state.data.locks

function chosen() {
  const text = $('filter').value.toLowerCase()
  const value = { waiters: lock => lock.waiters.length, longest: lock => lock.longest_wait_ms,
    held: lock => lock.held_for_ms ?? -1, handoffs: lock => lock.handoffs_per_s }[$('sort').value]
  const locks = known().filter(lock => !text || state.found?.text === $('filter').value || lock.name.toLowerCase().includes(text) ||
    lock.holders.some(one => party(one).toLowerCase().includes(text)))
  return value ? locks.sort((a, b) => value(b) - value(a))
    : locks.sort((a, b) => a.name < b.name ? -1 : 1)
}

function drawTotals() {
  const { totals, deadlocks } = state.data
  show($('totals'), ...[['locks', totals.locks], ['held', totals.held], ['waiting', totals.waiters],
    ['longest wait', totals.longest_wait_ms ? duration(totals.longest_wait_ms) : '–'],
    ['deadlocks', deadlocks.length]].map(([name, value]) => make('div', {},
    make('dt', {}, name),
    make('dd', name === 'deadlocks' && value ? { class: 'bad' } : {}, String(value)))))
}

// Rows stay the same elements while their order does, so that a click or the focus is not lost.
const rows = new Map()

function rowOf(name) {
  if (!rows.has(name)) {
    const button = make('button', { type: 'button', 'data-name': name }, visible(name))
    const row = make('tr', {}, make('td', {}, button), ...Array.from({ length: 6 }, () => make('td')))
    row.addEventListener('click', () => select(name))
    rows.set(name, row)
  }
  return rows.get(name)
}

function drawLocks() {
  const locks = chosen()
  const list = locks.map(lock => {
    const waits = lock.waiters.length
    const row = rowOf(lock.name)
    const texts = [holder(lock), String(waits), waits ? duration(lock.longest_wait_ms) : '–',
      lock.held ? duration(lock.held_for_ms) : '–',
      lock.held ? lock.ttl_left_ms === null ? 'no end' : duration(lock.ttl_left_ms) : '–',
      lock.handoffs_per_s < 0.05 ? '–' : lock.handoffs_per_s.toFixed(1)]
    texts.forEach((text, i) => { row.cells[i + 1].textContent = text })
    row.cells[2].className = waits ? 'waited' : ''
    row.setAttribute('aria-selected', lock.name === state.selected)
    return row
  })
  const body = $('locks').tBodies[0]
  if (list.length !== body.rows.length || list.some((row, i) => row !== body.rows[i])) {
    const focused = document.activeElement
    show(body, ...list)
    if (focused?.dataset.name !== undefined && focused.isConnected) focused.focus()
    const names = new Set(known().map(lock => lock.name))
    for (const name of rows.keys()) if (!names.has(name)) rows.delete(name)
  }
  $('locks').hidden = !locks.length
  $('none').hidden = locks.length > 0
  $('none').textContent = state.data.totals.locks ? 'No lock matches the search.'
    : 'Nobody holds a lock, and nobody waits for one. As soon as a program does, for example ' +
      '“dlock run backup -- sleep 60”, its lock appears here.'
}

function select(name) {
  state.selected = name
  drawLocks()
  drawDetail()
  $('detail').focus()
}

function table(headings, rows) {
  return make('table', {}, make('thead', {}, make('tr', {}, ...headings.map(text => make('th', { scope: 'col' }, text)))),
    make('tbody', {}, ...rows.map(cells => make('tr', {}, ...cells.map(cell => make('td', /\u00a0/.test(cell) ? { class: 'span' } : {}, cell))))))
}

function drawDetail() {
  $('detail').hidden = state.selected === null
  if (state.selected === null) return
  const lock = [...state.data.locks, ...known()].find(one => one.name === state.selected)
  $('detail-heading').textContent = visible(state.selected)
  if (!lock) return show($('detail-body'), make('p', {}, 'Nobody holds this lock or waits for it.'))
  const kinds = { mutex: 'mutex', shared_mutex: 'reader-writer lock', semaphore: `semaphore, ${lock.used} of ${lock.permits} permits` }
  show($('detail-body'), make('p', { class: 'faint' }, lock.election ? 'election: its holder leads, the others are candidates' : kinds[lock.kind] ?? 'free'),
    make('h3', {}, 'Holders'),
    lock.holders.length ? table(['holder', 'held for', 'ttl left', 'fence'], lock.holders.map(one =>
      [lock.foreign ? 'a client of another library' : party(one) + (one.role ? `, ${one.role}` : ''), duration(one.held_for_ms),
        one.ttl_left_ms === null ? 'no end' : duration(one.ttl_left_ms), one.fence ?? '–']))
      : make('p', {}, 'Nobody holds it.'),
    ...(state.mayBreak ? lock.holders.filter(one => one.fence).map(one => breakButton(lock, one)) : []),
    make('h3', {}, 'Queue, in order'),
    lock.waiters.length ? table(['', 'waiter', 'waits for'], lock.waiters.map((one, i) =>
      [String(i + 1), party(one), duration(one.waiting_ms)])) : make('p', {}, 'Nobody waits.'))
}

function breakButton(lock, one) {
  const button = make('button', { type: 'button' }, `Take it from ${party(one)} …`)
  button.addEventListener('click', () => {
    $('break-what').textContent = `Takes “${visible(lock.name)}” from ${party(one)}, which has the fence ${one.fence}. ` +
      'Nothing stops that program until it listens. Type the fence to confirm.'
    $('break').dataset.name = lock.name
    $('break-fence').value = $('break-answer').textContent = ''
    $('break').showModal()
  })
  return button
}

async function takeAway(event) {
  event.preventDefault()
  const query = new URLSearchParams({ name: $('break').dataset.name, fence: $('break-fence').value.trim() })
  const answer = await fetch(`/api/v1/break?${query}`, { method: 'POST', headers: { Authorization: `Bearer ${$('break-token').value}` } })
  const body = await answer.json()
  $('break-answer').textContent = answer.ok ? 'It was taken away.'
    : body.outcome ? 'No holder has that fence (any more).' : visible(body.error)
}

// Who waits for a lock that a client holds, and who waits for those in turn. Candidates of an election
// are kept from nothing by its leader.
function drawBlocks() {
  const held = new Map()
  const waiting = new Set()
  const names = new Map(state.data.waits.map(wait => [wait.token, wait.name]))
  const inside = new Map() // lock: the holders of others that wait for it in a program they started
  for (const lock of state.data.locks.filter(one => !one.election)) {
    for (const one of lock.holders) {
      const name = names.get(one.token)
      if (name !== undefined && lock.waiters.length) {
        inside.set(name, [...inside.get(name) ?? [], one])
        waiting.add(one.client)
      }
    }
    if (!lock.waiters.length) continue
    for (const one of lock.holders) {
      const key = one.client || `lock ${lock.name}`
      if (!held.has(key)) held.set(key, { one, locks: [], foreign: lock.foreign })
      held.get(key).locks.push(lock)
    }
    for (const one of lock.waiters) waiting.add(one.client)
  }
  // The waiters behind a holder. A program that waits in one which it started is counted as that one.
  const behind = root => {
    const counted = new Set()
    const seen = new Set([root])
    for (const key of seen) { // which grows meanwhile
      for (const lock of held.get(key)?.locks ?? []) {
        for (const one of lock.waiters) { counted.add(one.client); seen.add(one.client) }
        for (const one of inside.get(lock.name) ?? []) seen.add(one.client)
      }
    }
    counted.delete(root) // of a ring
    return counted
  }
  const most = 20
  const branch = (key, path) => make('ul', {}, ...held.get(key).locks.flatMap(lock => {
    const items = lock.waiters.slice(0, most).map(one => {
      const item = make('li', {}, `${party(one)} `, make('span', { class: 'faint' }, `waits ${duration(one.waiting_ms)} for ${visible(lock.name)}`))
      if (held.has(one.client) && !path.includes(one.client)) item.append(branch(one.client, [...path, one.client]))
      return item
    })
    for (const one of inside.get(lock.name) ?? []) {
      if (path.includes(one.client) || lock.waiters.some(other => other.client === one.client)) continue
      items.push(make('li', {}, `${party(one)} `, make('span', { class: 'faint' }, `waits for ${visible(lock.name)} in a program that it started`),
        branch(one.client, [...path, one.client])))
    }
    if (lock.waiters.length > most) items.push(make('li', { class: 'faint' }, `and ${lock.waiters.length - most} more`))
    return items
  }))
  const all = [...held.keys()]
  const roots = all.filter(key => !waiting.has(key))
  const count = new Map(all.map(key => [key, behind(key).size]))
  const shown = (roots.length ? roots : all).sort((a, b) => count.get(b) - count.get(a)).slice(0, most)
  show($('blocks'), shown.length ? make('ul', { class: 'chain' }, ...shown.map(key => make('li', {},
    held.get(key).foreign ? 'a client of another library' : party(held.get(key).one), ' ',
    make('span', { class: 'badge' }, `blocks ${count.get(key)}`), branch(key, [key]))))
    : make('p', { class: 'faint' }, 'Nobody waits.'))
}

function drawRings() {
  const rings = state.data.deadlocks
  show($('rings'), ...(rings.length ? rings.map(ring => make('ol', {}, ...ring.map((link, i) => make('li', { class: 'bad' },
    `${visible(link.name)} is held by ${party(link.holder)}, which waits for ${visible(ring[(i + 1) % ring.length].name)}`))))
    : [make('p', { class: 'faint' }, 'No holders wait for each other.')]))
}

function chart(title, values, format) {
  const top = Math.max(...values, 1)
  const start = 360 - values.length  // the last hour has 360 parts
  const line = values.map((value, i) => {
    const y = (38 - 36 * value / top).toFixed(1)
    return `${start + i},${y} ${start + i + 1},${y}`
  }).join(' ')
  const caption = `${title}: ${format(values.at(-1) ?? 0)} in the last ten seconds, at most ${format(Math.max(...values, 0))}`
  return make('figure', {},
    make('svg', { viewBox: '0 0 360 40', preserveAspectRatio: 'none', role: 'img',
      'aria-label': caption },
    make('line', { svg: 1, class: 'base', x1: 0, x2: 360, y1: 38, y2: 38 }),
    ...(values.length ? [make('polygon', { svg: 1, class: 'area', points: `${start},38 ${line} 360,38` }),
      make('polyline', { svg: 1, class: 'top', points: line })] : [])),
    make('figcaption', {}, caption))
}

async function get(path) {
  const answer = await fetch(path)
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.error)
  return body
}

async function drawHistory() {
  try {
    const { buckets } = await get('/api/v1/history')
    show($('charts'), chart('waiting', buckets.map(one => one.waiters), String),
      chart('longest wait', buckets.map(one => one.longest_wait_ms), duration))
  } catch { /* the state line says that the server is gone */ }
}

async function drawDoctor(body) {
  show(body, make('p', { class: 'faint' }, 'examining the servers'))
  const { findings } = await get('/api/v1/doctor')
  const bad = { danger: 'bad', warning: 'warning', ok: 'ok' }
  show(body, table(['grade', 'subject', 'server', 'finding'], findings.map(one => [
    make('span', { class: bad[one.grade] ?? 'faint' }, one.grade), one.subject, one.node ?? 'all',
    [one.what, one.why, one.fix].filter(Boolean).map(visible).join('. ')])))
}

async function drawOthers(body) {
  const [elections, { latches, barriers }] = await Promise.all([get('/api/v1/elections'), get('/api/v1/gates')])
  const parts = []
  const part = (title, headings, rows) => rows.length && parts.push(make('h3', {}, title), table(headings, rows))
  part('Elections', ['name', 'leader', 'term'], elections.map(one => [visible(one.name),
    one.leader ? visible(one.leader.value) : 'nobody leads', one.leader?.term ?? '–']))
  part('Latches', ['name', 'left', 'waiting'], latches.map(one => [visible(one.name),
    `${one.left} of ${one.count}${one.broken ? ', broken' : ''}`, String(one.waiters.length)]))
  part('Barriers', ['name', 'arrived', 'phase'], barriers.map(one => [visible(one.name),
    `${one.arrived.length} of ${one.parties}${one.broken ? ', broken' : ''}`, String(one.phase)]))
  show(body, ...(parts.length ? parts : [make('p', { class: 'faint' }, 'There are none.')]))
}

const drawOpen = id => {
  const body = $(id).lastElementChild
  if (!$(id).open) return
  const draw = { others: drawOthers, doctor: drawDoctor }[id]
  draw(body).catch(error => show(body, make('p', { class: 'bad' }, visible(error.message))))
}

function drawAll() {
  drawTotals()
  drawLocks()
  if (!$('detail-body').contains(document.activeElement)) drawDetail() // a button there keeps the focus
  drawBlocks()
  drawRings()
}

function tell(text, bad) {
  $('state').textContent = text
  $('state').className = bad ? 'bad' : ''
}

const events = new EventSource('/api/v1/events')
events.addEventListener('snapshot', event => {
  state.data = JSON.parse(event.data)
  state.heard = Date.now()
  if (state.found) search().catch(() => { state.found = null })
  const { problem, totals, locks } = state.data
  tell(problem ? `cannot read the store, trying again: ${visible(problem)}`
    : totals.locks > locks.length ? `live; the longest queues of ${totals.locks} locks: search for others` : 'live', problem)
  drawAll()
})
setInterval(() => {
  if (Date.now() - state.heard > 5000) tell('the server does not answer; trying again', true)
}, 1000)
setInterval(drawHistory, 2000)
setInterval(() => drawOpen('others'), 5000)
drawHistory()
get('/api/v1/about').then(({ store, may_break: mayBreak }) => {
  $('store').textContent = visible(store)
  state.mayBreak = mayBreak
})

for (const id of ['others', 'doctor']) $(id).addEventListener('toggle', () => drawOpen(id))
$('filter').addEventListener('input', () => state.data && search().catch(error => tell(error.message, true)))
$('sort').addEventListener('change', () => state.data && drawLocks())
$('search').addEventListener('submit', event => event.preventDefault())

function close() {
  const name = state.selected
  state.selected = null
  drawDetail()
  ;[...$('locks').querySelectorAll('button')].find(one => one.dataset.name === name)?.focus()
}
$('close').addEventListener('click', close)
$('break-form').addEventListener('submit', event => takeAway(event).catch(error => { $('break-answer').textContent = error.message }))
$('break-close').addEventListener('click', () => $('break').close())

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !state.data || $('break').open) return
  if (event.key === 'Escape' && state.selected !== null) return close()
  if (event.target.matches('input, select')) return
  if (event.key === '/') {
    event.preventDefault()
    $('filter').focus()
  } else if (event.key === 'j' || event.key === 'k') {
    const buttons = [...$('locks').querySelectorAll('button')]
    const at = buttons.indexOf(document.activeElement)
    const to = at < 0 ? 0 : at + (event.key === 'j' ? 1 : -1)
    buttons[Math.min(Math.max(to, 0), buttons.length - 1)]?.focus()
  }
})
